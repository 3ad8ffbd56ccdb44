"""The page of a preview and its data over HTTP, to this machine alone; see ``local_server``."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Protocol

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jaxstyle.display.local_server import LocalServer

PATIENCE = 25.0
"""Seconds that a page in the background waits for the end before it asks again."""
_ASSETS = {
    "": ("page.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
    "chart.js": ("chart.js", "text/javascript"),
}
_PICTURES = {"now.jpg": "now", "content.jpg": "content", "style.jpg": "style"}


class Watched(Protocol):
    """What is served: see ``Preview``."""

    def about(self) -> dict[str, Any]: ...
    def state(self, page: str, since: int, *, patience: float = 0.0) -> dict[str, Any]: ...
    def picture(self, name: str) -> tuple[int, bytes] | None: ...
    def sent(self, page: str, *, picture: int = 0, end: bool = False) -> None: ...
    def ask_to_stop(self) -> None: ...


class Server(LocalServer):
    """Serves at once, on threads of its own, until it is closed.

    Args:
        port: 0 takes a free one.

    Raises:
        InputError: the port cannot be used.
    """

    def __init__(self, watched: Watched, port: int = 0) -> None:
        super().__init__(_routes_of(watched), "preview", port)


def _routes_of(watched: Watched) -> list[Route]:
    async def asset(request: Request) -> Response:
        name, kind = _ASSETS[request.url.path.removeprefix("/")]
        data = files("jaxstyle.display.preview").joinpath(name).read_bytes()
        return Response(data, media_type=kind)

    async def about(_: Request) -> Response:
        return _json(watched.about())

    async def state(request: Request) -> Response:
        asked, page = request.query_params, _page_of(request)
        since = asked.get("since", "")
        number = int(since) if since.isdecimal() and len(since) < 16 else -1
        patience = PATIENCE if "wait" in asked else 0.0
        told = await run_in_threadpool(watched.state, page, number, patience=patience)
        end = BackgroundTask(watched.sent, page, end=True) if told["ended"] else None
        return _json(told, end)

    async def picture(request: Request) -> Response:
        name = request.url.path.removeprefix("/")
        made = await run_in_threadpool(watched.picture, _PICTURES[name])
        if made is None:
            return await missing(request)
        got = BackgroundTask(watched.sent, _page_of(request), picture=made[0])
        return Response(made[1], media_type="image/jpeg", background=got if "now" in name else None)

    async def stop(_: Request) -> Response:
        watched.ask_to_stop()
        return _json({"stopping": True})

    async def missing(_: Request) -> Response:
        return Response("there is nothing here\n", 404, media_type="text/plain")

    return [
        *(Route(f"/{name}", asset, methods=["GET"]) for name in _ASSETS),
        *(Route(f"/{name}", picture, methods=["GET"]) for name in _PICTURES),
        Route("/about", about, methods=["GET"]),
        Route("/state", state, methods=["GET"]),
        Route("/stop", stop, methods=["POST"]),
        Route("/{nothing:path}", missing, methods=["GET", "POST"]),
    ]


def _page_of(request: Request) -> str:
    return request.query_params.get("page", "")[:40]


def _json(value: Any, background: BackgroundTask | None = None) -> Response:
    text = json.dumps(value, allow_nan=False)
    return Response(text, media_type="application/json", background=background)
