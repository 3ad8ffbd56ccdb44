"""A run over the levels of a pyramid, as ``bench.py pyramid`` asks for it.

The library's own parts, put together so that sizes, optimisers and what is carried from level to
level can be other than ``stylize`` has them; with its choices the result is that of ``stylize``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import problem
from jaxstyle.run.from_config import algorithm_of, precision_in_force
from jaxstyle.run.level_pictures import content_at

from jaxstyle.objective.pytrees import model_of
from jaxstyle.optimize import LBFGS, Adam, Progress, Stopping, minimise
from jaxstyle.optimize.snapshot import Snapshot, named
from jaxstyle.run.job import Job, objective_of_job, weights_of_job
from jaxstyle.run.level_targets import enlarge, start_of, targets_at
from jaxstyle.run.prepare import prepare
from jaxstyle.run.pyramid import CHEAP

Algorithm = LBFGS | Adam
State = Mapping[str, np.ndarray]
"""An optimiser's arrays by name, see ``optimize.snapshot.named``."""


class Clock:
    """Seconds, and how many of them JAX has spent on tracing, lowering and compiling."""

    def __init__(self) -> None:
        self._compilations: list[tuple[float, float]] = []
        self._started = time.perf_counter()
        jax.monitoring.register_event_duration_secs_listener(self._note)

    def _note(self, event: str, duration_secs: float, **_: Any) -> None:
        if event.startswith("/jax/core/compile/"):
            now = time.perf_counter()
            self._compilations.append((now - duration_secs, now))

    @property
    def compiling(self) -> float:
        """One event within another counts once."""
        total, reached = 0.0, self._started
        for begin, end in sorted(self._compilations):
            total += max(0.0, end - max(begin, reached))
            reached = max(reached, end)
        return total

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started


def with_factors(job: Job, below: float, above: float) -> Job:
    """The job with each level so much larger than the one before, from the coarsest it had on.

    Args:
        below, above: the factor to sizes up to ``pyramid.CHEAP`` pixels, and to larger ones.
    """
    width, height = job.sizes[-1]
    coarsest, shrunk, sizes = max(job.sizes[0]), 1.0, []
    while max(size := (round(width / shrunk), round(height / shrunk))) >= coarsest - 1:
        sizes.append(size)
        shrunk *= above if max(size) > CHEAP else below
    return replace(job, sizes=sizes[::-1])


def algorithms_of(job: Job, optimizers: tuple[str, str], history_last: int) -> list[Algorithm]:
    """For each level; the first optimiser is for all but the last."""
    names = [optimizers[0]] * (len(job.sizes) - 1) + [optimizers[1]]
    found = [algorithm_of(replace(job.config, optimizer=name)) for name in names]
    if history_last and isinstance(last := found[-1], LBFGS):
        found[-1] = replace(last, history=history_last)
    return found


def carried(algorithm: Algorithm, old: State, x: np.ndarray) -> dict[str, np.ndarray]:
    """The state to begin a larger level at ``x`` with what was known at the one before.

    The loss is a mean over positions, so that the gradient with respect to one pixel shrinks as
    the pixels grow in number: changes of the gradient are scaled by that, Adam's squares by its
    square.
    """
    state = {name: np.array(leaf) for name, leaf in named(algorithm.init(jnp.asarray(x))).items()}
    share = np.float32(old["trial"].size / x.size)
    if isinstance(algorithm, Adam):
        for name, leaf in old.items():
            if name.endswith(".count"):
                state[name] = leaf
            elif name.endswith((".mu", ".nu")):
                state[name] = _enlarged(leaf, x.shape) * share ** (2 if name[-2:] == "nu" else 1)
        return state
    moves, turns = (_enlarged(old[name], x.shape) for name in ("moves", "turns"))
    turns = turns * share
    products = np.sum(moves * turns, axis=(1, 2, 3))
    usable = (old["curvature"] > 0) & (products > 0)
    newest = int(old["newest"])
    state |= {"moves": moves, "turns": turns, "newest": old["newest"]}
    state["curvature"] = np.where(usable, 1 / np.where(usable, products, 1), 0).astype(np.float32)
    if usable[newest]:
        state["scale"] = np.asarray(products[newest] / np.sum(turns[newest] ** 2), np.float32)
    return state


def _enlarged(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    shape = (*array.shape[: array.ndim - 3], *shape)
    return np.array(jax.image.resize(array, shape, "bilinear"))


def paint(
    job: Job, algorithms: list[Algorithm], steps: list[int], carry: bool, clock: Clock
) -> tuple[np.ndarray, dict[str, Any]]:
    """Work the levels out; the picture, and what is known of the last level."""
    objective, model = objective_of_job(job), model_of(job.network)
    image, state, found = start_of(job), None, {}
    for level, algorithm in enumerate(algorithms):
        x = enlarge(job, image, level)
        arguments = model, targets_at(job, objective, model, level), weights_of_job(job, level)
        resume = None
        if carry and state is not None:
            resume = Snapshot(carried(algorithm, state, x), [], 0.0, False)
        times: list[float] = []
        kept: list[State] = []

        def note(
            progress: Progress, times: list[float] = times, kept: list[State] = kept,
            last: int = steps[level],
        ) -> None:  # fmt: skip
            times.append(clock.seconds - clock.compiling)
            if carry and progress.step == last and progress.snapshot is not None:
                state = progress.snapshot().state or {}
                kept.append({name: np.array(array) for name, array in state.items()})

        outcome = minimise(
            objective,
            jnp.asarray(x),
            arguments,
            algorithm,
            Stopping(steps[level]),
            callback=note,
            resume=resume,
        )
        image, state = np.clip(outcome.x, 0, 1), kept[0] if kept else None
        found = {"loss": outcome.value, "losses": outcome.values, "times": times}
    return image, found


def run(asked: Mapping[str, Any]) -> dict[str, Any]:
    """A run; the picture goes to ``asked["result"]`` where that is given."""
    job = prepare(asked["content"], asked["style"], weights="slim", **asked["config"])
    if asked["factors"]:
        job = with_factors(job, *asked["factors"])
    algorithms = algorithms_of(job, asked["optimizers"], asked["history_last"])
    last = asked["last_steps"] or job.config.steps
    steps = [job.config.steps] * (len(job.sizes) - 1) + [last]
    clock = Clock()
    with precision_in_force(job.config):
        image, found = paint(job, algorithms, steps, asked["carry"], clock)
    seconds, compiling = clock.seconds, clock.compiling
    pixels = [width * height for width, height in job.sizes]
    if asked["result"]:
        np.savez(asked["result"], result=image, content=content_at(job, len(job.sizes) - 1))
    full = sum(n * at / pixels[-1] for n, at in zip(steps, pixels, strict=True))
    return {
        **found,
        "seconds": seconds,
        "compile_seconds": compiling,
        "sizes": job.sizes,
        "steps": steps,
        "full_evaluations": full,
        "peak": problem.peak(),
    }


if __name__ == "__main__":
    problem.say(run(problem.settings()))
