-- What each auction got in each window of 10 seconds.
CREATE CONTINUOUS VIEW answer AS
SELECT auction, w.window_start, count(*), sum(price), avg(price), max(price)
FROM bid, cq.tumble("dateTime", '10 s') w
GROUP BY auction, w.window_start;
