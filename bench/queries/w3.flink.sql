-- Bids for each auction in windows of 10 seconds that begin every 2.
CREATE TABLE answer (auction BIGINT, window_start TIMESTAMP(3), bids BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO answer
SELECT auction, window_start, count(*)
FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
GROUP BY auction, window_start, window_end;
