"""What whoever looks on at a run is told after every step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from jaxstyle.optimize import Progress


class LevelProgress(NamedTuple):
    """What the callback of ``stylize`` is told after every step.

    Attributes:
        level, levels: from 1, coarsest first.
        width, height: of this level.
        step: at this level, from 1.
        total_step: since the start.
        progress: loss, terms, time and the picture so far, in its final colours; see
            ``optimize.Progress``.
        steps: that this level has at most.
        plan: how the gradient is computed, in one line; another one when memory has run out.
        sizes: (width, height) of every level.
        level_steps: that each level has at most.
        seconds_left: until ``max_seconds`` are over; infinite where there is no such end.
    """

    level: int
    levels: int
    width: int
    height: int
    step: int
    total_step: int
    progress: Progress
    steps: int = 0
    plan: str = ""
    sizes: tuple[tuple[int, int], ...] = ()
    level_steps: tuple[int, ...] = ()
    seconds_left: float = math.inf


Callback = Callable[[LevelProgress], bool | None]
"""Ends the whole run after the step in hand by returning True."""
