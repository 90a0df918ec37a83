"""What the files in monitoring/ say, as far as tests ask."""
import json
import re
from conftest import TOP

DIRECTORY = TOP / "monitoring"


def postgres_queries():
    """Of postgres_exporter.yml: name → (query, labels, other columns)."""
    found = {}
    parts = r"^(\w+):\n  query: \|\n((?:    .*\n)+)  metrics:\n((?:    .*\n)+)"
    text = (DIRECTORY / "postgres_exporter.yml").read_text()
    for name, query, columns in re.findall(parts, text, re.M):
        columns = re.findall(r"- (\w+): {usage: (\w+), description: \"[^\"]+\"}", columns)
        found[name] = (" ".join(query.split()), [c for c, usage in columns if usage == "LABEL"],
                       [c for c, usage in columns if usage in ("GAUGE", "COUNTER")])
    return found


def sql_queries():
    """The same of sql_exporter.yml."""
    return {name: (" ".join(query.split()), labels.split(", "), re.split(r",\s+", values))
            for name, labels, values, query in re.findall(
                r"- name: (\w+)\n +help: .*\n +allow_zero_rows: true\n +labels: \[(.*)\]\n"
                r" +values: \[([^]]*)\]\n +query: \|\n((?:          .*\n)+)",
                (DIRECTORY / "sql_exporter.yml").read_text())}


def metrics():
    """All there are: name → labels."""
    return {f"{name}_{column}": labels for name, (_, labels, columns) in postgres_queries().items()
            for column in columns}


def expressions():
    """Those of rules and dashboard."""
    rules = re.findall(r"expr: (?:>\n((?: {10}.*\n)+)|(.*))",
                       (DIRECTORY / "alerts.yml").read_text())
    dashboard = json.loads((DIRECTORY / "grafana.json").read_text())
    return [" ".join((one or other).split()) for one, other in rules] + \
        [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
