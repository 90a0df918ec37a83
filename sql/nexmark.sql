-- The queries of Nexmark, q0 to q22, over its auction house: each continuous view is the same text
-- run as a batch, after each of several batches of events that come out of order.
SET client_min_messages = warning;
CREATE SCHEMA nexmark;
SET search_path = nexmark;
CREATE FOREIGN TABLE person (
    id bigint, name text, "emailAddress" text, "creditCard" text, city text, state text,
    "dateTime" timestamp, extra text
) SERVER cq_log;
CREATE FOREIGN TABLE auction (
    id bigint, "itemName" text, description text, "initialBid" bigint, reserve bigint,
    "dateTime" timestamp, expires timestamp, seller bigint, category bigint, extra text
) SERVER cq_log;
CREATE FOREIGN TABLE bid (
    auction bigint, bidder bigint, price bigint, channel text, url text, "dateTime" timestamp,
    extra text, "procTime" timestamptz OPTIONS (metadata 'timestamp')
) SERVER cq_log;
CREATE TABLE side_input (key bigint, value text);
INSERT INTO side_input SELECT i, 'side ' || i FROM generate_series(0, 9) i;
CREATE FUNCTION count_char(s text, c text) RETURNS int LANGUAGE sql IMMUTABLE
    RETURN length(s) - length(replace(s, c, ''));

-- The generator's model, smaller: of fifty events one is a person, three are auctions, the others
-- bids; half of the bids are on the hot auction, three quarters are a hot bidder's, three quarters
-- of the auctions a hot seller's; bids name what is there and what is about to come.
CREATE FUNCTION below(bound numeric, VARIADIC seed text[]) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN ('x' || substr(md5(array_to_string(seed, ' ')), 1, 15))::bit(60)::bigint % bound::bigint;
CREATE FUNCTION price(VARIADIC seed text[]) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (10 ^ (below(6000000, VARIADIC seed) / 1000000.0) * 100)::bigint;
CREATE FUNCTION happens(n int) RETURNS timestamp LANGUAGE sql IMMUTABLE
    RETURN timestamp '2025-01-01 00:00' + n * interval '1 h 20.1 s';
CREATE FUNCTION one_of(choices text[], VARIADIC seed text[]) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN choices[1 + below(cardinality(choices), VARIADIC seed)];
CREATE FUNCTION someone(n int, is_hot boolean, seed text) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN 1000 + CASE WHEN is_hot THEN n / 50 / 10 * 10 ELSE below(n / 50 + 4, n::text, seed) END;
CREATE FUNCTION some_auction(n int) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN 1000 + CASE WHEN below(2, n::text, 'hot') > 0 THEN n / 50 * 3 / 10 * 10
                       ELSE greatest(n / 50 * 3 - 20 + below(26, n::text, 'auction'), 0) END;

CREATE PROCEDURE events(first_event int, last_event int) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO person
    SELECT 1000 + n / 50,
           one_of('{Peter,Paul,Luke,Vicky,Kate,Julie}', n::text) || ' ' ||
               one_of('{Shultz,Abrams,Spencer,White}', n::text, 'last'),
           'p' || n || '@example.com', lpad(n::text, 16, '0'),
           one_of('{Phoenix,Boise,Portland,Bend,Seattle}', n::text, 'city'),
           one_of('{AZ,CA,ID,OR,WA,WY}', n::text, 'state'), happens(n), 'extra'
    FROM generate_series(first_event, last_event) n WHERE n % 50 = 0;
    INSERT INTO auction
    SELECT 1000 + n / 50 * 3 + n % 50 - 1, 'item ' || n, 'description ' || n,
           price(n::text), price(n::text) + price(n::text, 'reserve'), happens(n),
           happens(n) + below(600000, n::text, 'life') * interval '1 s',
           someone(n, below(4, n::text, 'seller') > 0, 'seller'),
           10 + below(5, n::text, 'category'), 'extra'
    FROM generate_series(first_event, last_event) n WHERE n % 50 BETWEEN 1 AND 3;
    INSERT INTO bid
    SELECT some_auction(n), someone(n, below(4, n::text, 'bidder') > 0, 'bidder'),
           price(n::text, 'bid'),
           CASE WHEN below(2, n::text, 'way') > 0
                THEN one_of('{Google,Facebook,Baidu,Apple}', n::text, 'way')
                ELSE 'channel-' || below(20, n::text, 'way') END,
           'https://www.nexmark.com/' || one_of('{abo,_cz,qfp}', n::text, 'a') || '/' ||
               one_of('{mov,jg}', n::text, 'b') || '/' || one_of('{tp,oek}', n::text, 'c') ||
               '/item.htm?query=1' ||
               CASE WHEN below(3, n::text, 'id') > 0
                    THEN '&channel_id=' || below(1000, n::text, 'way') ELSE '' END,
           happens(n), repeat(one_of('{a,bc,cc}', n::text, 'extra'), 5)
    FROM generate_series(first_event, last_event) n
    WHERE n % 50 > 3 ORDER BY below(100, n::text, 'order');
END
$$;

CREATE TABLE query (name text, text text);
INSERT INTO query VALUES
-- pass through
('q0', $$
SELECT auction, bidder, price, "dateTime", extra FROM bid
$$),
-- currency conversion
('q1', $$
SELECT auction, bidder, 0.908 * price AS price, "dateTime", extra FROM bid
$$),
-- selection
('q2', $$
SELECT auction, price FROM bid WHERE mod(auction, 123) = 0
$$),
-- local item suggestion
('q3', $$
SELECT p.name, p.city, p.state, a.id
FROM auction AS a INNER JOIN person AS p ON a.seller = p.id
WHERE a.category = 10 AND (p.state = 'OR' OR p.state = 'ID' OR p.state = 'CA')
$$),
-- average price for a category
('q4', $$
SELECT q.category, avg(q.final)
FROM (
    SELECT max(b.price) AS final, a.category
    FROM auction a, bid b
    WHERE a.id = b.auction AND b."dateTime" BETWEEN a."dateTime" AND a.expires
    GROUP BY a.id, a.category
) q
GROUP BY q.category
$$),
-- hot items
('q5', $$
SELECT AuctionBids.auction, AuctionBids.num
FROM (
    SELECT b1.auction, count(*) AS num, window_start AS starttime, window_end AS endtime
    FROM bid b1, cq.hop(b1."dateTime", '1 day', '5 days')
    GROUP BY b1.auction, window_start, window_end
) AS AuctionBids
JOIN (
    SELECT max(CountBids.num) AS maxn, CountBids.starttime, CountBids.endtime
    FROM (
        SELECT count(*) AS num, window_start AS starttime, window_end AS endtime
        FROM bid b2, cq.hop(b2."dateTime", '1 day', '5 days')
        GROUP BY b2.auction, window_start, window_end
    ) AS CountBids
    GROUP BY CountBids.starttime, CountBids.endtime
) AS MaxBids
ON AuctionBids.starttime = MaxBids.starttime AND AuctionBids.endtime = MaxBids.endtime
    AND AuctionBids.num >= MaxBids.maxn
$$),
-- average selling price by seller
('q6', $$
SELECT q.seller, avg(q.final) OVER (
    PARTITION BY q.seller ORDER BY q."dateTime" ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) AS avg
FROM (
    SELECT final, seller, "dateTime"
    FROM (
        SELECT a.seller, b.price AS final, b."dateTime",
               row_number() OVER (PARTITION BY a.id, a.seller ORDER BY b.price DESC) AS rownum
        FROM auction a, bid b
        WHERE a.id = b.auction AND b."dateTime" BETWEEN a."dateTime" AND a.expires
    ) AS ranked
    WHERE rownum <= 1
) AS q
$$),
-- highest bid
('q7', $$
SELECT b.auction, b.price, b.bidder, b."dateTime", b.extra
FROM bid b JOIN (
    SELECT max(b1.price) AS maxprice, window_end AS "dateTime"
    FROM bid b1, cq.tumble(b1."dateTime", '1 day')
    GROUP BY window_start, window_end
) AS b1 ON b.price = b1.maxprice
WHERE b."dateTime" BETWEEN b1."dateTime" - interval '1 day' AND b1."dateTime"
$$),
-- monitor new users
('q8', $$
SELECT p.id, p.name, p.starttime
FROM (
    SELECT id, name, window_start AS starttime, window_end AS endtime
    FROM person, cq.tumble("dateTime", '10 days')
    GROUP BY id, name, window_start, window_end
) p
JOIN (
    SELECT seller, window_start AS starttime, window_end AS endtime
    FROM auction, cq.tumble("dateTime", '10 days')
    GROUP BY seller, window_start, window_end
) a ON p.id = a.seller AND p.starttime = a.starttime AND p.endtime = a.endtime
$$),
-- winning bids
('q9', $$
SELECT id, "itemName", description, "initialBid", reserve, "dateTime", expires, seller, category,
       extra, auction, bidder, price, "bid_dateTime", bid_extra
FROM (
    SELECT a.*, b.auction, b.bidder, b.price, b."dateTime" AS "bid_dateTime", b.extra AS bid_extra,
           row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b."dateTime" ASC) AS rownum
    FROM auction a, bid b
    WHERE a.id = b.auction AND b."dateTime" BETWEEN a."dateTime" AND a.expires
) AS ranked
WHERE rownum <= 1
$$),
-- log to a file system
('q10', $$
SELECT auction, bidder, price, "dateTime", extra, to_char("dateTime", 'YYYY-MM-DD') AS dt,
       to_char("dateTime", 'HH24:MI') AS hm
FROM bid
$$),
-- user sessions
('q11', $$
SELECT bidder, count(*) AS bid_count, lower(session) AS starttime, upper(session) AS endtime
FROM (
    SELECT bidder, cq.session("dateTime", '6 h') OVER (PARTITION BY bidder ORDER BY "dateTime")
               AS session
    FROM bid
) AS b
GROUP BY bidder, session
$$),
-- windows of processing time
('q12', $$
SELECT bidder, count(*) AS bid_count, window_start AS starttime, window_end AS endtime
FROM bid, cq.tumble("procTime", '10 s')
GROUP BY bidder, window_start, window_end
$$),
-- bounded side input
('q13', $$
SELECT b.auction, b.bidder, b.price, b."dateTime", s.value
FROM bid b JOIN side_input s ON mod(b.auction, 17) = s.key
$$),
-- calculation
('q14', $$
SELECT auction, bidder, 0.908 * price AS price,
       CASE WHEN extract(hour FROM "dateTime") BETWEEN 8 AND 18 THEN 'dayTime'
            WHEN extract(hour FROM "dateTime") <= 6 OR extract(hour FROM "dateTime") >= 20
                THEN 'nightTime'
            ELSE 'otherTime' END AS "bidTimeType",
       "dateTime", extra, count_char(extra, 'c') AS c_counts
FROM bid
WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000
$$),
-- bidding statistics report
('q15', $$
SELECT to_char("dateTime", 'YYYY-MM-DD') AS day,
       count(*) AS total_bids,
       count(*) FILTER (WHERE price < 10000) AS rank1_bids,
       count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
       count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
       count(DISTINCT bidder) AS total_bidders,
       count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
       count(DISTINCT auction) AS total_auctions,
       count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
FROM bid
GROUP BY to_char("dateTime", 'YYYY-MM-DD')
$$),
-- channel statistics report
('q16', $$
SELECT channel, to_char("dateTime", 'YYYY-MM-DD') AS day,
       max(to_char("dateTime", 'HH24:MI')) AS minute,
       count(*) AS total_bids,
       count(*) FILTER (WHERE price < 10000) AS rank1_bids,
       count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
       count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
       count(DISTINCT bidder) AS total_bidders,
       count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
       count(DISTINCT auction) AS total_auctions,
       count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
FROM bid
GROUP BY channel, to_char("dateTime", 'YYYY-MM-DD')
$$),
-- auction statistics report
('q17', $$
SELECT auction, to_char("dateTime", 'YYYY-MM-DD') AS day,
       count(*) AS total_bids,
       count(*) FILTER (WHERE price < 10000) AS rank1_bids,
       count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
       count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
       min(price) AS min_price, max(price) AS max_price, avg(price) AS avg_price,
       sum(price) AS sum_price
FROM bid
GROUP BY auction, to_char("dateTime", 'YYYY-MM-DD')
$$),
-- find the last bid
('q18', $$
SELECT auction, bidder, price, channel, url, "dateTime", extra
FROM (
    SELECT *, row_number() OVER (PARTITION BY bidder, auction ORDER BY "dateTime" DESC)
               AS rank_number
    FROM bid
) AS ranked
WHERE rank_number <= 1
$$),
-- the ten best bids of an auction
('q19', $$
SELECT * FROM (
    SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS rank_number FROM bid
) AS ranked
WHERE rank_number <= 10
$$),
-- expand bids with their auctions
('q20', $$
SELECT b.auction, b.bidder, b.price, b.channel, b.url, b."dateTime" AS "bid_dateTime",
       b.extra AS bid_extra, a."itemName", a.description, a."initialBid", a.reserve,
       a."dateTime" AS "auction_dateTime", a.expires, a.seller, a.category, a.extra AS auction_extra
FROM bid AS b INNER JOIN auction AS a ON b.auction = a.id
WHERE a.category = 10
$$),
-- add the channel's id
('q21', $$
SELECT auction, bidder, price, channel,
       CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1' WHEN 'facebook' THEN '2'
                           WHEN 'baidu' THEN '3'
            ELSE (regexp_match(url, '(&|^)channel_id=([^&]*)'))[2] END AS channel_id
FROM bid
WHERE (regexp_match(url, '(&|^)channel_id=([^&]*)'))[2] IS NOT NULL
    OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu')
$$),
-- the folders of the URL
('q22', $$
SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1,
       split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3
FROM bid
$$);

DO $$
DECLARE
    q query;
BEGIN
    FOR q IN TABLE query LOOP
        EXECUTE format('CREATE VIEW %I WITH (continuous) AS %s', q.name, q.text);
    END LOOP;
END
$$;

-- What differs, of all views; nothing where all are right.
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    q query;
    n bigint;
BEGIN
    FOR q IN TABLE query LOOP
        PERFORM cq.wait(format('nexmark.%I', q.name)::regclass);
    END LOOP;
    FOR q IN TABLE query LOOP
        EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL (%2$s)) '
                       'UNION ALL ((%2$s) EXCEPT ALL TABLE %1$I)) x', q.name, q.text) INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s rows', q.name, n);
        END IF;
    END LOOP;
END
$$;

SELECT wrong();
CALL events(0, 499);
SELECT wrong();
CALL events(1000, 1499);
SELECT wrong();
CALL events(500, 999);
SELECT wrong();
CALL events(1500, 1519);
CALL events(1521, 2499);
CALL events(1520, 1520);
SELECT wrong();
-- All of them show something.
SELECT name, (xpath('//n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I', name), true,
                                               false, '')))[1] AS rows
FROM query WHERE name <> 'q12' ORDER BY substr(name, 2)::int;
SELECT count(*) > 0 AS has_q12 FROM q12;
SELECT view, bad_rows, status FROM cq.views WHERE bad_rows > 0 OR status NOT IN ('running', 'waiting');
DROP SCHEMA nexmark CASCADE;
