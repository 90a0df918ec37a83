"""monitoring/: its queries run, and what dashboard and rules name is there."""
import json
import re

from monitoring_files import DIRECTORY, expressions, metrics, postgres_queries, sql_queries


def test_queries_give_what_they_say(log_db):
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE SERVER away FOREIGN DATA WRAPPER cq_kafka "
               "OPTIONS (bootstrap_servers '127.0.0.1:1')")
    db.execute("CREATE FOREIGN TABLE told (k int, n bigint) SERVER away "
               "OPTIONS (topic 'told', mode 'upsert')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'told') AS "
               "SELECT k, count(*) AS n FROM s GROUP BY k")
    db.execute("INSERT INTO s SELECT i % 5 FROM generate_series(1, 100) i")
    db.wait("v")
    db.execute("DROP ROLE IF EXISTS exporter")
    db.execute("CREATE ROLE exporter IN ROLE pg_monitor")
    queries = postgres_queries()
    assert len(queries) == 9 and sql_queries() == queries
    try:
        for name, (query, labels, columns) in queries.items():
            db.execute("SET ROLE exporter")
            cursor = db.connection.execute(query)
            types = {column.name: column.type_display for column in cursor.description}
            rows = [dict(zip(types, row)) for row in cursor.fetchall()]
            assert rows, name
            assert list(types) == labels + columns, name
            assert {types[label] for label in labels} == {"text"}, (name, types)
            for row in rows:
                assert all(row[label] is not None for label in labels), (name, row)
            keys = [tuple(row[label] for label in labels) for row in rows]
            assert len(set(keys)) == len(keys), (name, "rows of the same labels")
            for column in columns:
                values = [row[column] for row in rows if row[column] is not None]
                assert all(float(value) >= 0 for value in values), (name, column)
        query, labels, columns = queries["pg_cq_view"]
        (view,) = [dict(zip(labels + columns, row)) for row in db.execute(query)]
        assert view["view"] == "v" and view["rows"] == 100 and view["cpu_seconds"] > 0
    finally:
        db.execute("RESET ROLE")
        db.execute("DROP ROLE exporter")


def test_what_is_named_is_there():
    known = metrics()
    for expression in expressions():
        named = re.findall(r"(pg_cq_\w+)(?:{([^}]*)})?", expression)
        assert named, expression
        for metric, matchers in named:
            assert metric in known, expression
            for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers):
                assert label in [*known[metric], "instance"], (expression, label)
        for labels in re.findall(r"(?:by|without|on) \(([^)]*)\)", expression):
            of_any = {label for metric, _ in named for label in known[metric]}
            assert set(labels.split(", ")) <= of_any, expression
    rules = (DIRECTORY / "alerts.yml").read_text()
    for alert in re.split(r"- alert: ", rules)[1:]:
        used = set(re.findall(r"\$labels\.(\w+)", alert))
        (metric, *_) = re.findall(r"pg_cq_\w+", alert)
        assert used <= set(known[metric]), alert
    dashboard = json.loads((DIRECTORY / "grafana.json").read_text())
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
