-- Properties of librdkafka as options: which may be set, where, by whom, to what. No broker is needed.
CREATE ROLE regress_cq_property;
GRANT USAGE ON FOREIGN DATA WRAPPER cq_kafka TO regress_cq_property;

-- By their own names, and with '_' for '.'; those of topics as well.
CREATE SERVER property FOREIGN DATA WRAPPER cq_kafka OPTIONS (
    bootstrap_servers 'localhost:9092', "security.protocol" 'SASL_SSL', sasl_mechanisms 'SCRAM-SHA-256', "ssl.ca.location" '/nowhere',
    "fetch.wait.max.ms" '50');
CREATE USER MAPPING FOR CURRENT_USER SERVER property OPTIONS ("sasl.username" 'me', sasl_password 'secret');
CREATE FOREIGN TABLE property_stream (a int) SERVER property
    OPTIONS (topic 't', "isolation.level" 'read_uncommitted', "message.timeout.ms" '1000', partitioner 'murmur2');

-- Misspelt, and what librdkafka does not take.
ALTER SERVER property OPTIONS (ADD bootstrap_server 'localhost');
ALTER SERVER property OPTIONS (ADD "sasl.pasword" 'secret');
ALTER SERVER property OPTIONS (ADD "quued.min.messages" '1');
ALTER SERVER property OPTIONS (SET "fetch.wait.max.ms" 'soon');
ALTER SERVER property OPTIONS (SET "security.protocol" 'none');

-- Secrets only in user mappings, connections not on tables.
ALTER SERVER property OPTIONS (ADD "sasl.password" 'secret');
ALTER FOREIGN TABLE property_stream OPTIONS (ADD sasl_username 'me');
ALTER SERVER property OPTIONS (ADD "ssl.key.pem" 'secret');
ALTER SERVER property OPTIONS (ADD "sasl.oauthbearer.client.secret" 'secret');
ALTER FOREIGN TABLE property_stream OPTIONS (ADD bootstrap_servers 'elsewhere');
ALTER FOREIGN TABLE property_stream OPTIONS (ADD "ssl.ca.location" '/nowhere');
ALTER FOREIGN TABLE property_stream OPTIONS (ADD "enable.ssl.certificate.verification" 'false');

-- Where to connect, and whom to trust, is the server's owner's to say.
ALTER USER MAPPING FOR CURRENT_USER SERVER property OPTIONS (ADD bootstrap_servers 'elsewhere');
ALTER USER MAPPING FOR CURRENT_USER SERVER property OPTIONS (ADD "metadata.broker.list" 'elsewhere');
ALTER USER MAPPING FOR CURRENT_USER SERVER property
    OPTIONS (ADD "sasl.oauthbearer.token.endpoint.url" 'http://elsewhere');
ALTER USER MAPPING FOR CURRENT_USER SERVER property OPTIONS (ADD "ssl.ca.location" '/nowhere');
ALTER USER MAPPING FOR CURRENT_USER SERVER property OPTIONS (ADD "client.dns.lookup" 'use_all_dns_ips');
ALTER FOREIGN TABLE property_stream OPTIONS (ADD "metadata.broker.list" 'elsewhere');

-- Memory has a ceiling.
SHOW cq.max_kafka_buffer;
ALTER FOREIGN TABLE property_stream OPTIONS (ADD "queued.max.messages.kbytes" '131073');
ALTER FOREIGN TABLE property_stream OPTIONS (ADD "queued.max.messages.kbytes" '131072');
ALTER FOREIGN TABLE property_stream OPTIONS (ADD "fetch.max.bytes" '134217729');
ALTER FOREIGN TABLE property_stream OPTIONS (ADD fetch_message_max_bytes '134217729');
ALTER FOREIGN TABLE property_stream OPTIONS (ADD "max.partition.fetch.bytes" '134217729');
ALTER SERVER property OPTIONS (ADD receive_message_max_bytes '134217729');
ALTER SERVER property OPTIONS (ADD message_max_bytes '1000000000');
ALTER USER MAPPING FOR CURRENT_USER SERVER property OPTIONS (ADD "queue.buffering.max.kbytes" '2097151');

-- What exactly-once stands on, and what is no setting.
ALTER SERVER property OPTIONS (ADD "enable.auto.commit" 'true');
ALTER FOREIGN TABLE property_stream OPTIONS (ADD auto_offset_reset 'latest');
ALTER SERVER property OPTIONS (ADD acks '0');
ALTER SERVER property OPTIONS (ADD "transactional.id" 'x');
ALTER SERVER property OPTIONS (ADD error_cb '0x0');

-- What reads files or runs something.
SET ROLE regress_cq_property;
CREATE SERVER theirs FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers 'localhost:9092', "sasl.mechanism" 'PLAIN');
ALTER SERVER theirs OPTIONS (ADD "ssl.key.location" '/nowhere');
ALTER SERVER theirs OPTIONS (ADD "plugin.library.paths" 'nothing');
ALTER SERVER theirs OPTIONS (ADD "ssl.engine.location" '/nowhere');
ALTER SERVER theirs OPTIONS (ADD "sasl.kerberos.kinit.cmd" 'true');
ALTER SERVER theirs OPTIONS (ADD "sasl.kerberos.principal" '$(true)');
ALTER SERVER theirs OPTIONS (SET "sasl.mechanism" 'gssapi');
ALTER SERVER theirs OPTIONS (ADD debug 'all');
CREATE USER MAPPING FOR CURRENT_USER SERVER theirs OPTIONS ("ssl.keystore.location" '/nowhere');
RESET ROLE;
GRANT pg_read_server_files TO regress_cq_property;
SET ROLE regress_cq_property;
ALTER SERVER theirs OPTIONS (ADD "ssl.key.location" '/nowhere');
RESET ROLE;

-- Without brokers to talk to, or with none there: errors by class, since their text holds times.
CREATE SERVER nowhere FOREIGN DATA WRAPPER cq_kafka;
CREATE USER MAPPING FOR CURRENT_USER SERVER nowhere;
CREATE FOREIGN TABLE nowhere_stream (a int) SERVER nowhere OPTIONS (topic 't');
SELECT * FROM nowhere_stream;
INSERT INTO nowhere_stream VALUES (1);
ALTER SERVER nowhere OPTIONS (ADD bootstrap_servers '127.0.0.1:1');
\set VERBOSITY sqlstate
SELECT * FROM nowhere_stream;
ALTER FOREIGN TABLE nowhere_stream OPTIONS (ADD "message.timeout.ms" '100');
INSERT INTO nowhere_stream VALUES (1);
\set VERBOSITY default
BEGIN;
INSERT INTO nowhere_stream VALUES (1);
ROLLBACK;
BEGIN;
SAVEPOINT s;
INSERT INTO nowhere_stream VALUES (1);
ROLLBACK TO s;
COMMIT;

SET client_min_messages = warning;
DROP FOREIGN TABLE property_stream, nowhere_stream;
DROP SERVER property CASCADE;
DROP SERVER nowhere CASCADE;
DROP OWNED BY regress_cq_property CASCADE;
DROP ROLE regress_cq_property;
