-- Topics: which there are, a new one, and the latest messages. With the rights that Kafka gives to
-- whom the user mapping names.

CREATE FUNCTION cq.topics(
        server text, timeout interval DEFAULT '30 s', OUT topic text, OUT partitions integer)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_topics_list';
COMMENT ON FUNCTION cq.topics(text, interval) IS
    'topics of a server, without those of Kafka itself';

CREATE FUNCTION _cq.create_topic(
        server text, topic text, partitions integer, replicas integer, names text[],
        settings text[], timeout interval)
    RETURNS void
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_topics_create';
COMMENT ON FUNCTION _cq.create_topic(text, text, integer, integer, text[], text[], interval) IS
    'what cq.create_topic does';

CREATE FUNCTION cq.create_topic(
        server text, topic text, partitions integer DEFAULT NULL, replicas integer DEFAULT NULL,
        settings jsonb DEFAULT '{}', timeout interval DEFAULT '30 s')
    RETURNS void
    LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
BEGIN ATOMIC
    SELECT _cq.create_topic(server, topic, partitions, replicas,
                            ARRAY(SELECT s.key FROM pg_catalog.jsonb_each_text(settings) s
                                  ORDER BY s.key),
                            ARRAY(SELECT s.value FROM pg_catalog.jsonb_each_text(settings) s
                                  ORDER BY s.key), timeout);
END;
COMMENT ON FUNCTION cq.create_topic(text, text, integer, integer, jsonb, interval) IS
    'makes a topic, at once, whatever becomes of the transaction';

CREATE FUNCTION _cq.tail(
        stream regclass, n integer, OUT topic text, OUT partition integer, OUT "offset" bigint,
        OUT "timestamp" timestamptz,
        OUT key text, OUT value text, OUT headers jsonb)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_tail_messages';
COMMENT ON FUNCTION _cq.tail(regclass, integer) IS
    'the latest messages of each partition of a stream';

CREATE FUNCTION cq.tail(
        stream regclass, n integer DEFAULT 10, OUT topic text, OUT partition integer,
        OUT "offset" bigint, OUT "timestamp" timestamptz,
        OUT key text, OUT value text, OUT headers jsonb)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
    SELECT t.topic, t.partition, t."offset", t."timestamp", t.key, t.value, t.headers
    FROM _cq.tail(stream, n) t
    ORDER BY t."timestamp" DESC NULLS LAST, t.topic, t.partition, t."offset" DESC
    LIMIT n;
END;
COMMENT ON FUNCTION cq.tail(regclass, integer) IS
    'the latest messages of a stream as they are, the last one first';
