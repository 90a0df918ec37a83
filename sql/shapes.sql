-- Every query shape that is maintained: the view equals its definition run as a batch.
CREATE SCHEMA shapes;
SET search_path = shapes;
SET timezone = 'Europe/Berlin';

CREATE TYPE colour AS ENUM ('red', 'green', 'blue');
CREATE FOREIGN TABLE s (id int, k int, g text, v bigint, n numeric, f float8, t timestamptz, tags text[], j jsonb, c colour)
  SERVER cq_log;
CREATE TABLE dim (k int PRIMARY KEY, name text, weight int);
INSERT INTO dim SELECT i, 'name ' || i, i * 10 FROM generate_series(0, 6) i;

-- Says "equal: n rows", or which rows differ.
CREATE FUNCTION compare(v regclass) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  d regclass := (SELECT relation FROM _cq.part WHERE view = v AND role = 'definition');
  missing bigint; extra bigint; n bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM (TABLE %s EXCEPT ALL TABLE %s) x', d, v) INTO missing;
  EXECUTE format('SELECT count(*) FROM (TABLE %s EXCEPT ALL TABLE %s) x', v, d) INTO extra;
  EXECUTE format('SELECT count(*) FROM %s', v) INTO n;
  RETURN NEXT CASE WHEN missing + extra = 0 THEN format('%s: equal, %s rows', v, n)
    ELSE format('%s: %s missing, %s extra', v, missing, extra) END;
END $$;

CREATE FUNCTION feed(first int, last int) RETURNS void LANGUAGE sql AS $$
  INSERT INTO s SELECT i, i % 7, 'g' || i % 5, i * 1000003::bigint, i / 3.0, i / 4.0,
    timestamptz '2025-03-30 00:00:00+01' + i * interval '97 s', ARRAY['a' || i % 3, 'b' || i % 4],
    jsonb_build_object('x', i % 11, 'list', jsonb_build_array(i % 2, i % 3)),
    (ENUM_RANGE(NULL::colour))[1 + i % 3]
  FROM generate_series(first, last) i
$$;
SELECT feed(1, 100);

-- kept rows
CREATE CONTINUOUS VIEW r_all AS SELECT * FROM s;
CREATE CONTINUOUS VIEW r_filter AS SELECT id, upper(g) AS g, v + 1 AS v FROM s WHERE k = 3 AND n > 5;
CREATE CONTINUOUS VIEW r_unnest AS SELECT id, tag FROM s, unnest(tags) AS tag;
CREATE CONTINUOUS VIEW r_srf AS SELECT id, jsonb_array_elements(j -> 'list') AS e FROM s;
CREATE CONTINUOUS VIEW r_join AS SELECT s.id, d.name FROM s JOIN dim d USING (k) WHERE d.weight > 20;
CREATE CONTINUOUS VIEW r_left AS SELECT s.id, d.name FROM s LEFT JOIN dim d ON d.k = s.k + 3;
CREATE CONTINUOUS VIEW r_in AS SELECT id FROM s WHERE k IN (SELECT k FROM dim WHERE weight < 30);
CREATE CONTINUOUS VIEW r_sub AS SELECT x.id, x.z FROM (SELECT id, v * 2 AS z, k FROM s WHERE k < 5) x WHERE x.z % 3 = 0;
CREATE CONTINUOUS VIEW r_cte AS WITH a AS (SELECT id, k FROM s WHERE k <> 0) SELECT id FROM a WHERE k <> 1;
CREATE CONTINUOUS VIEW r_order AS SELECT id, k FROM s ORDER BY k DESC, id;

-- groups
CREATE CONTINUOUS VIEW a_total AS SELECT count(*), sum(v), min(id), max(t) FROM s;
CREATE CONTINUOUS VIEW a_key AS SELECT k, count(*) FROM s GROUP BY k;
CREATE CONTINUOUS VIEW a_many AS
  SELECT k, g, count(*) AS n, count(n) AS nn, sum(id) AS si, sum(v) AS sv, sum(n) AS sn, avg(id) AS ai, avg(v) AS av,
    avg(n) AS an, min(g) AS ming, max(g) AS maxg, min(t) AS mint, max(n) AS maxn, bool_or(id > 50) AS o, bool_and(id > 50) AS a,
    bit_xor(id) AS x, stddev(n) AS sd, variance(id) AS var, min(c) AS minc
  FROM s GROUP BY k, g;
CREATE CONTINUOUS VIEW a_float AS SELECT k, sum(f) AS sf, avg(f) AS af, corr(f, id) IS NOT NULL AS has_corr FROM s GROUP BY k;
CREATE CONTINUOUS VIEW a_expr AS SELECT k % 2 AS odd, (max(v) - min(v)) / count(*) AS spread, 'x' || k % 2 AS label FROM s GROUP BY k % 2;
CREATE CONTINUOUS VIEW a_filter AS SELECT g, count(*) FILTER (WHERE k > 3) AS few, sum(v) FILTER (WHERE k = 1) AS one FROM s GROUP BY g;
CREATE CONTINUOUS VIEW a_having AS SELECT k, count(*) FROM s GROUP BY k HAVING sum(id) % 2 = 0 AND count(*) > 3;
CREATE CONTINUOUS VIEW a_nokey AS SELECT g FROM s GROUP BY g;
CREATE CONTINUOUS VIEW a_keyonlyhaving AS SELECT g FROM s GROUP BY g HAVING count(*) > 50;
CREATE CONTINUOUS VIEW a_sets AS SELECT k, g, GROUPING(k, g) AS which, GROUPING(g) AS gg, count(*), sum(v) FROM s GROUP BY GROUPING SETS ((k, g), (k), ());
CREATE CONTINUOUS VIEW a_cube AS SELECT k % 2 AS a, c, count(*), GROUPING(k % 2, c) FROM s GROUP BY CUBE (k % 2, c);
CREATE CONTINUOUS VIEW a_rollup AS SELECT g, c, avg(n) FROM s GROUP BY ROLLUP (g, c);
CREATE CONTINUOUS VIEW a_constant AS SELECT 5 AS five, k, 5 AS again, 5 + k AS more, 2 + 3 AS sum, 'x'::text AS x, count(*), max(5), 5 IS NULL AS no,
    GROUPING(5, 'x'::text) AS which FROM s GROUP BY CUBE (1, k, 'x'::text) HAVING 5 > 4;
CREATE CONTINUOUS VIEW a_folded AS SELECT 2 + 3 AS five, k, NULL::int AS nothing, count(*) FROM s GROUP BY ROLLUP (2 + 3, k, 3);
CREATE CONTINUOUS VIEW a_max_constant AS SELECT max('x'::text), max(5) AS five FROM s;
CREATE CONTINUOUS VIEW a_max_flattened AS SELECT max(v) FROM (SELECT 3 AS v FROM s) x;
CREATE CONTINUOUS VIEW a_every AS SELECT bool_and(true) FROM s WHERE k < 3 HAVING bool_and(true);
CREATE CONTINUOUS VIEW a_empty_set AS SELECT 'x' AS x FROM s GROUP BY ();
CREATE CONTINUOUS VIEW a_numeric AS SELECT n % 2 AS m, count(*) FROM s GROUP BY n % 2;
CREATE CONTINUOUS VIEW a_array AS SELECT tags, j -> 'x' AS x, c, count(*) FROM s GROUP BY tags, j -> 'x', c;
CREATE CONTINUOUS VIEW a_null AS SELECT NULLIF(k, 3) AS k, count(*), sum(NULLIF(k, 3)) FROM s GROUP BY NULLIF(k, 3);
CREATE CONTINUOUS VIEW a_join AS SELECT d.name, count(*), sum(s.v) FROM s JOIN dim d USING (k) GROUP BY d.name;
CREATE CONTINUOUS VIEW a_using AS SELECT k, d.name, count(*), max(k) AS same FROM s JOIN dim d USING (k) GROUP BY s.k, d.name HAVING k > 1;
CREATE CONTINUOUS VIEW a_using_left AS SELECT k, j.k + 1 AS more, count(name) FROM (s LEFT JOIN dim d USING (k)) AS j GROUP BY j.k;
CREATE CONTINUOUS VIEW a_left AS SELECT d.name, count(*), count(d.k) AS found FROM s LEFT JOIN dim d ON d.k = s.k + 3 GROUP BY d.name;
CREATE CONTINUOUS VIEW a_unnest AS SELECT tag, count(*) FROM s, unnest(tags) AS tag GROUP BY tag;
CREATE CONTINUOUS VIEW a_sub AS SELECT z, count(*) FROM (SELECT k + 1 AS z FROM s WHERE g <> 'g2') x GROUP BY z;
CREATE CONTINUOUS VIEW a_trunc AS SELECT date_trunc('day', t) AS day, count(*) FROM s GROUP BY 1;
CREATE CONTINUOUS VIEW a_bin AS SELECT date_bin('15 min', t, '2025-01-01') AS bin, k, max(v) FROM s GROUP BY 1, 2;
CREATE CONTINUOUS VIEW a_case AS SELECT CASE WHEN k > 3 THEN 'high' ELSE 'low' END AS class, count(*) FROM s GROUP BY 1;
CREATE CONTINUOUS VIEW a_collate AS SELECT g COLLATE "C" AS g, min(g COLLATE "C"), max(g) FROM s GROUP BY 1;

-- above the aggregation
CREATE CONTINUOUS VIEW u_order AS SELECT k, count(*) FROM s GROUP BY k ORDER BY count(*) DESC, k LIMIT 3;
CREATE CONTINUOUS VIEW u_distinct AS SELECT DISTINCT count(*) > 14 AS many FROM s GROUP BY k;
CREATE CONTINUOUS VIEW u_over AS SELECT k, count(*), rank() OVER (ORDER BY count(*) DESC, k), sum(count(*)) OVER () FROM s GROUP BY k;
CREATE CONTINUOUS VIEW u_sublink AS SELECT k, (SELECT name FROM dim WHERE dim.k = s.k) AS name, count(*) FROM s GROUP BY k;
CREATE CONTINUOUS VIEW u_srf AS SELECT k, generate_series(1, count(*)::int % 3) AS i FROM s GROUP BY k;

-- a view in between, column names of one's own
CREATE VIEW between AS SELECT id, k, v FROM s WHERE k > 1;
CREATE CONTINUOUS VIEW b_view (key, total) AS SELECT k, sum(v) FROM between GROUP BY k;

SELECT count(*) FROM _cq.view;
SELECT cq.wait(view::regclass) FROM _cq.view WHERE view::text !~ '^_' ORDER BY view::text COLLATE "C" \g /dev/null
SELECT x FROM _cq.view, compare(view) x ORDER BY x COLLATE "C";

-- more arrives: groups are updated in place and appended
SELECT feed(101, 1000);
SELECT feed(1001, 1003), feed(1004, 3000);
SELECT cq.wait(view::regclass) FROM _cq.view WHERE view::text !~ '^_' ORDER BY view::text COLLATE "C" \g /dev/null
SELECT x FROM _cq.view, compare(view) x ORDER BY x COLLATE "C";

-- one state for several aggregates of the same input
SELECT replace(pg_get_viewdef('a_key'), 'a_key_state.', '');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = (SELECT relation FROM _cq.part WHERE view = 'a_many'::regclass AND role = 'state') AND attnum > 0 ORDER BY attnum;

DROP SCHEMA shapes CASCADE;
SELECT count(*) FROM _cq.view;
