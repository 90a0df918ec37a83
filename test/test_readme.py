"""How examples are taken out of README.md, and compared; they are run by test_documentation.py."""
import readme


def test_mechanism():
    text = "a\n```sql\nSELECT 1;\n```\n\n```text\n1\n```\nb\n```\nSYNOPSIS\n```\n```sh\nmake\n```\n```sh\nkcat -L\n```\nx\n```text\nno\n```\n"
    assert [(step.line, step.language, step.text, step.shown) for step in readme.steps(text)] == [
        (2, "sql", "SELECT 1;\n", "1\n"), (16, "sh", "kcat -L\n", None)]
    assert readme.matches("a … c \n", "\na  b c\n")
    assert not readme.matches("a … c", "a b d")
    assert not readme.matches("a", "a\nb")
    assert readme.matches("…\na", "x\ny\n\na\n")
    assert not readme.matches("…\na", "x\na\nb\n")
