-- Dates and times: as the server's input functions have it, whichever way they go.
CREATE TABLE times (d date, t timestamp, z timestamptz, t3 timestamp(3), z0 timestamptz(0));
CREATE FUNCTION times(VARIADIC "values" text[], OUT "in" text, OUT d text, OUT t text, OUT z text, OUT t3 text, OUT z0 text, OUT bad int) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT "values"[j.message], fields[1], fields[2], fields[3], fields[4], fields[5], cardinality(j.bad)
    FROM json_decode('times', ARRAY(SELECT convert_to(format('{"d":%1$s,"t":%1$s,"z":%1$s,"t3":%1$s,"z0":%1$s}', v), 'UTF8') FROM unnest("values") v)) AS j
$$;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SELECT * FROM times('"2025-01-01"', '"2025-01-01T10:11:12Z"', '"2025-01-01 10:11:12"', '"2025-01-01T10:11:12.5+02"', '"2025-01-01T10:11:12.123456-05:30"', '"2025-01-01T10:11:12.1234565+0530"', '"2025-01-01T23:59:59.9999999"',
    '"2024-02-29T00:00:00"', '"2023-02-29T00:00:00"', '"2025-13-01"', '"0001-01-01 00:00:00"', '"0000-01-01 00:00:00"', '"9999-12-31 23:59:59.999999"', '"2025-01-01T24:00:00"', '"2025-01-01T23:59:60"', '"2025-01-01T25:00:00"', '"infinity"', '"epoch"',
    '"2025-1-1"', '"20250101T101112Z"', '"Jan 1 2025 10:00"', '"2025-01-01T10:11"', '"2025-01-01 10:11:12 Europe/Berlin"', '"2025-01-01T10:11:12+15:59"', '"2025-01-01T10:11:12+16"', '"2025-01-01T10:11:12."', '"2025-01-01T10:11:12Zx"',
    '"2025-01-01T10:11:12.123456789Z"', '""', '"x"');
-- Words that mean another time whenever they are read are refused.
SELECT * FROM times('"now"', '"today"', '"tomorrow"', '"yesterday 10:00"', '"NOW"', '" today "');
-- A number is milliseconds since 1970.
SELECT * FROM times('0', '1735689600000', '-1', '1735689600123.0', '1.7356896e12', '1735689600123.5', '9224318015999999', '9224318016000000', '-210866803200000', '-210866803200001', '9223372036854775807', '-9223372036854775808', '20250101', '1e400', 'true', '{}');

-- Each against the server's own, in zones with and without changes of the clock, for every quarter of an hour around them and at random.
CREATE FUNCTION differ(zone text, texts text[]) RETURNS SETOF text LANGUAGE plpgsql SET DateStyle = 'ISO, YMD' AS $$
BEGIN
    PERFORM set_config('TimeZone', zone, true);
    RETURN QUERY SELECT format('%s %s: %s %s', zone, texts[message], fields[2], fields[3])
        FROM json_decode('times', ARRAY(SELECT convert_to(format('{"t":"%1$s","z":"%1$s","t3":"%1$s","z0":"%1$s"}', v), 'UTF8') FROM unnest(texts) v))
        WHERE (fields[2]::timestamp, fields[3]::timestamptz, fields[4]::timestamp, fields[5]::timestamptz)
            IS DISTINCT FROM (texts[message]::timestamp, texts[message]::timestamptz, texts[message]::timestamp(3), texts[message]::timestamptz(0))
           OR bad <> '{}';
END $$;
CREATE TABLE zones AS SELECT unnest(ARRAY['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'Pacific/Apia', 'Africa/Casablanca', 'America/Sao_Paulo', '+03:30', 'Europe/Dublin', 'Antarctica/Troll']) AS zone;
SELECT differ(zone, ARRAY(SELECT to_char(t, 'YYYY-MM-DD HH24:MI:SS') FROM generate_series('2024-03-08'::timestamp, '2024-04-10', '15 min') t)) FROM zones;
SELECT differ(zone, ARRAY(SELECT to_char(t, 'YYYY-MM-DD"T"HH24:MI:SS.US') FROM generate_series('2024-09-20 00:00:00.000001'::timestamp, '2024-11-10', '15 min') t)) FROM zones;
SELECT differ(zone, ARRAY(SELECT to_char(t, 'YYYY-MM-DD HH24:MI:SS') FROM generate_series('2011-12-25'::timestamp, '2012-01-03', '15 min') t)) FROM zones;
SELECT differ(zone, ARRAY(SELECT to_char(t, 'YYYY-MM-DD HH24:MI:SS') FROM generate_series('2024-11-10'::timestamp, '2024-01-01', '-7 hours') t)) FROM zones;
SELECT setseed(0.5);
SELECT differ(zone, ARRAY(SELECT to_char('0001-01-02'::timestamp + random() * '9997 years'::interval, 'YYYY-MM-DD HH24:MI:SS.US') FROM generate_series(1, 5000))) FROM zones;
SELECT differ(zone, ARRAY(SELECT to_char('1850-01-02'::timestamp + random() * '250 years'::interval, 'YYYY-MM-DD HH24:MI:SS.MS') FROM generate_series(1, 5000))) FROM zones;
SELECT differ('Europe/Berlin', ARRAY(SELECT format('2024-06-01T12:00:00.%sZ', lpad((random() * 1e9)::int::text, (1 + random() * 8)::int, '0')) FROM generate_series(1, 5000)));
SELECT differ('Europe/Berlin', ARRAY(SELECT format('2024-06-01T12:00:00%s%s', s, z) FROM unnest(ARRAY['+', '-']) s, (SELECT lpad(h::text, 2, '0') || m FROM generate_series(0, 15) h, unnest(ARRAY['', ':00', '30', ':59']) m) AS z(z)));

-- A zone changed between batches is seen.
BEGIN;
SET LOCAL TimeZone = 'Europe/Berlin';
SELECT z FROM times('"2025-07-01 12:00:00"');
SET LOCAL TimeZone = 'America/New_York';
SELECT z FROM times('"2025-07-01 12:00:00"');
COMMIT;
