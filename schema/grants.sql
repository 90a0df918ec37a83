-- Who may what. Every object has privileges of its own; the schemas are open so that views can be created, read and indexed
-- by their owners and whomever these let.
GRANT USAGE ON SCHEMA cq, _cq TO PUBLIC;
