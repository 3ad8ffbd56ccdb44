"""A web server on this machine that serves one file, and lies about it as told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Request"], None]


@dataclass
class Asked:
    """One request as it came in, and how many bytes of body it got."""

    path: str
    sent: int = 0
    answered: threading.Event = field(default_factory=threading.Event)


@dataclass
class Site:
    """What the server serves.

    Attributes:
        data: the file, at every path.
        script: answers to the first requests, one each; then the file is served as it should be.
        always: if set, the answer to every request.
        log: what was asked.
    """

    data: bytes = b""
    script: list[Answer] = field(default_factory=list)
    always: Answer | None = None
    log: list[Asked] = field(default_factory=list)
    address: str = ""

    @property
    def url(self) -> str:
        return f"{self.address}/vgg19.h5"

    @property
    def sent(self) -> int:
        """Bytes of body, all answers together, once they have been counted."""
        for asked in self.log:
            asked.answered.wait(2)
        return sum(asked.sent for asked in self.log)


class Request(BaseHTTPRequestHandler):
    """One request; ``site`` is what its server serves."""

    site: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = Asked(self.path)
        self.site.log.append(asked)
        self.asked = asked
        script = self.site.script
        answer = self.site.always or (script.pop(0) if script else serve)
        try:
            answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            asked.answered.set()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def begin(self, status: int, length: int | None, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def body(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()
        self.asked.sent += len(data)

    def hang_up(self) -> None:
        self.close_connection = True


def serve(request: Request, *, stop_after: int | None = None, length: int | None = None) -> None:
    """Serve the file as it should be, or only ``stop_after`` bytes, or with another length."""
    data = request.site.data
    request.begin(200, len(data) if length is None else length)
    request.body(data[:stop_after])
    if stop_after is not None or length is not None:
        request.hang_up()


def dropping(after: int) -> Answer:
    """Begin to send, and hang up after so many bytes."""
    return lambda request: serve(request, stop_after=after)


def refusing(status: int, **headers: str) -> Answer:
    """Answer with a status and nothing else."""
    return lambda request: request.begin(status, 0, **headers)


def redirecting(to: str) -> Answer:
    return lambda request: request.begin(302, 0, Location=to)


def sending(data: bytes, **headers: str) -> Answer:
    """Send something else than the file."""

    def answer(request: Request) -> None:
        request.begin(200, len(data), **headers)
        request.body(data)

    return answer


def falling_silent(after: int, pause: float) -> Answer:
    """Send some bytes and then nothing, with the connection open."""

    def answer(request: Request) -> None:
        request.begin(200, len(request.site.data))
        request.body(request.site.data[:after])
        time.sleep(pause)
        request.hang_up()

    return answer


def chunked(chunks: int, *, end: bool) -> Answer:
    """Send without a length, in so many chunks; ``end`` says whether it ends in order."""

    def answer(request: Request) -> None:
        request.begin(200, None, Transfer_Encoding="chunked")
        data = request.site.data
        for number in range(chunks):
            piece = data[number * len(data) // chunks : (number + 1) * len(data) // chunks]
            if end or number < chunks - 1:
                request.wfile.write(f"{len(piece):x}\r\n".encode())
                request.body(piece)
                request.wfile.write(b"\r\n")
        if end:
            request.wfile.write(b"0\r\n\r\n")
        else:
            request.hang_up()

    return answer


@contextmanager
def served(data: bytes = b"", **settings) -> Iterator[Site]:
    """Run a server for one file."""
    site = Site(data, **settings)
    handler = type("Handler", (Request,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
