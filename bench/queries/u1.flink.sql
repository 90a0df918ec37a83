-- Totals of each auction, for all time: updated, never closed.
CREATE TABLE answer (
  auction BIGINT, bids BIGINT, total BIGINT, highest BIGINT, PRIMARY KEY (auction) NOT ENFORCED
) WITH ('connector' = 'blackhole');
INSERT INTO answer
SELECT auction, count(*), sum(price), max(price)
FROM bid
GROUP BY auction;
