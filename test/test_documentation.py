"""The documentation: what is public is in it, its examples do what they show, its links lead somewhere."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import examples
from destinations import Destination, aws_lambda, openai

TOP = Path(__file__).resolve().parent.parent
WIDTH = 100

# What answers in the place of these, where a page names them.
STAND_INS = {
    "https://hooks.example.com": lambda: Destination(lambda request: (200, b"ok")),
    "https://lambda.eu-west-1.amazonaws.com": aws_lambda,
    "https://api.openai.com/v1": lambda: openai(chat=lambda text: {
        "sentiment": "negative" if "broke" in text else "positive", "score": 0.9}),
}

# For users; the other pages are for those who work on the source.
MANUAL = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
PAGES = [*MANUAL, *sorted(path for path in [*TOP.glob("*.md"), *TOP.glob("*/README.md")] if path not in MANUAL)]


def name_of(path):
    return str(path.relative_to(TOP))


def page(name):
    return (TOP / name).read_text()


def section(name, heading):
    """Of a page: what follows a heading, to the next one of the same or a higher level."""
    text = page(name)
    start = re.search(rf"^(#+) {re.escape(heading)}$", text, re.M)
    assert start, f"{name} has no heading {heading}"
    end = re.compile(rf"^#{{1,{len(start[1])}}} ", re.M).search(text, start.end())
    return text[start.end():end.start() if end else None]


def refused(db, statement):
    """The options that the hint of the error names."""
    with pytest.raises(Exception) as error:
        db.execute(statement)
    names = re.search(r"(?:Valid options: |Options of a stream are )([\w, ]+)", error.value.diag.message_hint)[1]
    return names.split(", ")


def test_functions(log_db):
    text = page("docs/reference/functions.md")
    for (name,) in log_db.execute("SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'cq'::regnamespace"):
        assert re.search(rf"`cq\.{name}[`(]", text), f"function cq.{name}"


def test_views(log_db):
    views = log_db.execute("SELECT relname, array_agg(attname ORDER BY attnum) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid "
                           "WHERE relnamespace = 'cq'::regnamespace AND relkind IN ('v', 'r') AND attnum > 0 GROUP BY relname")
    assert len(views) >= 8
    for view, columns in views:
        rows = section("docs/reference/catalog.md", f"`cq.{view}`").split("| column |")[1].split("\n\n")[0].splitlines()
        described = [name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])]
        assert sorted(described) == sorted(columns), f"columns of cq.{view}"


def test_settings(log_db):
    described = {}
    for item in re.findall(r"^- (.*?):", page("docs/reference/settings.md"), re.M):
        names, default = re.fullmatch(r"(.*), default `(.*)`", item).groups()
        for name in names.split(", "):
            described[name.strip("`")] = default
    settings = dict(log_db.execute("SELECT name, current_setting(name) FROM pg_settings WHERE name LIKE 'cq.%'"))
    assert len(settings) >= 10
    assert described == settings


def test_options(log_db):
    log_db.execute("CREATE SERVER kafka FOREIGN DATA WRAPPER cq_kafka")
    log_db.execute("CREATE SERVER hook FOREIGN DATA WRAPPER cq_http OPTIONS (url 'http://localhost')")
    log_db.execute("CREATE SERVER ai FOREIGN DATA WRAPPER cq_model OPTIONS (url 'http://localhost')")
    log_db.execute("CREATE FOREIGN TABLE s (i int) SERVER cq_log")
    places = {
        ("views.md", "Options"): "CREATE VIEW v WITH (continuous, x = 1) AS SELECT FROM s",
        ("streams.md", "Server `cq_kafka`"): "CREATE FOREIGN TABLE t () SERVER kafka OPTIONS (topic 'x', x 'x')",
        ("streams.md", "Columns"): "CREATE FOREIGN TABLE t (i int OPTIONS (x 'x')) SERVER kafka OPTIONS (topic 'x')",
        ("streams.md", "Server `cq_log`"): "CREATE FOREIGN TABLE t () SERVER cq_log OPTIONS (x 'x')",
        ("models.md", "Server"): "CREATE SERVER t FOREIGN DATA WRAPPER cq_model OPTIONS (x 'x')",
        ("models.md", "User mapping"): "CREATE USER MAPPING FOR CURRENT_USER SERVER ai OPTIONS (x 'x')",
        ("models.md", "Table"): "CREATE FOREIGN TABLE t () SERVER ai OPTIONS (x 'x')",
        ("models.md", "Columns"): "CREATE FOREIGN TABLE t (i int OPTIONS (x 'x')) SERVER ai",
        ("http.md", "Server"): "CREATE SERVER t FOREIGN DATA WRAPPER cq_http OPTIONS (x 'x')",
        ("http.md", "User mapping"): "CREATE USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS (x 'x')",
        ("http.md", "Table"): "CREATE FOREIGN TABLE t () SERVER hook OPTIONS (x 'x')",
        ("http.md", "Columns"): "CREATE FOREIGN TABLE t (i int OPTIONS (x 'x')) SERVER hook",
    }
    for (name, heading), statement in places.items():
        text = section(f"docs/reference/{name}", heading)
        missing = [option for option in refused(log_db, statement) if f"`{option}`" not in text]
        assert not missing, f"options in {name} under {heading}"


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_form(path):
    """Of every page: lines that fit, links that lead to a file, and to a heading of it."""
    text = path.read_text()
    long = [number for number, line in enumerate(text.splitlines(), 1) if len(line) > WIDTH]
    assert not long, f"lines over {WIDTH} columns"
    broken = []
    for link in examples.links(text):
        if not re.match(r"https?://", link):
            target, _, anchor = link.partition("#")
            file = (path.parent / target).resolve() if target else path
            if not file.exists() or TOP not in file.parents or (anchor and anchor not in examples.anchors(file.read_text())):
                broken.append(link)
    assert not broken, "links that lead nowhere"


@pytest.mark.parametrize("path", MANUAL, ids=name_of)
def test_blocks(path):
    """Of the manual: every block says what it is, so that none is left out by mistake."""
    unknown = [(block.line, block.language) for block in examples.blocks(path.read_text()) if block.language not in examples.RUN | examples.READ]
    assert not unknown, "blocks of no known language"


def kinds_are_right(server, database, text):
    """Of the page of queries: each kind has its example, which is its query run as a batch."""
    named = {name for row in re.findall(r"^\| (.*) \|$", text, re.M)
             for cell in row.split(" | ")[1:2] for name in re.findall(r"`(\w+)`", cell)}
    with server.connect(database) as connection:
        views = dict(connection.execute("SELECT view::text, definition FROM cq.views"))
        assert named - {"retention"} <= set(views), "kinds without an example"
        for view, query in views.items():
            for one, other in ((f"TABLE {view}", query), (query, f"TABLE {view}")):
                differs = connection.execute(f"({one}) EXCEPT ALL ({other})").fetchall()
                assert not differs, f"{view} differs from its batch"


def test_installed():
    """Each page is where `make install` put it, the way the links between pages have it."""
    docdir = subprocess.run([os.environ["PG_CONFIG"], "--docdir"], stdout=subprocess.PIPE, text=True).stdout.strip()
    for path in PAGES:
        assert (Path(docdir) / "extension/pg_cq" / name_of(path)).read_text() == path.read_text()


def test_version():
    version = re.search(r"^default_version = '(.*)'$", page("pg_cq.control"), re.M)[1]
    assert len(page("README.md")) < 12000, "the README is for the first five minutes"
    assert f"This is version {version}." in re.sub(r"\s+", " ", section("README.md", "Versions and licence"))


def test_reach():
    """From the README every page of the manual can be reached."""
    reached = set()
    todo = [TOP / "README.md"]
    while todo:
        path = todo.pop()
        if path not in reached and path.suffix == ".md":
            reached.add(path)
            todo += [(path.parent / link.partition("#")[0]).resolve() for link in examples.links(path.read_text()) if not re.match(r"#|https?:", link)]
    assert [name_of(path) for path in MANUAL if path not in reached] == []


@pytest.mark.parametrize("path", [path for path in MANUAL if examples.steps(path.read_text())], ids=name_of)
def test_examples(path, server, broker, name, tmp_path):
    """Of a page: one after the other, in a fresh database with the extension, on fresh topics."""
    text = path.read_text()
    topics = examples.topics(text)
    programs = subprocess.run([os.environ["PG_CONFIG"], "--bindir"], stdout=subprocess.PIPE, text=True).stdout.strip()
    environment = {**os.environ, **server.environment, "PGDATABASE": name, "PATH": f"{programs}:{os.environ['PATH']}"}
    commands = {"sql": ["psql", "-X"], "sh": ["sh", "-e"], "python": [sys.executable, "-"]}
    for topic in topics:
        broker.create_topic(topic, 2)
    places = {"localhost:9092": broker.address}
    stand_ins = {address: make() for address, make in STAND_INS.items() if address in text}
    places.update({address: stand_in.url for address, stand_in in stand_ins.items()})
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        with server.connect(name) as connection:
            connection.execute("CREATE EXTENSION pg_cq")
        for step in examples.steps(text):
            command = commands[step.language] + (["-v", "ON_ERROR_STOP=1"] if step.language == "sql" and not step.is_loud() else [])
            said = step.text
            for address, place in places.items():
                said = said.replace(address, place)
            done = subprocess.run(command, input=said, text=True, cwd=tmp_path, env=environment,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT if step.is_loud() else subprocess.PIPE)
            where = f"{name_of(path)}:{step.line}"
            assert done.returncode == 0, f"{where} fails:\n{done.stdout}{done.stderr or ''}"
            assert step.shown is None or examples.matches(step.shown, done.stdout), f"{where} prints:\n{done.stdout}{done.stderr or ''}"
        if name_of(path) == "docs/reference/query-kinds.md":
            kinds_are_right(server, name, text)
    finally:
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            for role in re.findall(r"\bCREATE ROLE (\w+)", text):
                connection.execute(f"DROP ROLE IF EXISTS {role}")
        for topic in topics:
            broker.delete_topic(topic)
        for stand_in in stand_ins.values():
            stand_in.stop()
