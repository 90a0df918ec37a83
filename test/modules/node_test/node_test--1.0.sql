\echo Use "CREATE EXTENSION node_test" to load this file. \quit

CREATE FUNCTION key_hash(value "any", seed bigint) RETURNS bigint
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_key_hash';

-- Passes changes through a node, once. The node's inputs are these tables, or, where the rule is additive, have their
-- columns; output is NULL unless the rule is difference. step reads them as _cq_input_1 …. changes has a query for each input
-- that gives its columns and a weight, or null; where the weight is not there, the input only grows.
-- Gives what the node passes on, each row as a text.
CREATE FUNCTION node_apply(rule text, step text, inputs regclass[], output regclass, changes text[],
                           broadcast boolean[] DEFAULT NULL, begins boolean DEFAULT false,
                           OUT told text, OUT weight int) RETURNS SETOF record
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME';

-- The same over and over, each undone: CPU microseconds a round.
CREATE FUNCTION node_bench(rule text, step text, inputs regclass[], output regclass, changes text[], rounds int)
    RETURNS float8 LANGUAGE C VOLATILE AS 'MODULE_PATHNAME';

-- A node under test. Its inputs as they should be are tables _cq_input_1 …, so that its step can be run as a batch; as they are kept,
-- kept_1 …; what is stored, output; what it has passed on so far, told.
CREATE TABLE node_under_test (rule text, step text, ninputs int, broadcast boolean[], only_grows boolean[]);
CREATE TABLE node_told (apply int, told text, weight int);

-- inputs: the columns of each, without the hash, which is that of key.
CREATE FUNCTION node_begin(rule text, inputs text[], step text, broadcast boolean[] DEFAULT NULL,
                           only_grows boolean[] DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    n int := coalesce(array_length(inputs, 1), 0);
BEGIN
    TRUNCATE node_under_test, node_told;
    FOR i IN 1 .. 9 LOOP
        EXECUTE format('DROP TABLE IF EXISTS _cq_input_%s, kept_%1$s, delta_%1$s', i);
    END LOOP;
    DROP TABLE IF EXISTS output;
    FOR i IN 1 .. n LOOP
        EXECUTE format('CREATE TABLE _cq_input_%s (%s, _cq_hash bigint NOT NULL)', i, inputs[i]);
        EXECUTE format('CREATE TABLE kept_%s (LIKE _cq_input_%1$s)', i);
        EXECUTE format('CREATE INDEX ON kept_%s (_cq_hash)', i);
        EXECUTE format('CREATE TABLE delta_%s (LIKE _cq_input_%1$s, _cq_weight int)', i);
    END LOOP;
    IF rule = 'difference' THEN
        EXECUTE format('CREATE TABLE output AS %s WITH NO DATA', step);
        CREATE INDEX ON output (_cq_hash);
    END IF;
    INSERT INTO node_under_test VALUES (rule, step, n, broadcast, only_grows);
END $$;

-- Changes the inputs as they should be, as delta_i says: rows of negative weight take one with them each.
CREATE FUNCTION node_change_truth(i int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    columns text := (SELECT string_agg(format('%I', attname), ', ' ORDER BY attnum) FROM pg_attribute
                     WHERE attrelid = format('_cq_input_%s', i)::regclass AND attnum > 0);
BEGIN
    EXECUTE format($sql$
        INSERT INTO _cq_input_%s SELECT %s FROM delta_%1$s, generate_series(1, _cq_weight)
        $sql$, i, columns);
    EXECUTE format($sql$
        WITH gone AS (
            SELECT row(%2$s)::text AS image, sum(-_cq_weight) AS ngone FROM delta_%1$s WHERE _cq_weight < 0 GROUP BY 1
        ), place AS (
            SELECT ctid AS tid, row(%2$s)::text AS image, row_number() OVER (PARTITION BY row(%2$s)::text) AS nth FROM _cq_input_%1$s
        )
        DELETE FROM _cq_input_%1$s whole USING place JOIN gone USING (image) WHERE whole.ctid = tid AND nth <= ngone
        $sql$, i, columns);
END $$;

-- What is not as it should be: rows of the batch and of what was told, inputs that are kept otherwise, and changes that are not net.
CREATE FUNCTION node_check() RETURNS SETOF text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    node node_under_test := (SELECT n FROM node_under_test n);
    columns text;
BEGIN
    EXECUTE format('CREATE TEMP VIEW batch AS %s', node.step);
    columns := (SELECT string_agg(format('%I', attname), ', ' ORDER BY attnum) FROM pg_attribute
                WHERE attrelid = 'batch'::regclass AND attnum > 0 AND attname <> '_cq_hash');
    RETURN QUERY EXECUTE format($sql$
        SELECT format('%%s: %%s in the batch, %%s told', image, coalesce(b.n, 0), coalesce(t.n, 0))
        FROM (SELECT row(%s)::text AS image, count(*) AS n FROM batch GROUP BY 1) b
        FULL JOIN (SELECT told AS image, sum(weight) AS n FROM node_told GROUP BY 1 HAVING sum(weight) <> 0) t USING (image)
        WHERE b.n IS DISTINCT FROM t.n ORDER BY 1 LIMIT 10
        $sql$, columns);
    IF node.rule = 'difference' THEN
        RETURN QUERY EXECUTE $sql$
            SELECT format('%s: %s in the batch, %s stored', image, coalesce(b.n, 0), coalesce(t.n, 0))
            FROM (SELECT whole::text AS image, count(*) AS n FROM batch whole GROUP BY 1) b
            FULL JOIN (SELECT whole::text AS image, count(*) AS n FROM output whole GROUP BY 1) t USING (image)
            WHERE b.n IS DISTINCT FROM t.n ORDER BY 1 LIMIT 10
            $sql$;
    END IF;
    DROP VIEW batch;
    RETURN QUERY SELECT format('%s: told %s times at once', told, count(*)) FROM node_told
        GROUP BY apply, told HAVING count(*) > 1 AND count(DISTINCT sign(weight)) > 1 ORDER BY 1 LIMIT 10;
    FOR i IN 1 .. CASE WHEN node.rule = 'additive' THEN 0 ELSE node.ninputs END LOOP
        RETURN QUERY EXECUTE format($sql$
            SELECT format('%%s: %%s in input %s, %%s kept', image, coalesce(b.n, 0), coalesce(t.n, 0))
            FROM (SELECT whole::text AS image, count(*) AS n FROM _cq_input_%1$s whole GROUP BY 1) b
            FULL JOIN (SELECT whole::text AS image, count(*) AS n FROM kept_%1$s whole GROUP BY 1) t USING (image)
            WHERE b.n IS DISTINCT FROM t.n ORDER BY 1 LIMIT 10
            $sql$, i);
    END LOOP;
END $$;

-- Passes changes through the node: for each input a query that gives its columns, hash included, and the weight; or null. Gives what was told,
-- and what is not as it should be.
CREATE FUNCTION node_change(VARIADIC changes text[]) RETURNS TABLE (told text, weight int) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    node node_under_test := (SELECT n FROM node_under_test n);
    deltas text[] := array_fill(NULL::text, ARRAY[node.ninputs]);
    number int := (SELECT coalesce(max(apply), 0) + 1 FROM node_told);
BEGIN
    FOR i IN 1 .. node.ninputs LOOP
        EXECUTE format('TRUNCATE delta_%s', i);
        IF changes[i] <> 'begin' THEN
            EXECUTE format('INSERT INTO delta_%s %s', i, changes[i]);
            deltas[i] := CASE WHEN node.only_grows[i] THEN
                (SELECT format('SELECT %s FROM delta_%s', string_agg(format('%I', attname), ', ' ORDER BY attnum), i) FROM pg_attribute
                 WHERE attrelid = format('_cq_input_%s', i)::regclass AND attnum > 0)
                ELSE format('TABLE delta_%s', i) END;
        END IF;
        PERFORM node_change_truth(i);
    END LOOP;
    INSERT INTO node_told
        SELECT number, a.told, a.weight
        FROM node_apply(node.rule, node.step,
                        (SELECT array_agg(format(CASE WHEN node.rule = 'additive' THEN '_cq_input_%s' ELSE 'kept_%s' END, i)::regclass ORDER BY i)
                         FROM generate_series(1, node.ninputs) i),
                        to_regclass('output'), deltas, node.broadcast,
                        coalesce(changes[1] = 'begin', false)) a;
    RETURN QUERY SELECT t.told, t.weight FROM node_told t WHERE apply = number ORDER BY 1, 2;
    RETURN QUERY SELECT '!! ' || c, NULL::int FROM node_check() c;
END $$;
