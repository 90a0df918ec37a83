-- The Nexmark streams, for pg_cq.
CREATE EXTENSION pg_cq;

CREATE SERVER kafka FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers '${brokers}');

CREATE FOREIGN TABLE person (
  id bigint, name text, "emailAddress" text, "creditCard" text, city text, state text,
  "dateTime" timestamp, extra text
) SERVER kafka OPTIONS (topic '${prefix}person', format 'json');

CREATE FOREIGN TABLE auction (
  id bigint, "itemName" text, description text, "initialBid" bigint, reserve bigint,
  "dateTime" timestamp, expires timestamp, seller bigint, category bigint, extra text
) SERVER kafka OPTIONS (topic '${prefix}auction', format 'json');

CREATE FOREIGN TABLE bid (
  auction bigint, bidder bigint, price bigint, channel text, url text,
  "dateTime" timestamp, extra text
) SERVER kafka OPTIONS (topic '${prefix}bid', format 'json');
