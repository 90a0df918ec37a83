-- Keys of every kind of type, and aggregates with every kind of state: the view equals its definition.
CREATE SCHEMA aggregates;
SET search_path = aggregates, public;
CREATE EXTENSION citext SCHEMA public;

CREATE TYPE pair AS (a int, b text);
CREATE TYPE purse AS (a int, m money);
CREATE DOMAIN small AS int CHECK (VALUE < 1000);
CREATE DOMAIN tags AS text[];
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE moneyrange AS RANGE (subtype = money);

CREATE FOREIGN TABLE s (i int) SERVER cq_log;

-- Says "equal: n rows", or how many differ.
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
CREATE FUNCTION settled() RETURNS TABLE (result text, rows bigint) LANGUAGE plpgsql AS $$
DECLARE
  v record;
BEGIN
  FOR v IN SELECT view, relation AS state FROM _cq.view JOIN _cq.part USING (view)
           WHERE status = 'running' AND role = 'state' ORDER BY view::text COLLATE "C" LOOP
    PERFORM cq.wait(v.view);
    SELECT compare(v.view) INTO result;
    EXECUTE format('SELECT count(*) FROM %s', v.state) INTO rows;
    RETURN NEXT;
  END LOOP;
END $$;

-- keys: stored once, found again
CREATE VIEW k_numeric WITH (continuous) AS SELECT CASE i % 3 WHEN 0 THEN 1.0 WHEN 1 THEN 1.00 ELSE 'NaN' END::numeric AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_float WITH (continuous) AS SELECT CASE i % 3 WHEN 0 THEN '0' WHEN 1 THEN '-0' ELSE 'NaN' END::float8 AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_citext WITH (continuous) AS SELECT CASE i % 2 WHEN 0 THEN 'a' ELSE 'A' END::citext AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_nocase WITH (continuous) AS SELECT CASE i % 2 WHEN 0 THEN 'a' ELSE 'A' END COLLATE nocase AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_bpchar WITH (continuous) AS SELECT CASE i % 2 WHEN 0 THEN 'a' ELSE 'a  ' END::char(3) AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_null WITH (continuous) AS SELECT NULLIF(i % 3, 0) AS k, NULLIF(i % 2, 0) AS l, count(*) FROM s GROUP BY 1, 2;
CREATE VIEW k_domain WITH (continuous) AS SELECT (i % 3)::small AS k, ARRAY[(i % 2)::text]::tags AS l, count(*) FROM s GROUP BY 1, 2;
CREATE VIEW k_pair WITH (continuous) AS SELECT (i % 3, 'x')::pair AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_array WITH (continuous) AS SELECT ARRAY[i % 3, NULL] AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_range WITH (continuous) AS SELECT int4range(i % 3, 5) AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_jsonb WITH (continuous) AS SELECT jsonb_build_object('a', i % 3) AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_long WITH (continuous) AS SELECT repeat((i % 3)::text, 5000) AS k, count(*) FROM s GROUP BY 1;
-- of types that cannot be hashed
CREATE VIEW k_money WITH (continuous) AS SELECT (i % 3)::money AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_moneys WITH (continuous) AS SELECT ARRAY[(i % 3)::money] AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_purse WITH (continuous) AS SELECT (i % 3, 1)::purse AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_moneyrange WITH (continuous) AS SELECT moneyrange((i % 3)::money, 5::money) AS k, count(*) FROM s GROUP BY 1;
CREATE VIEW k_bits WITH (continuous) AS SELECT (i % 3)::bit(4) AS k, to_tsvector('simple', (i % 2)::text) AS l, count(*) FROM s GROUP BY 1, 2;
CREATE VIEW k_sets WITH (continuous) AS SELECT k, l, GROUPING(l) AS g, count(*)
  FROM (SELECT (i % 3)::money AS k, i % 2 AS l FROM s) s GROUP BY CUBE (k, l) HAVING GROUPING(l) = 0 OR count(*) > 1;

-- aggregates of one's own
CREATE FUNCTION add_strict(a int8, b int8) RETURNS int8 IMMUTABLE STRICT LANGUAGE sql RETURN a + b;
CREATE FUNCTION add_null(a int8, b int8) RETURNS int8 IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN coalesce(a, 0) + coalesce(b, 0); END';
CREATE AGGREGATE sum_strict(int8) (sfunc = add_strict, stype = int8, combinefunc = add_strict);
CREATE AGGREGATE sum_init(int8) (sfunc = add_strict, stype = int8, combinefunc = add_strict, initcond = '0');
CREATE AGGREGATE sum_null(int8) (sfunc = add_null, stype = int8, combinefunc = add_null);
CREATE AGGREGATE sum_moving(int8) (sfunc = add_null, stype = int8, combinefunc = add_null,
  msfunc = add_strict, minvfunc = int8mi, mstype = int8, minitcond = '0');

CREATE FUNCTION text_add(state text, x anyelement) RETURNS text IMMUTABLE LANGUAGE sql AS
  $$ SELECT lpad((coalesce(state, '0')::int8 + coalesce(length(x::text), 0))::text, 5000, '0') $$;
CREATE FUNCTION text_combine(a text, b text) RETURNS text IMMUTABLE STRICT LANGUAGE sql RETURN lpad((a::int8 + b::int8)::text, 5000, '0');
CREATE FUNCTION text_final(state text, x anyelement) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT state::int8::int';
CREATE AGGREGATE lengths(anyelement) (sfunc = text_add, stype = text, combinefunc = text_combine, finalfunc = text_final, finalfunc_extra);

CREATE FUNCTION pair_add(p pair, x int) RETURNS pair IMMUTABLE LANGUAGE plpgsql AS
  'BEGIN RETURN (coalesce(p.a, 0) + x, greatest(p.b, x::text COLLATE "C"))::pair; END';
CREATE FUNCTION pair_combine(p pair, q pair) RETURNS pair IMMUTABLE LANGUAGE plpgsql AS
  'BEGIN p.a := coalesce(p.a, 0) + coalesce(q.a, 0); p.b := greatest(p.b, q.b COLLATE "C"); RETURN p; END';
CREATE AGGREGATE pairs(int) (sfunc = pair_add, stype = pair, combinefunc = pair_combine);

CREATE FUNCTION histogram_add(state anyarray, x anyelement) RETURNS anyarray IMMUTABLE LANGUAGE plpgsql AS
  'BEGIN state[x % 5] := coalesce(state[x % 5], 0) + 1; RETURN state; END';
CREATE FUNCTION histogram_combine(state anyarray, other anyarray) RETURNS anyarray IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN array_lower(other, 1) .. array_upper(other, 1) LOOP
    state[i] := coalesce(state[i], 0) + other[i];
  END LOOP;
  RETURN state;
END $$;
CREATE AGGREGATE histogram(anyelement) (sfunc = histogram_add, stype = anyarray, combinefunc = histogram_combine, initcond = '{0,0,0,0}');

CREATE VIEW o_strict WITH (continuous) AS SELECT i % 3 AS k, sum_strict(NULLIF(i, 3)) AS a, sum_strict(NULL) AS b, sum_init(NULL) AS c, sum_init(NULLIF(i, 3)) AS d,
  sum_null(NULL) AS e, sum_null(NULLIF(i, 3)) AS f, sum_moving(i) AS g, sum_strict(i) FILTER (WHERE i > 50) AS h FROM s GROUP BY 1;
CREATE VIEW o_lengths WITH (continuous) AS SELECT i % 3 AS k, lengths(i) AS a, lengths(i::text) AS b, lengths(NULL::date) AS c FROM s GROUP BY 1;
CREATE VIEW o_pairs WITH (continuous) AS SELECT i % 3 AS k, pairs(i) AS p, (pairs(i)).b AS b FROM s GROUP BY 1;
CREATE VIEW o_histogram WITH (continuous) AS SELECT i % 3 AS k, histogram(i) AS h FROM s GROUP BY 1;
CREATE VIEW o_internal WITH (continuous) AS SELECT i % 3 AS k, avg(i::int8) AS a, stddev(i::numeric) AS b, sum(NULLIF(i % 3, 1)::numeric) AS c,
  max(ARRAY[i]) AS d, min(repeat(i::text, 2000) COLLATE "C") AS e, bit_and(i::bit(8)) AS f FROM s GROUP BY 1;
INSERT INTO s SELECT generate_series(0, 11);
SELECT * FROM settled();
INSERT INTO s SELECT generate_series(12, 14);
SELECT * FROM settled();
INSERT INTO s SELECT generate_series(15, 99);
SELECT * FROM settled();

\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA aggregates CASCADE;
DROP EXTENSION citext;
