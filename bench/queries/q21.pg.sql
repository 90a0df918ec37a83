-- Nexmark 21, the channel's number, from its name or the URL. The rows stay in the view.
CREATE CONTINUOUS VIEW answer AS
SELECT auction, bidder, price, channel,
       CASE lower(channel)
         WHEN 'apple' THEN '0'
         WHEN 'google' THEN '1'
         WHEN 'facebook' THEN '2'
         WHEN 'baidu' THEN '3'
         ELSE substring(url, '(?:&|^)channel_id=([^&]*)')
       END AS channel_id
FROM bid
WHERE lower(channel) IN ('apple', 'google', 'facebook', 'baidu')
   OR substring(url, '(?:&|^)channel_id=([^&]*)') IS NOT NULL;
