-- Models: foreign tables that are sinks, whose answers come back as rows of a stream.
CREATE FUNCTION _cq.model_validator(text[], oid) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_model_validator';
COMMENT ON FUNCTION _cq.model_validator(text[], oid) IS 'checks options of cq_model';
CREATE FOREIGN DATA WRAPPER cq_model HANDLER _cq.http_handler VALIDATOR _cq.model_validator;
COMMENT ON FOREIGN DATA WRAPPER cq_model IS
    'models that rows of continuous views are put to, as sinks';

-- Answers that are known, of each model the last ones.
CREATE TABLE _cq.model_answer (
    model           oid NOT NULL,
    hash            bytea NOT NULL,                 -- SHA-256 of all that was asked
    answer          jsonb NOT NULL,                 -- an object of outputs
    asked_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (model, hash)
);
COMMENT ON TABLE _cq.model_answer IS 'answers of models that are known';

-- What asking models has used; what is under way counts as what it may use.
CREATE TABLE _cq.model_usage (
    model           oid NOT NULL,
    name            text NOT NULL,                  -- as it was then
    period          text COLLATE "C" NOT NULL,      -- that of the budget
    began_at        timestamptz NOT NULL,           -- in UTC
    requests        bigint NOT NULL DEFAULT 0,
    tokens          bigint NOT NULL DEFAULT 0,
    cost            float8 NOT NULL DEFAULT 0,
    PRIMARY KEY (model, period, began_at)
) WITH (fillfactor = 50);
COMMENT ON TABLE _cq.model_usage IS 'what asking models has used';

CREATE VIEW cq.model_usage WITH (security_barrier) AS
SELECT u.model::regclass AS model, u.period, u.began_at, u.requests, u.tokens, u.cost
FROM _cq.model_usage u
JOIN pg_catalog.pg_class c ON c.oid = u.model
WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE') OR pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW cq.model_usage IS 'what asking models has used, by period';
GRANT SELECT ON cq.model_usage TO PUBLIC;

-- By hand, with a user mapping of one's own; the session waits.
CREATE FUNCTION cq.predict(model regclass, input text) RETURNS jsonb
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_model_predict_text';
COMMENT ON FUNCTION cq.predict(regclass, text) IS
    'asks a model about a text, and waits for the answer';
REVOKE ALL ON FUNCTION cq.predict(regclass, text) FROM PUBLIC;
CREATE FUNCTION cq.predict(model regclass, input jsonb) RETURNS jsonb
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_model_predict_json';
COMMENT ON FUNCTION cq.predict(regclass, jsonb) IS
    'asks a model about an object of its inputs, and waits for the answer';
REVOKE ALL ON FUNCTION cq.predict(regclass, jsonb) FROM PUBLIC;
CREATE FUNCTION cq.predict(model regclass, inputs jsonb[]) RETURNS jsonb[]
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_model_predict_many';
COMMENT ON FUNCTION cq.predict(regclass, jsonb[]) IS
    'asks a model about several inputs, and waits for the answers; null where there is none';
REVOKE ALL ON FUNCTION cq.predict(regclass, jsonb[]) FROM PUBLIC;

-- With operators named by their schema: the search_path is the caller's, for their query.
CREATE FUNCTION cq.evaluate(model regclass, query text,
                            OUT measure text, OUT class text, OUT value float8)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
    AS $$
DECLARE
    outputs text[] := _cq.model_outputs(model);
    rows jsonb[];
    answers jsonb[];
    output text;
BEGIN
    EXECUTE pg_catalog.format(
        'SELECT pg_catalog.array_agg(pg_catalog.to_jsonb(q)) FROM (%s) q', query) INTO rows;
    IF rows IS NULL THEN
        RAISE 'the query has no rows' USING ERRCODE = 'no_data_found';
    END IF;
    output := (SELECT o FROM pg_catalog.unnest(outputs) WITH ORDINALITY u(o, n)
               WHERE rows[1] OPERATOR(pg_catalog.?) o ORDER BY n LIMIT 1);
    IF output IS NULL THEN
        RAISE 'the query does not say what is to be answered'
            USING ERRCODE = 'undefined_column',
                  HINT = pg_catalog.format('A column of it is called as an output of the model: '
                                           '%s.', pg_catalog.array_to_string(outputs, ', '));
    END IF;
    answers := cq.predict(model, ARRAY(
        SELECT r OPERATOR(pg_catalog.-) outputs
        FROM pg_catalog.unnest(rows) WITH ORDINALITY u(r, n) ORDER BY n));
    RETURN QUERY SELECT * FROM _cq.measures(rows, answers, output, _cq.is_number(model, output));
END
$$;
COMMENT ON FUNCTION cq.evaluate(regclass, text) IS
    'how well a model answers the rows of a query that says what is right';
REVOKE ALL ON FUNCTION cq.evaluate(regclass, text) FROM PUBLIC;

CREATE FUNCTION _cq.model_outputs(model regclass) RETURNS text[]
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}') FROM pg_attribute a
    WHERE a.attrelid = model AND a.attnum > 0 AND NOT a.attisdropped
      AND 'part=output' = ANY (a.attfdwoptions);
END;
COMMENT ON FUNCTION _cq.model_outputs(regclass) IS 'the names of what a model answers';

CREATE FUNCTION _cq.is_number(relation regclass, name text) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.typcategory = 'N' FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = relation AND a.attname = name;
END;
COMMENT ON FUNCTION _cq.is_number(regclass, text) IS 'is a column of a type of numbers?';

-- Those of classes, or of numbers. What was not answered is no class, and no number.
CREATE FUNCTION _cq.measures(rows jsonb[], answers jsonb[], output text, are_numbers boolean,
                             OUT measure text, OUT class text, OUT value float8)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH pair AS (
        SELECT p.truth, p.answer,
               CASE WHEN are_numbers THEN p.truth::float8 END AS y,
               CASE WHEN are_numbers THEN p.answer::float8 END AS x
        FROM (SELECT r ->> output AS truth, a ->> output AS answer
              FROM unnest(rows, answers) u(r, a)) p
        WHERE p.truth IS NOT NULL
    ), counted AS (
        SELECT c.class,
               count(*) FILTER (WHERE p.truth = c.class AND p.answer = c.class)::float8 AS hits,
               count(*) FILTER (WHERE p.truth = c.class)::float8 AS are,
               count(*) FILTER (WHERE p.answer = c.class)::float8 AS told
        FROM pair p,
             (SELECT truth AS class FROM pair
              UNION SELECT answer FROM pair WHERE answer IS NOT NULL) c
        WHERE NOT are_numbers
        GROUP BY c.class
    ), rate AS (
        SELECT n.class, n.hits / nullif(n.told, 0) AS precision,
               n.hits / nullif(n.are, 0) AS recall,
               2 * n.hits / (n.told + n.are) AS f1
        FROM counted n
    ), answered AS (
        SELECT x, y, avg(y) OVER () AS mean FROM pair WHERE are_numbers AND x IS NOT NULL
    )
    SELECT m.measure, m.class, m.value
    FROM (
        SELECT 1 AS place, 'rows' AS measure, NULL AS class, count(*)::float8 AS value FROM pair
        UNION ALL
        SELECT 2, 'unanswered', NULL, count(*) FILTER (WHERE answer IS NULL)::float8 FROM pair
        UNION ALL
        SELECT 3, 'accuracy', NULL, avg((truth IS NOT DISTINCT FROM answer)::int)::float8
        FROM pair WHERE NOT are_numbers HAVING count(*) > 0
        UNION ALL SELECT 4, 'f1', NULL, avg(f1) FROM rate HAVING count(*) > 0
        UNION ALL SELECT 5, 'precision', r.class, r.precision FROM rate r
        UNION ALL SELECT 6, 'recall', r.class, r.recall FROM rate r
        UNION ALL SELECT 7, 'f1', r.class, r.f1 FROM rate r
        UNION ALL SELECT 8, 'mae', NULL, avg(abs(x - y)) FROM answered HAVING count(*) > 0
        UNION ALL SELECT 9, 'rmse', NULL, sqrt(avg((x - y) ^ 2)) FROM answered HAVING count(*) > 0
        UNION ALL
        SELECT 10, 'r2', NULL, 1 - sum((x - y) ^ 2) / nullif(sum((y - mean) ^ 2), 0)
        FROM answered HAVING count(*) > 0
    ) m
    ORDER BY m.place, m.class COLLATE "C";
END;
COMMENT ON FUNCTION _cq.measures(jsonb[], jsonb[], text, boolean) IS
    'the usual measures of answers against what is right';

CREATE FUNCTION cq.chunks(body text, size integer DEFAULT 1000, overlap integer DEFAULT 0,
                          OUT n integer, OUT chunk text)
    RETURNS SETOF record
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE ROWS 10 SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    whole text := body || '';                           -- out of line no more
    place integer := 1;
    piece text;
BEGIN
    IF size < 1 OR overlap < 0 OR overlap >= size THEN
        RAISE 'invalid size of chunks' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'The size is at least 1, and the overlap less than it.';
    END IF;
    n := 0;
    LOOP
        WHILE substr(whole, place, 1) ~ '^\s' LOOP
            place := place + 1;
        END LOOP;
        EXIT WHEN place > length(whole);
        piece := substr(whole, place, size);
        -- No word is cut that need not be.
        IF substr(whole, place + size, 1) ~ '^\S'
           AND length(substring(piece from '^(.*)\s')) > overlap THEN
            piece := substring(piece from '^(.*)\s');
        END IF;
        n := n + 1;
        chunk := regexp_replace(piece, '\s+$', '');
        RETURN NEXT;
        EXIT WHEN place + length(piece) > length(whole);
        place := place + length(piece) - overlap;
        IF overlap > 0 AND substr(whole, place - 1, 1) ~ '^\S' THEN
            place := place + length(substring(substr(whole, place, overlap) from '^\S*'));
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION cq.chunks(text, integer, integer) IS
    'a text in pieces of at most so many characters, cut between words';
