"""Schema registries for tests: the real one, and one that answers as a test wants."""
import http.server
import json
import ssl
import threading

from conftest import tool


class Registry:
    """A real schema registry, with an empty memory each time that it is started."""

    def __init__(self, directory):
        self.directory = directory
        self.url = None

    def start(self):
        self.url = tool("registry", "start", self.directory).strip()

    def stop(self):
        tool("registry", "stop", self.directory)


class Stub:
    """Answers requests by a function of method and path, which gives status and body (a dict as JSON, bytes as they are), or None: never.

    What was asked is in asked: method, path, headers."""

    def __init__(self, answer, certificate=None, authority=None):
        stub = self
        self.answer = answer
        self.asked = []
        self.ending = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                length = int(self.headers.get("Content-Length") or 0)
                self.body = self.rfile.read(length)
                stub.asked.append((self.command, self.path, dict(self.headers)))
                result = stub.answer(self)
                if result is None:
                    stub.ending.wait(60)
                    return
                status, body = result[:2]
                if not isinstance(body, bytes):
                    body = json.dumps(body).encode()
                self.send_response(status)
                for name, value in (result[2] if len(result) > 2 else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128    # a connection more would be tried again after a second

            def handle_error(self, *_):
                pass                    # whoever asked has gone

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            if authority:
                context.load_verify_locations(authority)
                context.verify_mode = ssl.CERT_REQUIRED
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        self.ending.set()
        self.server.shutdown()
        self.server.server_close()


def schemas(texts, **others):
    """An answer of a registry that has these schemas, by their numbers; others by their paths."""
    def answer(request):
        path = request.path.split("?")[0].strip("/")
        if path in others:
            return others[path]
        number = path.removeprefix("schemas/ids/")
        if number.isdigit() and int(number) in texts:
            return 200, {"schema": texts[int(number)]}
        return 404, {"error_code": 40403, "message": "Schema not found"}
    return answer
