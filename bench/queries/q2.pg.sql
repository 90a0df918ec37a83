-- Nexmark 2, selection.
CREATE CONTINUOUS VIEW answer AS
SELECT auction, price FROM bid WHERE auction % 123 = 0;
