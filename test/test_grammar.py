"""CREATE CONTINUOUS VIEW in each way a statement can reach the server: which memory is allocated first differs."""
import pytest
from psycopg.pq import DiagnosticField

CREATE = b"CREATE CONTINUOUS VIEW v AS SELECT 1"
# The database has no extension, and only a statement that went through the grammar gets to know.
UNDERSTOOD = 'extension "pg_cq" is not installed in this database'


def simple(connection, text):
    return connection.exec_(text)


def unnamed(connection, text):
    return connection.exec_params(text, [])


def named(connection, text):
    result = connection.prepare(b"statement", text)
    if not result.error_message:
        result = connection.exec_prepared(b"statement", [])
        connection.exec_(b"DEALLOCATE statement")
    return result


def message(result):
    field = result.error_field(DiagnosticField.MESSAGE_PRIMARY)
    return field and field.decode()


@pytest.fixture
def connection(server):
    with server.connect("postgres") as connection:
        yield connection.pgconn


@pytest.mark.parametrize("send", [simple, unnamed, named])
def test_first_statement_and_the_next(connection, send):
    for _ in range(3):
        assert message(send(connection, CREATE)) == UNDERSTOOD


@pytest.mark.parametrize("begin, send", [
    (simple, simple), (unnamed, simple), (named, simple),
    (unnamed, unnamed),
    (simple, named), (unnamed, named), (named, named)])
def test_in_a_transaction(connection, begin, send):
    assert message(begin(connection, b"BEGIN")) is None
    assert message(send(connection, CREATE)) == UNDERSTOOD


def test_after_any_unnamed_statement(connection):
    unnamed(connection, b"SELECT 1")
    named(connection, b"BEGIN")
    unnamed(connection, b"SELECT 1")
    assert message(unnamed(connection, CREATE)) == UNDERSTOOD


def test_out_of_reach_there_is_a_hint(connection):
    simple(connection, b"BEGIN")
    result = unnamed(connection, CREATE)
    assert message(result) == 'syntax error at or near "CONTINUOUS"'
    assert result.error_field(DiagnosticField.MESSAGE_HINT) == \
        b"Write CREATE VIEW ... WITH (continuous) AS ..., or ALTER or DROP VIEW."


@pytest.mark.parametrize("encoding", [b"LATIN1", b"SJIS"])
def test_text_in_another_encoding(connection, encoding):
    simple(connection, b"SET client_encoding = " + encoding)
    for send in simple, unnamed, named:
        assert message(send(connection, CREATE)) == UNDERSTOOD


def test_very_long_text(connection):
    text = b"SELECT '" + b"; drop continuous view " * 500_000 + b"'; " + CREATE
    assert message(simple(connection, text)) == UNDERSTOOD


def test_positions_hold(connection):
    result = simple(connection, b"DROP CONTINUOUS VIEW IF EXISTS a; CREATE CONTINUOUS VIEW v AS SELEC 1")
    assert message(result) == 'syntax error at or near "SELEC"'
    assert result.error_field(DiagnosticField.STATEMENT_POSITION) == b"63"


def test_nothing_is_left_in_memory(connection):
    def used():
        return int(simple(connection, b"SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE level <= 2 AND name <> 'MessageContext'")
                   .get_value(0, 0))
    texts = [CREATE, b"DROP CONTINUOUS VIEW IF EXISTS a; SELECT 'never closed", b"DROP CONTINUOUS VIEW a; SELECT 1junk"]

    def send_all(times):
        for _ in range(times):
            for text in texts:
                for send in simple, unnamed, named:
                    send(connection, text)
    send_all(10)
    before = used()
    send_all(300)
    assert used() - before < 10_000
