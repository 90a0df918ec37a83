-- Bids in each window of 10 seconds.
CREATE CONTINUOUS VIEW answer AS
SELECT w.window_start, count(*)
FROM bid, cq.tumble("dateTime", '10 s') w
GROUP BY w.window_start;
