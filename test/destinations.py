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
