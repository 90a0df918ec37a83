"""Event time: watermarks of partitions of very different speed, idle ones, and what is emitted when windows close."""
import json
import os
import random
import signal
import time
from datetime import datetime, timedelta, timezone

import pytest
from conftest import Database, fresh_database, server_with, wait_until, while_workers_end

START = datetime(2030, 1, 1, tzinfo=timezone.utc)
MINUTES = "SELECT window_start, window_end, count(*), sum(id) FROM {source}, cq.tumble(at, '1 min') {condition} GROUP BY 1, 2"

# The system's clock is off by so many seconds as a file says.
OFF = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/time.h>
int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	int (*ask) (struct timeval *, void *) =
		(int (*) (struct timeval *, void *)) dlsym(RTLD_NEXT, "gettimeofday");
	int status = ask(now, zone);
	long seconds = 0;
	FILE *file = fopen("%s", "r");
	if (file != NULL && fscanf(file, "%%ld", &seconds) == 1)
		now->tv_sec += seconds;
	if (file != NULL)
		fclose(file);
	return status;
}
"""


def at(seconds):
    return START + timedelta(seconds=seconds)


def rows(*seconds):
    return [{"id": number, "at": at(second).isoformat()} for number, second in enumerate(seconds)]


@pytest.fixture
def clock(server):
    """Sets the clock, in seconds after START; the time it is where it was not set."""
    def set_clock(seconds):
        server.set(cq__clock=at(seconds).timestamp())
        with server.connect("postgres") as connection:
            wait_until(lambda: connection.execute("SHOW cq.clock").fetchone()[0] == f"{at(seconds).timestamp():g}" or
                       float(connection.execute("SHOW cq.clock").fetchone()[0]) == at(seconds).timestamp(), "the clock was not set")
    yield set_clock
    server.set(cq__clock=None)


def create_stream(db, topic, **options):
    options = {"topic": topic, "format": "json", "event_time": "at", "watermark": "10 s", **options}
    db.execute("CREATE FOREIGN TABLE s (id bigint, at timestamptz) SERVER kafka OPTIONS ("
               + ", ".join(f"{key} '{value}'" for key, value in options.items()) + ")")


def create_view(db, name="v", **options):
    options = "".join(f", {key} = '{value}'" for key, value in options.items())
    db.execute(f"CREATE CONTINUOUS VIEW {name} WITH (emit = 'close'{options}) AS " + MINUTES.format(source="s", condition=""))


def watermark(db, view="v"):
    return db.value("SELECT cq.watermark(%s::regclass)", view)


def await_silence(db, *seconds):
    """Until workers have told that nothing has come from the partitions for so long."""
    read = "SELECT extract(epoch FROM silence)::float8 FROM _cq.readings() ORDER BY 1"
    wait_until(lambda: [silence for (silence,) in db.execute(read)] == sorted(seconds), lambda: f"silence: {db.execute(read)}")


def await_watermark(db, seconds, view="v"):
    wait_until(lambda: watermark(db, view) == at(seconds), lambda: f"the watermark of {view} is {watermark(db, view)}")


def await_emitted(db, seconds, view="v"):
    wait_until(lambda: db.execute("SELECT view FROM _cq.closing WHERE view = %s::regclass AND emitted_through >= %s", view, at(seconds)),
               lambda: f"windows of {view} do not close: {db.execute('TABLE _cq.closing')}, {db.execute('TABLE cq.positions')}")


def test_the_slowest_partition_counts(db, broker, topic, clock):
    name = topic(partitions=2)
    clock(0)
    create_stream(db, name)
    create_view(db)
    broker.produce(name, rows(10, 200, 400), partition=0)
    db.wait("v")
    assert watermark(db) is None
    broker.produce(name, rows(30), partition=1)
    db.wait("v")
    assert watermark(db) == at(20)
    assert db.execute("SELECT partition, event_time, watermark FROM cq.positions ORDER BY 1") == \
        [(0, at(400), at(390)), (1, at(30), at(20))]
    assert db.execute("SELECT * FROM v ORDER BY 1") == []
    broker.produce(name, rows(40, 130), partition=1)
    await_emitted(db, 120)
    assert watermark(db) == at(120)
    # Two from the slow partition, one from the fast one.
    assert db.execute("SELECT * FROM v ORDER BY 1") == [(at(0), at(60), 3, 0)]
    # A new partition has brought no event time yet: nothing closes until it does.
    broker.add_partitions(name, 3)
    wait_until(lambda: db.value("SELECT count(*) FROM cq.positions") == 3, "the partition was not found")
    broker.produce(name, rows(700), partition=0)
    broker.produce(name, rows(700), partition=1)
    db.wait("v")
    # It stays where it was.
    assert watermark(db) == at(120)
    broker.produce(name, rows(250), partition=2)
    await_emitted(db, 240)
    assert watermark(db) == at(240)
    assert db.execute("SELECT * FROM v ORDER BY 1") == [(at(0), at(60), 3, 0), (at(120), at(180), 1, 1), (at(180), at(240), 1, 1)]


def test_idle_partitions(db, broker, topic, clock):
    name = topic(partitions=3)
    clock(1000)
    create_stream(db, name, idle_timeout="30 s")
    create_view(db)
    broker.produce(name, rows(100), partition=0)
    broker.produce(name, rows(5), partition=1)
    db.wait("v")
    assert watermark(db) is None
    await_silence(db, 0, 0, 0)
    # Long enough, but not longer than that.
    clock(1030)
    broker.produce(name, rows(130), partition=0)
    db.wait("v")
    assert watermark(db) is None
    await_silence(db, 0, 30, 30)
    clock(1031)
    # Partitions 1 and 2 are idle: the one that is not counts alone.
    await_emitted(db, 120)
    assert watermark(db) == at(120)
    assert db.execute("SELECT * FROM v ORDER BY 1") == [(at(0), at(60), 1, 0), (at(60), at(120), 1, 0)]
    # All are idle: it goes on as time passes from the highest event time, 130 at 1030.
    clock(1060)
    assert watermark(db) == at(120)
    clock(1061)
    await_watermark(db, 130 + 31 - 10)
    clock(1100)
    await_watermark(db, 130 + 70 - 10)
    await_emitted(db, 180)
    assert db.execute("SELECT * FROM v WHERE window_start >= %s", at(120)) == [(at(120), at(180), 1, 0)]
    # One comes back, too late. The watermark does not go back, and what is closed stays closed.
    broker.produce(name, rows(20, 185), partition=1)
    db.wait("v")
    assert watermark(db) == at(190)
    assert db.value("SELECT late_rows FROM cq.views") == 1
    assert db.value("SELECT count(*) FROM v") == 3
    # Nor when nobody is known to be idle any more.
    for pid in db.worker_pids():
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: db.worker_pids(), "no worker comes")
    db.wait("v")
    assert watermark(db) == at(190)


def test_the_version_that_was_valid(db, broker, topic, clock):
    """A temporal join waits for both topics, and tells each row once."""
    clock(1000)
    events, versions = topic(partitions=2), topic("_versions")
    create_stream(db, events, watermark="2 s")
    db.execute("CREATE FOREIGN TABLE rate (rate int, at timestamptz) SERVER kafka "
               f"OPTIONS (topic '{versions}', format 'json', event_time 'at')")
    query = ("SELECT id, s.at, rate FROM s LEFT JOIN LATERAL (SELECT rate FROM rate "
             "WHERE rate.at <= s.at ORDER BY rate.at DESC LIMIT 1) r ON true")
    db.execute(f"CREATE CONTINUOUS VIEW v WITH (emit = 'close', late = 'keep') AS {query}")
    broker.produce(versions, [{"rate": 1, "at": at(0).isoformat()},
                              {"rate": 2, "at": at(6).isoformat()}])
    broker.produce(events, rows(5, 10), partition=0)
    db.wait("v")
    assert db.execute("TABLE v") == []
    broker.produce(events, rows(20), partition=1)
    await_emitted(db, 6)
    assert db.execute("TABLE v") == [(0, at(5), 1)]
    broker.produce(versions, [{"rate": 3, "at": at(30).isoformat()}])
    broker.produce(events, rows(40), partition=0)
    await_emitted(db, 18)
    assert db.execute("TABLE v ORDER BY at") == [(0, at(5), 1), (1, at(10), 2)]
    broker.produce(events, rows(7), partition=0)
    broker.produce(events, rows(41), partition=1)
    await_emitted(db, 30)
    assert db.execute("SELECT event_time FROM cq.late") == [(at(7),)]
    # Of the versions before the watermark one is kept.
    assert db.value("SELECT count(*) FROM _cq.v_node1_input2") == 2
    assert db.execute(f"SELECT * FROM ({query}) q WHERE at < cq.watermark('v') AND at <> %s "
                      "EXCEPT ALL TABLE v", at(7)) == []
    assert db.value("SELECT count(*) FROM v") == 3


def test_the_present_is_not_passed(db, broker, topic, clock):
    """Where all are idle and events are ahead of the clock, as after it was set back, or their producer's is wrong."""
    name = topic()
    clock(0)
    create_stream(db, name, idle_timeout="30 s", watermark="0 s")
    create_view(db)
    broker.produce(name, rows(5), partition=0)
    db.wait("v")
    await_silence(db, 0)
    clock(50)
    await_watermark(db, 50)
    broker.produce(name, rows(100), partition=0)
    db.wait("v")
    await_silence(db, 0)
    clock(90)
    await_silence(db, 40)
    db.execute("SELECT _cq.advance_watermarks()")
    assert watermark(db) == at(100)


def test_a_step_of_the_clock_is_no_silence(db, broker, topic):
    """The wall clock is set forward by an hour, and back."""
    server = db.server
    name = topic(partitions=2)
    create_stream(db, name, idle_timeout="1 min", max_event_lead="36500 days")
    create_view(db)
    broker.produce(name, rows(5), partition=0)
    broker.produce(name, rows(500), partition=1)
    db.wait("v")
    try:
        for step in (3600, -3600):
            server.set(cq__clock_step=step)
            wait_until(lambda: db.value("SHOW cq.clock_step") == str(step), "the clock was not set")
            # Batches go on under the new time.
            broker.produce(name, rows(505), partition=1)
            db.wait("v")
            db.execute("SELECT _cq.advance_watermarks()")
            assert watermark(db) == at(-5)
    finally:
        server.set(cq__clock_step=None)


def test_what_is_due_goes_on_when_the_clock_is_set_back(tmp_path, broker, topic, name):
    """What is done every so often is not put off until the clock shows again what it did."""
    off = tmp_path / "off"
    topic_name = topic(partitions=2)
    with server_with(OFF % off, tmp_path) as server, fresh_database(server, name, broker) as db:
        db.create_server()
        create_stream(db, topic_name, idle_timeout="1 s", max_event_lead="36500 days")
        create_view(db)
        for partition in (0, 1):
            broker.produce(topic_name, rows(5), partition=partition)
        db.wait("v")
        (tmp_path / "new").write_text("-36000")
        (tmp_path / "new").rename(off)
        wait_until(lambda: db.value("SELECT count(*) FROM cq.events WHERE what = 'clock'"),
                   "it was not noticed")
        # The first partition is idle from then on.
        broker.produce(topic_name, rows(6, 500), partition=lambda row: row["id"])
        wait_until(lambda: db.execute("SELECT count, sum FROM v") == [(3, 0)],
                   lambda: str(db.state("v")))


def test_a_broker_that_is_away_makes_nobody_idle(db, broker, topic, clock):
    name = topic()
    clock(0)
    create_stream(db, name, idle_timeout="30 s")
    create_view(db)
    broker.produce(name, rows(5), partition=0)
    db.wait("v")
    broker.kill()
    try:
        wait_until(lambda: db.value("SELECT state FROM cq.streams WHERE stream = 's'::regclass") == "waiting for broker", "not noticed")
        clock(1000)
        assert watermark(db) == at(-5)
    finally:
        broker.start()
    wait_until(lambda: db.value("SELECT state FROM cq.streams WHERE stream = 's'::regclass") == "reading", "not noticed")
    await_silence(db, 0)
    assert watermark(db) == at(-5)
    clock(1031)
    # So long has it been silent, and no longer.
    await_watermark(db, 5 + 31 - 10)


def held_up(db):
    return db.value("SELECT held_up FROM cq.streams WHERE stream = 's'::regclass"), db.value("SELECT status_detail FROM cq.views")


def test_an_open_transaction_is_no_silence(db, broker, topic, clock):
    """Of another producer, who takes its time: what is behind it waits, and is not late."""
    name = topic(partitions=2)
    clock(1000)
    create_stream(db, name, idle_timeout="30 s")
    create_view(db, late="keep")
    broker.produce(name, rows(5), partition=0)
    broker.produce(name, rows(6), partition=1)
    db.wait("v")
    await_silence(db, 0, 0)
    assert held_up(db) == (None, None)
    slow = broker.producer(transactional_id=name)
    slow.init_transactions(30)
    slow.begin_transaction()
    slow.produce(name, json.dumps(rows(8)[0]), partition=1)
    slow.flush()
    broker.produce(name, rows(7), partition=1)
    broker.produce(name, rows(200), partition=0)
    reason = f'topic "{name}" partition 1: an open transaction at offset 1 holds it up'
    wait_until(lambda: held_up(db) == (reason, reason), lambda: held_up(db))
    clock(1100)
    wait_until(lambda: db.execute("SELECT 1 FROM _cq.readings() WHERE silence = '100 s' OR silence = '0'"), "nobody looks")
    broker.produce(name, rows(300), partition=0)
    wait_until(lambda: db.value("SELECT event_time FROM cq.positions WHERE partition = 0") == at(300), "nothing is read")
    db.execute("SELECT _cq.advance_watermarks()")
    assert watermark(db) == at(6 - 10)
    slow.commit_transaction(30)
    db.wait("v")
    wait_until(lambda: held_up(db) == (None, None), lambda: held_up(db))
    assert db.value("SELECT late_rows FROM cq.views") == 0
    broker.produce(name, rows(300), partition=1)
    await_emitted(db, 240)
    assert db.execute("SELECT * FROM v ORDER BY 1") == [(at(0), at(60), 4, 0), (at(180), at(240), 1, 0)]


def test_an_open_transaction_in_a_log_is_no_silence(server, log_db, clock):
    db = log_db
    clock(1000)
    db.execute("CREATE FOREIGN TABLE s (id bigint, at timestamptz) SERVER cq_log OPTIONS (event_time 'at', watermark '10 s', idle_timeout '30 s')")
    create_view(db)
    db.execute("INSERT INTO s VALUES (0, %s)", at(5))
    db.wait("v")
    await_silence(db, 0)
    with server.connect(db.name) as other:
        other.execute("BEGIN")
        other.execute("INSERT INTO s VALUES (0, %s)", (at(6),))
        reason = 'topic "log" partition 0: an open transaction that has written to it holds it up at offset 1'
        wait_until(lambda: held_up(db) == (reason, reason), lambda: held_up(db))
        # Strangers are told nothing, whichever way they ask.
        asked = """SELECT max(held_up) FILTER (WHERE relation = 's'::regclass),
                          max(held_up) FILTER (WHERE relation = 'v'::regclass),
                          array(SELECT state FROM _cq.stream_states()) FROM _cq.held_up()"""
        for role, told in ("pg_signal_backend", (None, None, [])), ("pg_monitor", (reason, reason, ["reading"])):
            db.execute(f"SET ROLE {role}")
            assert db.execute(asked) == [told]
            db.execute("RESET ROLE")
        db.execute("GRANT SELECT ON v TO pg_signal_backend")
        db.execute("SET ROLE pg_signal_backend")
        assert db.execute(asked) == [(None, reason, ["reading"])]
        db.execute("RESET ROLE")
        clock(1100)
        wait_until(lambda: db.execute("SELECT 1 FROM _cq.readings() WHERE silence IS NULL"), "nobody looks")
        db.execute("SELECT _cq.advance_watermarks()")
        assert watermark(db) == at(5 - 10)
        other.execute("COMMIT")
    db.wait("v")
    await_silence(db, 0)
    clock(1200)
    await_emitted(db, 60)
    assert db.execute("SELECT * FROM v") == [(at(0), at(60), 2, 0)]


def create_cluster(db, cluster):
    db.execute(f"CREATE SERVER cluster FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers '{cluster.address}', "
               "\"reconnect.backoff.max.ms\" '200', \"topic.metadata.refresh.interval.ms\" '1000')")


def test_a_leader_that_is_away_is_no_silence(log_db, clock, cluster):
    """One of two brokers: its partitions are not idle, and it is named."""
    db = log_db
    clock(1000)
    cluster.create_topic("t", leaders=[1, 2])
    create_cluster(db, cluster)
    db.execute("CREATE FOREIGN TABLE s (id bigint, at timestamptz) SERVER cluster "
               "OPTIONS (topic 't', event_time 'at', watermark '10 s', idle_timeout '30 s')")
    create_view(db)
    cluster.produce("t", rows(5), partition=0)
    cluster.produce("t", rows(6), partition=1)
    db.wait("v")
    await_silence(db, 0, 0)
    cluster.set_down(2)
    reason = 'topic "t" partition 1: its leader, broker 2, cannot be reached'
    wait_until(lambda: held_up(db) == (reason, reason), lambda: (held_up(db), db.execute("SELECT * FROM _cq.readings()")))
    clock(1100)
    cluster.produce("t", rows(200), partition=0)
    wait_until(lambda: db.value("SELECT event_time FROM cq.positions WHERE partition = 0") == at(200), "nothing is read")
    db.execute("SELECT _cq.advance_watermarks()")
    assert watermark(db) == at(5 + 1 - 10)
    cluster.set_up(2)
    wait_until(lambda: held_up(db) == (None, None), lambda: held_up(db))
    await_silence(db, 0, 0)
    clock(1200)
    wait_until(lambda: watermark(db) > at(100), "nobody is idle")


def test_leaders_that_are_away_hold_up_what_is_theirs(log_db, clock, cluster):
    """Of streams that share a client, each is told of its own partitions, however many are away."""
    db = log_db
    clock(1000)
    cluster.create_topic("s", leaders=[2] * 100)
    cluster.create_topic("t", leaders=[1])
    create_cluster(db, cluster)
    for name in ("s", "t"):
        db.execute(f"CREATE FOREIGN TABLE {name} (id bigint) SERVER cluster OPTIONS (topic '{name}')")
        db.execute(f"CREATE CONTINUOUS VIEW v_{name} AS SELECT count(*) FROM {name}")
    cluster.produce("t", [{"id": 1}], partition=0)
    for name in ("s", "t"):
        db.wait(f"v_{name}")
    await_silence(db, *[0] * 101)
    cluster.set_down(2)
    reason = 'topic "s" partition 0: its leader, broker 2, cannot be reached'
    told = "SELECT view::text, status_detail FROM cq.views WHERE view::text LIKE 'v\\__' ORDER BY 1"
    all_told = "SELECT count(*) FROM _cq.readings() WHERE held_up = 'its leader, broker 2, cannot be reached'"
    wait_until(lambda: db.value(all_told) == 100, lambda: db.value(all_told))
    assert db.execute(told) == [("v_s", reason), ("v_t", None)]
    # Who cannot begin does not speak for others.
    db.execute("CREATE CONTINUOUS VIEW new AS SELECT count(*) FROM s")
    wait_until(lambda: db.value("SELECT state FROM cq.streams WHERE stream = 's'::regclass") == "waiting for broker", "not told")
    assert db.value("SELECT status_detail FROM cq.views WHERE view = 'new'::regclass").startswith("waiting for broker: ")
    # It may just be asking, and does not look meanwhile.
    wait_until(lambda: db.execute(told) == [("v_s", reason), ("v_t", None)], lambda: db.execute(told))


def assert_none_was_late(db, clock):
    """Two rows came, the second after a silence, at second 1000, that was not the stream's."""
    db.wait("v")
    assert db.value("SELECT count(*) FROM cq.late") == 0
    await_silence(db, 0)
    # The last look may have been before the row came: then the silence begins with the clock's step.
    emitted = ("SELECT count(*) FROM _cq.closing WHERE view = 'v'::regclass AND emitted_through >= %s", at(60))
    for now in range(1100, 2100, 100):
        clock(now)
        until = time.monotonic() + 5
        while time.monotonic() < until and not db.value(*emitted):
            time.sleep(0.1)
        if db.value(*emitted):
            break
    await_emitted(db, 60)
    assert db.execute("SELECT * FROM v ORDER BY 1") == [(at(0), at(60), 2, 0)]


def test_a_view_that_was_paused_is_not_idle(db, broker, topic, clock):
    name = topic()
    clock(0)
    create_stream(db, name, idle_timeout="30 s")
    create_view(db, late="keep")
    broker.produce(name, rows(5), partition=0)
    db.wait("v")
    db.execute("SELECT cq.pause('v')")
    broker.produce(name, rows(7), partition=0)
    clock(1000)
    db.execute("SELECT cq.resume('v')")
    assert_none_was_late(db, clock)


def test_a_worker_that_is_away_makes_nobody_idle(db, broker, topic, clock):
    """It may be busy as well: while it does not look, what is silent is not the stream."""
    name = topic()
    clock(0)
    create_stream(db, name, idle_timeout="30 s")
    create_view(db, late="keep")
    broker.produce(name, rows(5), partition=0)
    db.wait("v")
    (pid,) = db.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    try:
        broker.produce(name, rows(7), partition=0)
        stopped = db.value("SELECT clock_timestamp()")
        wait_until(lambda: db.value("SELECT clock_timestamp() > %s + interval '3 s'", stopped), "time stands still")
        clock(1000)
        looked = db.value("SELECT clock_timestamp()")
        wait_until(lambda: db.value("SELECT clock_timestamp() > %s + interval '2 s'", looked), "time stands still")
        assert db.execute("SELECT * FROM v ORDER BY 1") == []
    finally:
        os.kill(pid, signal.SIGCONT)
    assert_none_was_late(db, clock)


def test_event_times_in_the_future(db, broker, topic, clock):
    name = topic()
    clock(0)
    create_stream(db, name, max_event_lead="1 min")
    create_view(db)
    db.execute("CREATE CONTINUOUS VIEW timeless AS SELECT count(*) FROM s")
    broker.produce(name, rows(60) + rows(60.001), partition=0)
    for view in ("v", "timeless"):
        db.wait(view)
    assert watermark(db) == at(50)
    assert [message for (message,) in db.execute("SELECT message FROM cq.errors WHERE view = 'v'::regclass")] == \
        ["event time 2030-01-01 00:01:00.001+00 is too far ahead of the clock"]
    # Who does not look at the time does not mind.
    assert db.value("TABLE timeless") == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_random_orders(server, db, broker, topic, workers):
    """Rows in any order, workers killed meanwhile: what was emitted is the query over the rows that were not late."""
    rng = random.Random(workers)
    name = topic(partitions=3)
    server.set(cq__workers=workers, cq__batch_rows=200)
    try:
        create_stream(db, name, watermark="20 s", max_event_lead="36500 days")
        create_view(db, late="keep")
        create_view(db, "patient", late="keep", allowed_lateness="1 min")
        db.execute("CREATE CONTINUOUS VIEW hops WITH (emit = 'close', late = 'keep') AS "
                   + "SELECT window_end, count(*), sum(id) FROM s, cq.hop(at, '20 s', '1 min') GROUP BY 1")
        values = [{"id": number, "at": at(number / 10 + rng.choice([0, rng.uniform(-30, 0), rng.uniform(-150, 20)])).isoformat()}
                  for number in range(12000)]

        def send():
            for first in range(0, len(values), 500):
                broker.produce(name, values[first:first + 500], partition=lambda value: value["id"] % 3)
        while_workers_end(db, rng, (0.1, 0.5), send)
        for view in ("v", "patient", "hops"):
            db.wait(view)
            wait_until(lambda: db.execute("SELECT view FROM _cq.closing WHERE view = %s::regclass AND emitted_through = closed_through "
                                          "AND next_close > %s", view, watermark(db, view) - timedelta(minutes=view == "patient")),
                       f"{view} is not closed")
        for view in ("v", "patient"):
            late = f'(SELECT partition, "offset" FROM cq.late WHERE view = \'{view}\'::regclass)'
            on_time = f'(SELECT id, at FROM t WHERE (part, o) NOT IN {late}) AS on_time'
            db.execute("CREATE FOREIGN TABLE IF NOT EXISTS t (id bigint, at timestamptz, part int OPTIONS (metadata 'partition'), "
                       f"o bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic '{name}', format 'json')")
            closed = db.value("SELECT closed_through FROM _cq.closing WHERE view = %s::regclass", view)
            db.assert_equal(f"TABLE {view}", MINUTES.format(source=on_time, condition=f"WHERE window_end <= '{closed}'"), view)
            assert db.value("SELECT count(*) FROM cq.late WHERE view = %s::regclass", view) > 0
        # A row may be late for some of its windows: none has more than there are rows for it.
        assert db.execute("SELECT * FROM hops JOIN (SELECT window_end, count(*) AS n FROM t, cq.hop(at, '20 s', '1 min') GROUP BY 1) x "
                          "USING (window_end) WHERE count > n") == []
        assert db.value("SELECT count(*) FROM hops") == db.value("SELECT count(DISTINCT window_end) FROM hops") > 0
        assert db.value("SELECT count(*) FROM cq.errors") == 0
    finally:
        server.set(cq__workers=None, cq__batch_rows=None)


def test_dump_and_restore(broker, server, db, topic, tmp_path):
    name = topic()
    create_stream(db, name, max_event_lead="36500 days")
    create_view(db, late="keep")
    broker.produce(name, rows(5, 65, 75, 1, 80), partition=0)
    await_emitted(db, 60)
    db.wait("v")
    before = db.execute("SELECT * FROM v ORDER BY 1")
    dump = tmp_path / "dump"
    server.program("pg_dump", "-Fc", "-f", str(dump), db.name)
    broker.produce(name, rows(2, 100, 150), partition=0)
    await_emitted(db, 120)
    copy = Database(server, f"{db.name}_restored", broker)
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{copy.name}"')
    try:
        server.program("pg_restore", "--exit-on-error", "-d", copy.name, str(dump))
        assert copy.execute("SELECT * FROM v ORDER BY 1") == before
        copy.execute("SELECT cq.resume_all()")
        await_emitted(copy, 120)
        copy.assert_equal("TABLE v", "SELECT * FROM (VALUES " + ", ".join(
            f"('{start}'::timestamptz, '{end}'::timestamptz, {count}::bigint, {total}::numeric)"
            for start, end, count, total in db.execute("TABLE v")) + ") AS x")
        copy.execute("DROP VIEW v")
        assert copy.value("SELECT count(*) FROM _cq.closing") == 0
    finally:
        copy.close()
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE "{copy.name}" WITH (FORCE)')
