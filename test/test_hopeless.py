"""A view of which no row ever passes stops; its rows are kept, and it goes on when it is told to."""
from conftest import wait_until


def test_view_of_which_no_row_passes(log_db):
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW never AS SELECT k, sum(1 / (k - k)) FROM s GROUP BY k")
    db.execute("CREATE CONTINUOUS VIEW once AS SELECT k, sum(1 / (k - 1)) FROM s GROUP BY k")

    def append(k, n):
        db.execute("INSERT INTO s SELECT %s FROM generate_series(1, %s)", k, n)

    def state(view):
        return db.execute("SELECT status, status_detail FROM cq.views WHERE view = %s::regclass", view)[0]
    append(2, 5)
    append(1, 1200)
    wait_until(lambda: state("never")[0] == "failed", "the view goes on")
    assert state("never")[1] == "each of the first 1000 rows has failed: division by zero"
    assert db.value("SELECT count(*) FROM cq.errors WHERE view = 'never'::regclass") == 1000
    # One row has passed: all others are dead letters.
    db.wait("once")
    assert state("once")[0] == "failing"
    assert db.value("SELECT count(*) FROM cq.errors WHERE view = 'once'::regclass") == 1200
    # It goes on behind what is kept already, and is not stopped again.
    db.execute("SELECT cq.resume('never')")
    append(1, 1000)
    db.wait("never")
    assert state("never")[0] == "failing"
    assert db.value("SELECT count(*) FROM cq.errors WHERE view = 'never'::regclass") == 2205
