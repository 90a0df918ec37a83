"""How examples, links and headings are taken out of pages, and compared; test_documentation.py runs them over the documentation."""
import examples

PAGE = """# One `two.three`
a [b](c.md#d) `[no](code)`
```sql
SELECT 1;
```

```text
1
```
## One two-three!
```ini
# no heading [no](link)
```
<!-- not run: takes hours -->
```sh
make
```
```sh
kcat -L -t x
```
x
```text
no
```
# One `two.three`
```sql
CREATE FOREIGN TABLE t () SERVER kafka OPTIONS (topic 'a,b');
```
```text
ERROR:  no
```
"""


def test_blocks():
    assert [(step.line, step.language, step.shown, step.reason) for step in examples.blocks(PAGE)] == [
        (3, "sql", "1\n", None), (11, "ini", None, None), (15, "sh", None, "takes hours"), (18, "sh", None, None), (22, "text", None, None),
        (26, "sql", "ERROR:  no\n", None)]
    assert [step.line for step in examples.steps(PAGE)] == [3, 18, 26]
    assert [step.is_loud() for step in examples.steps(PAGE)] == [False, False, True]
    assert examples.topics(PAGE) == ["a", "b"]


def test_links():
    assert examples.links(PAGE) == ["c.md#d"]
    assert examples.anchors(PAGE) == ["one-twothree", "one-two-three", "one-twothree-1"]


def test_matches():
    assert examples.matches("a … c \n", "\na  b c\n")
    assert not examples.matches("a … c", "a b d")
    assert not examples.matches("a", "a\nb")
    assert examples.matches("…\na", "x\ny\n\na\n")
    assert not examples.matches("…\na", "x\na\nb\n")
