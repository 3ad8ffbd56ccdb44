"""What a page is shown of the run in hand: its picture, the loss, its pace."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from jaxstyle.display.loss_curves import Break, Curves
from jaxstyle.display.preview.viewers import Pages
from jaxstyle.display.progress import LevelProgress
from jaxstyle.display.thumbnails import jpeg, small
from jaxstyle.display.time_left import Pace

LONGEST_SHOWN = 2048
PICTURE_EVERY = 0.4
"""Seconds between two pictures."""
MOST_TIME = 0.1
"""Of the run's that pictures may take."""


class Canvas:
    """Written by the thread that paints, read by those of the server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages = Pages()
        self._version = 0
        self.clear()

    def clear(self) -> None:
        """Begin with another run."""
        with self._lock:
            self._curves, self._pace = Curves(), Pace(None)
            self._breaks: list[Break] = []
            self._pictures: dict[str, np.ndarray] = {}
            self._next = 0.0

    def resized(self, size: tuple[int, int], before: np.ndarray) -> None:
        """Note a new (width, height), and what to compare with."""
        pixels = small(before, LONGEST_SHOWN)
        with self._lock:
            self._pace = Pace(None)
            points = self._curves.points
            first = int(points[-1][0] or 0) + 1 if points else 1
            self._breaks.append(Break(first, "{}x{}".format(*size)))
            self._pictures["before.jpg"] = pixels

    def show(self, picture: np.ndarray) -> None:
        """Put a picture before those who look."""
        pixels = small(picture, LONGEST_SHOWN)
        with self._lock:
            self._pictures["now.jpg"] = pixels
            self._version += 1

    def watch(self, event: LevelProgress) -> None:
        """Note a step; its picture is taken if someone looks and it is time to."""
        with self._lock:
            self._curves.add(event)
            self._pace.add(event)
            seen = self._pages.seen
        start = time.monotonic()
        if seen and start >= self._next:
            self.show(event.progress.current())
            now = time.monotonic()
            self._next = now + max(PICTURE_EVERY, (now - start) / MOST_TIME)

    def state(self, page: str, since: int) -> dict[str, Any]:
        """What a page is to show; ``since`` is the last step whose point of the curves it has."""
        with self._lock:
            self._pages.heard(page, sees=True)
            curves = self._curves
            points, breaks = curves.since(since), list(self._breaks)
            return {
                "picture": self._version,
                "rate": self._pace.rate,
                "left": self._pace.left,
                "curves": {"names": curves.names, "points": points, "breaks": breaks},
            }

    def picture(self, name: str) -> bytes | None:
        """A JPEG file of ``now.jpg`` or ``before.jpg``; None where there is none."""
        with self._lock:
            pixels = self._pictures.get(name)
        return None if pixels is None else jpeg(pixels)
