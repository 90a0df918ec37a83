-- The five questions of the demo. Each is asked twice with the same text: of the stream, as a continuous view, and of the plain table.

-- name: delays
-- Delays by the hour, airline and maker of the plane: a join with two tables of the database.
SELECT w.window_start AS hour, a.name AS airline, p.manufacturer, count(*) AS flights,
       avg(f.dep_delay) AS average_delay, max(f.dep_delay) AS longest_delay
FROM flight f JOIN airline a USING (carrier) LEFT JOIN plane p USING (tailnum), cq.tumble(f.departs, '1 hour') w
GROUP BY w.window_start, a.name, p.manufacturer;

-- name: very_late
-- The flights that left two hours late or more: rows as they are.
SELECT departs, carrier || ' ' || flight::text AS flight, origin, dest, dep_delay, dep_delay - arr_delay AS made_good
FROM flight
WHERE dep_delay >= 120;

-- name: traffic
-- Departures of the last hour, every quarter of an hour: a hopping window.
SELECT w.window_start, w.window_end, origin, count(*) AS departures, sum(distance) AS miles,
       count(*) FILTER (WHERE dep_delay > 15) AS delayed
FROM flight, cq.hop(departs, '15 minutes', '1 hour') w
GROUP BY w.window_start, w.window_end, origin;

-- name: planes_seen
-- How many different planes flew to each place: a sketch, from the extension hll.
SELECT dest, count(*) AS flights, hll_cardinality(hll_add_agg(hll_hash_text(tailnum))) AS planes
FROM flight
WHERE tailnum IS NOT NULL
GROUP BY dest;

-- name: bad_days
-- Days on which an airport lost more than a twentieth of its flights: a filtered aggregate, and HAVING.
SELECT (departs AT TIME ZONE 'America/New_York')::date AS day, origin, count(*) AS scheduled,
       count(*) FILTER (WHERE dep_time IS NULL) AS cancelled,
       round(100.0 * count(*) FILTER (WHERE dep_time IS NULL) / count(*), 1) AS percent
FROM flight
GROUP BY day, origin
HAVING count(*) FILTER (WHERE dep_time IS NULL) * 20 > count(*);
