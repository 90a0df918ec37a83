/* pg_cq: continuous queries over Apache Kafka */
\echo Use "CREATE EXTENSION pg_cq" to load this file. \quit

CREATE SCHEMA cq;
COMMENT ON SCHEMA cq IS 'pg_cq: what users call and read';
CREATE SCHEMA _cq;
COMMENT ON SCHEMA _cq IS 'pg_cq: catalog, definitions and state of continuous views';

