-- Nexmark 0, pass through. The rows stay in the view.
CREATE CONTINUOUS VIEW answer AS
SELECT auction, bidder, price, "dateTime", extra FROM bid;
