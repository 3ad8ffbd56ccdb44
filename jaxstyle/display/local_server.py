"""A server for this machine alone, whose address is a secret.

Any web page may send requests to 127.0.0.1, so there are three locks: a random token in every path;
only requests addressed to this machine by name, so that no other name can be made to point here
(DNS rebinding); and no action for a request that another site's page has sent.
"""

from __future__ import annotations

import hmac
import os
import secrets
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jaxstyle.errors import InputError

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
"""``localhost`` too: so a tunnel such as ``ssh -L`` is reached, at whatever port."""
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


class Locked:
    """An application behind the locks: it sees paths without the token.

    Args:
        what: who speaks, in refusals.
    """

    def __init__(self, application: ASGIApp, token: str, what: str) -> None:
        self._application, self._token, self._what = application, token, what

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, sent)
            return
        path = scope["path"].removeprefix("/").partition("/")[2]
        await self._application({**scope, "path": f"/{path}", "root_path": ""}, receive, sent)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name, _, port = host.rpartition(":")
        if (name or port) not in NAMES:
            return _refused(403, f"the {self._what} is only at the address that was printed")
        token, slash, _ = scope["path"].removeprefix("/").partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self._token.encode()):
            return _refused(404, "there is nothing here")
        if scope["method"] != "GET" and not _is_own(headers, host):
            return _refused(403, f"only the {self._what}'s own page may ask for this")
        return None


def _is_own(headers: Headers, host: str) -> bool:
    """Whether a request is of a page of ours, or of no page."""
    own_site = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    return own_site and headers.get("origin", f"http://{host}") == f"http://{host}"


def _refused(status: int, message: str) -> PlainTextResponse:
    return PlainTextResponse(f"{message}\n", status)


class LocalServer:
    """Serves routes at once, on a thread of its own, until it is closed.

    Args:
        what: what is served, for messages.
        port: 0 takes a free one.

    Attributes:
        url: where, with the token.

    Raises:
        InputError: the port cannot be used.
    """

    def __init__(self, routes: Sequence[BaseRoute], what: str, port: int = 0) -> None:
        token = secrets.token_urlsafe(24)
        self._listener = listener = _listening(port, what)
        application = Locked(Router(routes, redirect_slashes=False), token, what)
        config = uvicorn.Config(
            application, log_config=None, log_level="critical", access_log=False, lifespan="off",
            ws="none", server_header=False, timeout_graceful_shutdown=1, timeout_keep_alive=5,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self.url = f"http://{ADDRESS}:{listener.getsockname()[1]}/{token}/"
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name=what, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop; a second time does nothing."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()  # if it had not begun yet


def _listening(port: int, what: str) -> socket.socket:
    if not 0 <= port < 2**16:
        raise InputError(f"the {what}'s port is {port}: give one from 1 to 65535, or none")
    listener = socket.socket()
    try:
        # On Windows it would let another program take the same port.
        if os.name != "nt":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, port))
        listener.listen(128)
    except OSError as error:
        with suppress(OSError):
            listener.close()
        raise InputError(
            f"the {what} cannot listen at port {port} of {ADDRESS} "
            f"({os.strerror(error.errno or 0)}): choose another one, or none for a free one"
        ) from None
    return listener
