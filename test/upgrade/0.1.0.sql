-- A database of 0.1.0 with streams, views of each kind and their state: what pg_dump of PostgreSQL 15 made of it, definitions first.
-- For a database that has the extension. It was made by: a stream kept in the database with 31 rows, views that had seen all of
-- them but one, which was paused; a sink whose broker was away; one row of each batch that failed, and one that came too late.

SELECT pg_catalog.set_config('search_path', '', false) IS NULL AS done;

CREATE SERVER away FOREIGN DATA WRAPPER cq_kafka OPTIONS (
    bootstrap_servers '127.0.0.1:1'
);

CREATE VIEW public.closed AS
SELECT
    NULL::timestamp with time zone AS window_end,
    NULL::bigint AS n;

CREATE FOREIGN TABLE public.reading (
    k integer,
    x numeric,
    at timestamp with time zone
)
SERVER cq_log
OPTIONS (
    event_time 'at'
);

CREATE VIEW _cq.closed_definition AS
 SELECT tumble.window_end,
    count(*) AS n
   FROM public.reading,
    LATERAL cq.tumble(reading.at, '00:01:00'::interval) tumble(window_start, window_end)
  GROUP BY tumble.window_end;

CREATE VIEW public.closed_once AS
SELECT
    NULL::timestamp with time zone AS window_end,
    NULL::bigint AS n;

CREATE VIEW _cq.closed_once_definition AS
 SELECT tumble.window_end,
    count(*) AS n
   FROM public.reading,
    LATERAL cq.tumble(reading.at, '00:01:00'::interval) tumble(window_start, window_end)
  GROUP BY tumble.window_end;

CREATE TABLE _cq.closed_once_result (
    window_end timestamp with time zone,
    n bigint
);

CREATE TABLE _cq.closed_once_state (
    k1 timestamp with time zone,
    s1 bigint
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.1');

CREATE TABLE _cq.closed_result (
    window_end timestamp with time zone,
    n bigint,
    _cq_window_end timestamp with time zone
);

CREATE TABLE _cq.closed_state (
    k1 timestamp with time zone,
    s1 bigint
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.1');

CREATE VIEW public.failing AS
SELECT
    NULL::integer AS k,
    NULL::bigint AS n;

CREATE VIEW _cq.failing_definition AS
 SELECT reading.k,
    sum((1 / reading.k)) AS n
   FROM public.reading
  GROUP BY reading.k;

CREATE TABLE _cq.failing_state (
    k1 integer,
    s1 bigint
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.1');

CREATE VIEW public.hopping AS
SELECT
    NULL::timestamp with time zone AS window_start,
    NULL::integer AS k,
    NULL::numeric AS x,
    NULL::timestamp with time zone AS at;

CREATE VIEW _cq.hopping_definition AS
 SELECT hop.window_start,
    reading.k,
    sum(reading.x) AS x,
    max(reading.at) AS at
   FROM public.reading,
    LATERAL cq.hop(reading.at, '00:01:00'::interval, '00:05:00'::interval) hop(window_start, window_end)
  GROUP BY hop.window_start, reading.k;

CREATE TABLE _cq.hopping_state (
    pane timestamp with time zone,
    k2 integer,
    s1 _cq.state,
    s2 timestamp with time zone
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.1');

CREATE VIEW public.kept AS
SELECT
    NULL::integer AS k,
    NULL::numeric AS x,
    NULL::timestamp with time zone AS at;

CREATE VIEW _cq.kept_definition AS
 SELECT reading.k,
    reading.x,
    reading.at
   FROM public.reading
  WHERE (reading.x > (10)::numeric);

CREATE TABLE _cq.kept_state (
    k integer,
    x numeric,
    at timestamp with time zone,
    _cq_time timestamp with time zone
);

CREATE TABLE public.copied (
    k integer NOT NULL,
    n bigint,
    mean numeric
);

CREATE VIEW public.net AS
SELECT
    NULL::numeric AS n;

CREATE VIEW public.totals AS
SELECT
    NULL::integer AS k,
    NULL::bigint AS n,
    NULL::numeric AS mean;

COMMENT ON VIEW public.totals IS 'as it was in 0.1.0';

CREATE FOREIGN TABLE public.told (
    old public.totals,
    new public.totals
)
SERVER cq_log;

CREATE VIEW _cq.net_definition AS
 SELECT sum(((told.new).n - COALESCE((told.old).n, (0)::bigint))) AS n
   FROM public.told;

CREATE TABLE _cq.net_state (
    s1 _cq.state
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.1');

CREATE FOREIGN TABLE public.sent (
    k integer,
    n bigint
)
SERVER away
OPTIONS (
    mode 'upsert',
    topic 'sent'
);

CREATE VIEW public.on_its_way AS
SELECT
    NULL::integer AS k,
    NULL::bigint AS n;

CREATE VIEW _cq.on_its_way_definition AS
 SELECT reading.k,
    count(*) AS n
   FROM public.reading
  GROUP BY reading.k;

CREATE TABLE _cq.on_its_way_outbox (
    id bigint,
    topic text,
    partition integer,
    "timestamp" timestamp with time zone,
    key bytea,
    value bytea,
    headers jsonb
)
WITH (autovacuum_vacuum_scale_factor='0.1');

CREATE TABLE _cq.on_its_way_state (
    k1 integer,
    s1 bigint
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.1');

CREATE TABLE _cq.reading_log (
    "offset" bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    key bytea,
    headers jsonb,
    value public.reading
);
ALTER TABLE ONLY _cq.reading_log ALTER COLUMN value SET STATISTICS 0;

ALTER TABLE _cq.reading_log ALTER COLUMN "offset" ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME _cq.reading_log_offset_seq
    START WITH 0
    INCREMENT BY 1
    MINVALUE 0
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW public.resting AS
SELECT
    NULL::bigint AS n;

CREATE VIEW _cq.resting_definition AS
 SELECT count(*) AS n
   FROM public.reading;

CREATE TABLE _cq.resting_state (
    s1 bigint
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.1');

CREATE VIEW public.sessions AS
SELECT
    NULL::integer AS k,
    NULL::tstzrange AS s,
    NULL::bigint AS n;

CREATE VIEW _cq.sessions_definition AS
 SELECT q.k,
    q.s,
    count(*) AS n
   FROM ( SELECT reading.k,
            cq.session(reading.at, '00:01:00'::interval) OVER (PARTITION BY reading.k ORDER BY reading.at) AS s
           FROM public.reading) q
  GROUP BY q.k, q.s;

CREATE TABLE _cq.sessions_state (
    k1 integer,
    k2 tstzrange,
    s1 bigint
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.1');

CREATE TABLE _cq.told_log (
    "offset" bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    key bytea,
    headers jsonb,
    value public.told
);
ALTER TABLE ONLY _cq.told_log ALTER COLUMN value SET STATISTICS 0;

ALTER TABLE _cq.told_log ALTER COLUMN "offset" ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME _cq.told_log_offset_seq
    START WITH 0
    INCREMENT BY 1
    MINVALUE 0
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW _cq.totals_definition AS
 SELECT reading.k,
    count(*) AS n,
    avg(reading.x) AS mean
   FROM public.reading
  GROUP BY reading.k;

CREATE TABLE _cq.totals_state (
    k1 integer,
    s1 bigint,
    s2 _cq.state
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.1');

CREATE FOREIGN TABLE public.unread (
    k integer,
    n bigint
)
SERVER away
OPTIONS (
    format 'json',
    topic 'unread'
);

CREATE VIEW public.waiting AS
SELECT
    NULL::bigint AS n;

CREATE VIEW _cq.waiting_definition AS
 SELECT count(*) AS n
   FROM public.unread;

CREATE TABLE _cq.waiting_state (
    s1 bigint
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.1');


SELECT pg_catalog.set_config('search_path', '', false) IS NULL AS done;

ALTER TABLE ONLY _cq.reading_log
    ADD CONSTRAINT reading_log_pkey PRIMARY KEY ("offset");

ALTER TABLE ONLY _cq.told_log
    ADD CONSTRAINT told_log_pkey PRIMARY KEY ("offset");

ALTER TABLE ONLY public.copied
    ADD CONSTRAINT copied_pkey PRIMARY KEY (k);

CREATE INDEX closed_result_groups ON _cq.closed_result USING btree (window_end);

CREATE INDEX closed_result_time ON _cq.closed_result USING btree (_cq_window_end);

CREATE INDEX closed_state_groups ON _cq.closed_state USING btree (k1);

CREATE INDEX kept_k_idx ON _cq.kept_state USING btree (k);

CREATE INDEX kept_state_time ON _cq.kept_state USING btree (_cq_time);

CREATE UNIQUE INDEX on_its_way_outbox_ids ON _cq.on_its_way_outbox USING btree (id);

CREATE INDEX on_its_way_state_groups ON _cq.on_its_way_state USING btree (k1);

CREATE INDEX sessions_state_sessions ON _cq.sessions_state USING btree (k1, k2);

CREATE INDEX totals_state_groups ON _cq.totals_state USING btree (k1);

CREATE OR REPLACE VIEW public.closed AS
 SELECT kept.window_end,
    kept.n
   FROM ( SELECT closed_result.window_end,
            closed_result.n
           FROM ONLY _cq.closed_result) kept;

CREATE OR REPLACE VIEW public.closed_once AS
 SELECT kept.window_end,
    kept.n
   FROM ( SELECT closed_once_result.window_end,
            closed_once_result.n
           FROM ONLY _cq.closed_once_result) kept;

CREATE OR REPLACE VIEW public.failing AS
 SELECT failing_state.k1 AS k,
    cq.finish(failing_state.s1, 'sum(integer)'::regprocedure, '{integer}'::regtype[], NULL::bigint) AS n
   FROM ONLY _cq.failing_state
  GROUP BY failing_state.k1;

CREATE OR REPLACE VIEW public.hopping AS
 SELECT hop.window_start,
    hopping_state.k2 AS k,
    cq.finish(hopping_state.s1, 'sum(numeric)'::regprocedure, '{numeric}'::regtype[], NULL::numeric) AS x,
    cq.finish(hopping_state.s2, 'max(timestamp with time zone)'::regprocedure, '{"timestamp with time zone"}'::regtype[], NULL::timestamp with time zone) AS at
   FROM ONLY _cq.hopping_state,
    LATERAL cq.hop(hopping_state.pane, '00:01:00'::interval, '00:05:00'::interval, '2001-01-01 00:00:00+00'::timestamp with time zone) hop(window_start, window_end)
  GROUP BY hop.window_start, hopping_state.k2;

CREATE OR REPLACE VIEW public.kept AS
 SELECT kept.k,
    kept.x,
    kept.at
   FROM ( SELECT kept_state.k,
            kept_state.x,
            kept_state.at
           FROM ONLY _cq.kept_state) kept;

CREATE OR REPLACE VIEW public.net AS
 SELECT cq.finish(net_state.s1, 'sum(bigint)'::regprocedure, '{bigint}'::regtype[], NULL::numeric) AS n
   FROM ONLY _cq.net_state;

CREATE OR REPLACE VIEW public.on_its_way AS
 SELECT on_its_way_state.k1 AS k,
    cq.finish(on_its_way_state.s1, 'count()'::regprocedure, '{}'::regtype[], NULL::bigint) AS n
   FROM ONLY _cq.on_its_way_state
  GROUP BY on_its_way_state.k1;

CREATE OR REPLACE VIEW public.resting AS
 SELECT cq.finish(resting_state.s1, 'count()'::regprocedure, '{}'::regtype[], NULL::bigint) AS n
   FROM ONLY _cq.resting_state;

CREATE OR REPLACE VIEW public.sessions AS
 SELECT sessions_state.k1 AS k,
    sessions_state.k2 AS s,
    cq.finish(sessions_state.s1, 'count()'::regprocedure, '{}'::regtype[], NULL::bigint) AS n
   FROM ONLY _cq.sessions_state
  GROUP BY sessions_state.k1, sessions_state.k2;

CREATE OR REPLACE VIEW public.totals AS
 SELECT totals_state.k1 AS k,
    cq.finish(totals_state.s1, 'count()'::regprocedure, '{}'::regtype[], NULL::bigint) AS n,
    cq.finish(totals_state.s2, 'avg(numeric)'::regprocedure, '{numeric}'::regtype[], NULL::numeric) AS mean
   FROM ONLY _cq.totals_state
  GROUP BY totals_state.k1;

CREATE OR REPLACE VIEW public.waiting AS
 SELECT cq.finish(waiting_state.s1, 'count()'::regprocedure, '{}'::regtype[], NULL::bigint) AS n
   FROM ONLY _cq.waiting_state;


SELECT pg_catalog.set_config('search_path', '', false) IS NULL AS done;

COPY _cq.closed_once_result (window_end, n) FROM stdin;
2025-01-01 00:01:00+00	5
2025-01-01 00:03:00+00	6
2025-01-01 00:02:00+00	6
2025-01-01 00:04:00+00	6
\.

COPY _cq.closed_once_state (k1, s1) FROM stdin;
2025-01-01 00:05:00+00	6
2025-01-01 00:06:00+00	1
\.

COPY _cq.closed_result (window_end, n, _cq_window_end) FROM stdin;
2025-01-01 00:03:00+00	6	2025-01-01 00:03:00+00
2025-01-01 00:02:00+00	6	2025-01-01 00:02:00+00
2025-01-01 00:04:00+00	6	2025-01-01 00:04:00+00
2025-01-01 00:05:00+00	6	2025-01-01 00:05:00+00
2025-01-01 00:01:00+00	6	2025-01-01 00:01:00+00
\.

COPY _cq.closed_state (k1, s1) FROM stdin;
2025-01-01 00:02:00+00	6
2025-01-01 00:05:00+00	6
2025-01-01 00:06:00+00	1
2025-01-01 00:04:00+00	6
2025-01-01 00:03:00+00	6
2025-01-01 00:01:00+00	6
\.

COPY _cq.closing (view, closed_through, emitted_through, next_close, expired_through) FROM stdin;
public.closed	2025-01-01 00:05:00+00	2025-01-01 00:05:00+00	2025-01-01 00:06:00+00	2024-12-31 00:05:00+00
public.closed_once	2025-01-01 00:04:00+00	2025-01-01 00:04:00+00	2025-01-01 00:05:00+00	-infinity
\.

COPY _cq.cursor (cursor_id, stream, topic, partition, next_offset, end_offset, last_timestamp, event_time, active_at) FROM stdin;
11	public.reading	log	0	30	30	2026-11-30 05:46:12.559005+00	2025-01-01 00:05:00+00	2026-11-30 05:46:12.83235+00
1	public.reading	log	0	31	31	2026-11-30 05:46:13.854223+00	2025-01-01 00:05:00+00	2026-11-30 05:46:14.07119+00
2	public.told	log	0	4	4	2026-11-30 05:46:14.07161+00	\N	2026-11-30 05:46:14.073003+00
\.

COPY _cq.error (error_id, occurred_at, view, stream, topic, partition, "offset", key, payload, payload_length, sqlstate, message) FROM stdin;
1	2026-11-30 05:46:12.827159+00	public.failing	public.reading	log	0	2	\N	\\xc0000000fffffffff0400000ffffffff00000300020c1800000000000b008003000000000000000080439e8098cd0200	48	22012	division by zero
2	2026-11-30 05:46:12.827624+00	public.failing	public.reading	log	0	5	\N	\\xc0000000fffffffff0400000ffffffff00000300020c1800000000000b00800600000000000000000007688298cd0200	48	22012	division by zero
3	2026-11-30 05:46:12.827745+00	public.failing	public.reading	log	0	8	\N	\\xc0000000fffffffff0400000ffffffff00000300020c1800000000000b008009000000000000000080ca318498cd0200	48	22012	division by zero
4	2026-11-30 05:46:12.827925+00	public.failing	public.reading	log	0	11	\N	\\xc0000000fffffffff0400000ffffffff00000300020c1800000000000b00800c0000000000000000008efb8598cd0200	48	22012	division by zero
5	2026-11-30 05:46:12.828039+00	public.failing	public.reading	log	0	14	\N	\\xc0000000fffffffff0400000ffffffff00000300020c1800000000000b00800f00000000000000008051c58798cd0200	48	22012	division by zero
6	2026-11-30 05:46:12.828114+00	public.failing	public.reading	log	0	17	\N	\\xc0000000fffffffff0400000ffffffff00000300020c1800000000000b008012000000000000000000158f8998cd0200	48	22012	division by zero
7	2026-11-30 05:46:12.828167+00	public.failing	public.reading	log	0	20	\N	\\xc0000000fffffffff0400000ffffffff00000300020c1800000000000b008015000000000000000080d8588b98cd0200	48	22012	division by zero
8	2026-11-30 05:46:12.82823+00	public.failing	public.reading	log	0	23	\N	\\xc0000000fffffffff0400000ffffffff00000300020c1800000000000b0080180000000000000000009c228d98cd0200	48	22012	division by zero
9	2026-11-30 05:46:12.828316+00	public.failing	public.reading	log	0	26	\N	\\xc0000000fffffffff0400000ffffffff00000300020c1800000000000b00801b0000000000000000805fec8e98cd0200	48	22012	division by zero
10	2026-11-30 05:46:12.828369+00	public.failing	public.reading	log	0	29	\N	\\xc0000000fffffffff0400000ffffffff00000300020c1800000000000b00801e00000000000000000023b69098cd0200	48	22012	division by zero
\.

COPY _cq.failing_state (k1, s1) FROM stdin;
2	0
1	11
\.

COPY _cq.follow (view, topic, partition, cursor_id) FROM stdin;
public.totals	log	0	1
public.net	log	0	2
public.on_its_way	log	0	1
public.kept	log	0	1
public.hopping	log	0	1
public.closed	log	0	1
public.closed_once	log	0	1
public.sessions	log	0	1
public.failing	log	0	1
public.resting	log	0	11
\.

COPY _cq.gap (gap_id, occurred_at, stream, topic, partition, from_offset, to_offset) FROM stdin;
\.

COPY _cq.hopping_state (pane, k2, s1, s2) FROM stdin;
2025-01-01 00:02:00+00	0	\\x4ea47eb0248cf5ee000000000000000200000001000000000000000000000000001b000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:02:30+00
2025-01-01 00:05:00+00	0	\\x4ea47eb0248cf5ee000000000000000100000001000000000000000000000000001e000000000000000000000001000000000000000000000000000000000000000000000000	2025-01-01 00:05:00+00
2025-01-01 00:01:00+00	1	\\x4ea47eb0248cf5ee0000000000000002000000010000000000000000000000000011000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:01:40+00
2025-01-01 00:02:00+00	2	\\x4ea47eb0248cf5ee000000000000000200000001000000000000000000000000001f000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:02:50+00
2025-01-01 00:01:00+00	0	\\x4ea47eb0248cf5ee000000000000000200000001000000000000000000000000000f000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:01:30+00
2025-01-01 00:03:00+00	2	\\x4ea47eb0248cf5ee000000000000000200000001000000000000000000000000002b000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:03:50+00
2025-01-01 00:02:00+00	1	\\x4ea47eb0248cf5ee000000000000000200000001000000000000000000000000001d000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:02:40+00
2025-01-01 00:01:00+00	2	\\x4ea47eb0248cf5ee0000000000000002000000010000000000000000000000000013000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:01:50+00
2025-01-01 00:04:00+00	2	\\x4ea47eb0248cf5ee0000000000000002000000010000000000000000000000000037000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:04:50+00
2025-01-01 00:00:00+00	0	\\x4ea47eb0248cf5ee0000000000000001000000010000000000000000000000000003000000000000000000000001000000000000000000000000000000000000000000000000	2025-01-01 00:00:30+00
2025-01-01 00:03:00+00	1	\\x4ea47eb0248cf5ee0000000000000002000000010000000000000000000000000029000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:03:40+00
2025-01-01 00:03:00+00	0	\\x4ea47eb0248cf5ee0000000000000002000000010000000000000000000000000027000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:03:30+00
2025-01-01 00:00:00+00	2	\\x4ea47eb0248cf5ee0000000000000002000000010000000000000000000000000007000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:00:50+00
2025-01-01 00:04:00+00	1	\\x4ea47eb0248cf5ee0000000000000002000000010000000000000000000000000035000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:04:40+00
2025-01-01 00:04:00+00	0	\\x4ea47eb0248cf5ee0000000000000002000000010000000000000000000000000033000000000000000000000002000000000000000000000000000000000000000000000000	2025-01-01 00:04:30+00
2025-01-01 00:00:00+00	1	\\x4ea47eb0248cf5ee0000000000000003000000010000000000000000000000000006000000000000000000000003000000000000000000000000000000000000000000000000	2025-01-01 00:00:40+00
\.

COPY _cq.identity (system_identifier, database_id, prefix) FROM stdin;
7713836642582044982	16389	pg_cq-7713836642582044982-16389
\.

COPY _cq.kept_state (k, x, at, _cq_time) FROM stdin;
2	11	2025-01-01 00:01:50+00	2026-11-30 05:46:12.81518+00
0	12	2025-01-01 00:02:00+00	2026-11-30 05:46:12.81518+00
1	13	2025-01-01 00:02:10+00	2026-11-30 05:46:12.81518+00
2	14	2025-01-01 00:02:20+00	2026-11-30 05:46:12.81518+00
0	15	2025-01-01 00:02:30+00	2026-11-30 05:46:12.81518+00
1	16	2025-01-01 00:02:40+00	2026-11-30 05:46:12.81518+00
2	17	2025-01-01 00:02:50+00	2026-11-30 05:46:12.81518+00
0	18	2025-01-01 00:03:00+00	2026-11-30 05:46:12.81518+00
1	19	2025-01-01 00:03:10+00	2026-11-30 05:46:12.81518+00
2	20	2025-01-01 00:03:20+00	2026-11-30 05:46:12.81518+00
0	21	2025-01-01 00:03:30+00	2026-11-30 05:46:12.81518+00
1	22	2025-01-01 00:03:40+00	2026-11-30 05:46:12.81518+00
2	23	2025-01-01 00:03:50+00	2026-11-30 05:46:12.81518+00
0	24	2025-01-01 00:04:00+00	2026-11-30 05:46:12.81518+00
1	25	2025-01-01 00:04:10+00	2026-11-30 05:46:12.81518+00
2	26	2025-01-01 00:04:20+00	2026-11-30 05:46:12.81518+00
0	27	2025-01-01 00:04:30+00	2026-11-30 05:46:12.81518+00
1	28	2025-01-01 00:04:40+00	2026-11-30 05:46:12.81518+00
2	29	2025-01-01 00:04:50+00	2026-11-30 05:46:12.81518+00
0	30	2025-01-01 00:05:00+00	2026-11-30 05:46:12.81518+00
\.

COPY _cq.late (late_id, occurred_at, view, stream, topic, partition, "offset", event_time, window_end, key, payload, payload_length) FROM stdin;
1	2026-11-30 05:46:14.072271+00	public.closed_once	public.reading	log	0	30	2025-01-01 00:00:30+00	2025-01-01 00:01:00+00	\N	\\xc0000000fffffffff0400000ffffffff00000300020c1800010000000b008001000000000000000080439e8098cd0200	48
\.

COPY _cq.log (stream, log, begin_offset) FROM stdin;
public.reading	_cq.reading_log	0
public.told	_cq.told_log	0
\.

COPY _cq.net_state (s1) FROM stdin;
\\xcbbd9a1289877bf0000000000000000400000001000000000000000000000000001f
\.

COPY _cq.on_its_way_outbox (id, topic, partition, "timestamp", key, value, headers) FROM stdin;
1	\N	\N	\N	\\x7b226b223a307d	\\x7b226b223a302c226e223a31307d	\N
2	\N	\N	\N	\\x7b226b223a317d	\\x7b226b223a312c226e223a31307d	\N
3	\N	\N	\N	\\x7b226b223a327d	\\x7b226b223a322c226e223a31307d	\N
4	\N	\N	\N	\\x7b226b223a317d	\\x7b226b223a312c226e223a31317d	\N
\.

COPY _cq.on_its_way_state (k1, s1) FROM stdin;
0	10
2	10
1	11
\.

COPY _cq.outbox_end (view, next_id) FROM stdin;
public.on_its_way	5
\.

COPY _cq.reading_log ("offset", at, key, headers, value) FROM stdin;
0	2026-11-30 05:46:12.559004+00	\N	\N	(1,1,"2025-01-01 00:00:10+00")
1	2026-11-30 05:46:12.559004+00	\N	\N	(2,2,"2025-01-01 00:00:20+00")
2	2026-11-30 05:46:12.559004+00	\N	\N	(0,3,"2025-01-01 00:00:30+00")
3	2026-11-30 05:46:12.559004+00	\N	\N	(1,4,"2025-01-01 00:00:40+00")
4	2026-11-30 05:46:12.559004+00	\N	\N	(2,5,"2025-01-01 00:00:50+00")
5	2026-11-30 05:46:12.559004+00	\N	\N	(0,6,"2025-01-01 00:01:00+00")
6	2026-11-30 05:46:12.559004+00	\N	\N	(1,7,"2025-01-01 00:01:10+00")
7	2026-11-30 05:46:12.559004+00	\N	\N	(2,8,"2025-01-01 00:01:20+00")
8	2026-11-30 05:46:12.559004+00	\N	\N	(0,9,"2025-01-01 00:01:30+00")
9	2026-11-30 05:46:12.559004+00	\N	\N	(1,10,"2025-01-01 00:01:40+00")
10	2026-11-30 05:46:12.559004+00	\N	\N	(2,11,"2025-01-01 00:01:50+00")
11	2026-11-30 05:46:12.559004+00	\N	\N	(0,12,"2025-01-01 00:02:00+00")
12	2026-11-30 05:46:12.559004+00	\N	\N	(1,13,"2025-01-01 00:02:10+00")
13	2026-11-30 05:46:12.559004+00	\N	\N	(2,14,"2025-01-01 00:02:20+00")
14	2026-11-30 05:46:12.559004+00	\N	\N	(0,15,"2025-01-01 00:02:30+00")
15	2026-11-30 05:46:12.559005+00	\N	\N	(1,16,"2025-01-01 00:02:40+00")
16	2026-11-30 05:46:12.559005+00	\N	\N	(2,17,"2025-01-01 00:02:50+00")
17	2026-11-30 05:46:12.559005+00	\N	\N	(0,18,"2025-01-01 00:03:00+00")
18	2026-11-30 05:46:12.559005+00	\N	\N	(1,19,"2025-01-01 00:03:10+00")
19	2026-11-30 05:46:12.559005+00	\N	\N	(2,20,"2025-01-01 00:03:20+00")
20	2026-11-30 05:46:12.559005+00	\N	\N	(0,21,"2025-01-01 00:03:30+00")
21	2026-11-30 05:46:12.559005+00	\N	\N	(1,22,"2025-01-01 00:03:40+00")
22	2026-11-30 05:46:12.559005+00	\N	\N	(2,23,"2025-01-01 00:03:50+00")
23	2026-11-30 05:46:12.559005+00	\N	\N	(0,24,"2025-01-01 00:04:00+00")
24	2026-11-30 05:46:12.559005+00	\N	\N	(1,25,"2025-01-01 00:04:10+00")
25	2026-11-30 05:46:12.559005+00	\N	\N	(2,26,"2025-01-01 00:04:20+00")
26	2026-11-30 05:46:12.559005+00	\N	\N	(0,27,"2025-01-01 00:04:30+00")
27	2026-11-30 05:46:12.559005+00	\N	\N	(1,28,"2025-01-01 00:04:40+00")
28	2026-11-30 05:46:12.559005+00	\N	\N	(2,29,"2025-01-01 00:04:50+00")
29	2026-11-30 05:46:12.559005+00	\N	\N	(0,30,"2025-01-01 00:05:00+00")
30	2026-11-30 05:46:13.854223+00	\N	\N	(1,1,"2025-01-01 00:00:30+00")
\.

COPY _cq.resting_state (s1) FROM stdin;
30
\.

COPY _cq.sessions_state (k1, k2, s1) FROM stdin;
0	["2025-01-01 00:00:30+00","2025-01-01 00:06:00+00")	10
2	["2025-01-01 00:00:20+00","2025-01-01 00:05:50+00")	10
1	["2025-01-01 00:00:10+00","2025-01-01 00:05:40+00")	11
\.

COPY _cq.sink (view, sink, outbox, epoch, sent_id, sending_id, status, detail, kafka_id) FROM stdin;
public.on_its_way	public.sent	_cq.on_its_way_outbox	603907034702440189	0	0	running	\N	\N
\.

COPY _cq.told_log ("offset", at, key, headers, value) FROM stdin;
0	2026-11-30 05:46:12.824476+00	\N	\N	(,"(0,10,16.5000000000000000)")
1	2026-11-30 05:46:12.824615+00	\N	\N	(,"(1,10,14.5000000000000000)")
2	2026-11-30 05:46:12.824634+00	\N	\N	(,"(2,10,15.5000000000000000)")
3	2026-11-30 05:46:14.07161+00	\N	\N	("(1,10,14.5000000000000000)","(1,11,13.2727272727272727)")
\.

COPY _cq.totals_state (k1, s1, s2) FROM stdin;
0	10	\\x4ea47eb0248cf5ee000000000000000a0000000100000000000000000000000000a500000000000000000000000a000000000000000000000000000000000000000000000000
2	10	\\x4ea47eb0248cf5ee000000000000000a00000001000000000000000000000000009b00000000000000000000000a000000000000000000000000000000000000000000000000
1	11	\\x4ea47eb0248cf5ee000000000000000b00000001000000000000000000000000009200000000000000000000000b000000000000000000000000000000000000000000000000
\.

COPY _cq.view (view, definition, state, stream, status, status_detail, on_error, start, retention, settings, created_at, is_started, emit, watermark, allowed_lateness, late, result, sink, outbox, notify, tells_changes, changes, steps_kept, expires, retention_by) FROM stdin;
public.totals	_cq.totals_definition	_cq.totals_state	public.reading	running	\N	skip	earliest	\N	{TimeZone=UTC,"DateStyle=ISO, MDY",IntervalStyle=postgres,extra_float_digits=1,bytea_output=hex,xmloption=content,lc_monetary=C,lc_numeric=C,lc_time=C,default_text_search_config=pg_catalog.english,"search_path=\\"$user\\", public"}	2026-11-30 05:46:12.515547+00	t	change	\N	\N	drop	\N	public.copied	\N	\N	t	public.told	\N	\N	\N
public.net	_cq.net_definition	_cq.net_state	public.told	running	\N	skip	earliest	\N	{TimeZone=UTC,"DateStyle=ISO, MDY",IntervalStyle=postgres,extra_float_digits=1,bytea_output=hex,xmloption=content,lc_monetary=C,lc_numeric=C,lc_time=C,default_text_search_config=pg_catalog.english,"search_path=\\"$user\\", public"}	2026-11-30 05:46:12.520366+00	t	change	\N	\N	drop	\N	\N	\N	\N	f	\N	\N	\N	\N
public.on_its_way	_cq.on_its_way_definition	_cq.on_its_way_state	public.reading	running	\N	skip	earliest	\N	{TimeZone=UTC,"DateStyle=ISO, MDY",IntervalStyle=postgres,extra_float_digits=1,bytea_output=hex,xmloption=content,lc_monetary=C,lc_numeric=C,lc_time=C,default_text_search_config=pg_catalog.english,"search_path=\\"$user\\", public"}	2026-11-30 05:46:12.524344+00	t	change	\N	\N	drop	\N	public.sent	_cq.on_its_way_outbox	\N	t	\N	\N	\N	\N
public.kept	_cq.kept_definition	_cq.kept_state	public.reading	running	\N	skip	earliest	1000 years	{TimeZone=UTC,"DateStyle=ISO, MDY",IntervalStyle=postgres,extra_float_digits=1,bytea_output=hex,xmloption=content,lc_monetary=C,lc_numeric=C,lc_time=C,default_text_search_config=pg_catalog.english,"search_path=\\"$user\\", public"}	2026-11-30 05:46:12.528349+00	t	change	\N	\N	drop	\N	\N	\N	\N	f	\N	\N	rows	change
public.hopping	_cq.hopping_definition	_cq.hopping_state	public.reading	running	\N	skip	earliest	\N	{TimeZone=UTC,"DateStyle=ISO, MDY",IntervalStyle=postgres,extra_float_digits=1,bytea_output=hex,xmloption=content,lc_monetary=C,lc_numeric=C,lc_time=C,default_text_search_config=pg_catalog.english,"search_path=\\"$user\\", public"}	2026-11-30 05:46:12.532648+00	t	change	\N	\N	drop	\N	\N	\N	\N	f	\N	\N	\N	\N
public.closed	_cq.closed_definition	_cq.closed_state	public.reading	running	\N	skip	earliest	1 day	{TimeZone=UTC,"DateStyle=ISO, MDY",IntervalStyle=postgres,extra_float_digits=1,bytea_output=hex,xmloption=content,lc_monetary=C,lc_numeric=C,lc_time=C,default_text_search_config=pg_catalog.english,"search_path=\\"$user\\", public"}	2026-11-30 05:46:12.536218+00	t	close	\N	00:00:00	amend	_cq.closed_result	\N	\N	\N	f	\N	\N	results	event_time
public.closed_once	_cq.closed_once_definition	_cq.closed_once_state	public.reading	running	\N	skip	earliest	\N	{TimeZone=UTC,"DateStyle=ISO, MDY",IntervalStyle=postgres,extra_float_digits=1,bytea_output=hex,xmloption=content,lc_monetary=C,lc_numeric=C,lc_time=C,default_text_search_config=pg_catalog.english,"search_path=\\"$user\\", public"}	2026-11-30 05:46:12.538889+00	t	close	\N	00:00:10	keep	_cq.closed_once_result	\N	\N	\N	f	\N	\N	\N	\N
public.sessions	_cq.sessions_definition	_cq.sessions_state	public.reading	running	\N	skip	earliest	\N	{TimeZone=UTC,"DateStyle=ISO, MDY",IntervalStyle=postgres,extra_float_digits=1,bytea_output=hex,xmloption=content,lc_monetary=C,lc_numeric=C,lc_time=C,default_text_search_config=pg_catalog.english,"search_path=\\"$user\\", public"}	2026-11-30 05:46:12.543338+00	t	change	\N	\N	drop	\N	\N	\N	\N	f	\N	\N	\N	\N
public.waiting	_cq.waiting_definition	_cq.waiting_state	public.unread	running	\N	skip	earliest	\N	{TimeZone=UTC,"DateStyle=ISO, MDY",IntervalStyle=postgres,extra_float_digits=1,bytea_output=hex,xmloption=content,lc_monetary=C,lc_numeric=C,lc_time=C,default_text_search_config=pg_catalog.english,"search_path=\\"$user\\", public"}	2026-11-30 05:46:12.548773+00	f	change	\N	\N	drop	\N	\N	\N	\N	f	\N	\N	\N	\N
public.failing	_cq.failing_definition	_cq.failing_state	public.reading	running	\N	skip	earliest	\N	{TimeZone=UTC,"DateStyle=ISO, MDY",IntervalStyle=postgres,extra_float_digits=1,bytea_output=hex,xmloption=content,lc_monetary=C,lc_numeric=C,lc_time=C,default_text_search_config=pg_catalog.english,"search_path=\\"$user\\", public"}	2026-11-30 05:46:12.545899+00	t	change	\N	\N	drop	\N	\N	\N	\N	f	\N	\N	\N	\N
public.resting	_cq.resting_definition	_cq.resting_state	public.reading	paused	\N	pause	latest	\N	{TimeZone=UTC,"DateStyle=ISO, MDY",IntervalStyle=postgres,extra_float_digits=1,bytea_output=hex,xmloption=content,lc_monetary=C,lc_numeric=C,lc_time=C,default_text_search_config=pg_catalog.english,"search_path=\\"$user\\", public"}	2026-11-30 05:46:12.551418+00	t	change	\N	\N	drop	\N	\N	\N	\N	f	\N	\N	\N	\N
\.

COPY _cq.waiting_state (s1) FROM stdin;
\.

COPY public.copied (k, n, mean) FROM stdin;
0	10	16.5000000000000000
2	10	15.5000000000000000
1	11	13.2727272727272727
\.

SELECT pg_catalog.setval('_cq.cursor_id_seq', 11, true);

SELECT pg_catalog.setval('_cq.error_error_id_seq', 10, true);

SELECT pg_catalog.setval('_cq.gap_gap_id_seq', 1, false);

SELECT pg_catalog.setval('_cq.late_late_id_seq', 1, true);

SELECT pg_catalog.setval('_cq.reading_log_offset_seq', 30, true);

SELECT pg_catalog.setval('_cq.told_log_offset_seq', 3, true);

