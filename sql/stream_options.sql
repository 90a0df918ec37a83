-- Options of servers, streams and columns: what is accepted, and what is said where it is not.
CREATE SERVER options_kafka FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers 'localhost:1');

-- Unknown names.
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (colour 'red');
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'x')) SERVER cq_log;
CREATE FOREIGN TABLE t (a int OPTIONS (colour 'red')) SERVER options_kafka OPTIONS (topic 'x');
CREATE SERVER other FOREIGN DATA WRAPPER cq_log OPTIONS (colour 'red');
CREATE USER MAPPING FOR CURRENT_USER SERVER cq_log OPTIONS (colour 'red');

-- Topics.
CREATE FOREIGN TABLE t (a int) SERVER options_kafka;
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic '');
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic 'a, b c');
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic 'a,,b');

-- Where what fails goes: not to where it is read, and not of rows that are kept here.
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic 'x', error_topic 'a,b');
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic 'x', error_topic '^a');
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic 'w, x', error_topic 'x');
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic '^x', error_topic 'xy');
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic 'x', error_topic 'y');
ALTER FOREIGN TABLE t OPTIONS (SET topic 'y');
DROP FOREIGN TABLE t;
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (error_topic 'y');

-- How values are written.
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic 'x', time_format 'later');
CREATE FOREIGN TABLE t (a int OPTIONS (time_format '')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (number_format 'roman')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic 'x', values 'all');
-- What says that a row is gone is a field of a message.
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic 'x', deleted_field 'gone');
CREATE FOREIGN TABLE t (a int) SERVER options_kafka
    OPTIONS (topic 'x', mode 'debezium', deleted_field 'gone');
CREATE FOREIGN TABLE t (k text OPTIONS (metadata 'key'), a int) SERVER options_kafka
    OPTIONS (topic 'x', mode 'upsert', format 'csv', deleted_field 'gone');
CREATE FOREIGN TABLE t (k text OPTIONS (metadata 'key'), a int) SERVER options_kafka
    OPTIONS (topic 'x', mode 'upsert', deleted_field 'meta.');
CREATE FOREIGN TABLE t (a int OPTIONS (envelope 'op')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int, op text OPTIONS (envelope 'op')) SERVER options_kafka OPTIONS (topic 'x, y', mode 'debezium');
SELECT a FROM t;
INSERT INTO t (a) VALUES (1);
DROP FOREIGN TABLE t;
SELECT _cq.message_key('(0,1)');
SELECT _cq.unknown_value('a', 1);

-- Words and times.
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic 'x', format 'xml');
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (mode 'sideways');
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (mode 'debezium');
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (watermark 'soon');
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (watermark '-1 s');
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (idle_timeout '1 month');
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (retention '');
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (retention '999999999 days');
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (tombstone 'maybe');
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (on_gap 'cry');
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (on_error 'cry');

-- Columns.
CREATE FOREIGN TABLE t (a int OPTIONS (metadata 'colour')) SERVER cq_log;
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a..b')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a."b')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a.')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (key 'a.')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (envelope 'a.')) SERVER options_kafka
    OPTIONS (topic 'x', mode 'debezium');
CREATE FOREIGN TABLE t (a int OPTIONS (path '[0]')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a[]')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a[x]')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a[0')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a]')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a[1]b')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a.[0]')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a[ 0]')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a[--1]')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a[1234567890]'))
    SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a"b"')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a[0].')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a[0]'))
    SERVER options_kafka OPTIONS (topic 'x', format 'csv');
CREATE FOREIGN TABLE t (a int OPTIONS (path '""[0]'))
    SERVER options_kafka OPTIONS (topic 'x', format 'text');
CREATE FOREIGN TABLE t (a int OPTIONS (path 'a[-1][0]."b[0]"."[]"[7]'))
    SERVER options_kafka OPTIONS (topic 'x');
INSERT INTO t VALUES (1);
DROP FOREIGN TABLE t;
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic 'x', ignore_case 'perhaps');
CREATE FOREIGN TABLE t (a int) SERVER options_kafka OPTIONS (topic 'x', format 'avro',
    ignore_case 'true', schema '{"type":"record","name":"r","fields":[{"name":"a","type":"int"},
    {"name":"A","type":"int"}]}');
CREATE FOREIGN TABLE t (a int) SERVER cq_log OPTIONS (ignore_case 'true');

-- All at once, and changed.
CREATE FOREIGN TABLE t (
    a int OPTIONS (path 'x."y.z"."q""r".w'),
    t timestamptz,
    o bigint OPTIONS (metadata 'offset')
) SERVER options_kafka OPTIONS (topic 'a, b.c-d_e', format 'json', mode 'append', event_time 't', watermark '5 s',
    idle_timeout '1 min', tombstone 'skip', on_gap 'skip', on_error 'skip', "fetch.wait.max.ms" '10');
EXPLAIN (VERBOSE, COSTS OFF) SELECT a FROM t WHERE o > 5;
ALTER FOREIGN TABLE t OPTIONS (SET watermark 'never');
ALTER FOREIGN TABLE t OPTIONS (DROP topic);
ALTER FOREIGN TABLE t ALTER COLUMN o OPTIONS (SET metadata 'nothing');
TRUNCATE t;

-- What needs the columns is said as well.
ALTER FOREIGN TABLE t OPTIONS (SET event_time 'gone');
ALTER FOREIGN TABLE t OPTIONS (SET event_time 't');
ALTER FOREIGN TABLE t ALTER COLUMN o OPTIONS (SET metadata 'partition');
ALTER FOREIGN TABLE t ALTER COLUMN o OPTIONS (SET metadata 'key');

-- Not a stream.
SELECT _cq.stream_extents('pg_class');
DROP FOREIGN TABLE t;
DROP SERVER options_kafka;

-- The schema registry: where it is at the server, who asks in user mappings, and nothing secret in what is said.
CREATE SERVER options_registry FOREIGN DATA WRAPPER cq_kafka OPTIONS (schema_registry 'http://one:8081, https://two/path');
ALTER SERVER options_registry OPTIONS (SET schema_registry 'ftp://one');
ALTER SERVER options_registry OPTIONS (SET schema_registry 'file:///etc/passwd');
ALTER SERVER options_registry OPTIONS (SET schema_registry 'http://');
ALTER SERVER options_registry OPTIONS (SET schema_registry '');
ALTER SERVER options_registry OPTIONS (SET schema_registry 'http://user:secret@one');
ALTER SERVER options_registry OPTIONS (SET schema_registry 'http://one?a=b');
ALTER SERVER options_registry OPTIONS (SET schema_registry 'http://one, gopher://two');
ALTER SERVER options_registry OPTIONS (ADD schema_registry_password 'secret');
ALTER SERVER options_registry OPTIONS (ADD schema_registry_ca 'not PEM');
CREATE FOREIGN TABLE t (a int) SERVER options_registry OPTIONS (topic 'x', schema_registry 'http://one');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_registry OPTIONS (schema_registry 'http://one');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_registry OPTIONS (schema_registry_token E'a\r\nX-Header: b');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_registry OPTIONS (schema_registry_key 'secret');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_registry
    OPTIONS (schema_registry_user 'me', schema_registry_password 'secret', schema_registry_token 'secret');
CREATE FOREIGN TABLE t (a int) SERVER options_registry OPTIONS (topic 'x', format 'avro', schema '{"type":"record"}');
CREATE FOREIGN TABLE t (a int) SERVER options_registry OPTIONS (topic 'x', format 'avro', framing 'some');
CREATE FOREIGN TABLE t (a int) SERVER options_registry OPTIONS (topic 'x', format 'avro', subject 'y');
DROP FOREIGN TABLE t;
DROP SERVER options_registry CASCADE;
