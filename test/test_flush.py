"""cq.flush and cq.reset say what they come to."""
import psycopg
import pytest


@pytest.fixture
def notices(log_db):
    """What the connection is told."""
    told = []
    log_db.value("SELECT 1")
    log_db.connection.add_notice_handler(lambda n: told.append((n.message_primary, n.message_detail)))
    return told


def create_sink(db):
    """To a broker that is not there."""
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE SERVER dead FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers 'localhost:1')")
    db.execute("CREATE FOREIGN TABLE gone (k int) SERVER dead OPTIONS (topic 'gone', format 'json')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'gone') AS SELECT k FROM s")
    db.execute("INSERT INTO s VALUES (1)")
    db.wait("v")


def test_flush_that_cannot_come_says_why(log_db, notices, server):
    create_sink(log_db)
    # Until the emitter has found out.
    while not notices:
        assert log_db.value("SELECT cq.flush('v', '1 s')") is False
    (message, detail), = notices
    assert message == 'the sink of continuous view "v" is down, and is tried again'
    assert "localhost:1" in detail
    log_db.execute("UPDATE _cq.identity SET database_id = 1")
    with pytest.raises(psycopg.Error, match="continuous views do not run in this database"):
        log_db.value("SELECT cq.flush('v')")


def test_reset_says_where_it_goes(log_db, notices):
    create_sink(log_db)
    log_db.execute("SELECT cq.reset('v')")
    log_db.execute("""SELECT cq.reset('v', '{"0": 1}')""")
    begins = 'continuous view "v" begins again'
    output = 'What it makes of it goes to "gone" again.'
    assert notices == [(begins, f'It is emptied, and reads "s" from earliest. {output}'),
                       (begins, f'It is emptied, and reads "s" from {{"0": 1}}. {output}')]
