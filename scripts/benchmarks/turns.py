"""Several sides of one step, each in a process of its own, that take turns: A B C A B C ..."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
from workers import Worker, speedup

Side = tuple[str, Mapping[str, Any]]
"""A worker's script, and what it is asked."""


class Taken(NamedTuple):
    """What a side did.

    Attributes:
        times: seconds of a step, turn by turn.
        ready: what it said before the first turn; only this, with an ``error``, if it failed.
        end: its loss and peak memory.
        gradient: (height, width, 3); of a side that failed, empty.
    """

    times: list[float]
    ready: dict[str, Any]
    end: dict[str, Any]
    gradient: np.ndarray

    @property
    def error(self) -> str | None:
        return self.ready.get("error")


def take_turns(
    sides: Mapping[str, Side],
    repeats: int,
    *,
    inner: int = 1,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Taken]:
    """Measure the sides.

    Args:
        repeats: turns of each side.
        inner: steps in a turn, of which the mean is taken: begun one after another without
            waiting, where that is possible.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        # What torch compiles goes to a folder of this run: always from the beginning.
        variables = {"TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor", **(environment or {})}
        workers: dict[str, Worker] = {}
        files = {side: f"{folder}/{place}.npy" for place, side in enumerate(sides)}
        for side, (script, settings) in sides.items():
            worker = Worker(script, {**settings, "file": files[side]}, variables)
            workers[side] = stack.enter_context(worker)
        able = {side: worker for side, worker in workers.items() if "error" not in worker.ready}
        times: dict[str, list[float]] = {side: [] for side in able}
        for _ in range(repeats):
            for side, worker in able.items():
                times[side].append(worker.step(inner))
        return {
            side: Taken(times[side], worker.ready, worker.close(), np.load(files[side]))
            if side in able
            else Taken([], worker.ready, {}, np.empty(0))
            for side, worker in workers.items()
        }


def figures(taken: Mapping[str, Taken], ours: str, side: str) -> dict[str, Any]:
    """The row of a side: seconds, and how many times as fast ours is, or why there are none."""
    found, own = taken[side], taken[ours]
    if found.error is not None:
        return {"side": side, "note": found.error}
    row: dict[str, Any] = {"side": side, "seconds": statistics.median(found.times)}
    row["first_step_seconds"] = found.ready["first_step_seconds"]
    if side != ours:
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
