"""Destinations of requests by HTTP for tests: one that keeps what it was asked, and one that checks signatures as AWS does."""
import hashlib
import hmac
import json
import threading
from urllib.parse import parse_qsl, quote, urlsplit

from registry import Stub


class Request:
    def __init__(self, handler):
        self.method, self.path, self.headers, self.body = handler.command, handler.path, handler.headers, handler.body
        self.id = self.headers["Idempotency-Key"]

    def json(self):
        return json.loads(self.body)


class Destination(Stub):
    """Keeps all requests that were made, with their bodies, and answers by a function of each."""

    def __init__(self, answer=lambda request: (200, {}), **options):
        self.requests = []
        self.lock = threading.Lock()

        def keep(handler):
            request = Request(handler)
            with self.lock:
                self.requests.append(request)
            return answer(request)
        super().__init__(keep, **options)


def digest(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(request, secret, service, region):
    """Version 4 of Amazon's signatures, computed from the request alone, as their documents say."""
    algorithm, _, rest = request.headers["Authorization"].partition(" ")
    said = dict(part.strip().split("=", 1) for part in rest.split(","))
    date = request.headers["X-Amz-Date"]
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    names = said["SignedHeaders"].split(";")
    place = urlsplit(request.path)
    query = "&".join(f"{quote(key, safe='-_.~')}={quote(value, safe='-_.~')}" for key, value in sorted(parse_qsl(place.query, True)))
    canonical = "\n".join([request.method, quote(place.path, safe="/-_.~"), query,
                           *(f"{name}:{' '.join((request.headers[name] or '').split())}" for name in names), "",
                           ";".join(names), hashlib.sha256(request.body).hexdigest()])
    text = "\n".join([algorithm, date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = digest(digest(digest(digest(("AWS4" + secret).encode(), date[:8]), region), service), "aws4_request")
    return algorithm == "AWS4-HMAC-SHA256" and "host" in names and hmac.compare_digest(digest(key, text).hex(), said["Signature"])


def aws_lambda(secret="secret", region="eu-west-1"):
    """Answers as Lambda's Invoke does: a function gives back what it was given."""
    def answer(request):
        if not signature(request, secret, "lambda", region):
            return 403, {"message": "The request signature we calculated does not match the signature you provided."}
        return 200, {"function": request.path.split("/")[3], "event": request.json()}, {"X-Amz-Request-Id": "1"}
    return Destination(answer)


def embedding_of(text, dimensions=8):
    """A vector of length 1 made of a text's words: texts that share words are near each other."""
    vector = [0.0] * dimensions
    for word in text.lower().split():
        hashed = hashlib.sha256(word.strip(".,?!").encode()).digest()
        for i in range(dimensions):
            vector[i] += hashed[i] / 127.5 - 1
    length = sum(x * x for x in vector) ** 0.5 or 1.0
    return [round(x / length, 6) for x in vector]


def openai(key="sk-test", chat=lambda text: text.upper(), embed=embedding_of):
    """Answers as OpenAI's API does, to whoever has the key.

    chat is a function of what the user says, which gives a text, something as JSON, or a response."""
    def answer(request):
        if request.headers["Authorization"] != f"Bearer {key}":
            return 401, {"error": f"Incorrect API key: {request.headers['Authorization']}"}
        asked = request.json()
        if request.path == "/v1/embeddings":
            return 200, {"data": [{"index": i, "embedding": embed(text)}
                                  for i, text in enumerate(asked["input"])],
                         "usage": {"total_tokens": 2 * len(asked["input"])}}
        if request.path == "/v1/moderations":
            return 200, {"results": [{"flagged": "kill" in text} for text in asked["input"]]}
        is_chat = request.path == "/v1/chat/completions"
        said = chat(asked["messages"][-1]["content"] if is_chat else asked["prompt"])
        if isinstance(said, tuple):
            return said
        said = said if isinstance(said, str) else json.dumps(said)
        return 200, {"choices": [{"message": {"content": said}} if is_chat else {"text": said}],
                     "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}
    server = Destination(answer)
    server.url += "/v1"
    return server


def bedrock(secret="secret", region="eu-west-1", chat=lambda text: text.upper()):
    """Answers as InvokeModel of Bedrock does, to whoever signs."""
    def answer(request):
        if not signature(request, secret, "bedrock", region):
            return 403, {"message": "The request signature does not match."}
        asked = request.json()
        if "inputText" in asked:
            return 200, {"embedding": embedding_of(asked["inputText"]), "inputTextTokenCount": 3}
        return 200, {"content": [{"type": "text", "text": chat(asked["messages"][0]["content"])}],
                     "usage": {"input_tokens": 5, "output_tokens": 2}}
    return Destination(answer)
