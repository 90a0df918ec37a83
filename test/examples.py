"""What is in a page of the documentation: examples as steps to run, headings, links.

A block marked sql is run by psql, one marked sh by the shell, one marked python by Python. A block marked text right after one is
what it prints; where it has errors or notices, what goes to stderr counts too, and an error does not end the step. In what is shown, …
stands for anything within a line, and alone on a line for any lines.

<!-- not run: REASON --> on the line before a block says that it is not run. Blocks of other languages are for reading.
"""
import re
from dataclasses import dataclass

FENCE = re.compile(r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
RUN = {"sql", "sh", "python"}
READ = {"text", "ini", "json", "yaml", "jinja"}
LOUD = re.compile(r"^(ERROR|NOTICE|WARNING|HINT|DETAIL):", re.M)


@dataclass
class Step:
    line: int
    language: str
    text: str
    shown: str | None = None
    reason: str | None = None

    def is_loud(self):
        return self.shown is not None and LOUD.search(self.shown) is not None


def blocks(markdown):
    """All of them, those that are shown as output with the step before."""
    found = []
    end = None
    for block in FENCE.finditer(markdown):
        between = markdown[end:block.start()].strip() if end is not None else "something"
        end = None
        if block["language"] == "text" and found and not between:
            found[-1].shown = block["text"]
            continue
        line = markdown.count("\n", 0, block.start("text"))
        found.append(Step(line, block["language"], block["text"], None, block["reason"]))
        if block["language"] in RUN:
            end = block.end()
    return found


def steps(markdown):
    return [block for block in blocks(markdown) if block.language in RUN and block.reason is None]


def topics(markdown):
    """Those that the examples name in options; they are to be there before."""
    named = re.findall(r"\btopic '([^']+)'", "".join(step.text for step in steps(markdown)))
    return sorted({topic for names in named for topic in names.split(",")})


def matches(shown, printed):
    def lines(text):
        return [line.rstrip() + "\n" for line in text.strip().splitlines()]
    pattern = "".join("(?:.*\n)*" if line == "…\n" else ".*".join(map(re.escape, line.split("…"))) for line in lines(shown))
    return re.fullmatch(pattern, "".join(lines(printed))) is not None


def prose(markdown):
    """Without blocks and what is marked as code."""
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", markdown))


def links(markdown):
    """Targets of links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(markdown))


def anchors(markdown):
    """Of the headings, as GitHub makes them."""
    found = []
    for heading in re.findall(r"^#+ (.*)$", FENCE.sub("", markdown), re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        again = sum(re.sub(r"-\d+$", "", one) == anchor for one in found)
        found.append(f"{anchor}-{again}" if again else anchor)
    return found
