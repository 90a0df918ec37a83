-- Totals of each auction, for all time: updated, never closed.
CREATE CONTINUOUS VIEW answer AS
SELECT auction, count(*), sum(price), max(price)
FROM bid
GROUP BY auction;
