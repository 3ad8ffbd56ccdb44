"""How fast a run goes and when it will end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from jaxstyle.api import LevelProgress


def share_done(level: int, levels: int, steps_done: float) -> float:
    """The part of a run that is done, from 0 to 1.

    Work is counted in pixels and steps, so that the time left is right across the levels: each
    level has twice the pixels of the one before.

    Args:
        level: from 1.
        steps_done: part of this level's steps.
    """
    pixels = [2.0**index for index in range(levels)]
    return (sum(pixels[: level - 1]) + pixels[level - 1] * steps_done) / sum(pixels)


class _Place(NamedTuple):
    level: int
    levels: int
    step: int
    time: float


class Pace:
    """Learns from each step how long the rest will take.

    Args:
        steps: of each level; None if not known: then the first level that ends shows it.
        clock: gives seconds.
    """

    def __init__(self, steps: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.steps = steps
        self._clock = clock
        self._started = clock()
        self._first: _Place | None = None
        self._level_start: _Place | None = None
        self._last: _Place | None = None

    def add(self, event: LevelProgress) -> None:
        """Note one step."""
        place = _Place(event.level, event.levels, event.step, self._clock())
        before = self._last
        if before is None or self._level_start is None or place.level != before.level:
            if before is not None and self.steps is None:
                self.steps = before.step
            self._level_start = place
        elif place.step <= before.step:  # the level started again, with less memory
            self._level_start = place
        self._first = self._first or place
        self._last = place

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self._clock() - self._started

    @property
    def rate(self) -> float | None:
        """Steps a second at this level, without the time to compile; None before the second."""
        if self._last is None or self._level_start is None:
            return None
        steps = self._last.step - self._level_start.step
        seconds = self._last.time - self._level_start.time
        return steps / seconds if steps > 0 and seconds > 0 else None

    @property
    def share(self) -> float | None:
        """The part of the run that is done, from 0 to 1; None where the steps are not known."""
        return None if self._last is None else self._share(self._last, self._last.step)

    @property
    def left(self) -> float | None:
        """Seconds until the end; None where that is not known yet."""
        share = self.share
        if share is None or self._first is None or self._last is None:
            return None
        # A run that was resumed has not done all of its share since it was started.
        done = share - (self._share(self._first, self._first.step - 1) or 0.0)
        if done <= 0:
            return None
        taken = self._last.time - self._started
        return max(0.0, taken * (1 - share) / done - (self._clock() - self._last.time))

    def _share(self, place: _Place, step: int) -> float | None:
        if self.steps is None:
            return None
        return share_done(place.level, place.levels, min(1.0, step / self.steps))
