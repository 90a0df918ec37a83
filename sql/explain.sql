-- How views are maintained, in words. Sizes and times are left out; rows are counted.
CREATE SCHEMA explained;
SET search_path = explained;
CREATE FOREIGN TABLE orders (id int, customer int, amount int, at timestamptz) SERVER cq_log
    OPTIONS (event_time 'at', watermark '1 s');
CREATE FOREIGN TABLE payment (order_id int, paid int) SERVER cq_log;
CREATE FOREIGN TABLE address (key text OPTIONS (metadata 'key'), customer int, town text)
    SERVER cq_log OPTIONS (mode 'upsert');
CREATE TABLE customer (id int, name text);
INSERT INTO customer VALUES (7, 'seven');

-- What nothing bounds is told once for a view, by names that the query has.
CREATE CONTINUOUS VIEW open_orders AS
    SELECT id, customer, amount, amount - coalesce(sum(paid), 0) AS due
    FROM orders LEFT JOIN payment ON order_id = id AND paid > 0
    WHERE amount > 1
    GROUP BY id, customer, amount HAVING amount > coalesce(sum(paid), 0);
CREATE CONTINUOUS VIEW largest AS
    SELECT customer, id, amount
    FROM (SELECT *, row_number() OVER (PARTITION BY customer ORDER BY amount DESC, id) AS n
          FROM orders) AS o
    WHERE n = 1;
CREATE CONTINUOUS VIEW top AS SELECT id, amount FROM orders ORDER BY amount DESC, id LIMIT 2;
CREATE CONTINUOUS VIEW "not in" AS
    SELECT o.id FROM orders o WHERE o.id NOT IN (SELECT order_id FROM payment p);
CREATE CONTINUOUS VIEW above AS
    WITH mean AS (SELECT avg(amount) AS amount FROM orders)
    SELECT id FROM orders, mean WHERE orders.amount > mean.amount;
CREATE CONTINUOUS VIEW ids AS SELECT id FROM orders UNION ALL SELECT order_id FROM payment;
CREATE CONTINUOUS VIEW same AS SELECT id AS n FROM orders INTERSECT SELECT order_id FROM payment;
CREATE CONTINUOUS VIEW paid AS
    SELECT customer, sum(p.paid) FROM orders o JOIN payment p ON p.order_id = o.id
    GROUP BY customer;
CREATE CONTINUOUS VIEW towns AS
    SELECT town, sum(amount) FROM orders o JOIN address USING (customer) GROUP BY town;
CREATE CONTINUOUS VIEW lastly AS SELECT customer, town FROM address ORDER BY customer LIMIT 1;
CREATE CONTINUOUS VIEW chain AS
    SELECT a.id, c.paid FROM orders a JOIN payment b ON b.order_id = a.id
        FULL JOIN payment c ON c.order_id = b.paid;
CREATE CONTINUOUS VIEW twice AS
    WITH x AS (SELECT customer, count(*) AS n FROM orders GROUP BY customer)
    SELECT one.customer, other.n FROM x one JOIN x other ON other.customer = one.n;
CREATE CONTINUOUS VIEW distinctly WITH (emit = 'close') AS
    SELECT window_end, count(DISTINCT customer) FROM orders, cq.tumble(at, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW over_paid AS
    SELECT p.customer, o.id FROM paid p JOIN orders o USING (customer) WHERE sum > 50;
CREATE CONTINUOUS VIEW aliased AS
    SELECT x.customer FROM (orders o FULL JOIN address a USING (customer)) AS x;

-- Those without nodes.
CREATE CONTINUOUS VIEW names AS
    SELECT name, count(*) FROM orders JOIN customer c ON c.id = orders.customer
    WHERE amount > 0 GROUP BY name;
CREATE CONTINUOUS VIEW minutes WITH (retention = '7 days') AS
    SELECT window_start, count(*) FROM orders, cq.hop(at, '1 min', '5 min') GROUP BY 1;
CREATE CONTINUOUS VIEW closed WITH (emit = 'close') AS
    SELECT window_end, sum(amount) FROM orders, cq.tumble(at, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW sessions AS
    SELECT customer, s, count(*)
    FROM (SELECT customer, cq.session(at, '1 min') OVER (PARTITION BY customer ORDER BY at) AS s
          FROM orders) AS o
    GROUP BY customer, s;
CREATE CONTINUOUS VIEW lately AS
    SELECT count(*) FROM orders WHERE cq.sliding(at, '1 hour', '1 min');
CREATE CONTINUOUS VIEW large WITH (retention = '1 day', retention_by = 'change') AS
    SELECT id, amount FROM orders WHERE amount > 20;

SELECT count(cq.wait(view)) FROM cq.views WHERE view::text !~ '\.';
INSERT INTO orders VALUES (1, 7, 100, '2026-01-01 00:00Z'), (2, 7, 50, '2026-01-01 00:01Z'),
    (3, 8, 20, '2026-01-01 00:02Z');
SELECT count(cq.wait(view)) FROM cq.views WHERE view::text !~ '\.';
INSERT INTO payment VALUES (1, 60), (2, 50), (1, 10);
INSERT INTO address VALUES ('a', 7, 'Aa'), ('b', 8, 'Bee');
SELECT count(cq.wait(view)) FROM cq.views WHERE view::text !~ '\.';

CREATE FUNCTION figures(line text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(replace(line, 'Group Key: o.customer, o.s', 'Group Key: customer, s'),
                          '(size|indexes|time)=[0-9.]+( (bytes|[kM]B|ms))?', '\1=…', 'g')
$$;
CREATE FUNCTION explain(view regclass) RETURNS TABLE ("QUERY PLAN" text) LANGUAGE sql AS $$
    SELECT regexp_replace(figures(e."QUERY PLAN"), '(Counted Since:).*', '\1 …')
    FROM cq.explain(view, true) e
$$;
SELECT * FROM explain('open_orders');
SELECT * FROM explain('largest');
SELECT * FROM explain('top');
SELECT * FROM explain('"not in"');
SELECT * FROM explain('above');
SELECT * FROM explain('ids');
SELECT * FROM explain('same');
SELECT * FROM explain('paid');
SELECT * FROM explain('towns');
SELECT * FROM explain('chain');
SELECT * FROM explain('twice');
SELECT regexp_replace("QUERY PLAN", 'rows=\d+ size', 'rows=… size') AS "QUERY PLAN"
FROM explain('distinctly');
SELECT * FROM explain('over_paid');
SELECT "QUERY PLAN" FROM explain('aliased') WHERE "QUERY PLAN" ~ 'Query';
SELECT * FROM explain('names');
SELECT * FROM explain('minutes');
SELECT regexp_replace("QUERY PLAN", 'rows=\d+ size', 'rows=… size') AS "QUERY PLAN"
FROM explain('closed');
SELECT * FROM explain('sessions');
SELECT * FROM explain('lately');
SELECT * FROM explain('large');

-- The statement, however it is written.
CREATE CONTINUOUS VIEW "None" AS SELECT id FROM orders WHERE id < 0;
EXPLAIN CONTINUOUS VIEW "None";
explain verbose Continuous /* of all */ view explained."None";
PREPARE none AS SELECT 1;
EXPLAIN EXECUTE none;
CREATE FUNCTION lines(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE statement;
END
$$;
EXPLAIN ANALYZE VERBOSE CONTINUOUS VIEW nowhere;
explain (verbose, analyze false) continuous view customer;
EXPLAIN (COSTS OFF) CONTINUOUS VIEW "None";
EXPLAIN (ANALYZE, FORMAT json) CONTINUOUS VIEW "None";
EXPLAIN (ANALYZE 3) CONTINUOUS VIEW "None";
SELECT lines('EXPLAIN CONTINUOUS VIEW "None"');
SELECT cq.explain('customer');
SELECT cq.explain(0);
SELECT cq.explain(NULL);
EXPLAIN (COSTS OFF) TABLE customer;

-- Since cq.stat_reset.
SELECT cq.stat_reset('ids');
SELECT "QUERY PLAN" FROM explain('ids') WHERE "QUERY PLAN" ~ 'Actual';
INSERT INTO payment VALUES (4, 1);
SELECT cq.wait('ids');
SELECT "QUERY PLAN" FROM explain('ids') WHERE "QUERY PLAN" ~ 'Actual';

-- Who may see what: of a view that he may read, all; as a monitor, what there is; else nothing.
CREATE ROLE stranger;
CREATE ROLE reader;
CREATE ROLE monitor IN ROLE pg_monitor;
GRANT USAGE ON SCHEMA explained TO stranger, reader, monitor;
GRANT SELECT ON names, paid TO reader;
SET ROLE stranger;
SELECT * FROM cq.explain('paid');
EXPLAIN CONTINUOUS VIEW paid;
SELECT cq.explain(view) FROM cq.views;
SET ROLE reader;
SELECT figures("QUERY PLAN") FROM cq.explain('names');
SELECT * FROM cq.explain('top');
SET ROLE monitor;
SELECT figures("QUERY PLAN") FROM cq.explain('names');
SELECT figures("QUERY PLAN") FROM cq.explain('paid');
RESET ROLE;

-- A query that does not work any more.
CREATE FUNCTION half(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i / 2';
CREATE CONTINUOUS VIEW halves AS SELECT half(id) AS half, count(DISTINCT amount) FROM orders GROUP BY 1;
ALTER FUNCTION half(int) VOLATILE;
SELECT * FROM cq.explain('halves');

DROP SCHEMA explained CASCADE;
DROP ROLE stranger, reader, monitor;
