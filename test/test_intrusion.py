"""The views of docs/how-to/intrusion.md over a day of generated sensors, with incidents planted
among it: each is answered by a request, and nothing else is."""
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

import examples
from destinations import Destination

PAGE = Path(__file__).resolve().parent.parent / "docs/how-to/intrusion.md"
START = datetime(2026, 1, 5, 8, tzinfo=timezone.utc)
ZONES = [f"zone {number}/ä" for number in range(6)]
HOURS = 6


def after(seconds):
    return START + timedelta(seconds=seconds)


def quiet_day(rng):
    """Doors that open with a badge, people behind them, refusals one by one, the usual devices."""
    wifi, camera, door = [], [], []
    for zone in ZONES:
        usual = rng.randrange(5, 40)
        for second in range(0, HOURS * 3600, 30):
            wifi.append((zone, usual + rng.randrange(-3, 4), after(second)))
        for minute in range(0, HOURS * 60, 4):
            at = minute * 60 + rng.randrange(60)
            door.append((zone, "opened", f"badge {rng.randrange(100)}", after(at)))
            camera.append((zone, rng.randrange(4), after(at + rng.randrange(1, 60))))
        for minute in range(2, HOURS * 60, 20):
            door.append((zone, "refused", f"badge {rng.randrange(100)}", after(minute * 60)))
        # Without a badge, and nobody comes.
        door.append((zone, "opened", None, after(HOURS * 3600 + 60)))
        camera.append((zone, 0, after(HOURS * 3600 + 70)))
        camera.append((zone, 3, after(HOURS * 3600 + 91)))
    return wifi, camera, door


def plant(rng, wifi, camera, door):
    """Incidents of each kind; what has to be asked for: path, kind and time."""
    wanted = []
    for number in range(12):
        zone = rng.choice(ZONES)
        place = f"/zones/{zone.replace(' ', '%20').replace('/', '%2F').replace('ä', '%C3%A4')}/lock"
        at = 600 + number * 1500
        kind = ("forced", "entered", "tried", "crowded")[number % 4]
        if kind == "forced":
            door.append((zone, "forced", None, after(at)))
            told = at
        elif kind == "entered":
            # Nobody else is seen there then: the half minute is of one camera's reading.
            camera[:] = [row for row in camera if row[0] != zone or
                         not after(at) <= row[2] <= after(at + 30)]
            told = at + rng.randrange(31)
            door.append((zone, "opened", None, after(at)))
            camera.append((zone, 2, after(told)))
        elif kind == "tried":
            door[:] = [row for row in door if row[:2] != (zone, "refused") or
                       not after(at - 300) <= row[3] <= after(at + 600)]
            door += [(zone, "refused", f"tried {i}", after(at + 50 * i)) for i in range(4)]
            told = at
        else:
            wifi.append((zone, 200, after(at + 7)))
            told = (at // 600 + 1) * 600
        wanted.append((place, kind, after(told).isoformat()))
    return wanted


def test_planted_incidents(log_db):
    db = log_db
    rng = random.Random(21)
    server = Destination(lambda request: (200, {}))
    try:
        text = PAGE.read_text()
        for step in examples.steps(text[:text.index("## An evening")]):
            db.execute(step.text.replace("https://hooks.example.com", server.url))
        wifi, camera, door = quiet_day(rng)
        wanted = plant(rng, wifi, camera, door)
        # Time passes, so that all windows end.
        end = after(HOURS * 3600 + 3600)
        wifi.append((ZONES[0], 0, end))
        camera.append((ZONES[0], 0, end))
        door.append((ZONES[0], "opened", "badge 1", end))
        # Each stream in the order of its times, in pieces, one stream after the other.
        for rows in (wifi, camera, door):
            rows.sort(key=lambda row: row[-1])
        for part in range(10):
            for table, rows in (("wifi", wifi), ("camera", camera), ("door", door)):
                piece = rows[len(rows) * part // 10:len(rows) * (part + 1) // 10]
                with (db.connection.cursor() as cursor,
                      cursor.copy(f"COPY {table} FROM STDIN") as copy):
                    for row in piece:
                        copy.write_row(row)
        for view in ("forced", "entered", "tried", "crowded", "response"):
            db.wait(view)
        assert db.value("SELECT cq.flush('response', '60 s')"), db.execute("TABLE cq.sinks")
        asked = [(request.path, request.json()["kind"], request.json()["at"])
                 for request in server.requests]
        assert sorted(asked) == sorted(wanted)
        assert {request.method for request in server.requests} == {"POST"}
        assert db.execute("SELECT status, count(*) FROM answer GROUP BY 1") == [(200, len(wanted))]
        assert db.value("SELECT count(*) FROM cq.errors") == 0
    finally:
        server.stop()
