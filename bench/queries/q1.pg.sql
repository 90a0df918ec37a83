-- Nexmark 1, currency conversion. The rows stay in the view.
CREATE CONTINUOUS VIEW answer AS
SELECT auction, bidder, 0.908 * price AS price, "dateTime", extra FROM bid;
