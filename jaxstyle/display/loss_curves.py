"""The loss by term over the steps, few enough points to send and to draw."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from jaxstyle.display.progress import LevelProgress


class Break(NamedTuple):
    """Where a level begins.

    Attributes:
        step: its first one.
        size: such as ``96x64``.
    """

    step: int
    size: str


class Curves:
    """Points of all curves, thinned out evenly as a run gets long.

    Steps are counted here rather than taken from the event: a level that starts again, with less
    memory, must not lead the curves back.

    Args:
        most: points that are kept; twice as many steps halve them.

    Attributes:
        names: ``total``, then the terms of the loss.
        points: (step, value, value, ...), with None for values that are not finite.
        breaks: where levels begin.
    """

    def __init__(self, most: int = 2000) -> None:
        self.most = most
        self.names: tuple[str, ...] = ()
        self.points: list[tuple[float | None, ...]] = []
        self.breaks: list[Break] = []
        self._step = self._first = self._level = 0
        self._stride = 1

    def add(self, event: LevelProgress) -> None:
        """Note one step."""
        values = {"total": event.progress.value, **scalars(event.progress.terms)}
        if not self.names:
            self.names = tuple(values)
            self._first = self._step = event.total_step
        else:
            self._step += 1
        if event.level != self._level:
            self._level = event.level
            self.breaks.append(Break(self._step, f"{event.width}x{event.height}"))
        if (self._step - self._first) % self._stride == 0:
            self.points.append((self._step, *(plain(values[name]) for name in self.names)))
        if len(self.points) > self.most:
            self.points = self.points[::2]
            self._stride *= 2

    def since(self, step: int) -> list[tuple[float | None, ...]]:
        """The points after a step."""
        return [point for point in self.points if point[0] is not None and point[0] > step]


def scalars(terms: Any) -> dict[str, float]:
    """The terms of a loss without those of single layers."""
    return {
        name: float(value)
        for name, value in terms._asdict().items()
        if isinstance(value, float | int)
    }


def plain(value: float) -> float | None:
    """A number that JSON knows."""
    return float(value) if math.isfinite(value) else None
