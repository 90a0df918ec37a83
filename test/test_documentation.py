"""README.md: what is public is in it, and its examples do what they show."""
import re
import subprocess
from pathlib import Path

import pytest

import readme

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()


def row_of(name, heading):
    """Cells of the one row under the heading whose first cell begins with it, or with a list that has it."""
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section(heading).splitlines() if line.startswith("|")]
    (row,) = [row for row in rows if f"`{name}`" in re.split(r", (?=`)|:", row[0])]
    return row


def section(heading):
    """What follows a heading, to the next one of the same or a higher level."""
    start = re.search(rf"^(#+) {re.escape(heading)}$", README, re.M)
    assert start, f"no heading {heading}"
    end = re.compile(rf"^#{{1,{len(start[1])}}} ", re.M).search(README, start.end())
    return README[start.end():end.start() if end else None]


def refused(db, statement):
    """The options that the hint of the error names."""
    with pytest.raises(Exception) as error:
        db.execute(statement)
    names = re.search(r"(?:Valid options: |Options of a stream are )([\w, ]+)", error.value.diag.message_hint)[1]
    return names.split(", ")


def test_functions(log_db):
    for (name,) in log_db.execute("SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'cq'::regnamespace"):
        assert re.search(rf"`cq\.{name}[`(]", README), f"function cq.{name}"


def test_views(log_db):
    views = log_db.execute("SELECT relname, array_agg(attname ORDER BY attnum) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid "
                           "WHERE relnamespace = 'cq'::regnamespace AND relkind IN ('v', 'r') AND attnum > 0 GROUP BY relname")
    assert len(views) >= 8
    for view, columns in views:
        row = row_of(f"cq.{view}", "Views")
        missing = [column for column in columns if f"`{column}`" not in row[1]]
        assert not missing, f"columns of cq.{view}"


def test_settings(log_db):
    settings = log_db.execute("SELECT name, boot_val, unit, current_setting(name) FROM pg_settings WHERE name LIKE 'cq.%'")
    assert len(settings) >= 10
    for name, _, _, default in settings:
        row = row_of(name, "Settings")
        names = row[0].split(", ")
        assert row[1].split(", ")[names.index(f"`{name}`")] == default, name
    assert {name for line in section("Settings").splitlines() if line.startswith("| `") for name in re.findall(r"`(cq\.\w+)`", line.split(" | ")[0])} \
        == {name for name, *_ in settings}


def test_options(log_db):
    log_db.execute("CREATE SERVER kafka FOREIGN DATA WRAPPER cq_kafka")
    log_db.execute("CREATE FOREIGN TABLE s (i int) SERVER cq_log")
    places = {
        "Options": "CREATE VIEW v WITH (continuous, x = 1) AS SELECT FROM s",
        "Server `cq_kafka`": "CREATE FOREIGN TABLE t () SERVER kafka OPTIONS (topic 'x', x 'x')",
        "Columns": "CREATE FOREIGN TABLE t (i int OPTIONS (x 'x')) SERVER kafka OPTIONS (topic 'x')",
        "Server `cq_log`": "CREATE FOREIGN TABLE t () SERVER cq_log OPTIONS (x 'x')",
    }
    for heading, statement in places.items():
        missing = [name for name in refused(log_db, statement) if f"`{name}`" not in section(heading)]
        assert not missing, f"options under {heading}"


def test_examples(server, broker, name):
    """One after the other, in a fresh database and on fresh topics."""
    topics = readme.topics(README)
    for topic in topics:
        broker.create_topic(topic, 2)
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        for step in readme.steps(README):
            text = step.text.replace("localhost:9092", broker.address)
            if step.language == "sql":
                printed = server.program("psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", name, input=text)
            else:
                printed = subprocess.run(["sh", "-ec", text], check=True, stdout=subprocess.PIPE, text=True).stdout
            assert step.shown is None or readme.matches(step.shown, printed), f"line {step.line} prints:\n{printed}"
    finally:
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        for topic in topics:
            broker.delete_topic(topic)
