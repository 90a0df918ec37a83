-- What each auction got in each window of 10 seconds.
CREATE TABLE answer (
  auction BIGINT, window_start TIMESTAMP(3), bids BIGINT, total BIGINT, average BIGINT, highest BIGINT
) WITH ('connector' = 'blackhole');
INSERT INTO answer
SELECT auction, window_start, count(*), sum(price), avg(price), max(price)
FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
GROUP BY auction, window_start, window_end;
