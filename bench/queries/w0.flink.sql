-- Parse only: a filter that nothing passes.
CREATE TABLE answer (price BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO answer
SELECT price FROM bid WHERE price < 0;
