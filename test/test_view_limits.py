"""What a view's part of a batch may take: more counts as its failure, and as nobody else's."""
from conftest import wait_until

HOG = """CREATE OR REPLACE FUNCTION hog(k int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
    held text[] := '{}';
BEGIN
    IF k = 50 THEN
        FOR i IN 1..30 LOOP
            held := held || repeat('x', 10000000);
        END LOOP;
        PERFORM pg_sleep(60);
    END IF;
    RETURN k;
END $$"""


def create(db):
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT count(*) FROM s")
    db.wait("v")


def status(db, view):
    return db.execute("SELECT status, status_detail FROM cq.views WHERE view = %s::regclass",
                      view)[0]


def equals(db, view, batch):
    db.wait(view)
    assert db.execute(f"(TABLE {view} EXCEPT ALL {batch}) "
                      f"UNION ALL ({batch} EXCEPT ALL TABLE {view})") == []


def test_memory(server, log_db):
    db = log_db
    create(db)
    db.execute(HOG)
    db.execute("CREATE CONTINUOUS VIEW w AS SELECT hog(k) AS k FROM s")
    db.wait("w")
    server.set(cq__view_memory="100MB")
    try:
        db.execute("INSERT INTO s SELECT generate_series(1, 100)")
        wait_until(lambda: status(db, "w")[0] == "failed", lambda: status(db, "w"))
        assert status(db, "w")[1].endswith(": 1 rows take more memory than cq.view_memory")
        equals(db, "v", "SELECT count(*) FROM s")
        assert db.value("SELECT count(*) FROM w") == 49
        assert db.value("SELECT count(*) FROM cq.events WHERE what = 'failed' "
                        "AND name = 'public.w' AND detail LIKE '%cq.view_memory%'") == 1
        db.execute(HOG.replace("1..30", "1..1").replace("pg_sleep(60)", "pg_sleep(0)"))
        db.execute("SELECT cq.resume('w')")
        equals(db, "w", "SELECT k FROM s")
    finally:
        server.set(cq__view_memory=None)


def test_temporary_files(server, log_db):
    """Fewer rows take fewer of them; where one row takes too many the view stops."""
    db = log_db
    create(db)
    db.execute("CREATE FUNCTION sorts(k int) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$ "
               "BEGIN RETURN (SELECT max(o) FROM (SELECT g, row_number() OVER (ORDER BY -g) AS o "
               "FROM generate_series(1, CASE WHEN k = 7 THEN 300000 ELSE 1 END) g) x); END $$")
    server.set(temp_file_limit="1MB", cq__work_mem="64kB")
    try:
        wait_until(lambda: db.value("SHOW temp_file_limit") == "1MB", "it does not arrive")
        db.execute("INSERT INTO s SELECT generate_series(1, 30000)")
        db.wait("v")
        db.execute("CREATE CONTINUOUS VIEW w AS "
                   "SELECT md5(k::text) AS h, count(*) FROM s GROUP BY 1")
        db.execute("CREATE CONTINUOUS VIEW x AS SELECT sorts(k) AS n FROM s WHERE k < 10")
        db.wait("w")
        wait_until(lambda: status(db, "x")[0] == "failed", lambda: status(db, "x"))
        assert "1 rows take more temporary files than temp_file_limit" in status(db, "x")[1]
        db.wait("v")
    finally:
        server.set(temp_file_limit=None, cq__work_mem=None)
    equals(db, "v", "SELECT count(*) FROM s")
    equals(db, "w", "SELECT md5(k::text), count(*) FROM s GROUP BY 1")
    # With more it goes on.
    wait_until(lambda: db.value("SHOW temp_file_limit") == "-1", "it does not arrive")
    db.execute("SELECT cq.resume('x')")
    db.wait("x")
    assert db.execute("SELECT n, count(*) FROM x GROUP BY 1 ORDER BY 1") == [(1, 8), (300000, 1)]
