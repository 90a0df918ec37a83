-- How far a view's windows have expired is told to those who may read it, or what is made of it.
SET TimeZone = 'UTC';
CREATE ROLE regress_cq_stranger;
CREATE ROLE regress_cq_reader;
CREATE ROLE regress_cq_column_reader;
CREATE FOREIGN TABLE click (at timestamptz) SERVER cq_log OPTIONS (event_time 'at');
CREATE CONTINUOUS VIEW hourly WITH (retention = '1 day') AS
    SELECT window_start, count(*) FROM click, cq.tumble(at, '1 hour') GROUP BY window_start;
CREATE VIEW above AS SELECT * FROM hourly;
CREATE VIEW above_that AS SELECT count(*) FROM above;
GRANT SELECT ON above_that TO regress_cq_reader;
GRANT SELECT (window_start) ON hourly TO regress_cq_column_reader;
INSERT INTO click VALUES ('2025-01-01 00:10'), ('2025-01-05 12:10');
SELECT cq.wait('hourly');
SELECT relation AS state FROM _cq.part WHERE view = 'hourly'::regclass AND role = 'state' \gset
SELECT _cq.expired_through(:'state');
SELECT _cq.expired_through('pg_class');

SET ROLE regress_cq_stranger;
SELECT _cq.expired_through(:'state');
SELECT _cq.expired_through_utc(:'state');
SELECT _cq.expired_through('pg_class');
SET ROLE regress_cq_reader;
SELECT * FROM above_that;
SELECT * FROM hourly;
SELECT _cq.expired_through(:'state');
SET ROLE regress_cq_column_reader;
SELECT window_start FROM hourly;
RESET ROLE;

DROP FOREIGN TABLE click CASCADE;
DROP ROLE regress_cq_stranger, regress_cq_reader, regress_cq_column_reader;
