-- Bids for each auction in windows of 10 seconds that begin every 2.
CREATE CONTINUOUS VIEW answer AS
SELECT auction, w.window_start, count(*)
FROM bid, cq.hop("dateTime", '2 s', '10 s') w
GROUP BY auction, w.window_start;
