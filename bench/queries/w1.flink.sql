-- Bids in each window of 10 seconds.
CREATE TABLE answer (window_start TIMESTAMP(3), bids BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO answer
SELECT window_start, count(*)
FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
GROUP BY window_start, window_end;
