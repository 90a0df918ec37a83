"""A server that has not loaded the library: who meets that is told what to do."""
import psycopg
import pytest

from conftest import Server

CREATE = "CREATE CONTINUOUS VIEW v AS SELECT count(*) FROM s"
HINT = "Add pg_cq to shared_preload_libraries and restart the server."


@pytest.fixture
def bare(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("bare"))
    try:
        server.start()
        server.stop()
        with (server.directory / "data/postgresql.conf").open("a") as settings:
            settings.write("shared_preload_libraries = ''\n")
        server.start()
        yield server
    finally:
        server.stop("immediate")


def test_who_meets_it_is_told(bare):
    def session(*statements):
        """The notices of all, and the error of the last."""
        told = []
        with bare.connect("postgres") as connection:
            connection.add_notice_handler(lambda n: told.append((n.severity, n.message_primary, n.message_hint)))
            for statement in statements:
                try:
                    connection.execute(statement)
                except psycopg.Error as error:
                    return told, (error.diag.message_primary, error.diag.message_hint)
        return told, None
    warning = ("WARNING", "pg_cq was not loaded when the server started", HINT)
    refusal = ("pg_cq must be loaded when the server starts", HINT)
    assert session("CREATE EXTENSION pg_cq") == ([warning], None)
    # What uses the extension loads it, and then the word is understood.
    assert session("CREATE FOREIGN TABLE s (k int) SERVER cq_log", CREATE) == ([warning], refusal)
    assert session("SELECT * FROM s", CREATE) == ([warning], refusal)
    assert session("SELECT cq.pause('pg_class')")[0] == [warning]
    assert session(CREATE)[1][0].startswith("syntax error")
    assert session("CREATE VIEW v WITH (continuous) AS SELECT count(*) FROM s")[1] is not None
    assert session("LOAD 'pg_cq'", "DROP EXTENSION pg_cq CASCADE", "CREATE EXTENSION pg_cq")[0].count(warning) == 2
