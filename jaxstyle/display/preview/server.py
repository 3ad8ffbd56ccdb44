"""The page of a preview and its data over HTTP, to this machine alone.

Three locks, since any web page may send requests to 127.0.0.1: a random token in every path; only
requests addressed to this machine by name, so that no other name can be made to point here (DNS
rebinding); and no action for a request that another site's page has sent.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from socketserver import TCPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from jaxstyle.errors import InputError

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
"""``localhost`` too: so a tunnel such as ``ssh -L`` is reached, at whatever port."""
PATIENCE = 25.0
"""Seconds that a page in the background waits for the end before it asks again."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' blob: data:; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_ASSETS = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "chart.js": ("chart.js", "text/javascript; charset=utf-8"),
}
_PICTURES = {"now.jpg": "now", "content.jpg": "content", "style.jpg": "style"}


class Watched(Protocol):
    """What is served: see ``Preview``."""

    def about(self) -> dict[str, Any]: ...
    def state(self, page: str, since: int, *, patience: float = 0.0) -> dict[str, Any]: ...
    def picture(self, name: str) -> tuple[int, bytes] | None: ...
    def sent(self, page: str, *, picture: int = 0, end: bool = False) -> None: ...
    def ask_to_stop(self) -> None: ...


class Server:
    """Serves at once, on threads of its own, until it is closed.

    Args:
        port: 0 takes a free one.

    Raises:
        InputError: the port cannot be used.
    """

    def __init__(self, watched: Watched, port: int = 0) -> None:
        if not 0 <= port < 2**16:
            raise InputError(f"the preview's port is {port}: give one from 1 to 65535, or none")
        token = secrets.token_urlsafe(24)
        handler = type("Handler", (_Handler,), {"watched": watched, "token": token})
        try:
            self._server = _Listener((ADDRESS, port), handler)
        except OSError as error:
            raise InputError(
                f"the preview cannot listen at port {port} of {ADDRESS} "
                f"({os.strerror(error.errno or 0)}): choose another one, or none for a free one"
            ) from None
        self.url = f"http://{ADDRESS}:{self._server.server_address[1]}/{token}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="preview", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop; a second time does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Listener(ThreadingHTTPServer):
    # On Windows it would let another program take the same port.
    allow_reuse_address = os.name != "nt"

    def server_bind(self) -> None:
        """Without HTTPServer's search for this machine's name, which may ask the network."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that was closed halfway is nothing to tell the terminal of."""


class _Handler(BaseHTTPRequestHandler):
    watched: Watched
    token: str
    # HTTP/1.0: a connection for each request, so that none outlives the server.
    server_version, sys_version = "jaxstyle", ""
    timeout = 60

    def do_GET(self) -> None:
        path, query = self._asked()
        if path is None:
            return
        page = query.get("page", [""])[0][:40]
        if path in _ASSETS:
            name, kind = _ASSETS[path]
            self._answer(200, kind, files("jaxstyle.display.preview").joinpath(name).read_bytes())
        elif path == "about":
            self._json(self.watched.about())
        elif path == "state":
            since = query.get("since", [""])[0]
            number = int(since) if since.isdecimal() and len(since) < 16 else -1
            patience = PATIENCE if "wait" in query else 0.0
            state = self.watched.state(page, number, patience=patience)
            self._json(state)
            if state["ended"]:
                self.watched.sent(page, end=True)
        elif path in _PICTURES and (found := self.watched.picture(_PICTURES[path])) is not None:
            self._answer(200, "image/jpeg", found[1])
            if path == "now.jpg":
                self.watched.sent(page, picture=found[0])
        else:
            self._refuse(404, "there is nothing here")

    def do_POST(self) -> None:
        path, _ = self._asked()
        if path is None:
            return
        origin = self.headers.get("Origin")
        if origin is not None and origin != f"http://{self.headers.get('Host')}":
            self._refuse(403, "only the preview's own page may ask for this")
        elif path == "stop":
            self.watched.ask_to_stop()
            self._json({"stopping": True})
        else:
            self._refuse(404, "there is nothing here")

    def _asked(self) -> tuple[str | None, dict[str, list[str]]]:
        """The path below the token, and the query; None if it is refused, which is then done."""
        host = self.headers.get("Host", "").rpartition(":")
        if (host[0] or host[2]) not in NAMES:
            self._refuse(403, "the preview is only at the address that was printed")
            return None, {}
        parts = urlsplit(self.path)
        token, slash, path = parts.path.removeprefix("/").partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self.token.encode()):
            self._refuse(404, "there is nothing here")
            return None, {}
        return path, parse_qs(parts.query, keep_blank_values=True)

    def _json(self, value: Any) -> None:
        text = json.dumps(value, allow_nan=False)
        self._answer(200, "application/json", text.encode())

    def _refuse(self, status: int, message: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", f"{message}\n".encode())

    def _answer(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass
