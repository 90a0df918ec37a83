-- Whether a row is late does not depend on how rows fall into batches: one by one, all at once, or again.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE SCHEMA lateness;
SET search_path = lateness;
CREATE FOREIGN TABLE single (id int, k int, v int, at timestamptz) SERVER cq_log
  OPTIONS (event_time 'at', watermark '10 s');
CREATE FOREIGN TABLE batch (id int, k int, v int, at timestamptz) SERVER cq_log
  OPTIONS (event_time 'at', watermark '10 s');

-- The same views over both.
CREATE PROCEDURE create_views(stream text, suffix text) LANGUAGE plpgsql AS $$
DECLARE
  tumble text := 'SELECT window_start, window_end, k, count(*) AS n, sum(v) AS v FROM %s, cq.tumble(at, ''20 s'') GROUP BY 1, 2, 3';
BEGIN
  EXECUTE format('CREATE VIEW closed%s WITH (continuous, emit = close, late = keep) AS ' || tumble, suffix, stream);
  EXECUTE format('CREATE VIEW patient%s WITH (continuous, emit = close, late = keep, allowed_lateness = ''30 s'') AS ' || tumble, suffix, stream);
  EXECUTE format('CREATE VIEW hasty%s WITH (continuous, emit = close, late = keep, watermark = ''0 s'') AS ' || tumble, suffix, stream);
  EXECUTE format('CREATE VIEW amended%s WITH (continuous, emit = close, late = amend) AS ' || tumble, suffix, stream);
  EXECUTE format('CREATE VIEW forgetful%s WITH (continuous, emit = close, late = amend, retention = ''40 s'') AS ' || tumble, suffix, stream);
  EXECUTE format('CREATE VIEW kept%s WITH (continuous, late = keep, retention = ''1 min'') AS ' || tumble, suffix, stream);
  EXECUTE format('CREATE VIEW failing%s WITH (continuous, emit = close, late = keep) AS
    SELECT window_start, count(*) AS n, sum(100 / v) AS v FROM %s, cq.tumble(at, ''20 s'') GROUP BY 1', suffix, stream);
  EXECUTE format('CREATE VIEW sessions%s WITH (continuous, emit = close, late = keep) AS SELECT k, session, count(*) AS n, sum(v) AS v FROM
    (SELECT k, v, cq.session(at, ''15 s'') OVER (PARTITION BY k ORDER BY at) AS session FROM %s) s GROUP BY 1, 2', suffix, stream);
END $$;
CALL create_views('single', '_1');
CALL create_views('batch', '_2');

-- Some come up to a minute and a half late, one is of next week, one has no time.
CREATE TABLE rows AS
  SELECT i AS id, i % 3 AS k, i % 7 AS v,
         CASE i WHEN 50 THEN now() + '7 days' WHEN 60 THEN NULL
              ELSE timestamptz '2025-01-01' + i * interval '2 s' - (CASE WHEN i % 4 = 0 THEN i * 37 % 90 ELSE i % 9 END) * interval '1 s' END AS at
  FROM generate_series(1, 120) AS i;

INSERT INTO batch SELECT * FROM rows ORDER BY id;
-- Each row is seen, and the windows that it closes are closed, before the next one comes.
CREATE PROCEDURE insert_each() LANGUAGE plpgsql AS $$
DECLARE
  i int;
BEGIN
  FOR i IN 1 .. 120 LOOP
    INSERT INTO single SELECT * FROM rows WHERE id = i;
    COMMIT;
    IF i % 5 = 0 THEN
      PERFORM cq.wait(view) FROM _cq.input WHERE stream = 'single'::regclass;
    ELSE
      PERFORM cq.wait('closed_1');
    END IF;
    COMMIT;
  END LOOP;
END $$;
CALL insert_each();
SELECT cq.wait(view) FROM cq.views \g /dev/null

-- One differs from another in how many rows, and in which came late.
CREATE FUNCTION differences(one text, other text) RETURNS TABLE (missing bigint, extra bigint, late bigint, late_differs bigint) LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE format('SELECT (SELECT count(*) FROM (TABLE %1$s EXCEPT ALL TABLE %2$s) x), (SELECT count(*) FROM (TABLE %2$s EXCEPT ALL TABLE %1$s) x),
    (SELECT count(*) FROM cq.late WHERE view = %1$L::regclass),
    (SELECT count(*) FROM (SELECT "offset", event_time, window_end FROM cq.late WHERE view = %1$L::regclass
      EXCEPT ALL SELECT "offset", event_time, window_end FROM cq.late WHERE view = %2$L::regclass) x)', one, other);
END $$;
-- Rows of closed windows that have expired go little by little.
CREATE PROCEDURE expire() LANGUAGE plpgsql AS $$
DECLARE
  v regclass;
  n bigint;
BEGIN
  FOR v IN SELECT view FROM _cq.view WHERE view::text ~ 'forgetful' LOOP
    FOR i IN 1 .. 3000 LOOP
      PERFORM _cq.expire_rows();
      COMMIT;
      EXECUTE format('SELECT count(*) FROM %s WHERE window_end <= (SELECT expired_through FROM _cq.closing WHERE view = %L::regclass)', v, v) INTO n;
      EXIT WHEN n = 0;
      PERFORM pg_sleep(0.02);
    END LOOP;
  END LOOP;
END $$;
CALL expire();
CREATE VIEW kinds AS SELECT unnest('{closed,patient,hasty,amended,forgetful,kept,failing,sessions}'::text[]) AS kind;
SELECT kind, d.* FROM kinds, differences(kind || '_1', kind || '_2') d;
SELECT cq.watermark('closed_1'), cq.watermark('closed_1') = cq.watermark('closed_2') AS is_same;
SELECT count(*) FROM cq.errors WHERE view = 'failing_1'::regclass;
SELECT count(*) > 5, sum(n) > 50 FROM closed_1;
-- The oracle: what came in time, each row judged against those before it.
CREATE VIEW judged AS
  SELECT *, max(at) FILTER (WHERE at < now() + '1 day') OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM rows;
CREATE VIEW oracle AS
  SELECT window_start, window_end, k, count(*) AS n, sum(v) AS v FROM judged, cq.tumble(at, '20 s')
  WHERE at < now() + '1 day' AND (before IS NULL OR window_end > before - interval '10 s') AND window_end <= (SELECT max(at) - interval '10 s' FROM rows WHERE at < now() + '1 day')
  GROUP BY 1, 2, 3;
SELECT count(*) FROM (TABLE closed_1 EXCEPT ALL TABLE oracle) x;
SELECT count(*) FROM (TABLE oracle EXCEPT ALL TABLE closed_1) x;

-- Again, and by views that are new.
SELECT cq.reset(view) FROM _cq.input WHERE stream = 'single'::regclass \g /dev/null
CALL create_views('single', '_3');
SELECT cq.wait(view) FROM cq.views \g /dev/null
CALL expire();
SELECT kind, d.* FROM kinds, differences(kind || '_1', kind || '_2') d;
SELECT kind, d.* FROM kinds, differences(kind || '_3', kind || '_2') d;
SELECT count(*) FROM _cq.cursor WHERE stream = 'single'::regclass;

-- A view that begins later knows nothing of a time that is far ahead, and stays by itself until that does not matter any more.
INSERT INTO single VALUES (200, 0, 1, '2025-01-01 12:00');
SELECT cq.wait('closed_1');
CREATE VIEW later WITH (continuous, emit = close, late = keep, start = '{"0": 121}') AS
  SELECT window_start, count(*) AS n FROM single, cq.tumble(at, '20 s') GROUP BY 1;
INSERT INTO single VALUES (201, 0, 1, '2025-01-01 08:00:01'), (202, 0, 1, '2025-01-01 08:00:31');
SELECT cq.wait('later'), cq.wait('closed_1');
SELECT cq.watermark('closed_1'), cq.watermark('later');
TABLE later;
SELECT view, count(*) FROM cq.late WHERE "offset" > 120 GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM _cq.cursor WHERE stream = 'single'::regclass;
INSERT INTO single VALUES (203, 0, 1, '2025-01-01 13:00');
SELECT cq.wait('later'), cq.wait('closed_1');
CREATE PROCEDURE await_one_cursor() LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 3000 LOOP
    EXIT WHEN (SELECT count(*) = 1 FROM _cq.cursor WHERE stream = 'lateness.single'::regclass);
    COMMIT;
    PERFORM pg_sleep(0.02);
  END LOOP;
END $$;
CALL await_one_cursor();
SELECT count(*) FROM _cq.cursor WHERE stream = 'single'::regclass;
SELECT cq.watermark('closed_1'), cq.watermark('later');

-- A view that stops before a row has seen the times of those before it, and no others.
CREATE VIEW stopping WITH (continuous, emit = close, late = keep, on_error = pause) AS
  SELECT window_start, sum(10 / v) AS v FROM batch, cq.tumble(at, '20 s') GROUP BY 1;
CREATE PROCEDURE await_failure() LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 3000 LOOP
    EXIT WHEN (SELECT status = 'failed' FROM _cq.view WHERE view = 'lateness.stopping'::regclass);
    COMMIT;
    PERFORM pg_sleep(0.02);
  END LOOP;
END $$;
CALL await_failure();
SELECT next_offset, event_time = (SELECT max(at) FROM rows WHERE id <= 6) AS is_that FROM cq.positions WHERE view = 'stopping'::regclass;

DROP SCHEMA lateness CASCADE;
SELECT count(*) FROM _cq.closing;
