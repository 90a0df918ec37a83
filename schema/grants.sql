-- Who may what. Every object has privileges of its own; the schemas are open so that views can be created, read and indexed
-- by their owners and whomever these let.
GRANT USAGE ON SCHEMA cq, _cq TO PUBLIC;

-- What these show is what the reader may see.
GRANT SELECT ON cq.views, cq.streams, cq.events, cq.lineage, _cq.statement, cq.sinks, cq.gaps,
    cq.positions, cq.errors, cq.late, cq.workers, cq.stat_views, cq.stat_workers, cq.stat_times,
    cq.view_parts, cq.lanes, cq.usage, cq.pools, cq.budgets TO PUBLIC;
GRANT DELETE ON cq.errors, cq.late TO PUBLIC;
GRANT UPDATE ON cq.errors TO PUBLIC;
