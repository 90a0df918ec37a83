-- What the flights are looked up in, and the flights themselves once more, in a plain table: the proof compares with it.
CREATE TABLE airline (carrier text PRIMARY KEY, name text NOT NULL);
CREATE TABLE plane (tailnum text PRIMARY KEY, year int, type text, manufacturer text, model text, engines int, seats int,
                    speed int, engine text);

CREATE SCHEMA plain;
CREATE TABLE plain.flight (departs timestamptz NOT NULL, dep_time int, dep_delay int, arr_time int, arr_delay int,
                           carrier text NOT NULL, flight int NOT NULL, tailnum text, origin text NOT NULL, dest text NOT NULL,
                           air_time int, distance int);

-- The stream: the same columns, in a topic.
CREATE SERVER kafka FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers :'bootstrap_servers');
CREATE SCHEMA live;
CREATE FOREIGN TABLE live.flight (departs timestamptz, dep_time int, dep_delay int, arr_time int, arr_delay int,
                                  carrier text, flight int, tailnum text, origin text, dest text,
                                  air_time int, distance int)
  SERVER kafka OPTIONS (topic 'flights', format 'json', event_time 'departs', watermark '1 day');
