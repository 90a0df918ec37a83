"""Models as sinks: what they are asked, how often, and what becomes of their answers."""
import signal
from collections import Counter
from decimal import Decimal

import psycopg
import pytest

from conftest import kill, wait_until
from destinations import Destination, bedrock, embedding_of, openai
from test_http import FAST, flush, is_served_by_another

REVIEW = """
    CREATE FOREIGN TABLE s (id int, said text) SERVER cq_log;
    CREATE FOREIGN TABLE judged (id int, label text, score float8, cached bool, tokens bigint,
      attempts int, error text) SERVER cq_log;
    CREATE FOREIGN TABLE judge (id int OPTIONS (part 'key'), said text,
      label text OPTIONS (part 'output'), score float8 OPTIONS (part 'output')) SERVER ai
      OPTIONS (model 'small', system_prompt 'Judge.', temperature '0', max_tokens '20',
               responses 'judged');
    CREATE CONTINUOUS VIEW v WITH (sink = 'judge') AS SELECT id, said FROM s;
"""
SHOUT = """
    CREATE FOREIGN TABLE s (id int, said text) SERVER cq_log;
    CREATE FOREIGN TABLE answered (id int, loud text, error text) SERVER cq_log;
    CREATE FOREIGN TABLE shouter (id int OPTIONS (part 'key'), said text,
      loud text OPTIONS (part 'output')) SERVER ai OPTIONS (model 'm', responses 'answered');
    CREATE CONTINUOUS VIEW v WITH (sink = 'shouter') AS SELECT id, said FROM s;
"""
EMBED = """
    CREATE FOREIGN TABLE s (id text OPTIONS (metadata 'key'), body text) SERVER cq_log
      OPTIONS (mode 'upsert');
    CREATE FOREIGN TABLE embedded (id text OPTIONS (metadata 'key'), v float8[]) SERVER cq_log
      OPTIONS (mode 'upsert');
    CREATE FOREIGN TABLE embedder (id text OPTIONS (part 'key'), body text,
      v float8[] OPTIONS (part 'output')) SERVER ai
      OPTIONS (task 'embedding', model 'e', batch_size '10', mode 'upsert',
               responses 'embedded');
    CREATE CONTINUOUS VIEW v WITH (sink = 'embedder') AS SELECT id, body FROM s;
    CREATE CONTINUOUS VIEW found AS SELECT id, v FROM embedded;
"""


@pytest.fixture
def model():
    made = []

    def make(**options):
        made.append(openai(**options))
        return made[-1]
    yield make
    for one in made:
        one.stop()


def create(db, url, objects, **options):
    options = {"provider": "openai", "url": url, **FAST, **options}
    options = ", ".join(f"{name} '{value}'" for name, value in options.items())
    db.execute(f"CREATE SERVER ai FOREIGN DATA WRAPPER cq_model OPTIONS ({options})")
    db.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER ai OPTIONS (key 'sk-test')")
    for statement in objects.split(";\n")[:-1]:
        db.execute(statement)


def asked(server):
    return [request.json()["messages"][-1]["content"] for request in server.requests]


def errors(db):
    return db.execute("SELECT (convert_from(key, 'UTF8')::jsonb ->> 'id')::int, message "
                      "FROM cq.errors ORDER BY error_id")


def test_chat(log_db, model):
    """Each row is asked about once, its answer has its key, and what is asked again is known."""
    db = log_db
    server = model(chat=lambda text: {"label": "good" if "fine" in text else "bad",
                                      "score": len(text)})
    create(db, server.url, REVIEW)
    db.execute("CREATE CONTINUOUS VIEW labelled AS "
               "SELECT s.said, j.label FROM s JOIN judged j USING (id)")
    db.execute("INSERT INTO s VALUES (1, 'all fine'), (2, E'no \"way\"\\n'), (3, NULL)")
    flush(db)
    db.execute("INSERT INTO s VALUES (4, 'all fine')")
    flush(db)
    assert db.execute("SELECT * FROM judged ORDER BY id") == [
        (1, "good", 8.0, False, 7, 1, None), (2, "bad", 9.0, False, 7, 1, None),
        (3, None, None, None, None, None, None), (4, "good", 8.0, True, None, None, None)]
    db.wait("labelled")
    assert db.execute("TABLE labelled ORDER BY 1") == [
        ("all fine", "good"), ("all fine", "good"), ('no "way"\n', "bad"), (None, None)]
    assert sorted(asked(server)) == ["all fine", 'no "way"\n']
    body = server.requests[0].json()
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("small", 0, 20)
    assert body["response_format"]["json_schema"]["schema"]["properties"] == {
        "label": {"type": "string"}, "score": {"type": "number"}}
    assert body["messages"][0]["content"].startswith("Judge.\n")
    # Another prompt is another question.
    db.execute("ALTER FOREIGN TABLE judge OPTIONS (SET system_prompt 'Judge well.')")
    wait_until(lambda: asks_again(db, server), "the options are not followed")


def asks_again(db, server):
    db.execute("INSERT INTO s VALUES (5, 'all fine')")
    flush(db)
    return server.requests[-1].json()["messages"][0]["content"].startswith("Judge well.\n")


def test_embeddings(log_db, model):
    """Many at a time, each text once; what has changed is embedded again, what is gone goes."""
    db = log_db
    server = model()
    create(db, server.url, EMBED, concurrency="2")
    db.execute("INSERT INTO s SELECT i, 'text ' || i % 50 FROM generate_series(1, 100) i")
    flush(db)
    texts = [text for request in server.requests for text in request.json()["input"]]
    assert Counter(texts) == {f"text {i}": 1 for i in range(50)}
    db.execute("INSERT INTO s VALUES (1, 'other'), (2, NULL), (3, 'text 3')")
    flush(db)
    assert server.requests[-1].json() == {"model": "e", "input": ["other"]}
    db.wait("found")
    rows = dict(db.execute("SELECT id::int, v FROM found"))
    assert set(rows) == set(range(1, 101)) - {2}
    assert rows[1] == pytest.approx(embedding_of("other"))
    assert rows[51] == pytest.approx(embedding_of("text 1"))


def test_other_answers_than_asked_for(log_db, model):
    """No JSON, other JSON, refusals: dead letters with the reason, and the key is nowhere."""
    db = log_db
    said = [
        ("I think it is good", "the answer is no JSON: I think it is good"),
        ('```json\n{"label": "good", "score": 1}\n```', None),
        ({"label": "good"}, 'the answer has no field "score"'),
        ({"label": "bad", "score": 2, "x": 1}, None),
        ({"label": "good", "score": "much"}, "the answer could not be kept: "
         'invalid input syntax for type double precision: "much"'),
        ({"label": "ugly", "score": 1}, '"ugly" is none of the classes'),
        ([1], "the answer is no object: [1]"),
        ({"label": None, "score": 1}, "the class is no text"),
        ("sk-test", "the answer is no JSON: ***"),
        ((400, {"error": "no, sk-test"}),
         'not answered after 1 attempts: status 400: {"error": "no, ***"}'),
        ((200, b""), "the response is empty"),
        ((200, b"<html>"), "the response is no JSON"),
        ((200, b"7"), "the response is no JSON"),
        ((200, {"choices": []}), "the response has no answer"),
        ((200, b"[" * 100000), "the response is no JSON"),
        ({"label": "good", "score": 3}, None),
    ]
    server = model(chat=lambda text: said[int(text)][0])
    create(db, server.url, REVIEW.replace("model 'small'", "model 'small', "
                                          "task 'classification', classes 'good, bad'"))
    db.execute("INSERT INTO s SELECT i, i FROM generate_series(0, %s::int) i", len(said) - 1)
    flush(db)
    reasons = [(i, reason) for i, (_, reason) in enumerate(said) if reason is not None]
    assert errors(db) == reasons
    assert db.execute("SELECT id, error FROM judged WHERE error IS NOT NULL ORDER BY 1") == reasons
    assert db.execute("SELECT id, label, score FROM judged WHERE error IS NULL ORDER BY 1") == [
        (1, "good", 1.0), (3, "bad", 2.0), (15, "good", 3.0)]
    schema = server.requests[0].json()["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["label"] == {"type": "string", "enum": ["good", "bad"]}
    shown = "".join(str(db.execute(f"TABLE {name}"))
                    for name in ("judged", "cq.errors", "cq.sinks"))
    assert "sk-test" not in shown
    assert not [line for line in db.server.log().splitlines()
                if "sk-test" in line and "CREATE USER MAPPING" not in line]


def test_other_embeddings_than_asked_for(log_db, model):
    """Too few of them, and what is none."""
    db = log_db
    server = model(embed=lambda text: {"none": [], "text": ["a"]}.get(text, [1, 2.5]))
    whole = server.answer
    server.answer = lambda handler: without_the_last(whole(handler), handler)
    create(db, server.url, EMBED.replace("batch_size '10'", "batch_size '3'"), concurrency="1")
    db.execute("INSERT INTO s VALUES (1, 'a'), (2, 'few'), (3, 'b')")
    flush(db)
    db.execute("INSERT INTO s VALUES (4, 'c'), (5, 'none'), (6, 'text')")
    flush(db)
    db.wait("found")
    assert db.execute("TABLE found") == [("4", [1, 2.5])]
    assert sorted(errors(db)) == [
        *((i, "the response has 2 answers to 3 inputs") for i in (1, 2, 3)),
        *((i, "the embedding is no list of numbers") for i in (5, 6))]


def without_the_last(result, handler):
    if b'"few"' in handler.body:
        result[1]["data"].pop()
    return result


def test_asked_once_over_crashes(log_db, model):
    """What was under way when the emitter is killed is asked again, by the same key, no more."""
    db = log_db
    server = model()
    create(db, server.url, SHOUT.replace("model 'm'", "model 'm', cache '0', "
                                         "budget_requests '100000', budget_period 'month'"),
           concurrency="4", connect_timeout="5 s")
    for kills, number in enumerate((signal.SIGTERM, signal.SIGKILL)):
        target = len(server.requests) + 100
        db.execute("INSERT INTO s SELECT i, 'x' || i FROM generate_series(%s::int, %s::int) i",
                   kills * 200 + 1, kills * 200 + 200)
        wait_until(lambda: len(server.requests) >= target, "nothing is asked")
        pid = db.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_cq emitter' "
                       "AND datname = current_database()")
        kill(pid, number)
        wait_until(lambda: is_served_by_another(db, pid), "the server does not come back")
    flush(db)
    assert db.execute("SELECT id, loud FROM answered ORDER BY 1") == [
        (i, f"X{i}") for i in range(1, 401)]
    counts = Counter(asked(server))
    assert set(counts) == {f"x{i}" for i in range(1, 401)}
    assert sum(counts.values()) - 400 <= 2 * 4
    keys = {(request.id, text) for request, text in zip(server.requests, asked(server))}
    assert len(keys) == 400
    # What is not known after a crash has been spent.
    assert db.value("SELECT sum(requests) FROM cq.model_usage") >= len(server.requests)


def test_budget(log_db, model):
    """It is never exceeded: the sink waits, and says so, until there is more."""
    db = log_db
    server = model()
    create(db, server.url, SHOUT.replace("model 'm'", "model 'm', budget_requests '3', "
                                         "input_price '2', output_price '1000000', "
                                         "budget_period 'month'"), attempts="1")
    db.execute("INSERT INTO s SELECT i, 'x' || i FROM generate_series(1, 5) i")
    db.wait("v")
    assert said_by_sink(db, "the budget of public.shouter is spent: 3 of 3 requests in this month, "
                        "and the next request may take 1")
    assert sorted(asked(server)) == ["x1", "x2", "x3"]
    assert db.execute("SELECT model::text, period, requests, tokens, round(cost::numeric, 5) "
                      "FROM cq.model_usage") == [("shouter", "month", 3, 21, Decimal("6.00003"))]
    db.execute("ALTER FOREIGN TABLE shouter OPTIONS (SET budget_requests '1000', "
               "ADD budget_tokens '100')")
    assert said_by_sink(db, "which is more than its budget of 100")
    db.execute("ALTER FOREIGN TABLE shouter OPTIONS (DROP budget_tokens, ADD budget_cost '300')")
    flush(db)
    assert len(server.requests) == db.value("SELECT count(*) FROM answered") == 5
    with pytest.raises(psycopg.Error, match="has a budget, and is not asked by hand"):
        db.execute("SELECT cq.predict('shouter', 'x')")


def said_by_sink(db, text):
    wait_until(lambda: text in (db.value("SELECT last_error FROM cq.sinks") or ""),
               lambda: db.execute("TABLE cq.sinks"))
    return True


def test_by_hand(log_db, model):
    """cq.predict waits, and can be cancelled; cq.evaluate measures."""
    db = log_db
    server = model(chat=lambda text: {"label": "good" if "fine" in text else "bad",
                                      "score": len(text)})
    whole = server.answer
    server.answer = lambda handler: None if b'"hangs"' in handler.body else whole(handler)
    create(db, server.url, REVIEW)
    assert db.value("SELECT cq.predict('judge', 'fine')") == {"label": "good", "score": 4}
    assert db.value("SELECT cq.predict('judge', jsonb '{\"said\": \"so\"}')") == \
        {"label": "bad", "score": 2}
    assert db.value("SELECT cq.predict('judge', jsonb 'null')") is None
    measures = dict(db.execute("""
        SELECT concat_ws(' ', measure, class), round(value::numeric, 3)::float8
        FROM cq.evaluate('judge', $$SELECT * FROM (VALUES
          ('fine', 'good'), ('so', 'good'), ('no', 'bad'), (NULL, 'bad')) x (said, label)$$)"""))
    assert measures == {
        "rows": 4, "unanswered": 1, "accuracy": 0.5, "f1": 0.583, "precision bad": 0.5,
        "precision good": 1, "recall bad": 0.5, "recall good": 0.5, "f1 bad": 0.5,
        "f1 good": 0.667}
    db.execute("SET statement_timeout = '300ms'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        db.execute("SELECT cq.predict('judge', 'hangs')")
    db.execute("RESET statement_timeout")
    db.execute("ALTER SERVER ai OPTIONS (SET url 'http://127.0.0.1:1')")
    with pytest.raises(psycopg.Error, match="http://127.0.0.1:1: "):
        db.execute("SELECT cq.predict('judge', 'fine')")


def test_other_providers(log_db):
    """Bedrock, whose names of models are signed as they are sent; and one by a template."""
    db = log_db
    aws = bedrock()
    own = Destination(lambda request: (200, {"out": [
        {"sum": row["a"] + row["b"]} for row in request.json()["rows"]]}))
    try:
        db.execute("CREATE SERVER aws FOREIGN DATA WRAPPER cq_model OPTIONS "
                   f"(provider 'bedrock', url '{aws.url}', sigv4 'eu-west-1/bedrock')")
        db.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER aws "
                   "OPTIONS (user 'AKID', password 'secret')")
        db.execute("CREATE FOREIGN TABLE haiku (said text, loud text OPTIONS (part 'output')) "
                   "SERVER aws OPTIONS (model 'anthropic.claude-3-haiku-20240307-v1:0')")
        assert db.value("SELECT cq.predict('haiku', 'a') ->> 'loud'") == "A"
        assert aws.requests[0].path == "/model/anthropic.claude-3-haiku-20240307-v1%3A0/invoke"
        db.execute("CREATE FOREIGN TABLE titan (said text, v real[] OPTIONS (part 'output')) "
                   "SERVER aws OPTIONS (task 'embedding', model 'amazon.titan-embed-text-v2:0')")
        assert db.value("SELECT cq.predict('titan', 'a b') -> 'v'") == embedding_of("a b")
        db.execute("CREATE SERVER own FOREIGN DATA WRAPPER cq_model "
                   f"OPTIONS (provider 'custom', url '{own.url}')")
        db.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER own")
        db.execute("CREATE FOREIGN TABLE adder (a int, b int, sum int OPTIONS (part 'output')) "
                   "SERVER own OPTIONS (task 'regression', path '/add', answer '$.out', "
                   "request '{\"rows\": {inputs}, \"of\": {max_tokens}}', batch_size '2')")
        assert db.value("SELECT cq.predict('adder', ARRAY(SELECT jsonb_build_object('a', i, 'b', 1)"
                        " FROM generate_series(1, 3) i))") == [{"sum": 2}, {"sum": 3}, {"sum": 4}]
        assert sorted(len(request.json()["rows"]) for request in own.requests) == [1, 2]
        assert own.requests[0].json()["of"] == 256
    finally:
        aws.stop()
        own.stop()
