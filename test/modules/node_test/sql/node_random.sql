-- Random changes, batch after batch: nothing is to be seen but what is not as it should be.
\set QUIET 1
SET client_min_messages = warning;
SELECT setseed(0.5);

CREATE FUNCTION upto(n int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT nullif(floor(random() * (n + 1))::int, 0)';

-- A node over inputs (k int, v int), with hashes of k as said: $ is k. changing: new and old rows, more of the same, and there and back.
CREATE FUNCTION node_history(rule text, step text, ninputs int, hash text, rounds int, same boolean DEFAULT false) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    changes text[];
BEGIN
    PERFORM node_begin(rule, array_fill('k int, v int'::text, ARRAY[ninputs]),
                       regexp_replace(step, '#([a-z.]+)', replace(hash, '$', '\1'), 'g') );
    FOR i IN 1 .. rounds LOOP
        changes := array_fill(NULL::text, ARRAY[ninputs]);
        FOR n IN 1 .. ninputs LOOP
            DROP TABLE IF EXISTS fresh;
            CREATE TABLE fresh AS SELECT upto(4) AS k, upto(3) AS v, upto(5) AS lot FROM generate_series(1, (4 + random() * 8)::int);
            CONTINUE WHEN random() < 0.3;
            EXECUTE format('DROP TABLE IF EXISTS batch_%s', n);
            EXECUTE format($sql$
                CREATE TABLE batch_%s AS
                SELECT * FROM (
                SELECT k, v, %s AS h, CASE WHEN lot = 1 THEN 2 ELSE 1 END AS w FROM fresh
                UNION ALL SELECT k, v, %2$s, -1 FROM fresh WHERE lot <= 2
                UNION ALL (SELECT k, v, _cq_hash, -1 FROM _cq_input_%1$s ORDER BY random() LIMIT floor(random() * 5))
                ) t ORDER BY random()
                $sql$, n, replace(hash, '$', 'k'));
            changes[n] := format('TABLE batch_%s', CASE WHEN same THEN 1 ELSE n END);
        END LOOP;
        IF same THEN
            changes := array_fill(changes[1], ARRAY[ninputs]);
        END IF;
        RETURN QUERY EXECUTE format('SELECT c.told FROM node_change(VARIADIC %L) c WHERE told LIKE ''!!%%''', changes);
    END LOOP;
END $$;

-- With hashes that never, sometimes and always collide.
SELECT h.hash, node.step, problem
FROM unnest('{"key_hash($, 0)", "coalesce($ & 1, 0)::bigint", "0::bigint"}'::text[]) h (hash),
LATERAL (VALUES
    ('linear', 2, 'SELECT x.k, x.v, y.v AS w FROM _cq_input_1 x JOIN _cq_input_2 y ON x.k = y.k'),
    ('linear', 3, 'SELECT x.k, x.v, y.v AS w, z.v AS u FROM _cq_input_1 x JOIN _cq_input_2 y ON x.k = y.k JOIN _cq_input_3 z ON z.k = y.k AND z.v >= x.v'),
    ('difference', 2, 'SELECT x.k, x.v, y.v AS w, #x.k AS _cq_hash FROM _cq_input_1 x LEFT JOIN _cq_input_2 y ON x.k = y.k AND x.v < y.v'),
    ('difference', 2, 'SELECT k, x.v, y.v AS w, #k AS _cq_hash FROM _cq_input_1 x FULL JOIN _cq_input_2 y USING (k)'),
    ('difference', 2, 'SELECT k, v, #k AS _cq_hash FROM _cq_input_1 x WHERE NOT EXISTS (SELECT FROM _cq_input_2 y WHERE x.k = y.k AND x.v <> y.v)'),
    ('difference', 1, 'SELECT k, count(DISTINCT v) AS d, count(*) AS n, array_agg(v ORDER BY v) AS a, #k AS _cq_hash FROM _cq_input_1 x GROUP BY k'),
    ('difference', 1, 'SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY v) AS n, #k AS _cq_hash FROM _cq_input_1'),
    ('difference', 2, 'SELECT k, v, #k AS _cq_hash FROM (SELECT k, v FROM _cq_input_1 EXCEPT ALL SELECT k, v FROM _cq_input_2) x'),
    ('difference', 1, 'SELECT DISTINCT k, v, #k AS _cq_hash FROM _cq_input_1')
) node (rule, ninputs, step),
LATERAL node_history(node.rule, node.step, node.ninputs, h.hash, 4) problem;
-- A self-join, and what keeps nothing.
SELECT problem FROM node_history('linear', 'SELECT x.k, x.v, y.v AS w FROM _cq_input_1 x JOIN _cq_input_2 y ON x.k = y.k', 2, 'key_hash($, 0)', 8, true) problem;
SELECT problem FROM node_history('additive', 'SELECT k AS k FROM _cq_input_1 UNION ALL SELECT v FROM _cq_input_2 WHERE k > 2', 2, '0::bigint', 8) problem;
