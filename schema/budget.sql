-- Hard limits of what owners, pools and views use: see cq.usage.

CREATE FUNCTION _cq.usage_pending(
        OUT view oid, OUT cpu_seconds float8, OUT rows bigint, OUT bytes_out bigint)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_usage_pending';
COMMENT ON FUNCTION _cq.usage_pending() IS
    'what continuous views have used that is not written down yet';

-- Periods are those of UTC, as in cq.usage. What was used up in a period stays so, also while it
-- is being written down.
CREATE VIEW _cq.budget_use AS
WITH pending AS MATERIALIZED (
    SELECT n.view, r.relowner AS owner, v.pool, n.cpu_seconds, n.rows, n.bytes_out
    FROM _cq.usage_pending() n
    LEFT JOIN pg_catalog.pg_class r ON r.oid = n.view
    LEFT JOIN _cq.view v ON v.view = n.view
)
SELECT b.name, b.view, b.owner, b.pool, b.what, b.amount, b.per, b.at_limit, b.reached_in,
       p.began_at, p.ends_at, u.used,
       u.used >= b.amount OR coalesce(b.reached_in = p.began_at, false) AS is_reached
FROM _cq.budget b
CROSS JOIN (SELECT _cq.clock() AT TIME ZONE 'UTC' AS now) t,
LATERAL (SELECT date_trunc(b.per, t.now) AT TIME ZONE 'UTC' AS began_at,
                (date_trunc(b.per, t.now) + ('1 ' || b.per)::interval) AT TIME ZONE 'UTC'
                    AS ends_at) p,
LATERAL (SELECT CASE WHEN b.what = 'state_bytes'
                THEN (SELECT coalesce(sum(s.table_bytes + s.index_bytes), 0)
                      FROM _cq.part q
                      JOIN pg_catalog.pg_class r ON r.oid = q.view
                      JOIN _cq.view v ON v.view = q.view
                      LEFT JOIN _cq.log l ON l.stream = q.relation,
                      LATERAL _cq.relation_bytes(coalesce(l.log, q.relation)::oid) s
                      WHERE q.role <> 'definition'
                        AND (q.view = b.view OR r.relowner = b.owner OR v.pool = b.pool))
                ELSE (SELECT coalesce(sum(CASE b.what WHEN 'cpu_seconds' THEN m.cpu_seconds
                                                      WHEN 'rows' THEN m.rows
                                                      ELSE m.bytes_out END), 0)
                      FROM (SELECT o.cpu_seconds, o.rows, o.bytes_out
                            FROM _cq.usage o
                            WHERE o.period = CASE b.per WHEN 'month' THEN 'day' ELSE b.per END
                              AND o.began_at >= p.began_at AND o.began_at < p.ends_at
                              AND (o.view = b.view OR o.owner = b.owner OR o.pool = b.pool)
                            UNION ALL
                            SELECT n.cpu_seconds, n.rows, n.bytes_out FROM pending n
                            WHERE n.view = b.view OR n.owner = b.owner OR n.pool = b.pool) m)
                END::float8 AS used) u;
COMMENT ON VIEW _cq.budget_use IS 'budgets, and what is used of them in the period that it is';

CREATE FUNCTION _cq.budget_told(name text, what text, amount float8, per text, at_limit text,
                                used float8, ends_at timestamptz) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT pg_catalog.format('%s budget "%s": %s of %s %s%s',
               CASE at_limit WHEN 'stop' THEN 'stopped by' WHEN 'slow' THEN 'slowed down by'
                             ELSE 'beyond' END, name,
               trim_scale(round(used::numeric, 3)), trim_scale(amount::numeric), what,
               ' this ' || per || ', until ' ||
                   to_char(ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'));
END;
COMMENT ON FUNCTION _cq.budget_told(text, text, float8, text, text, float8, timestamptz) IS
    'what is said of a budget that is used up';
REVOKE ALL ON FUNCTION _cq.budget_told(text, text, float8, text, text, float8, timestamptz)
    FROM PUBLIC;

CREATE VIEW _cq.view_budget AS
SELECT v.oid AS view, s.at_limit,
       CASE WHEN s.is_reached
            THEN _cq.budget_told(s.name, s.what, s.amount, s.per, s.at_limit, s.used, s.ends_at)
       END AS told
FROM _cq.budget_use s
JOIN (SELECT r.oid, r.relowner, o.pool
      FROM _cq.view o JOIN pg_catalog.pg_class r ON r.oid = o.view) v
     ON v.oid = s.view OR v.relowner = s.owner OR v.pool = s.pool;
COMMENT ON VIEW _cq.view_budget IS 'budgets that a continuous view has; told: it is used up';

-- Tells what has changed. Of a view that is stopped its status says it.
CREATE FUNCTION _cq.note_budgets() RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    b record;
    changed bigint := 0;
BEGIN
    DELETE FROM _cq.budget
    WHERE name IN (SELECT o.name FROM _cq.budget o
                   WHERE o.owner IS NOT NULL
                         AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = o.owner)
                      OR o.pool IS NOT NULL
                         AND NOT EXISTS (SELECT FROM _cq.pool p WHERE p.name = o.pool)
                   FOR UPDATE SKIP LOCKED);
    FOR b IN SELECT s.*, coalesce(s.began_at, '-infinity') AS this_period,
                    _cq.budget_told(s.name, s.what, s.amount, s.per, s.at_limit, s.used,
                                    s.ends_at) AS told
             FROM _cq.budget_use s
             WHERE s.is_reached
                   AND s.reached_in IS DISTINCT FROM coalesce(s.began_at, '-infinity')
                OR NOT s.is_reached AND s.reached_in IS NOT NULL
    LOOP
        -- Whoever is changing it need not be waited for.
        PERFORM FROM _cq.budget o
        WHERE o.name = b.name AND o.amount = b.amount
          AND o.reached_in IS NOT DISTINCT FROM b.reached_in
        FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        changed := changed + 1;
        UPDATE _cq.budget o
        SET reached_in = CASE WHEN b.is_reached THEN b.this_period END,
            told = CASE WHEN b.is_reached THEN b.told END
        WHERE o.name = b.name;
        PERFORM _cq.tell_budget(b.view, coalesce(b.owner::text, b.pool), b.at_limit, b.is_reached,
                                CASE WHEN b.is_reached THEN b.told
                                     ELSE format('budget "%s"', b.name) END);
    END LOOP;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION _cq.note_budgets() IS
    'writes down which budgets are used up now, and which no longer are';
REVOKE ALL ON FUNCTION _cq.note_budgets() FROM PUBLIC;

CREATE FUNCTION _cq.tell_budget(view regclass, name text, at_limit text, is_reached boolean,
                                detail text) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO _cq.event (view, name, what, detail)
    SELECT view, coalesce(view::text, name),
           CASE WHEN is_reached THEN 'limit reached' ELSE 'limit lifted' END, detail
    WHERE at_limit <> 'stop';
END;
COMMENT ON FUNCTION _cq.tell_budget(regclass, text, text, boolean, text) IS
    'writes down what has become of a budget, but for what the status of views says';
REVOKE ALL ON FUNCTION _cq.tell_budget(regclass, text, text, boolean, text) FROM PUBLIC;

CREATE FUNCTION _cq.block_views() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_block_views';
COMMENT ON FUNCTION _cq.block_views() IS
    'blocks those continuous views that have used up a budget which stops them; how many';
REVOKE ALL ON FUNCTION _cq.block_views() FROM PUBLIC;

-- ---- setting them ----

-- Two for the same contradict each other where one of them would never be reached.
CREATE FUNCTION _cq.check_budget(b _cq.budget) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    periods CONSTANT text[] := ARRAY['minute', 'hour', 'day', 'month'];
    actions CONSTANT text[] := ARRAY['notify', 'slow', 'stop'];
    whats CONSTANT text[] := ARRAY['cpu_seconds', 'rows', 'state_bytes', 'bytes_out'];
    o record;
BEGIN
    IF b.name IS NULL OR b.name = '' THEN
        RAISE 'a budget has a name' USING ERRCODE = 'invalid_parameter_value';
    ELSIF num_nonnulls(b.view, b.owner, b.pool) <> 1 THEN
        RAISE 'a budget is for one view, one owner or one pool'
            USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Say one of view => …, owner => … and pool => ….';
    ELSIF b.view IS NOT NULL AND NOT EXISTS (SELECT FROM _cq.view v WHERE v.view = b.view) THEN
        RAISE '"%" is not a continuous view', b.view USING ERRCODE = 'wrong_object_type';
    ELSIF b.pool IS NOT NULL AND NOT EXISTS (SELECT FROM _cq.pool p WHERE p.name = b.pool) THEN
        RAISE 'pool "%" does not exist', b.pool USING ERRCODE = 'undefined_object';
    ELSIF b.what IS NULL OR b.what <> ALL (whats) THEN
        RAISE 'invalid budget: what is "%"', b.what
            USING ERRCODE = 'invalid_parameter_value',
            HINT = format('It is one of %s.', array_to_string(whats, ', '));
    ELSIF b.amount IS NULL OR NOT b.amount > 0 OR b.amount >= 'Infinity' THEN
        RAISE 'invalid budget: the amount is %', coalesce(b.amount::text, 'missing')
            USING ERRCODE = 'invalid_parameter_value',
            HINT = 'It is greater than zero. cq.pause stops a view altogether.';
    ELSIF b.per <> ALL (periods) OR b.per IS NULL AND b.what <> 'state_bytes' THEN
        RAISE 'invalid budget: per is "%"', b.per USING ERRCODE = 'invalid_parameter_value',
            HINT = format('It is one of %s.', array_to_string(periods, ', '));
    ELSIF b.at_limit <> ALL (actions) THEN
        RAISE 'invalid budget: at_limit is "%"', b.at_limit
            USING ERRCODE = 'invalid_parameter_value',
            HINT = format('It is one of %s.', array_to_string(actions, ', '));
    END IF;
    FOR o IN SELECT * FROM _cq.budget c
             WHERE c.name <> b.name AND c.what = b.what AND c.view IS NOT DISTINCT FROM b.view
               AND c.owner IS NOT DISTINCT FROM b.owner AND c.pool IS NOT DISTINCT FROM b.pool
             ORDER BY c.name
    LOOP
        IF o.per IS NOT DISTINCT FROM b.per AND o.at_limit = b.at_limit THEN
            RAISE 'budget "%" is for the same', o.name USING ERRCODE = 'duplicate_object',
                HINT = 'Change that one, or drop it with cq.drop_budget.';
        ELSIF o.per IS NOT DISTINCT FROM b.per
              AND sign(array_position(actions, b.at_limit::text)
                       - array_position(actions, o.at_limit::text)) <> sign(b.amount - o.amount)
        THEN
            RAISE 'budget "%" contradicts budget "%"', b.name, o.name
                USING ERRCODE = 'invalid_parameter_value',
                DETAIL = format('With %s at %s, and %s at %s, one of them is never reached.',
                                b.at_limit, b.amount, o.at_limit, o.amount);
        ELSIF o.at_limit = b.at_limit
              AND sign(array_position(periods, b.per::text) - array_position(periods, o.per::text))
                  * (b.amount - o.amount) < 0
        THEN
            RAISE 'budget "%" contradicts budget "%"', b.name, o.name
                USING ERRCODE = 'invalid_parameter_value',
                DETAIL = format('With %s by %s, and %s by %s, one of them is never reached.',
                                b.amount, b.per, o.amount, o.per);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION _cq.check_budget(_cq.budget) IS
    'raises an error where a budget makes no sense';
REVOKE ALL ON FUNCTION _cq.check_budget(_cq.budget) FROM PUBLIC;

CREATE FUNCTION _cq.set_budget(name text, what text, amount float8, per text, view regclass,
                               owner regrole, pool text, at_limit text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    b _cq.budget;
BEGIN
    -- Two at a time might contradict each other; the keeper does not wait for it.
    LOCK TABLE _cq.budget IN SHARE UPDATE EXCLUSIVE MODE;
    SELECT * INTO b FROM _cq.budget o WHERE o.name = set_budget.name;
    b.name := set_budget.name;
    IF num_nonnulls(set_budget.view, set_budget.owner, set_budget.pool) > 0 THEN
        b.view := set_budget.view;
        b.owner := set_budget.owner;
        b.pool := set_budget.pool;
    END IF;
    b.what := coalesce(set_budget.what, b.what);
    b.amount := coalesce(set_budget.amount, b.amount);
    b.per := coalesce(set_budget.per, b.per);
    b.at_limit := coalesce(set_budget.at_limit, b.at_limit, 'stop');
    -- It may be enough now.
    b.reached_in := CASE WHEN b.reached_in IS NOT NULL THEN '-infinity' END;
    PERFORM _cq.check_budget(b);
    DELETE FROM _cq.budget o WHERE o.name = b.name;
    INSERT INTO _cq.budget VALUES (b.*);
END
$$;
COMMENT ON FUNCTION _cq.set_budget(text, text, float8, text, regclass, regrole, text, text) IS
    'sets or changes a budget';
REVOKE ALL ON FUNCTION _cq.set_budget(text, text, float8, text, regclass, regrole, text, text)
    FROM PUBLIC;

CREATE FUNCTION _cq.drop_budget(name text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    b _cq.budget;
BEGIN
    DELETE FROM _cq.budget o WHERE o.name = drop_budget.name RETURNING * INTO b;
    IF NOT FOUND THEN
        RAISE 'budget "%" does not exist', drop_budget.name USING ERRCODE = 'undefined_object';
    ELSIF b.reached_in IS NOT NULL THEN
        PERFORM _cq.tell_budget(b.view, coalesce(b.owner::text, b.pool), b.at_limit, false,
                                format('budget "%s" was dropped', b.name));
    END IF;
END
$$;
COMMENT ON FUNCTION _cq.drop_budget(text) IS 'drops a budget';
REVOKE ALL ON FUNCTION _cq.drop_budget(text) FROM PUBLIC;

CREATE FUNCTION cq.set_budget(name text, what text DEFAULT NULL, amount float8 DEFAULT NULL,
                              per text DEFAULT NULL, view regclass DEFAULT NULL,
                              owner regrole DEFAULT NULL, pool text DEFAULT NULL,
                              at_limit text DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_budget_set';
COMMENT ON FUNCTION cq.set_budget(text, text, float8, text, regclass, regrole, text, text) IS
    'limits what a view, an owner or a pool uses: so much cpu_seconds, rows, state_bytes or '
    'bytes_out by minute, hour, day or month; then notify, slow or stop. Of a budget that is there '
    'changes what is said';

CREATE FUNCTION cq.drop_budget(name text) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_budget_drop';
COMMENT ON FUNCTION cq.drop_budget(text) IS 'drops a budget: who was stopped by it goes on';

-- ---- showing them ----

CREATE VIEW cq.budgets WITH (security_barrier) AS
SELECT s.name, s.view, pg_catalog.pg_get_userbyid(s.owner) AS owner, s.pool, s.what, s.amount,
       s.per, s.at_limit,
       s.used, s.is_reached, s.began_at, s.ends_at
FROM _cq.budget_use s
WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
   OR EXISTS (SELECT FROM pg_catalog.pg_roles r
              WHERE r.oid IN (s.owner, (SELECT c.relowner FROM pg_catalog.pg_class c
                                        WHERE c.oid = s.view),
                              (SELECT p.owner FROM _cq.pool p WHERE p.name = s.pool),
                              (SELECT p.users FROM _cq.pool p WHERE p.name = s.pool))
                AND pg_catalog.pg_has_role(r.oid, 'USAGE'));
COMMENT ON VIEW cq.budgets IS
    'budgets of views, owners and pools, and what is used of them in the period that it is';
