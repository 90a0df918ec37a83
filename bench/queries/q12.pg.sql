-- Nexmark 12, bids of each bidder in each window of 10 seconds; of event time here, so that the answer is one.
CREATE CONTINUOUS VIEW answer AS
SELECT bidder, count(*), w.window_start, w.window_end
FROM bid, cq.tumble("dateTime", '10 s') w
GROUP BY bidder, w.window_start, w.window_end;
