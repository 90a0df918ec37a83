"""Of a random query that was wrong, less of it and fewer rows that are wrong in the same way.

Streams are in the database, each step is waited for, and nothing disturbs: what needs more than
that is not found again, and stays as it is.
"""

import re
import time

import psycopg
from conftest import fresh_database, wait_until
from queries import Query, create_batch, differences

TOKEN = re.compile(r"'(?:[^']|'')*'|\w+(?:\.\w+)?|::|[<>=!|&@~-]+|\S")
INSTEAD = ["NULL", "true", "1"]


class QueryShrink:
    """steps: as QueryHistory leaves them, up to those of the view of this name."""

    def __init__(self, server, name, steps, view, seconds=120):
        self.server = server
        self.name = name
        self.view = view
        self.end = time.monotonic() + seconds
        self.tries = 0
        self.steps = needed(in_the_database(steps), view)
        self.kind = None

    def run(self):
        """The steps that are left, and how they fail; None where they do not."""
        with fresh_database(self.server, self.name, None) as db:
            self.db = db
            # In a schema that stays.
            db.execute("DROP EXTENSION pg_cq")
            db.execute("CREATE SCHEMA extension")
            db.execute("CREATE EXTENSION pg_cq SCHEMA extension")
            self.kind = self.failure(self.steps)
            if self.kind is None:
                return None
            self.leave_out_rows(groups)
            self.shrink_query()
            self.leave_out_rows(groups)
            self.leave_out_rows(single_rows)
            self.shrink_query()
            return self.kind, self.steps

    # ---- does it fail? ----

    def failure(self, steps):
        """The kind, or None."""
        self.tries += 1
        db = self.db
        try:
            db.execute("DROP SCHEMA IF EXISTS truth CASCADE")
            db.execute("DROP SCHEMA public CASCADE")
            db.execute("CREATE SCHEMA public")
            return self.run_steps(steps)
        except psycopg.OperationalError:
            db.close()
            wait_until(self.is_up, "the server does not come back")
            return "crash"
        except psycopg.Error:
            return None

    def is_up(self):
        try:
            return self.db.value("SELECT true")
        except psycopg.OperationalError:
            return False

    def run_steps(self, steps):
        for step in steps:
            if not isinstance(step, str):
                name, text, options = step
                if not create_batch(self.db.connection, name, Query(text, {})):
                    return None
                try:
                    self.db.execute(f"CREATE VIEW {name} WITH (continuous{options}) AS {text}")
                except psycopg.errors.FeatureNotSupported:
                    return None
                except psycopg.OperationalError:
                    raise
                except psycopg.Error:
                    return "create"
            elif step != "WAIT":
                self.db.execute(step)
            if step == "WAIT" or not isinstance(step, str):
                failure = self.look() if self.is_there() else None
                if failure is not None:
                    return failure
        return None

    def is_there(self):
        return self.db.value(
            "SELECT count(*) > 0 FROM cq.views WHERE view = to_regclass(%s)", self.view
        )

    def look(self):
        def status():
            ((status, bad),) = self.db.execute(
                "SELECT status, bad_rows FROM cq.views WHERE view = %s::regclass", self.view
            )
            if bad or status not in ("running", "waiting", "catching up"):
                return "status"
            return self.db.value("SELECT cq.wait(%s::regclass, '5 s')", self.view) and "running"

        found = wait_until(status, self.view)
        if found != "running":
            return found
        return "rows" if any(differences(self.db.connection, self.view)) else None

    def is_wrong(self, steps):
        return time.monotonic() < self.end and self.failure(steps) == self.kind

    # ---- less of it ----

    def leave_out_rows(self, divide):
        """divide(steps): what can be left out, as functions of steps; in ever smaller runs."""
        size = max(len(divide(self.steps)) // 2, 1)
        while size:
            first = 0
            while first < len(parts := divide(self.steps)):
                unwanted = parts[first : first + size]
                fewer = without(self.steps, unwanted)
                if self.is_wrong(fewer):
                    self.steps = fewer
                else:
                    first += size
            size //= 2

    def shrink_query(self):
        """Runs of words in which parentheses match, left out or something simple instead."""
        number = next(n for n, step in enumerate(self.steps) if step_name(step) == self.view)
        shorter = True
        while shorter and time.monotonic() < self.end:
            shorter = False
            words = TOKEN.findall(self.steps[number][1])
            for length in range(len(words) - 1, 0, -1):
                for first in range(len(words) - length + 1):
                    run = words[first : first + length]
                    if not is_balanced(run) or time.monotonic() > self.end:
                        continue
                    instead = [[]] if length == 1 else [[], *([word] for word in INSTEAD)]
                    if run[0] == "(" and run[-1] == ")" and length > 2:
                        instead.append(run[1:-1])
                    for these in instead:
                        text = " ".join(words[:first] + these + words[first + length :])
                        if self.is_wrong_query(number, text):
                            shorter = True
                            break
                    if shorter:
                        break
                if shorter:
                    break

    def is_wrong_query(self, number, text):
        """First whether the server would take it, which is soon known."""
        try:
            self.db.connection.execute("SET search_path = truth, public")
            with self.db.connection.transaction():
                self.db.connection.execute(f"CREATE VIEW pg_temp.tried AS {text}")
                self.db.connection.execute("DROP VIEW pg_temp.tried")
        except psycopg.Error:
            return False
        finally:
            self.db.connection.execute("RESET search_path")
        steps = list(self.steps)
        steps[number] = (self.view, text, *steps[number][2:])
        if not self.is_wrong(steps):
            self.failure(self.steps[:number])  # what the next one is asked of
            return False
        self.steps = steps
        return True


def step_name(step):
    return None if isinstance(step, str) else step[0]


def is_balanced(words):
    depth = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        if depth < 0:
            return False
    return depth == 0


def in_the_database(steps):
    """The same over streams in the database."""
    changed = []
    for step in steps:
        if isinstance(step, str) and step.startswith("CREATE FOREIGN TABLE"):
            step = step.replace("SERVER kafka", "SERVER cq_log")
            step = re.sub(r"topic '[^']*'(, )?", "", step).replace(" OPTIONS ()", "")
        changed.append(step)
    return changed


def needed(steps, view):
    """Without views that this one does not read."""
    texts = {
        m[1]: m[2] for s in steps if isinstance(s, str) and (m := PLAIN.match(s)) is not None
    } | {s[0]: s[1] for s in steps if not isinstance(s, str)}
    wanted, left = set(), [view]
    while left:
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left += [other for other in texts if re.search(rf"\b{other}\b", texts[name])]

    def is_wanted(step):
        if not isinstance(step, str):
            return step[0] in wanted
        plain = PLAIN.match(step)
        return plain is None or plain[1] in wanted

    return [step for step in steps if is_wanted(step)]


PLAIN = re.compile(r"CREATE VIEW (?:truth\.)?(\w+) AS (.*)", re.DOTALL)
INSERTED = re.compile(r"INSERT INTO (truth\.)?(\w+) (\(.*?\)) VALUES (.*)", re.DOTALL)


def groups(steps):
    """The steps of each stream in each commit: numbers; what fills tables as well."""
    found = []
    for number, step in enumerate(steps):
        if not isinstance(step, str):
            continue
        if step.startswith(("INSERT INTO truth.", "DELETE FROM truth.")):
            found[-1].append(number)
        elif step.startswith(("INSERT INTO", "DELETE FROM", "UPDATE", "TRUNCATE", "MERGE")):
            found.append([number])
    return [("steps", numbers) for numbers in found]


def single_rows(steps):
    """Rows that are in a stream and in its table."""
    found = []
    for _, numbers in groups(steps):
        if any(
            steps[number].startswith("DELETE") or " ON CONFLICT " in steps[number]
            for number in numbers
        ):
            continue
        made = INSERTED.match(steps[numbers[0]])
        if made is not None:
            found += [("row", numbers, row) for row in split_rows(made[4])]
    return found


def split_rows(values):
    """Of what stands after VALUES."""
    rows, depth, begun = [], 0, 0
    for word in re.finditer(r"'(?:[^']|'')*'|[()]", values):
        if word[0] == "(":
            if depth == 0:
                begun = word.start()
            depth += 1
        elif word[0] == ")":
            depth -= 1
            if depth == 0:
                rows.append(values[begun : word.end()])
    return rows


def without(steps, unwanted):
    gone = {number for what, *rest in unwanted if what == "steps" for number in rest[0]}
    rows = {}
    for what, *rest in unwanted:
        if what == "row":
            for number in rest[0]:
                rows.setdefault(number, set()).add(rest[1])
    left = []
    for number, step in enumerate(steps):
        if number in gone:
            continue
        if number in rows:
            made = INSERTED.match(step)
            kept = [row for row in split_rows(made[4]) if row not in rows[number]]
            if not kept:
                continue
            step = f"INSERT INTO {made[1] or ''}{made[2]} {made[3]} VALUES {', '.join(kept)}"
        left.append(step)
    return left


def as_script(kind, steps, view):
    """For psql."""
    lines = [f"-- {view}: {kind}"]
    for step in steps:
        if not isinstance(step, str):
            name, text, options = step
            lines.append(f"SET search_path = truth, public; CREATE VIEW truth.{name} AS {text};")
            lines.append(
                f"RESET search_path; CREATE VIEW {name} WITH (continuous{options}) AS {text};"
            )
        elif step == "WAIT":
            lines.append(f"SELECT cq.wait('{view}');")
        else:
            lines.append(f"{step};")
    lines.append(f"TABLE {view} EXCEPT ALL TABLE truth.{view};")
    lines.append(f"TABLE truth.{view} EXCEPT ALL TABLE {view};")
    return "\n".join(lines) + "\n"
