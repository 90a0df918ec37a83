-- Where continuous views begin: what the option start and cq.reset take.
CREATE FOREIGN TABLE s (i int) SERVER cq_log;
CREATE FUNCTION try(start text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
BEGIN
    EXECUTE format('CREATE VIEW v WITH (continuous, start = %L) AS SELECT count(*) FROM s', start);
    SELECT v.start INTO message FROM cq.views v WHERE view = 'v'::regclass;
    DROP VIEW v;
    RETURN message;
EXCEPTION WHEN invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' / ', 'ERROR: ' || message, nullif(detail, ''));
END
$$;
SET timezone = 'Asia/Tokyo';
SELECT start, try(start) FROM unnest(ARRAY[
    'earliest', 'latest', '2025-01-01 00:00', '2025-01-01 00:00Z', '{}', '{"0": 7, "1": 250}', '{"bid": {"0": 1}}', '{"0": 1.0}',
    'erliest', '', 'infinity', '[1]', '7', '{"0": -1}', '{"0": 1.5}', '{"0": "1"}', '{"0": null}', '{"zero": 1}', '{"-1": 1}',
    '{"0": 1e30}', '{"99999999999": 1}', '{"bid": {"bid": {"0": 1}}}', '{"0": 1']) AS start;
CREATE CONTINUOUS VIEW v WITH (start = erliest) AS SELECT count(*) FROM s;
CREATE CONTINUOUS VIEW v AS SELECT count(*) FROM s;
SELECT cq.reset('v', '{"0": -2}');
DROP FOREIGN TABLE s CASCADE;
DROP FUNCTION try;
