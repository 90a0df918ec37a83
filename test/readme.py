"""The examples of README.md, as steps to run.

A block marked sql is run by psql, one marked sh that begins with kcat by the shell. A block marked text right after one is what it
prints. Blocks without a mark, and other sh blocks, are for reading only. In what is shown, … stands for anything within a line, and alone
on a line for any lines.
"""
import re
from dataclasses import dataclass

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


@dataclass
class Step:
    line: int
    language: str
    text: str
    shown: str | None = None


def steps(markdown):
    found = []
    end = None
    for block in FENCE.finditer(markdown):
        language, text = block.groups()
        between = markdown[end:block.start()].strip() if end is not None else "something"
        end = None
        if language == "text" and found and not between:
            found[-1].shown = text
        elif language == "sql" or (language == "sh" and text.startswith("kcat ")):
            found.append(Step(markdown.count("\n", 0, block.start()) + 1, language, text))
            end = block.end()
    return found


def topics(markdown):
    """Those that the examples name in options; they are to be there before."""
    return sorted(set(re.findall(r"\btopic '([^']+)'", "".join(step.text for step in steps(markdown)))))


def matches(shown, printed):
    def lines(text):
        return [line.rstrip() + "\n" for line in text.strip().splitlines()]
    pattern = "".join("(?:.*\n)*" if line == "…\n" else ".*".join(map(re.escape, line.split("…"))) for line in lines(shown))
    return re.fullmatch(pattern, "".join(lines(printed))) is not None
