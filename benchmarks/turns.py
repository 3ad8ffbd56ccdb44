"""Several sides of one step, each in a process of its own, that take turns: A B C A B C ..."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from workers import NO_LIMIT, Limit, Worker, WorkerFailed, WorkerLate, speedup

Side = tuple[str, Mapping[str, Any]]
"""A worker's script, and what it is asked."""


class Taken(NamedTuple):
    """What a side did.

    Attributes:
        times: seconds of a step, turn by turn.
        ready: what it said before the first turn; only this, with an ``error``, if it failed then
            or later.
        end: its loss and peak memory.
        gradient: (height, width, 3); of a side that failed, empty.
        late: whether it failed for want of time.
    """

    times: list[float]
    ready: dict[str, Any]
    end: dict[str, Any]
    gradient: np.ndarray
    late: bool = False

    @property
    def error(self) -> str | None:
        return self.ready.get("error")


def take_turns(
    sides: Mapping[str, Side],
    repeats: int,
    *,
    inner: int = 1,
    environment: Mapping[str, str] | None = None,
    limit: Limit = NO_LIMIT,
) -> dict[str, Taken]:
    """Measure the sides; one that fails, at whatever step, ends only itself.

    Args:
        repeats: turns of each side.
        inner: steps in a turn, of which the mean is taken: begun one after another without
            waiting, where that is possible.
        limit: of each answer of a side.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        # What torch compiles goes to a folder of this run: always from the beginning.
        variables = {"TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor", **(environment or {})}
        able: dict[str, Worker] = {}
        found: dict[str, Taken] = {}
        times: dict[str, list[float]] = {side: [] for side in sides}
        files = {side: f"{folder}/{place}.npy" for place, side in enumerate(sides)}

        def turn(side: str, act: Callable[[], None]) -> None:
            try:
                act()
            except WorkerFailed as error:
                able.pop(side, None)
                found[side] = failed(str(error), isinstance(error, WorkerLate))

        def begin(side: str) -> None:
            script, settings = sides[side]
            worker = Worker(script, {**settings, "file": files[side]}, variables, limit)
            stack.enter_context(worker)
            if "error" in worker.ready:
                found[side] = failed(worker.ready["error"])
            else:
                able[side] = worker

        def step(side: str) -> None:
            times[side].append(able[side].step(inner))

        def end(side: str) -> None:
            end = able[side].close()
            found[side] = Taken(times[side], able[side].ready, end, np.load(files[side]))

        for act, count in ((begin, 1), (step, repeats), (end, 1)):
            for _ in range(count):
                for side in list(sides if act is begin else able):
                    turn(side, partial(act, side))
        return {side: found[side] for side in sides}


def failed(why: str, late: bool = False) -> Taken:
    """What is known of a side that failed."""
    return Taken([], {"error": why}, {}, np.empty(0), late)


def figures(taken: Mapping[str, Taken], ours: str, side: str) -> dict[str, Any]:
    """The row of a side: seconds, and how many times as fast ours is, or why there are none."""
    found, own = taken[side], taken[ours]
    if found.error is not None:
        return {"side": side, "note": found.error}
    row: dict[str, Any] = {"side": side, "seconds": statistics.median(found.times)}
    row["first_step_seconds"] = found.ready["first_step_seconds"]
    if side != ours and own.error is None:
        row |= speedup(own.times, found.times)
        row["loss_difference"] = abs(own.end["loss"] / found.end["loss"] - 1)
        row["gradient_difference"] = difference(own.gradient, found.gradient)
    row["peak_mib"] = found.end["peak"] / 2**20
    if found.end["device_peak"] is not None:
        row["device_peak_mib"] = found.end["device_peak"] / 2**20
    return row


def difference(found: np.ndarray, known: np.ndarray) -> float:
    """The norm of it, relative to what is known."""
    return float(np.linalg.norm(found - known) / np.linalg.norm(known))
