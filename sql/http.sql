-- Destinations of requests by HTTP: what is refused, and what a row becomes in the outbox. Nobody
-- answers at this address.
CREATE SCHEMA http;
SET search_path = http;
SET client_min_messages = warning;
\set VERBOSITY default

-- Options.
CREATE SERVER none FOREIGN DATA WRAPPER cq_http;
CREATE SERVER none FOREIGN DATA WRAPPER cq_http OPTIONS (url 'ftp://example.com');
CREATE SERVER none FOREIGN DATA WRAPPER cq_http OPTIONS (url 'https://me:secret@example.com');
CREATE SERVER none FOREIGN DATA WRAPPER cq_http OPTIONS (url 'https://example.com/a/../b');
CREATE SERVER none FOREIGN DATA WRAPPER cq_http
    OPTIONS (url 'https://example.com', password 'secret');
CREATE SERVER none FOREIGN DATA WRAPPER cq_http OPTIONS (url 'https://example.com', concurency '3');
CREATE SERVER none FOREIGN DATA WRAPPER cq_http
    OPTIONS (url 'https://example.com', concurrency '0');
CREATE SERVER none FOREIGN DATA WRAPPER cq_http OPTIONS (url 'https://example.com', rate 'fast');
CREATE SERVER none FOREIGN DATA WRAPPER cq_http
    OPTIONS (url 'https://example.com', timeout '1 month');
CREATE SERVER none FOREIGN DATA WRAPPER cq_http OPTIONS (url 'https://example.com', sigv4 'lambda');
CREATE SERVER hook FOREIGN DATA WRAPPER cq_http
    OPTIONS (url 'http://127.0.0.1:1/base/', timeout '1 s');
ALTER SERVER hook OPTIONS (DROP url);
CREATE USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS (url 'https://example.com');
CREATE USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS ("header.Host" 'x');
CREATE USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS ("header.X-Key" E'a\nb');
CREATE USER MAPPING FOR CURRENT_USER SERVER hook
    OPTIONS (user 'me', password 'secret', "header.X-Key" 'k', hmac_key 'h');
CREATE FOREIGN TABLE none (a int) SERVER hook OPTIONS (method 'post');
CREATE FOREIGN TABLE none (a int) SERVER hook OPTIONS (path 'a');
CREATE FOREIGN TABLE none (a int) SERVER hook OPTIONS (path '/a/../{a}');
CREATE FOREIGN TABLE none (a int) SERVER hook OPTIONS (path '/%2E%2e/{a}');
CREATE FOREIGN TABLE none (a int) SERVER hook OPTIONS (path '/a b');
CREATE FOREIGN TABLE none (a int OPTIONS (part 'cookie')) SERVER hook;
CREATE FOREIGN TABLE none (a int) SERVER hook OPTIONS (max_response '1 GB');

-- A destination is neither read nor written to by hand.
CREATE FOREIGN TABLE plain (a int) SERVER hook;
SELECT * FROM plain;
INSERT INTO plain VALUES (1);
COPY plain FROM stdin;
1
\.
UPDATE plain SET a = 2;
DELETE FROM plain;
CREATE CONTINUOUS VIEW x AS SELECT a FROM plain;

-- What does not fit together.
CREATE FOREIGN TABLE s (a int, b text, c jsonb) SERVER cq_log;
CREATE FOREIGN TABLE get (a int) SERVER hook OPTIONS (method 'GET');
CREATE CONTINUOUS VIEW x WITH (sink = 'get') AS SELECT a FROM s;
CREATE FOREIGN TABLE two (a int, b text OPTIONS (part 'body')) SERVER hook;
CREATE CONTINUOUS VIEW x WITH (sink = 'two') AS SELECT a, b FROM s;
CREATE FOREIGN TABLE nowhere (a int) SERVER hook OPTIONS (path '/{b}');
CREATE CONTINUOUS VIEW x WITH (sink = 'nowhere') AS SELECT a FROM s;
CREATE FOREIGN TABLE behind (a int OPTIONS (part 'path')) SERVER hook OPTIONS (path '/x?b={a}');
CREATE CONTINUOUS VIEW x WITH (sink = 'behind') AS SELECT a FROM s;
CREATE FOREIGN TABLE keyless (a int) SERVER hook OPTIONS (key 'b');
CREATE CONTINUOUS VIEW x WITH (sink = 'keyless') AS SELECT a FROM s;
CREATE FOREIGN TABLE header (a int OPTIONS (part 'header', name 'Host')) SERVER hook;
CREATE CONTINUOUS VIEW x WITH (sink = 'header') AS SELECT a FROM s;
CREATE CONTINUOUS VIEW x WITH (sink = 'plain') AS SELECT a, b FROM s;
CREATE CONTINUOUS VIEW x WITH (sink = 'plain') AS SELECT a FROM s GROUP BY a;
CREATE FOREIGN TABLE answered (a int) SERVER hook OPTIONS (responses 'plain');
CREATE CONTINUOUS VIEW x WITH (sink = 'answered') AS SELECT a FROM s;
CREATE FOREIGN TABLE unanswered (a int) SERVER hook OPTIONS (responses 'nothing');
CREATE CONTINUOUS VIEW x WITH (sink = 'unanswered') AS SELECT a FROM s;
CREATE FOREIGN TABLE misanswered (a int) SERVER hook OPTIONS (responses 's');
CREATE CONTINUOUS VIEW x WITH (sink = 'misanswered') AS SELECT a FROM s;

-- What a row becomes.
CREATE FUNCTION sent(view regclass, OUT request text, OUT key text, OUT body text,
    OUT headers jsonb) RETURNS SETOF record
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT topic, convert_from(key, ''UTF8''), '
                                'convert_from(value, ''UTF8''), headers FROM %s ORDER BY id',
        (SELECT relation FROM _cq.part p WHERE p.view = sent.view AND role = 'outbox'));
END
$$;
CREATE FOREIGN TABLE parts (a int OPTIONS (part 'path'), "b c" text OPTIONS (part 'path'),
    q text OPTIONS (part 'query', name 'q&a'),
    h text OPTIONS (part 'header', name 'X-Of-Row'), d jsonb, e text OPTIONS (name 'E "f"'))
    SERVER hook
    OPTIONS (method 'PUT', path '/orders/{a}/x?v=1', key 'a, "b c"');
CREATE FOREIGN TABLE whole (a int OPTIONS (part 'path'), b text OPTIONS (part 'body')) SERVER hook;
CREATE FOREIGN TABLE fetched (b text OPTIONS (part 'query'))
    SERVER hook OPTIONS (method 'GET', path '/search');
CREATE CONTINUOUS VIEW v_parts WITH (sink = 'parts') AS
    SELECT a, b AS "b c", b || '&?' AS q, b AS h, c AS d, b AS e FROM s;
CREATE CONTINUOUS VIEW v_whole WITH (sink = 'whole') AS SELECT a, b FROM s;
CREATE CONTINUOUS VIEW v_fetched WITH (sink = 'fetched') AS SELECT b FROM s;
INSERT INTO s VALUES (1, 'x', '{"k": [1]}'), (2, '../..', NULL), (3, '..', '1'),
    (4, E'a\r\nHost: evil', '2'), (5, '', '3'), (6, NULL, '4'),
    (7, 'ä/?#%"' || chr(10), '"\\"'), (NULL, 'y', '5'), (8, '.', NULL);
SELECT cq.wait('v_parts'), cq.wait('v_whole'), cq.wait('v_fetched');
SELECT * FROM sent('v_parts');
SELECT * FROM sent('v_whole');
SELECT * FROM sent('v_fetched');
-- The view has all of them.
SELECT count(*) FROM v_parts;
SELECT view, topic, convert_from(key, 'UTF8') AS key, convert_from(payload, 'UTF8') AS payload,
    sqlstate, message, column_name
FROM cq.errors WHERE view::text LIKE 'v\_%' ORDER BY error_id;

-- Changes.
CREATE FOREIGN TABLE kept (k text OPTIONS (part 'path'), n bigint)
    SERVER hook OPTIONS (method 'PUT', path '/k/', mode 'upsert');
CREATE FOREIGN TABLE told (k text OPTIONS (part 'path'), n bigint)
    SERVER hook OPTIONS (mode 'debezium');
CREATE FOREIGN TABLE u (k text OPTIONS (metadata 'key'), n int)
    SERVER cq_log OPTIONS (mode 'upsert');
CREATE CONTINUOUS VIEW v_kept WITH (sink = 'kept') AS SELECT k, n::bigint AS n FROM u;
CREATE CONTINUOUS VIEW v_told WITH (sink = 'told') AS SELECT k, n::bigint AS n FROM u;
INSERT INTO u VALUES ('a', 1);
SELECT cq.wait('v_kept'), cq.wait('v_told');
INSERT INTO u VALUES ('a', 2);
SELECT cq.wait('v_kept'), cq.wait('v_told');
INSERT INTO u VALUES ('a', NULL);
SELECT cq.wait('v_kept'), cq.wait('v_told');
SELECT * FROM sent('v_kept');
SELECT request, key, regexp_replace(body, '"ts_ms":\d+', '"ts_ms":0') AS body, headers
    FROM sent('v_told');

-- Secrets are for nobody to see who may not; the sink is shown without them.
SELECT view, sink, pending_rows FROM cq.sinks ORDER BY view::text COLLATE "C";
DROP SCHEMA http CASCADE;
DROP SERVER hook CASCADE;
