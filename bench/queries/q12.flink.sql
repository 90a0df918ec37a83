-- Nexmark 12, bids of each bidder in each window of 10 seconds; of event time here, so that the answer is one.
CREATE TABLE answer (
  bidder BIGINT, bids BIGINT, window_start TIMESTAMP(3), window_end TIMESTAMP(3)
) WITH ('connector' = 'blackhole');
INSERT INTO answer
SELECT bidder, count(*), window_start, window_end
FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;
