"""How fast a run goes and when it will end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxstyle.display.progress import LevelProgress


class _Place(NamedTuple):
    level: int
    step: int
    time: float


class Pace:
    """Learns from each step how long the rest will take.

    A step takes time in proportion to its pixels. What the first one at a level takes longer is
    mostly spent compiling: each level to come will take that once, and it says nothing of a step.

    Args:
        steps: of each level; None if not known: then the first level that ends shows it.
        clock: gives seconds.

    Attributes:
        steps: of the level in hand; None if not known.
        level_steps: of every level, coarsest first; empty where all have as many.
    """

    def __init__(self, steps: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.steps = steps
        self.level_steps: tuple[int, ...] = ()
        self._clock = clock
        self._started = clock()
        self._pixels: list[float] = []
        self._first: int | None = None
        self._last: _Place | None = None
        self._level_start: _Place | None = None
        self._level_wait, self._level_done = 0.0, 0
        self._per_pixel: float | None = None
        self._to_compile = 0.0
        self._end = math.inf

    def add(self, event: LevelProgress) -> None:
        """Note one step."""
        self.steps = event.steps or self.steps
        self.level_steps = event.level_steps or self.level_steps
        self._end = self._clock() + event.seconds_left
        if self._first is None:
            self._first = event.step
        # Of steps that one call has made, the last one alone says how long they took.
        if event.progress.more == 0:
            self.note(event.level, event.levels, event.step, event.sizes)

    def note(
        self, level: int, levels: int, step: int, sizes: Sequence[tuple[int, int]] = ()
    ) -> None:
        """Note that a step is done.

        Args:
            level: from 1.
            step: at this level, from 1.
            sizes: (width, height) of every level; if not given, each is taken to have twice the
                pixels of the one before.
        """
        place, before = _Place(level, step, self._clock()), self._last
        sides = sizes or [(2**index, 1) for index in range(levels)]
        self._pixels = [float(width * height) for width, height in sides]
        if before is None or level != before.level or step <= before.step:
            # A new level, or one that started again, with less memory.
            if before is not None and level > before.level and self.steps is None:
                self.steps = before.step
            self._level_start = place
            self._level_wait = place.time - (self._started if before is None else before.time)
            # A run that was resumed has not done all steps of its first level.
            earlier = self._first - 1 if before is None and self._first is not None else 0
            self._level_done = step - earlier
        self._last = place
        if (rate := self.rate) is not None and self._level_start is not None:
            self._per_pixel = 1 / rate / self._pixels[level - 1]
            self._to_compile = max(0.0, self._level_wait - self._level_done / rate)

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
        """The part of the work that is done, from 0 to 1; None where the steps are not known.

        Work is counted in pixels and steps.
        """
        if self._last is None or self.steps is None:
            return None
        work, level = self._work(self.steps), self._last.level - 1
        done = sum(work[:level]) + self._pixels[level] * min(self._last.step, self.steps)
        return done / sum(work)

    @property
    def left(self) -> float | None:
        """Seconds until the end, at the latest when ``max_seconds`` are over.

        None where that is not known yet, as after the first step.
        """
        share, whole = self.share, self.whole
        if share is None or whole is None or self._last is None:
            return None
        to_compile = self._to_compile * (len(self._pixels) - self._last.level)
        now = self._clock()
        rest = whole * (1 - share) + to_compile - (now - self._last.time)
        return max(0.0, min(rest, self._end - now))

    @property
    def whole(self) -> float | None:
        """Seconds that all steps of such a run take, with all that is compiled at hand."""
        if self._per_pixel is None or self.steps is None:
            return None
        return self._per_pixel * sum(self._work(self.steps))

    def _work(self, steps: float) -> list[float]:
        """Pixels times steps of each level."""
        of_levels = self.level_steps or (steps,) * len(self._pixels)
        return [pixels * count for pixels, count in zip(self._pixels, of_levels, strict=True)]
