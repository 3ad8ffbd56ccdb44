"""What the studio's page may ask for, and what it is told."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jaxstyle.errors import InputError

MOST_UPLOADED = 100 * 2**20
MOST_ASKED = 2**20
"""Bytes of all other requests."""
ACTIONS = ("begin", "change", "undo", "pause", "next", "save", "again")
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_ASSETS = {
    "": ("studio", "page.html"),
    "studio.css": ("studio", "studio.css"),
    "studio.js": ("studio", "studio.js"),
    "view.js": ("studio", "view.js"),
    "page.css": ("preview", "page.css"),
    "chart.js": ("preview", "chart.js"),
}

Handler = Callable[[Request], Awaitable[Response]]


class Painter(Protocol):
    """What is served: see ``pipelines.studio.Studio``."""

    def about(self) -> dict[str, Any]: ...
    def state(self, page: str, since: int) -> dict[str, Any]: ...
    def picture(self, name: str) -> bytes | None: ...
    def download(self, name: str) -> tuple[str, bytes] | None: ...
    def upload(self, name: str, data: bytes) -> dict[str, Any]: ...
    def freeze(self, data: bytes) -> dict[str, Any]: ...
    def act(self, action: str, asked: dict[str, Any]) -> dict[str, Any]: ...


class _TooMuch(Exception):
    pass


def routes_of(painter: Painter) -> list[Route]:
    """All routes of the page."""

    async def asset(request: Request) -> Response:
        package, name = _ASSETS[request.url.path.removeprefix("/")]
        data = files(f"jaxstyle.display.{package}").joinpath(name).read_bytes()
        return Response(data, media_type=_TYPES[name.rpartition(".")[2]])

    async def about(_: Request) -> Response:
        return JSONResponse(await run_in_threadpool(painter.about))

    async def state(request: Request) -> Response:
        since = request.query_params.get("since", "")
        number = int(since) if since.isdecimal() and len(since) < 16 else -1
        page = request.query_params.get("page", "")[:40]
        told = await run_in_threadpool(painter.state, page, number)
        return Response(json.dumps(told, allow_nan=False), media_type="application/json")

    async def picture(request: Request) -> Response:
        data = await run_in_threadpool(painter.picture, request.path_params["name"])
        return _missing() if data is None else Response(data, media_type="image/jpeg")

    async def download(request: Request) -> Response:
        found = await run_in_threadpool(painter.download, request.path_params["name"])
        if found is None:
            return _missing()
        # Names of results have no quotes in them.
        headers = {"Content-Disposition": f'attachment; filename="{found[0]}"'}
        return Response(found[1], media_type="application/octet-stream", headers=headers)

    async def upload(request: Request) -> Response:
        data = await _body(request, MOST_UPLOADED)
        name = request.query_params.get("name", "")[:200]
        return JSONResponse(await run_in_threadpool(painter.upload, name, data))

    async def freeze(request: Request) -> Response:
        data = await _body(request, MOST_ASKED)
        return JSONResponse(await run_in_threadpool(painter.freeze, data))

    async def act(request: Request) -> Response:
        action = request.path_params["action"]
        if action not in ACTIONS:
            return _missing()
        try:
            asked = json.loads(await _body(request, MOST_ASKED) or b"{}")
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            raise InputError("the page asked for something that makes no sense: load it again")
        return JSONResponse(await run_in_threadpool(painter.act, action, asked))

    async def missing(_: Request) -> Response:
        return _missing()

    return [
        *(Route(f"/{name}", asset) for name in _ASSETS),
        Route("/about", about),
        Route("/state", state),
        Route("/picture/{name}", picture),
        Route("/download/{name}", download),
        Route("/upload", _refusing(upload), methods=["POST"]),
        Route("/freeze", _refusing(freeze), methods=["POST"]),
        Route("/{action}", _refusing(act), methods=["POST"]),
        Route("/{nothing:path}", missing, methods=["GET"]),
    ]


async def _body(request: Request, most: int) -> bytes:
    """All that was sent, which is given up once it is too much."""
    parts, total = [], 0
    async for part in request.stream():
        total += len(part)
        if total > most:
            parts.clear()  # but heard to its end: a browser listens to no answer before
        else:
            parts.append(part)
    if total > most:
        raise _TooMuch(f"more than {most // 2**20} MB: make it smaller first")
    return b"".join(parts)


def _refusing(handler: Handler) -> Handler:
    """A handler whose refusals are sentences for the page."""

    async def handled(request: Request) -> Response:
        try:
            return await handler(request)
        except InputError as error:
            return JSONResponse({"error": " ".join(str(error).split())}, 400)
        except _TooMuch as error:
            return JSONResponse({"error": str(error)}, 413)

    return handled


def _missing() -> Response:
    return Response("there is nothing here\n", 404, media_type="text/plain")
