"""The examples of README.md do what they show."""
import subprocess

import readme
from conftest import TOP

ADDRESS = "localhost:9092"


def test_examples(broker, server, db):
    markdown = (TOP / "README.md").read_text()
    steps = readme.steps(markdown)
    assert steps
    db.execute("DROP EXTENSION pg_cq CASCADE")
    for topic in readme.topics(markdown):
        broker.create_topic(topic, 2)
    for step in steps:
        text = step.text.replace(ADDRESS, broker.address)
        if step.language == "sql":
            printed = server.program("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", db.name, input=text)
        else:
            printed = subprocess.run(["bash", "-eu", "-c", text], stdout=subprocess.PIPE, text=True, check=True).stdout
        if step.shown is not None:
            assert readme.matches(step.shown, printed), \
                f"README.md:{step.line}: shown\n{step.shown}\nprinted\n{printed}"


def test_mechanism():
    text = "a\n```sql\nSELECT 1;\n```\n\n```text\n1\n```\nb\n```\nSYNOPSIS\n```\n```sh\nmake\n```\n```sh\nkcat -L\n```\nx\n```text\nno\n```\n"
    assert [(step.line, step.language, step.text, step.shown) for step in readme.steps(text)] == [
        (2, "sql", "SELECT 1;\n", "1\n"), (16, "sh", "kcat -L\n", None)]
    assert readme.matches("a … c \n", "\na  b c\n")
    assert not readme.matches("a … c", "a b d")
    assert not readme.matches("a", "a\nb")
    assert readme.matches("…\na", "x\ny\n\na\n")
    assert not readme.matches("…\na", "x\na\nb\n")
