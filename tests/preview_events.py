"""Steps of a run that is none, and requests to a preview of it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from jaxstyle.display.progress import LevelProgress
from jaxstyle.optimize import Progress

CONTENT = np.linspace(0, 1, 24 * 32 * 3).reshape(24, 32, 3).astype(np.float32)
STYLE = np.random.default_rng(0).random((32, 32, 3), np.float32)


class Terms(NamedTuple):
    content: float
    style: float
    style_layers: dict[str, float]


def event(
    total: int,
    value: float = 1.5,
    *,
    level: int = 1,
    levels: int = 1,
    step: int | None = None,
    steps: int = 0,
    current: Callable[[], np.ndarray] = lambda: CONTENT,
) -> LevelProgress:
    progress = Progress(total, value, Terms(1.0, 0.5, {"relu1_1": 0.5}), value, 0.1, current)
    return LevelProgress(level, levels, 32, 24, step or total, total, progress, steps)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, path: str = "", method: str = "GET", **headers: str) -> Answer:
    """One request; ``path`` is below the page's, or from the root if it starts with a slash."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        where = path if path.startswith("/") else parts.path + path
        connection.request(method, where, headers=headers)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()
