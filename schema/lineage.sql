-- Where rows come from and go to; statements that make views and streams.

CREATE VIEW cq.lineage WITH (security_barrier) AS
WITH reads AS (
    SELECT d.refobjid AS source, p.view,
           array_agg(DISTINCT a.attname ORDER BY a.attname) FILTER (WHERE a.attname IS NOT NULL) AS columns
    FROM _cq.part p
    JOIN pg_catalog.pg_rewrite w ON w.ev_class = p.relation
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
        AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> p.relation
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0
    WHERE p.role = 'definition'
    GROUP BY d.refobjid, p.view
), stream AS (
    SELECT t.ftrelid AS stream, pg_catalog.regexp_split_to_table(o.option_value, '\s*,\s*') AS topic
    FROM pg_catalog.pg_foreign_table t
    JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver
    JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'cq_kafka',
    pg_catalog.pg_options_to_table(t.ftoptions) o
    WHERE o.option_name = 'topic'
), destination AS (
    SELECT t.ftrelid AS destination, t.ftoptions AS options
    FROM pg_catalog.pg_foreign_table t
    JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver
    JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
        AND w.fdwname IN ('cq_http', 'cq_model')
), edge AS (
    SELECT 'topic' AS from_kind, s.topic AS "from", 'stream' AS to_kind, s.stream::regclass::text AS "to", 'read' AS kind,
           NULL::name[] AS columns, s.stream AS relation
    FROM stream s
    WHERE EXISTS (SELECT FROM _cq.input i WHERE i.stream = s.stream)
       OR NOT EXISTS (SELECT FROM _cq.view v WHERE v.sink = s.stream)
    UNION ALL
    SELECT 'stream', s.stream::regclass::text, 'topic', s.topic, 'write', NULL, s.stream
    FROM stream s
    WHERE EXISTS (SELECT FROM _cq.view v WHERE v.sink = s.stream)
    UNION ALL
    SELECT 'stream', i.stream::text, 'view', i.view::text, 'read', r.columns, i.view
    FROM _cq.input i
    LEFT JOIN reads r ON r.source = i.stream AND r.view = i.view
    UNION ALL
    SELECT CASE WHEN EXISTS (SELECT FROM _cq.maintained m WHERE m.relation = n.named)
                THEN 'table' ELSE 'view' END,
           n.named::text, 'view', n.view::text, 'read', r.columns, n.view
    FROM _cq.reads n
    LEFT JOIN reads r ON r.source = n.named AND r.view = n.view
    UNION ALL
    SELECT CASE WHEN c.relkind = 'v' THEN 'plain view' ELSE 'table' END, r.source::regclass::text, 'view', r.view::text,
           'look up', r.columns, r.view
    FROM reads r
    JOIN pg_catalog.pg_class c ON c.oid = r.source
    WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f')
      AND c.relnamespace <> '_cq'::regnamespace
      AND NOT EXISTS (SELECT FROM _cq.input i WHERE i.stream = r.source AND i.view = r.view)
      AND NOT EXISTS (SELECT FROM _cq.reads n WHERE n.named = r.source AND n.view = r.view)
    UNION ALL
    SELECT 'view', v.view::text,
           CASE WHEN EXISTS (SELECT FROM destination d WHERE d.destination = v.sink)
                THEN 'destination' WHEN c.relkind = 'f' THEN 'stream' ELSE 'table' END,
           v.sink::text, 'sink', NULL, v.view
    FROM _cq.view v
    JOIN pg_catalog.pg_class c ON c.oid = v.sink
    UNION ALL
    SELECT 'destination', d.destination::regclass::text, 'stream',
           -- Without a schema it is in the destination's.
           coalesce(to_regclass(CASE WHEN cardinality(parse_ident(o.option_value)) = 1
                                     THEN format('%I.%s', n.nspname, o.option_value)
                                     ELSE o.option_value END)::text, o.option_value),
           'responses', NULL, d.destination
    FROM destination d
    JOIN pg_catalog.pg_class c ON c.oid = d.destination
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
    pg_catalog.pg_options_to_table(d.options) o
    WHERE o.option_name = 'responses'
    UNION ALL
    SELECT 'view', p.view::text, 'stream', p.relation::text, 'changes', NULL, p.view
    FROM _cq.part p
    WHERE p.role = 'changes'
    UNION ALL
    SELECT 'view', v.view::text, 'channel', v.notify, 'notify', NULL, v.view
    FROM _cq.view v
    WHERE v.notify IS NOT NULL
)
SELECT e.from_kind, e."from", e.to_kind, e."to", e.kind, e.columns,
       CASE WHEN e.to_kind = 'view' THEN coalesce(round(n.rows_per_second::numeric, 2), 0)::float8 END AS rows_per_second
FROM edge e
JOIN pg_catalog.pg_class r ON r.oid = e.relation
LEFT JOIN _cq.stat_relations() n ON n.relation = e.relation
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW cq.lineage IS
    'what flows from where to where: topics, streams, continuous views, tables, channels, destinations';

CREATE FUNCTION cq.lineage_dot() RETURNS text
    LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
    WITH quoted AS (
        SELECT l.*, format('"%s"', replace(replace(l.from_kind || ' ' || l."from", '\', '\\'), '"', '\"')) AS source,
               format('"%s"', replace(replace(l.to_kind || ' ' || l."to", '\', '\\'), '"', '\"')) AS target
        FROM cq.lineage l
    ), node AS (
        SELECT q.source AS name, q.from_kind AS kind FROM quoted q
        UNION SELECT q.target, q.to_kind FROM quoted q
    )
    SELECT E'digraph lineage {\n    rankdir = LR;\n'
        || coalesce((SELECT string_agg(format(E'    %s [shape = %s];\n', n.name,
                         CASE n.kind WHEN 'topic' THEN 'cds' WHEN 'stream' THEN 'cylinder' WHEN 'view' THEN 'box'
                                     WHEN 'channel' THEN 'oval' WHEN 'destination' THEN 'component'
                                     ELSE 'folder' END), '' ORDER BY n.name COLLATE "C")
                     FROM node n), '')
        || coalesce((SELECT string_agg(format(E'    %s -> %s [label = "%s"];\n', q.source, q.target,
                         concat_ws(', ', nullif(q.kind, 'read'), nullif(q.rows_per_second, 0) || '/s')), ''
                         ORDER BY q.source COLLATE "C", q.target COLLATE "C", q.kind COLLATE "C")
                     FROM quoted q), '')
        || E'}';
END;
COMMENT ON FUNCTION cq.lineage_dot() IS 'cq.lineage as a graph, for the program dot of graphviz';

-- What it takes to make them anew, for who may read them.
CREATE VIEW _cq.statement WITH (security_barrier) AS
SELECT v.view AS relation,
       pg_catalog.format(E'CREATE VIEW %s (%s)\n    WITH (continuous, %s) AS\n%s', v.view,
              (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
               WHERE a.attrelid = v.view AND a.attnum > 0 AND NOT a.attisdropped),
              concat_ws(', ', 'start = ' || quote_literal(coalesce(v.created_start, v.start)),
                        'on_error = ' || quote_literal(v.on_error),
                        'max_error_rate = ' || quote_literal(v.max_error_rate::text),
                        'pool = ' || quote_literal(v.pool),
                        'retention = ' || quote_literal(v.retention::text),
                        CASE WHEN v.retention IS NOT NULL OR v.on_expire <> 'forget'
                             THEN 'retention_by = ' || quote_literal(v.retention_by) END,
                        CASE WHEN v.on_expire <> 'forget'
                             THEN 'on_expire = ' || quote_literal(v.on_expire) END,
                        'emit = ' || quote_literal(v.emit),
                        'watermark = ' || quote_literal(v.watermark::text),
                        'max_drift = ' || quote_literal(v.max_drift::text),
                        CASE WHEN v.emit = 'close' THEN 'allowed_lateness = ' || quote_literal(v.allowed_lateness::text) END,
                        CASE WHEN v.late <> 'drop' THEN 'late = ' || quote_literal(v.late) END,
                        'sink = ' || quote_literal(v.sink::text),
                        -- It is made anew, in the view's schema.
                        'changes = ' || quote_literal((SELECT relname FROM pg_catalog.pg_class WHERE oid = c.relation)),
                        'notify = ' || quote_literal(v.notify),
                        CASE WHEN EXISTS (SELECT FROM _cq.reads o JOIN _cq.maintained m ON m.relation = o.named
                                          WHERE o.view = v.view)
                             THEN 'tables = ''maintained''' END),
              pg_catalog.pg_get_viewdef(d.relation)) AS statement
FROM _cq.view v
JOIN pg_catalog.pg_class r ON r.oid = v.view
JOIN _cq.part d ON d.view = v.view AND d.role = 'definition'
LEFT JOIN _cq.part c ON c.view = v.view AND c.role = 'changes'
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE');
COMMENT ON VIEW _cq.statement IS 'statements that make continuous views, for who may read them';

CREATE FUNCTION cq.show_create(relation regclass) RETURNS text
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    result text;
BEGIN
    SELECT s.statement INTO result FROM _cq.statement s WHERE s.relation = show_create.relation;
    IF result IS NOT NULL THEN
        RETURN result;
    END IF;
    SELECT format(E'CREATE FOREIGN TABLE %s (\n    %s\n) SERVER %I%s;', t.ftrelid::regclass,
                  concat_ws(E',\n    ',
                      (SELECT string_agg(concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                                  (SELECT 'OPTIONS (' || string_agg(format('%I %L', o.option_name, o.option_value), ', ') || ')'
                                   FROM pg_options_to_table(a.attfdwoptions) o),
                                  CASE WHEN a.attcollation <> y.typcollation AND a.attcollation <> 0
                                       THEN 'COLLATE ' || a.attcollation::regcollation END,
                                  CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                                  CASE a.attgenerated
                                      WHEN 's' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(f.adbin, f.adrelid) || ') STORED'
                                      WHEN 'v' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(f.adbin, f.adrelid) || ') VIRTUAL'
                                      ELSE 'DEFAULT ' || pg_get_expr(f.adbin, f.adrelid) END),
                              E',\n    ' ORDER BY a.attnum)
                       FROM pg_attribute a
                       JOIN pg_type y ON y.oid = a.atttypid
                       LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
                       WHERE a.attrelid = t.ftrelid AND a.attnum > 0 AND NOT a.attisdropped),
                      (SELECT string_agg(format('CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)), E',\n    '
                                         ORDER BY k.conname)
                       FROM pg_constraint k
                       WHERE k.conrelid = t.ftrelid AND k.contype = 'c')),
                  n.srvname,
                  (SELECT ' OPTIONS (' || string_agg(format('%I %L', o.option_name, o.option_value), ', ') || ')'
                   FROM pg_options_to_table(t.ftoptions) o))
    INTO result
    FROM pg_foreign_table t
    JOIN pg_class r ON r.oid = t.ftrelid
    JOIN pg_foreign_server n ON n.oid = t.ftserver
    JOIN pg_foreign_data_wrapper w ON w.oid = n.srvfdw AND w.fdwname IN ('cq_kafka', 'cq_log')
    WHERE t.ftrelid = show_create.relation
      AND (has_table_privilege(r.oid, 'SELECT') OR pg_has_role(r.relowner, 'USAGE'));
    IF result IS NULL THEN
        RAISE EXCEPTION '% is no continuous view or stream that you may read', show_create.relation
            USING ERRCODE = 'wrong_object_type';
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION cq.show_create(regclass) IS 'the statement that makes a continuous view or a stream, with all its options';
