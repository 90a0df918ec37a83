-- Models: what is refused, and what a row becomes in the outbox. Nobody answers at this address.
CREATE SCHEMA models;
SET search_path = models;
SET client_min_messages = warning;
\set VERBOSITY default
\set SHOW_CONTEXT never

-- Options.
CREATE SERVER none FOREIGN DATA WRAPPER cq_model OPTIONS (provider 'openai');
CREATE SERVER none FOREIGN DATA WRAPPER cq_model OPTIONS (provider 'mine', url 'http://localhost');
CREATE SERVER none FOREIGN DATA WRAPPER cq_model OPTIONS (url 'http://localhost', key 'sk-1');
CREATE SERVER none FOREIGN DATA WRAPPER cq_model OPTIONS (url 'http://localhost', provder 'openai');
CREATE SERVER none FOREIGN DATA WRAPPER cq_model OPTIONS (url 'http://localhost', rate 'fast');
CREATE SERVER ai FOREIGN DATA WRAPPER cq_model
  OPTIONS (url 'http://127.0.0.1:1/v1', timeout '1 s', backoff '1 ms', max_backoff '1 ms');
CREATE SERVER own FOREIGN DATA WRAPPER cq_model
  OPTIONS (provider 'custom', url 'http://127.0.0.1:1');
CREATE USER MAPPING FOR CURRENT_USER SERVER ai OPTIONS (key E'sk\n1');
CREATE USER MAPPING FOR CURRENT_USER SERVER ai OPTIONS (temperature '1');
CREATE FOREIGN TABLE none (a text) SERVER ai OPTIONS (task 'poem');
CREATE FOREIGN TABLE none (a text) SERVER ai OPTIONS (temperature '3');
CREATE FOREIGN TABLE none (a text) SERVER ai OPTIONS (temperature '1e0');
CREATE FOREIGN TABLE none (a text) SERVER ai OPTIONS (max_tokens '0');
CREATE FOREIGN TABLE none (a text) SERVER ai OPTIONS (batch_size '0');
CREATE FOREIGN TABLE none (a text) SERVER ai OPTIONS (mode 'debezium');
CREATE FOREIGN TABLE none (a text) SERVER ai OPTIONS (request '{}');
CREATE FOREIGN TABLE none (a text) SERVER ai OPTIONS (path '/a/../b');
CREATE FOREIGN TABLE none (a text OPTIONS (part 'body')) SERVER ai;

-- What does not fit together.
CREATE FOREIGN TABLE s (id int, a text, b numeric) SERVER cq_log;
CREATE FOREIGN TABLE answers (id int, said text, error text) SERVER cq_log;
CREATE FOREIGN TABLE nameless (a text, said text OPTIONS (part 'output')) SERVER ai
  OPTIONS (responses 'answers');
CREATE CONTINUOUS VIEW x WITH (sink = 'nameless') AS SELECT a FROM s;
CREATE FOREIGN TABLE mute (a text) SERVER ai OPTIONS (model 'm', responses 'answers');
CREATE CONTINUOUS VIEW x WITH (sink = 'mute') AS SELECT a FROM s;
CREATE FOREIGN TABLE deaf (said text OPTIONS (part 'output')) SERVER ai
  OPTIONS (model 'm', responses 'answers');
CREATE CONTINUOUS VIEW x WITH (sink = 'deaf') AS SELECT a FROM s;
CREATE FOREIGN TABLE unheard (a text, said text OPTIONS (part 'output')) SERVER ai
  OPTIONS (model 'm');
CREATE CONTINUOUS VIEW x WITH (sink = 'unheard') AS SELECT a FROM s;
CREATE FOREIGN TABLE other (a text, told text OPTIONS (part 'output')) SERVER ai
  OPTIONS (model 'm', responses 'answers');
CREATE CONTINUOUS VIEW x WITH (sink = 'other') AS SELECT a FROM s;
CREATE FOREIGN TABLE mistyped (id timestamptz OPTIONS (part 'key'), a text,
  said text OPTIONS (part 'output')) SERVER ai OPTIONS (model 'm', responses 'answers');
CREATE CONTINUOUS VIEW x WITH (sink = 'mistyped') AS SELECT now() AS id, a FROM s;
CREATE CONTINUOUS VIEW x WITH (sink = 'mistyped') AS SELECT a FROM s;
CREATE FOREIGN TABLE classless (a text, said text OPTIONS (part 'output')) SERVER ai
  OPTIONS (model 'm', task 'classification', responses 'answers');
CREATE CONTINUOUS VIEW x WITH (sink = 'classless') AS SELECT a FROM s;
CREATE FOREIGN TABLE misled (a text, said text OPTIONS (part 'output')) SERVER ai
  OPTIONS (model 'm', prompt 'Is {said} true?', responses 'answers');
CREATE CONTINUOUS VIEW x WITH (sink = 'misled') AS SELECT a FROM s;
CREATE FOREIGN TABLE formless (a text, said text OPTIONS (part 'output')) SERVER own
  OPTIONS (model 'm', responses 'answers');
CREATE CONTINUOUS VIEW x WITH (sink = 'formless') AS SELECT a FROM s;
CREATE FOREIGN TABLE plain (id int OPTIONS (part 'key'), a text, said text OPTIONS (part 'output'))
  SERVER ai OPTIONS (model 'm', responses 'answers');
CREATE CONTINUOUS VIEW x WITH (sink = 'plain') AS SELECT a, a AS said FROM s;
CREATE CONTINUOUS VIEW x WITH (sink = 'plain') AS SELECT max(a) AS a FROM s;
CREATE FOREIGN TABLE keyless (a text, said text OPTIONS (part 'output')) SERVER ai
  OPTIONS (model 'm', mode 'upsert', responses 'answers');
CREATE CONTINUOUS VIEW x WITH (sink = 'keyless') AS SELECT max(a) AS a FROM s;
-- A view does not wait for a model.
CREATE CONTINUOUS VIEW x AS SELECT cq.predict('plain', a) AS said FROM s;
-- Neither read nor written to by hand.
SELECT * FROM plain;
INSERT INTO plain VALUES (1, 'a');

-- What a row becomes.
CREATE FUNCTION asked(view regclass, OUT topic text, OUT key text, OUT input text)
RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT topic, convert_from(key, ''UTF8''), '
        'convert_from(value, ''UTF8'') FROM %s ORDER BY id', (SELECT relation FROM _cq.part p
        WHERE p.view = asked.view AND role = 'outbox'));
END
$$;
CREATE FOREIGN TABLE several (id int OPTIONS (part 'key'), a text, b numeric,
  said text OPTIONS (part 'output')) SERVER ai OPTIONS (model 'm', responses 'answers');
CREATE FOREIGN TABLE prompted (id int OPTIONS (part 'key'), a text, b numeric,
  said text OPTIONS (part 'output')) SERVER ai
  OPTIONS (model 'm', prompt 'Is {a} more than {b}?', responses 'answers');
CREATE FOREIGN TABLE answered (id text, said text) SERVER cq_log;
CREATE FOREIGN TABLE followed (id text OPTIONS (part 'key'), a text,
  said text OPTIONS (part 'output')) SERVER ai
  OPTIONS (model 'm', mode 'upsert', responses 'answered');
CREATE FOREIGN TABLE u (id text OPTIONS (metadata 'key'), a text, b numeric) SERVER cq_log
  OPTIONS (mode 'upsert');
CREATE CONTINUOUS VIEW v_plain WITH (sink = 'plain') AS SELECT id, a FROM s;
CREATE CONTINUOUS VIEW v_several WITH (sink = 'several') AS SELECT id, a, b FROM s;
CREATE CONTINUOUS VIEW v_prompted WITH (sink = 'prompted') AS SELECT id, a, b FROM s;
CREATE CONTINUOUS VIEW v_followed WITH (sink = 'followed') AS
  SELECT id, a FROM u WHERE b IS NOT NULL;
INSERT INTO s VALUES (1, E'a "b"\n{c}', 2.50), (2, NULL, NULL), (NULL, '', 'NaN');
SELECT cq.wait('v_plain'), cq.wait('v_several'), cq.wait('v_prompted');
SELECT * FROM asked('v_plain');
SELECT * FROM asked('v_several');
SELECT * FROM asked('v_prompted');
INSERT INTO u VALUES (1, 'one', 1), (2, 'two', 2);
SELECT cq.wait('v_followed');
INSERT INTO u VALUES (1, 'one', 7), (2, 'three', 2);
SELECT cq.wait('v_followed');
INSERT INTO u (id) VALUES (1);
SELECT cq.wait('v_followed');
SELECT topic, key, input FROM asked('v_followed') ORDER BY topic, key, input;

-- By hand: for whom it is.
CREATE ROLE regress_asker;
GRANT USAGE ON SCHEMA models TO regress_asker;
SET ROLE regress_asker;
SELECT cq.predict('plain', 'x');
RESET ROLE;
GRANT EXECUTE ON FUNCTION cq.predict(regclass, text) TO regress_asker;
SET ROLE regress_asker;
SELECT cq.predict('plain', 'x');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER ai TO regress_asker;
CREATE USER MAPPING FOR PUBLIC SERVER ai OPTIONS (key 'everybodys');
SET ROLE regress_asker;
SELECT cq.predict('plain', 'x');
CREATE USER MAPPING FOR regress_asker SERVER ai OPTIONS (key 'theirs');
SELECT cq.predict('plain', 'x');
RESET ROLE;
GRANT INSERT ON plain TO regress_asker;
SET ROLE regress_asker;
SELECT cq.predict('s', 'x');
RESET ROLE;
CREATE USER MAPPING FOR CURRENT_USER SERVER ai OPTIONS (key 'sk-1');
SELECT cq.predict('several', 'x');
SELECT cq.predict('several', '[1]'::jsonb);
-- Measures, and texts in pieces.
SELECT measure, class, round(value::numeric, 4) FROM _cq.measures(
  ARRAY['{"c": "a"}', '{"c": "a"}', '{"c": "b"}', '{"c": "b"}']::jsonb[],
  ARRAY['{"c": "a"}', '{"c": "b"}', '{"c": "b"}', NULL]::jsonb[], 'c', false);
SELECT measure, class, round(value::numeric, 4) FROM _cq.measures(
  ARRAY['{"x": 1}', '{"x": 2}', '{"x": 3}', '{"x": 4}']::jsonb[],
  ARRAY['{"x": 1}', '{"x": 2}', '{"x": "2"}', NULL]::jsonb[], 'x', true);
SELECT cq.evaluate('several', 'SELECT WHERE false');
SELECT cq.evaluate('several', 'SELECT 1 AS a');
SELECT * FROM cq.chunks('one two three four', 9);
SELECT * FROM cq.chunks('one two three four', 9, 4);
SELECT * FROM cq.chunks('abcdefghij', 4);
SELECT count(*) FROM cq.chunks(E' \n ', 4);
SELECT cq.chunks('a', 4, 4);
DROP SCHEMA models CASCADE;
DROP SERVER ai CASCADE;
DROP SERVER own CASCADE;
DROP OWNED BY regress_asker;
DROP ROLE regress_asker;
