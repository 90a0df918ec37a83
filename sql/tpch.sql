-- The 22 queries of TPC-H over streams of its eight tables whose rows come, change and go: each
-- continuous view is the same text run over plain tables that hold the same rows.
SET client_min_messages = warning;
SET DateStyle = 'ISO';
CREATE SCHEMA tpch;
CREATE SCHEMA batch;
SET search_path = batch;
CREATE TABLE region (
    r_regionkey int PRIMARY KEY, r_name text NOT NULL, r_comment text
);
CREATE TABLE nation (
    n_nationkey int PRIMARY KEY, n_name text NOT NULL, n_regionkey int NOT NULL, n_comment text
);
CREATE TABLE supplier (
    s_suppkey int PRIMARY KEY, s_name text NOT NULL, s_address text NOT NULL,
    s_nationkey int NOT NULL, s_phone text NOT NULL, s_acctbal numeric(15, 2) NOT NULL,
    s_comment text NOT NULL
);
CREATE TABLE part (
    p_partkey int PRIMARY KEY, p_name text NOT NULL, p_mfgr text NOT NULL, p_brand text NOT NULL,
    p_type text NOT NULL, p_size int NOT NULL, p_container text NOT NULL,
    p_retailprice numeric(15, 2) NOT NULL, p_comment text NOT NULL
);
CREATE TABLE partsupp (
    ps_partkey int, ps_suppkey int, ps_availqty int NOT NULL,
    ps_supplycost numeric(15, 2) NOT NULL, ps_comment text NOT NULL,
    PRIMARY KEY (ps_partkey, ps_suppkey)
);
CREATE TABLE customer (
    c_custkey int PRIMARY KEY, c_name text NOT NULL, c_address text NOT NULL,
    c_nationkey int NOT NULL, c_phone text NOT NULL, c_acctbal numeric(15, 2) NOT NULL,
    c_mktsegment text NOT NULL, c_comment text NOT NULL
);
CREATE TABLE orders (
    o_orderkey int PRIMARY KEY, o_custkey int NOT NULL, o_orderstatus text NOT NULL,
    o_totalprice numeric(15, 2) NOT NULL, o_orderdate date NOT NULL, o_orderpriority text NOT NULL,
    o_clerk text NOT NULL, o_shippriority int NOT NULL, o_comment text NOT NULL
);
CREATE TABLE lineitem (
    l_orderkey int, l_partkey int NOT NULL, l_suppkey int NOT NULL, l_linenumber int,
    l_quantity numeric(15, 2) NOT NULL, l_extendedprice numeric(15, 2) NOT NULL,
    l_discount numeric(15, 2) NOT NULL, l_tax numeric(15, 2) NOT NULL, l_returnflag text NOT NULL,
    l_linestatus text NOT NULL, l_shipdate date NOT NULL, l_commitdate date NOT NULL,
    l_receiptdate date NOT NULL, l_shipinstruct text NOT NULL, l_shipmode text NOT NULL,
    l_comment text NOT NULL, PRIMARY KEY (l_orderkey, l_linenumber)
);

-- Of each table a stream of its changes, with the table's key for the key of the messages; what is
-- done to the table is sent there.
CREATE FUNCTION key_of(value jsonb, relation regclass) RETURNS text LANGUAGE sql STABLE
    RETURN (SELECT string_agg(value ->> a.attname, '/' ORDER BY a.attnum)
            FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
                AND a.attnum = ANY (i.indkey)
            WHERE i.indrelid = relation AND i.indisprimary);
CREATE FUNCTION send() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        EXECUTE format('INSERT INTO tpch.%I (key) SELECT batch.key_of(to_jsonb(c), $1) '
                       'FROM changed c', TG_TABLE_NAME) USING TG_RELID::regclass;
    ELSE
        EXECUTE format('INSERT INTO tpch.%I SELECT c.*, batch.key_of(to_jsonb(c), $1) '
                       'FROM changed c', TG_TABLE_NAME) USING TG_RELID::regclass;
    END IF;
    RETURN NULL;
END
$$;
DO $$
DECLARE
    t name;
    op text;
BEGIN
    FOR t IN SELECT relname FROM pg_class
             WHERE relnamespace = 'batch'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('CREATE FOREIGN TABLE tpch.%I (%s, key text OPTIONS (metadata ''key'')) '
                       'SERVER cq_log OPTIONS (mode ''upsert'')', t,
                       (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', '
                                          ORDER BY attnum)
                        FROM pg_attribute WHERE attrelid = t::regclass AND attnum > 0));
        FOREACH op IN ARRAY '{insert,update,delete}'::text[] LOOP
            EXECUTE format('CREATE TRIGGER %s AFTER %1$s ON %I REFERENCING %s TABLE AS changed '
                           'EXECUTE FUNCTION send()', op, t,
                           CASE WHEN op = 'delete' THEN 'OLD' ELSE 'NEW' END);
        END LOOP;
    END LOOP;
END
$$;

-- A small one of dbgen's worlds: its words and ranges, and more of what the queries ask for.
CREATE FUNCTION below(bound numeric, VARIADIC seed text[]) RETURNS int LANGUAGE sql IMMUTABLE
    RETURN ('x' || substr(md5(array_to_string(seed, ' ')), 1, 7))::bit(28)::int % bound::int;
CREATE FUNCTION one_of(choices text[], VARIADIC seed text[]) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN choices[1 + below(cardinality(choices), VARIADIC seed)];
CREATE FUNCTION some_nation(VARIADIC seed text[]) RETURNS int LANGUAGE sql IMMUTABLE
    RETURN one_of('{2,3,6,7,8,12,20,24}', VARIADIC seed)::int;
CREATE FUNCTION phone(nation int, VARIADIC seed text[]) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN nation + 10 || '-' || 100 + below(900, VARIADIC seed) || '-' ||
        1000 + below(9000, VARIADIC seed);

CREATE PROCEDURE make_parts(first_one int, last_one int, seed text) LANGUAGE sql BEGIN ATOMIC
    INSERT INTO supplier
    SELECT i, 'Supplier#' || i, 'address ' || i, n, phone(n, seed, i::text),
           (below(1100000, seed, 's', i::text) - 100000) / 100.0,
           one_of('{carefully,quick Customer slow Complaints,ironic,furiously}', seed, 's', i::text)
    FROM generate_series(first_one, last_one) i, some_nation(seed, 'n', i::text) n
    WHERE i % 4 = 0;
    INSERT INTO part
    SELECT i, one_of('{forest,green,almond,lemon}', seed, '1', i::text) || ' ' ||
               one_of('{green,blush,azure}', seed, '2', i::text), 'Manufacturer#' || i % 5,
           one_of('{Brand#12,Brand#23,Brand#34,Brand#45}', seed, 'b', i::text),
           one_of('{ECONOMY ANODIZED STEEL,PROMO POLISHED BRASS,STANDARD ANODIZED BRASS,
               MEDIUM POLISHED STEEL}', seed, 't', i::text),
           (ARRAY[1, 3, 9, 14, 15, 15, 23, 49])[1 + below(8, seed, 'z', i::text)],
           one_of('{SM CASE,SM PKG,MED BAG,MED BOX,LG CASE,LG PACK}', seed, 'c', i::text),
           (90000 + i * 10 + below(2000, seed, 'r', i::text)) / 100.0, 'comment'
    FROM generate_series(first_one, last_one) i;
    INSERT INTO partsupp
    SELECT i, greatest((i + j * 12) % last_one / 4 * 4, 4), 1 + below(9999, seed, i::text, j::text),
           (100 + below(99900, seed, 'cost', i::text, j::text)) / 100.0, 'comment'
    FROM generate_series(first_one, last_one) i, generate_series(0, 3) j ON CONFLICT DO NOTHING;
END;
CREATE PROCEDURE make_orders(first_one int, last_one int, parts int, seed text) LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO customer
    SELECT i, 'Customer#' || i, 'address ' || i, n, phone(n, seed, i::text),
           (below(1100000, seed, 'c', i::text) - 100000) / 100.0,
           one_of('{AUTOMOBILE,BUILDING,FURNITURE}', seed, 'c', i::text), 'comment'
    FROM generate_series(first_one, last_one) i, some_nation(seed, 'm', i::text) n
    WHERE i % 4 = 0;
    INSERT INTO orders
    SELECT i, greatest(below(last_one, seed, 'who', i::text) / 12 * 12, 4),
           one_of('{F,O,P,F}', seed, 'f', i::text),
           (90000 + below(50000000, seed, i::text)) / 100.0,
           date '1992-01-01' + below(2406, seed, 'at', i::text),
           one_of('{1-URGENT,2-HIGH,3-MEDIUM,4-NOT SPECIFIED,5-LOW}', seed, 'p', i::text),
           'Clerk#' || i % 7, 0,
           one_of('{carefully,the special ironic requests,regular}', seed, 'c', i::text)
    FROM generate_series(first_one, last_one) i;
    INSERT INTO lineitem
    SELECT o_orderkey, part, supplier, j, quantity,
           quantity * (90000 + part * 10 + below(200, seed, s)) / 100,
           below(11, seed, 'd', s) / 100.0, below(9, seed, 't', s) / 100.0,
           CASE WHEN ship > '1995-06-17' THEN 'N' ELSE one_of('{R,A}', seed, s) END,
           CASE WHEN ship > '1995-06-17' THEN 'O' ELSE 'F' END, ship,
           o_orderdate + 30 + below(60, seed, 'c', s), ship + 1 + below(30, seed, 'r', s),
           one_of('{DELIVER IN PERSON,COLLECT COD,NONE,TAKE BACK RETURN}', seed, 'i', s),
           one_of('{AIR,AIR REG,MAIL,SHIP,TRUCK,RAIL}', seed, 'm', s), 'comment'
    FROM orders, generate_series(1, 1 + below(7, seed, 'l', o_orderkey::text)) j,
        LATERAL (SELECT o_orderkey || '.' || j AS s) a,
        LATERAL (SELECT 1 + below(parts, seed, 'part', s) AS part,
                        1 + below(50, seed, 'q', s) AS quantity,
                        o_orderdate + 1 + below(121, seed, 'at', s) AS ship) b,
        LATERAL (SELECT greatest((part + below(4, seed, 's', s) * 12) % parts / 4 * 4, 4)
                     AS supplier) c
    WHERE o_orderkey BETWEEN first_one AND last_one;
END;

CREATE TABLE query (name text, text text);
INSERT INTO query VALUES
-- pricing summary report
('q1', $$
SELECT l_returnflag, l_linestatus, sum(l_quantity) AS sum_qty,
       sum(l_extendedprice) AS sum_base_price,
       sum(l_extendedprice * (1 - l_discount)) AS sum_disc_price,
       sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge,
       avg(l_quantity) AS avg_qty, avg(l_extendedprice) AS avg_price, avg(l_discount) AS avg_disc,
       count(*) AS count_order
FROM lineitem
WHERE l_shipdate <= date '1998-12-01' - interval '90' day
GROUP BY l_returnflag, l_linestatus
ORDER BY l_returnflag, l_linestatus
$$),
-- minimum cost supplier
('q2', $$
SELECT s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment
FROM part, supplier, partsupp, nation, region
WHERE p_partkey = ps_partkey AND s_suppkey = ps_suppkey AND p_size = 15 AND p_type LIKE '%BRASS'
    AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey AND r_name = 'EUROPE'
    AND ps_supplycost = (
        SELECT min(ps_supplycost)
        FROM partsupp, supplier, nation, region
        WHERE p_partkey = ps_partkey AND s_suppkey = ps_suppkey AND s_nationkey = n_nationkey
            AND n_regionkey = r_regionkey AND r_name = 'EUROPE'
    )
ORDER BY s_acctbal DESC, n_name, s_name, p_partkey
LIMIT 100
$$),
-- shipping priority
('q3', $$
SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority
FROM customer, orders, lineitem
WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
    AND o_orderdate < date '1995-03-15' AND l_shipdate > date '1995-03-15'
GROUP BY l_orderkey, o_orderdate, o_shippriority
ORDER BY revenue DESC, o_orderdate
LIMIT 10
$$),
-- order priority checking
('q4', $$
SELECT o_orderpriority, count(*) AS order_count
FROM orders
WHERE o_orderdate >= date '1993-07-01' AND o_orderdate < date '1993-07-01' + interval '3' month
    AND EXISTS (
        SELECT * FROM lineitem WHERE l_orderkey = o_orderkey AND l_commitdate < l_receiptdate
    )
GROUP BY o_orderpriority
ORDER BY o_orderpriority
$$),
-- local supplier volume
('q5', $$
SELECT n_name, sum(l_extendedprice * (1 - l_discount)) AS revenue
FROM customer, orders, lineitem, supplier, nation, region
WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND l_suppkey = s_suppkey
    AND c_nationkey = s_nationkey AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey
    AND r_name = 'ASIA' AND o_orderdate >= date '1994-01-01'
    AND o_orderdate < date '1994-01-01' + interval '3' year
GROUP BY n_name
ORDER BY revenue DESC
$$),
-- forecasting revenue change
('q6', $$
SELECT sum(l_extendedprice * l_discount) AS revenue
FROM lineitem
WHERE l_shipdate >= date '1994-01-01' AND l_shipdate < date '1994-01-01' + interval '1' year
    AND l_discount BETWEEN 0.06 - 0.01 AND 0.06 + 0.01 AND l_quantity < 24
$$),
-- volume shipping
('q7', $$
SELECT supp_nation, cust_nation, l_year, sum(volume) AS revenue
FROM (
    SELECT n1.n_name AS supp_nation, n2.n_name AS cust_nation,
           extract(year FROM l_shipdate) AS l_year, l_extendedprice * (1 - l_discount) AS volume
    FROM supplier, lineitem, orders, customer, nation n1, nation n2
    WHERE s_suppkey = l_suppkey AND o_orderkey = l_orderkey AND c_custkey = o_custkey
        AND s_nationkey = n1.n_nationkey AND c_nationkey = n2.n_nationkey
        AND ((n1.n_name = 'FRANCE' AND n2.n_name = 'GERMANY')
            OR (n1.n_name = 'GERMANY' AND n2.n_name = 'FRANCE'))
        AND l_shipdate BETWEEN date '1995-01-01' AND date '1996-12-31'
) AS shipping
GROUP BY supp_nation, cust_nation, l_year
ORDER BY supp_nation, cust_nation, l_year
$$),
-- national market share
('q8', $$
SELECT o_year, sum(CASE WHEN nation = 'BRAZIL' THEN volume ELSE 0 END) / sum(volume) AS mkt_share
FROM (
    SELECT extract(year FROM o_orderdate) AS o_year, l_extendedprice * (1 - l_discount) AS volume,
           n2.n_name AS nation
    FROM part, supplier, lineitem, orders, customer, nation n1, nation n2, region
    WHERE p_partkey = l_partkey AND s_suppkey = l_suppkey AND l_orderkey = o_orderkey
        AND o_custkey = c_custkey AND c_nationkey = n1.n_nationkey AND n1.n_regionkey = r_regionkey
        AND r_name = 'AMERICA' AND s_nationkey = n2.n_nationkey
        AND o_orderdate BETWEEN date '1995-01-01' AND date '1996-12-31'
        AND p_type = 'ECONOMY ANODIZED STEEL'
) AS all_nations
GROUP BY o_year
ORDER BY o_year
$$),
-- product type profit measure
('q9', $$
SELECT nation, o_year, sum(amount) AS sum_profit
FROM (
    SELECT n_name AS nation, extract(year FROM o_orderdate) AS o_year,
           l_extendedprice * (1 - l_discount) - ps_supplycost * l_quantity AS amount
    FROM part, supplier, lineitem, partsupp, orders, nation
    WHERE s_suppkey = l_suppkey AND ps_suppkey = l_suppkey AND ps_partkey = l_partkey
        AND p_partkey = l_partkey AND o_orderkey = l_orderkey AND s_nationkey = n_nationkey
        AND p_name LIKE '%green%'
) AS profit
GROUP BY nation, o_year
ORDER BY nation, o_year DESC
$$),
-- returned item reporting
('q10', $$
SELECT c_custkey, c_name, sum(l_extendedprice * (1 - l_discount)) AS revenue, c_acctbal, n_name,
       c_address, c_phone, c_comment
FROM customer, orders, lineitem, nation
WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND o_orderdate >= date '1993-10-01'
    AND o_orderdate < date '1993-10-01' + interval '3' month AND l_returnflag = 'R'
    AND c_nationkey = n_nationkey
GROUP BY c_custkey, c_name, c_acctbal, c_phone, n_name, c_address, c_comment
ORDER BY revenue DESC
LIMIT 20
$$),
-- important stock identification
('q11', $$
SELECT ps_partkey, sum(ps_supplycost * ps_availqty) AS value
FROM partsupp, supplier, nation
WHERE ps_suppkey = s_suppkey AND s_nationkey = n_nationkey AND n_name = 'GERMANY'
GROUP BY ps_partkey HAVING sum(ps_supplycost * ps_availqty) > (
    SELECT sum(ps_supplycost * ps_availqty) * 0.02
    FROM partsupp, supplier, nation
    WHERE ps_suppkey = s_suppkey AND s_nationkey = n_nationkey AND n_name = 'GERMANY'
)
ORDER BY value DESC
$$),
-- shipping modes and order priority
('q12', $$
SELECT l_shipmode,
       sum(CASE WHEN o_orderpriority = '1-URGENT' OR o_orderpriority = '2-HIGH' THEN 1 ELSE 0 END)
           AS high_line_count,
       sum(CASE WHEN o_orderpriority <> '1-URGENT' AND o_orderpriority <> '2-HIGH' THEN 1
                ELSE 0 END) AS low_line_count
FROM orders, lineitem
WHERE o_orderkey = l_orderkey AND l_shipmode IN ('MAIL', 'SHIP') AND l_commitdate < l_receiptdate
    AND l_shipdate < l_commitdate AND l_receiptdate >= date '1994-01-01'
    AND l_receiptdate < date '1994-01-01' + interval '1' year
GROUP BY l_shipmode
ORDER BY l_shipmode
$$),
-- customer distribution
('q13', $$
SELECT c_count, count(*) AS custdist
FROM (
    SELECT c_custkey, count(o_orderkey)
    FROM customer LEFT OUTER JOIN orders
        ON c_custkey = o_custkey AND o_comment NOT LIKE '%special%requests%'
    GROUP BY c_custkey
) AS c_orders (c_custkey, c_count)
GROUP BY c_count
ORDER BY custdist DESC, c_count DESC
$$),
-- promotion effect
('q14', $$
SELECT 100.00 * sum(CASE WHEN p_type LIKE 'PROMO%' THEN l_extendedprice * (1 - l_discount)
                         ELSE 0 END) / sum(l_extendedprice * (1 - l_discount)) AS promo_revenue
FROM lineitem, part
WHERE l_partkey = p_partkey AND l_shipdate >= date '1995-09-01'
    AND l_shipdate < date '1995-09-01' + interval '1' month
$$),
-- top supplier
('q15', $$
WITH revenue (supplier_no, total_revenue) AS (
    SELECT l_suppkey, sum(l_extendedprice * (1 - l_discount))
    FROM lineitem
    WHERE l_shipdate >= date '1996-01-01' AND l_shipdate < date '1996-01-01' + interval '3' month
    GROUP BY l_suppkey
)
SELECT s_suppkey, s_name, s_address, s_phone, total_revenue
FROM supplier, revenue
WHERE s_suppkey = supplier_no AND total_revenue = (SELECT max(total_revenue) FROM revenue)
ORDER BY s_suppkey
$$),
-- parts and suppliers
('q16', $$
SELECT p_brand, p_type, p_size, count(DISTINCT ps_suppkey) AS supplier_cnt
FROM partsupp, part
WHERE p_partkey = ps_partkey AND p_brand <> 'Brand#45' AND p_type NOT LIKE 'MEDIUM POLISHED%'
    AND p_size IN (49, 14, 23, 45, 19, 3, 36, 9)
    AND ps_suppkey NOT IN (
        SELECT s_suppkey FROM supplier WHERE s_comment LIKE '%Customer%Complaints%'
    )
GROUP BY p_brand, p_type, p_size
ORDER BY supplier_cnt DESC, p_brand, p_type, p_size
$$),
-- revenue of orders of small quantity
('q17', $$
SELECT sum(l_extendedprice) / 7.0 AS avg_yearly
FROM lineitem, part
WHERE p_partkey = l_partkey AND p_brand = 'Brand#23' AND p_container = 'MED BOX'
    AND l_quantity < (SELECT 0.2 * avg(l_quantity) FROM lineitem WHERE l_partkey = p_partkey)
$$),
-- large volume customer
('q18', $$
SELECT c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice, sum(l_quantity)
FROM customer, orders, lineitem
WHERE o_orderkey IN (
        SELECT l_orderkey FROM lineitem GROUP BY l_orderkey HAVING sum(l_quantity) > 150
    )
    AND c_custkey = o_custkey AND o_orderkey = l_orderkey
GROUP BY c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice
ORDER BY o_totalprice DESC, o_orderdate
LIMIT 100
$$),
-- discounted revenue
('q19', $$
SELECT sum(l_extendedprice * (1 - l_discount)) AS revenue
FROM lineitem, part
WHERE (p_partkey = l_partkey AND p_brand = 'Brand#12'
        AND p_container IN ('SM CASE', 'SM BOX', 'SM PACK', 'SM PKG')
        AND l_quantity >= 1 AND l_quantity <= 1 + 10 AND p_size BETWEEN 1 AND 5
        AND l_shipmode IN ('AIR', 'AIR REG') AND l_shipinstruct = 'DELIVER IN PERSON')
    OR (p_partkey = l_partkey AND p_brand = 'Brand#23'
        AND p_container IN ('MED BAG', 'MED BOX', 'MED PKG', 'MED PACK')
        AND l_quantity >= 10 AND l_quantity <= 10 + 10 AND p_size BETWEEN 1 AND 10
        AND l_shipmode IN ('AIR', 'AIR REG') AND l_shipinstruct = 'DELIVER IN PERSON')
    OR (p_partkey = l_partkey AND p_brand = 'Brand#34'
        AND p_container IN ('LG CASE', 'LG BOX', 'LG PACK', 'LG PKG')
        AND l_quantity >= 20 AND l_quantity <= 20 + 10 AND p_size BETWEEN 1 AND 15
        AND l_shipmode IN ('AIR', 'AIR REG') AND l_shipinstruct = 'DELIVER IN PERSON')
$$),
-- potential part promotion
('q20', $$
SELECT s_name, s_address
FROM supplier, nation
WHERE s_suppkey IN (
        SELECT ps_suppkey
        FROM partsupp
        WHERE ps_partkey IN (SELECT p_partkey FROM part WHERE p_name LIKE 'forest%')
            AND ps_availqty > (
                SELECT 0.5 * sum(l_quantity)
                FROM lineitem
                WHERE l_partkey = ps_partkey AND l_suppkey = ps_suppkey
                    AND l_shipdate >= date '1994-01-01'
                    AND l_shipdate < date '1994-01-01' + interval '1' year
            )
    )
    AND s_nationkey = n_nationkey AND n_name IN ('CANADA', 'GERMANY', 'FRANCE')
ORDER BY s_name
$$),
-- suppliers who kept orders waiting
('q21', $$
SELECT s_name, count(*) AS numwait
FROM supplier, lineitem l1, orders, nation
WHERE s_suppkey = l1.l_suppkey AND o_orderkey = l1.l_orderkey AND o_orderstatus = 'F'
    AND l1.l_receiptdate > l1.l_commitdate
    AND EXISTS (
        SELECT * FROM lineitem l2
        WHERE l2.l_orderkey = l1.l_orderkey AND l2.l_suppkey <> l1.l_suppkey
    )
    AND NOT EXISTS (
        SELECT * FROM lineitem l3
        WHERE l3.l_orderkey = l1.l_orderkey AND l3.l_suppkey <> l1.l_suppkey
            AND l3.l_receiptdate > l3.l_commitdate
    )
    AND s_nationkey = n_nationkey AND n_name IN ('SAUDI ARABIA', 'GERMANY', 'FRANCE', 'BRAZIL')
GROUP BY s_name
ORDER BY numwait DESC, s_name
LIMIT 100
$$),
-- global sales opportunity
('q22', $$
SELECT cntrycode, count(*) AS numcust, sum(c_acctbal) AS totacctbal
FROM (
    SELECT substring(c_phone FROM 1 FOR 2) AS cntrycode, c_acctbal
    FROM customer
    WHERE substring(c_phone FROM 1 FOR 2) IN ('13', '31', '23', '29', '30', '18', '17')
        AND c_acctbal > (
            SELECT avg(c_acctbal)
            FROM customer
            WHERE c_acctbal > 0.00
                AND substring(c_phone FROM 1 FOR 2) IN ('13', '31', '23', '29', '30', '18', '17')
        )
        AND NOT EXISTS (SELECT * FROM orders WHERE o_custkey = c_custkey)
) AS custsale
GROUP BY cntrycode
ORDER BY cntrycode
$$);

SET search_path = tpch;
DO $$
DECLARE
    q batch.query;
BEGIN
    FOR q IN TABLE batch.query LOOP
        EXECUTE format('CREATE VIEW %I WITH (continuous) AS %s', q.name, q.text);
    END LOOP;
END
$$;
SET search_path = batch;

-- What differs, of all views; nothing where all are right. seen: the most rows that each has shown.
CREATE TABLE seen (name text PRIMARY KEY, rows int);
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    q query;
    n bigint;
BEGIN
    FOR q IN TABLE query LOOP
        PERFORM cq.wait(format('tpch.%I', q.name)::regclass);
    END LOOP;
    FOR q IN TABLE query LOOP
        EXECUTE format('SELECT count(*) FROM ((TABLE tpch.%1$I EXCEPT ALL (%2$s)) '
                       'UNION ALL ((%2$s) EXCEPT ALL TABLE tpch.%1$I)) x', q.name, q.text) INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s rows', q.name, n);
        END IF;
        EXECUTE format('SELECT count(*) FROM tpch.%I AS x WHERE x::text <> ''()''', q.name) INTO n;
        INSERT INTO seen VALUES (q.name, n) ON CONFLICT (name)
            DO UPDATE SET rows = greatest(seen.rows, n);
    END LOOP;
END
$$;

-- Rows come, of some tables before those that they refer to, and of some afterwards.
SELECT wrong();
CALL make_parts(1, 40, 'first');
CALL make_orders(1, 50, 40, 'first');
SELECT wrong();
INSERT INTO region SELECT i, ('{AFRICA,AMERICA,ASIA,EUROPE,MIDDLE EAST}'::text[])[i + 1], 'comment'
FROM generate_series(0, 4) i;
INSERT INTO nation
SELECT ordinality - 1, split_part(n, '/', 1), split_part(n, '/', 2)::int, 'comment'
FROM unnest('{ALGERIA/0,ARGENTINA/1,BRAZIL/1,CANADA/1,EGYPT/4,ETHIOPIA/0,FRANCE/3,GERMANY/3,INDIA/2,
    INDONESIA/2,IRAN/4,IRAQ/4,JAPAN/2,JORDAN/4,KENYA/0,MOROCCO/0,MOZAMBIQUE/0,PERU/1,CHINA/2,
    ROMANIA/3,SAUDI ARABIA/4,VIETNAM/2,RUSSIA/3,UNITED KINGDOM/3,UNITED STATES/1}'::text[])
    WITH ORDINALITY AS n (n, ordinality);
SELECT wrong();
CALL make_orders(51, 150, 80, 'second');
CALL make_parts(41, 80, 'second');
SELECT wrong();

-- They change.
BEGIN;
UPDATE orders SET o_orderstatus = 'F', o_orderdate = o_orderdate - 40 WHERE o_orderkey % 3 = 0;
UPDATE lineitem SET l_discount = 0.06, l_quantity = l_quantity + 9 WHERE l_orderkey % 5 = 1;
UPDATE customer SET c_nationkey = (c_nationkey + 7) % 25, c_mktsegment = 'BUILDING'
WHERE c_custkey % 8 = 0;
COMMIT;
SELECT wrong();
UPDATE supplier SET s_nationkey = 7 WHERE s_suppkey % 20 = 0;
UPDATE part SET p_brand = 'Brand#12', p_size = 15, p_container = 'SM CASE'
WHERE p_partkey % 6 = 0;
UPDATE partsupp SET ps_supplycost = 1.5 + ps_suppkey % 3, ps_availqty = 5
WHERE ps_partkey % 4 = 0;
UPDATE nation SET n_regionkey = (n_regionkey + 1) % 5 WHERE n_nationkey % 2 = 0;
UPDATE region SET r_name = 'EUROPE' WHERE r_name = 'ASIA';
SELECT wrong();

-- They go, and some come again.
DELETE FROM lineitem WHERE l_linenumber = 2 OR l_orderkey % 11 = 0;
DELETE FROM orders WHERE o_orderkey % 7 = 0;
SELECT wrong();
DELETE FROM customer WHERE c_custkey % 12 = 0;
DELETE FROM supplier WHERE s_suppkey % 16 = 0;
DELETE FROM part WHERE p_partkey % 9 = 0;
DELETE FROM partsupp WHERE ps_availqty % 3 = 0;
UPDATE region SET r_name = 'ASIA' WHERE r_regionkey = 2;
SELECT wrong();
CALL make_orders(151, 180, 80, 'third');
SELECT wrong();
DELETE FROM lineitem;
DELETE FROM nation;
SELECT wrong();
DELETE FROM region;
DELETE FROM supplier;
DELETE FROM part;
DELETE FROM partsupp;
DELETE FROM customer;
DELETE FROM orders;
SELECT wrong();
SELECT name, rows FROM seen ORDER BY substr(name, 2)::int;
SELECT view, bad_rows, status FROM cq.views WHERE bad_rows > 0 OR status NOT IN ('running', 'waiting');
DROP SCHEMA tpch CASCADE;
DROP SCHEMA batch CASCADE;
