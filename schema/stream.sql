-- Streams: the two foreign data wrappers, and the server for streams that are kept in this database.

CREATE FUNCTION _cq.kafka_handler() RETURNS fdw_handler
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_kafka_handler';
COMMENT ON FUNCTION _cq.kafka_handler() IS 'streams of Apache Kafka as foreign tables';
CREATE FUNCTION _cq.kafka_validator(text[], oid) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_kafka_validator';
COMMENT ON FUNCTION _cq.kafka_validator(text[], oid) IS 'checks options of cq_kafka';
CREATE FUNCTION _cq.log_handler() RETURNS fdw_handler
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_log_handler';
COMMENT ON FUNCTION _cq.log_handler() IS 'streams kept in this database as foreign tables';
CREATE FUNCTION _cq.log_validator(text[], oid) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_log_validator';
COMMENT ON FUNCTION _cq.log_validator(text[], oid) IS 'checks options of cq_log';

CREATE FOREIGN DATA WRAPPER cq_kafka HANDLER _cq.kafka_handler VALIDATOR _cq.kafka_validator;
COMMENT ON FOREIGN DATA WRAPPER cq_kafka IS 'topics of Apache Kafka as streams';
CREATE FOREIGN DATA WRAPPER cq_log HANDLER _cq.log_handler VALIDATOR _cq.log_validator;
COMMENT ON FOREIGN DATA WRAPPER cq_log IS 'streams kept in this database';

CREATE SERVER cq_log FOREIGN DATA WRAPPER cq_log;
COMMENT ON SERVER cq_log IS 'streams kept in this database';

-- A table that holds a stream's rows is a part of the stream, also after a restore.
CREATE FUNCTION _cq.log_adopt() RETURNS trigger
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_log_adopt';
COMMENT ON FUNCTION _cq.log_adopt() IS 'makes the table behind a stream a part of it';
REVOKE ALL ON FUNCTION _cq.log_adopt() FROM PUBLIC;
CREATE TRIGGER log_adopt AFTER INSERT ON _cq.log FOR EACH ROW EXECUTE FUNCTION _cq.log_adopt();
COMMENT ON TRIGGER log_adopt ON _cq.log IS 'makes the table behind a stream a part of it';

CREATE FUNCTION _cq.stream_extents(stream regclass, OUT topic text, OUT partition integer, OUT begin_offset bigint, OUT end_offset bigint)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_stream_extents_sql';
COMMENT ON FUNCTION _cq.stream_extents(regclass) IS
    'how far each partition of a stream reaches now: the oldest offset still there, and the next one to be written by committed transactions';
REVOKE ALL ON FUNCTION _cq.stream_extents(regclass) FROM PUBLIC;

CREATE FUNCTION cq.columns_of(server text, topic text, OUT column_name text, OUT data_type text, OUT not_null boolean, OUT path text, OUT format text)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_columns_of';
COMMENT ON FUNCTION cq.columns_of(text, text) IS
    'the columns that IMPORT FOREIGN SCHEMA would make for a topic: as its schema in the registry says, or else its latest messages';

CREATE FUNCTION _cq.log_trim(stream regclass) RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_log_trim_sql';
COMMENT ON FUNCTION _cq.log_trim(regclass) IS
    'removes rows of a stream that are older than its retention and that no continuous view still has to read; returns how many';
REVOKE ALL ON FUNCTION _cq.log_trim(regclass) FROM PUBLIC;

CREATE FUNCTION _cq.log_trim() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_log_trim_all_sql';
COMMENT ON FUNCTION _cq.log_trim() IS 'applies their retention to all streams kept in this database; returns how many rows were removed';
REVOKE ALL ON FUNCTION _cq.log_trim() FROM PUBLIC;

CREATE FUNCTION _cq.make_logs() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_make_logs';
COMMENT ON FUNCTION _cq.make_logs() IS
    'makes the tables behind streams kept in this database that have none yet; returns how many';
REVOKE ALL ON FUNCTION _cq.make_logs() FROM PUBLIC;

-- Tables whose changes count.
CREATE FUNCTION _cq.table_changed() RETURNS trigger
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_table_changed';
COMMENT ON FUNCTION _cq.table_changed() IS
    'writes the changes of a table to the stream from which continuous views learn of them';
REVOKE ALL ON FUNCTION _cq.table_changed() FROM PUBLIC;
