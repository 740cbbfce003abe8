"""A web server on this machine whose files misbehave as asked: downloads are tested against it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = bytes | Callable[["Handler"], None]


def cut(content: bytes) -> Answer:
    """Announces the whole content, sends half of it and hangs up."""
    return lambda handler: handler.send(content[: len(content) // 2], announced=len(content))


def redirect(url: str) -> Answer:
    return lambda handler: handler.send(b"", 302, Location=url)


def status(code: int) -> Answer:
    return lambda handler: handler.send(b"no", code)


def slow(content: bytes, seconds: float) -> Answer:
    """Sends half of the content, and the rest after a while."""

    def answer(handler: Handler) -> None:
        half = len(content) // 2
        handler.send(content[:half], announced=len(content))
        handler.server.stopped.wait(seconds)
        handler.wfile.write(content[half:])

    return answer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        answer = self.server.files.get(self.path, status(404))
        self.send(answer) if isinstance(answer, bytes) else answer(self)

    def send(self, content: bytes, code: int = 200, announced: int = -1, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(content) if announced < 0 else announced))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Serves `files` (path -> content, or one of the answers above) until the block ends.

    `with Server({"/a": b"1", "/b": cut(b"22")}) as server: get(f"{server.url}/a")`. Paths that are
    not in `files`, which may be changed meanwhile, are a 404. asked: every path that was asked for.
    """

    daemon_threads = True

    def __init__(self, files: dict[str, Answer]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.stopped = files, [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Server:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """A client that hung up early is what some tests are about."""
