-- Parse only: a filter that nothing passes.
CREATE CONTINUOUS VIEW answer AS
SELECT price FROM bid WHERE price < 0;
