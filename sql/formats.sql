-- Formats other than JSON and Avro: what is accepted of options and columns, and what is said where it is not.
CREATE SERVER formats_kafka FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers 'localhost:1');

-- CSV.
CREATE FOREIGN TABLE t (a int, b text OPTIONS (force_null 'true', force_not_null 'false')) SERVER formats_kafka
    OPTIONS (topic 'x', format 'csv', delimiter ';', quote '''', escape E'\\', null 'NULL', header 'match');
ALTER FOREIGN TABLE t OPTIONS (SET delimiter '''');
ALTER FOREIGN TABLE t OPTIONS (SET null 'a;b');
ALTER FOREIGN TABLE t OPTIONS (SET null 'a''b');
ALTER FOREIGN TABLE t OPTIONS (SET null E'a\nb');
ALTER FOREIGN TABLE t OPTIONS (SET delimiter 'ab');
ALTER FOREIGN TABLE t OPTIONS (SET delimiter '');
ALTER FOREIGN TABLE t OPTIONS (SET quote E'\n');
ALTER FOREIGN TABLE t OPTIONS (SET escape 'é');
ALTER FOREIGN TABLE t OPTIONS (SET header 'maybe');
ALTER FOREIGN TABLE t ALTER COLUMN a OPTIONS (ADD force_null 'maybe');
ALTER FOREIGN TABLE t ALTER COLUMN a OPTIONS (ADD path 'a');
ALTER FOREIGN TABLE t ALTER COLUMN a OPTIONS (ADD path '0');
ALTER FOREIGN TABLE t ALTER COLUMN a OPTIONS (ADD path '1.2');
ALTER FOREIGN TABLE t ALTER COLUMN a OPTIONS (ADD path '1601');
ALTER FOREIGN TABLE t ALTER COLUMN a OPTIONS (ADD path '17');
ALTER FOREIGN TABLE t OPTIONS (ADD mode 'debezium');
INSERT INTO t VALUES (1, 'x');
DROP FOREIGN TABLE t;

-- A name is no place: one that is changed needs no path.
CREATE FOREIGN TABLE t (a int, b text, k int OPTIONS (key '1')) SERVER formats_kafka
    OPTIONS (topic 'x', format 'csv', key_format 'csv', mode 'upsert');
ALTER FOREIGN TABLE t RENAME a TO c;
ALTER FOREIGN TABLE t RENAME k TO l;
SELECT attname, attfdwoptions FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0;
DROP FOREIGN TABLE t;

-- One value.
CREATE FOREIGN TABLE t (a int, b int) SERVER formats_kafka OPTIONS (topic 'x', format 'int');
CREATE FOREIGN TABLE t (a text) SERVER formats_kafka OPTIONS (topic 'x', format 'bytea');
CREATE FOREIGN TABLE t (a text OPTIONS (path 'a')) SERVER formats_kafka OPTIONS (topic 'x', format 'text');
CREATE FOREIGN TABLE t (a text OPTIONS (path '""'), k bigint OPTIONS (key '""'), o bigint OPTIONS (metadata 'offset'))
    SERVER formats_kafka OPTIONS (topic 'x', format 'text', key_format 'long', mode 'upsert');
ALTER FOREIGN TABLE t ALTER COLUMN k OPTIONS (SET key 'id');
ALTER FOREIGN TABLE t ADD COLUMN more text OPTIONS (key '""');
ALTER FOREIGN TABLE t ADD COLUMN more text;
ALTER FOREIGN TABLE t OPTIONS (SET key_format 'csv');
ALTER FOREIGN TABLE t ALTER COLUMN k OPTIONS (SET key '1'), OPTIONS (SET key_format 'csv');
DROP FOREIGN TABLE t;
CREATE FOREIGN TABLE t (o bigint OPTIONS (metadata 'offset')) SERVER formats_kafka OPTIONS (topic 'x', format 'uuid');
INSERT INTO t DEFAULT VALUES;
DROP FOREIGN TABLE t;
DROP SERVER formats_kafka;
