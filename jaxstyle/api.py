"""``stylize``: a content picture, painted in the style of another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxstyle.config import StylizeConfig
from jaxstyle.job import (
    Image,
    Job,
    algorithm_of,
    enlarge,
    is_tiled,
    mesh_of,
    objective_of,
    precision_in_force,
    prepare,
    start_of,
    steps_per_call,
    targets_at,
    tiled_of,
    weights_of,
)
from jaxstyle.network import Network
from jaxstyle.objective import Model, Objective, Targets, Weights, model_of
from jaxstyle.optimize import Outcome, Progress, ScipyLBFGSB, Stopping, minimise
from jaxstyle.optimize.stepwise import minimise_stepwise
from jaxstyle.planner import is_out_of_memory
from jaxstyle.pyramid import share_of_time
from jaxstyle.result import Stylized, finished
from jaxstyle.sharding import minimise_sharded
from jaxstyle.strategy import smaller


class LevelProgress(NamedTuple):
    """What the callback of ``stylize`` is told after every step.

    Attributes:
        level, levels: from 1, coarsest first.
        width, height: of this level.
        step: at this level, from 1.
        total_step: since the start.
        progress: loss, terms, time and the picture so far; see ``optimize.Progress``.
    """

    level: int
    levels: int
    width: int
    height: int
    step: int
    total_step: int
    progress: Progress


def stylize(
    content: Image,
    style: Image,
    *,
    config: StylizeConfig | None = None,
    network: Network | None = None,
    callback: Callable[[LevelProgress], None] | None = None,
    **settings: Any,
) -> Stylized:
    """Paint ``content`` in the style of ``style`` (Gatys, Ecker and Bethge 2015).

    >>> import numpy as np
    >>> from jaxstyle import stylize
    >>> content = np.linspace(0, 1, 32 * 48 * 3).reshape(32, 48, 3)
    >>> style = np.random.default_rng(0).random((48, 48, 3))
    >>> result = stylize(content, style, size=48, steps=3)
    >>> result.image.shape
    (32, 48, 3)

    Args:
        content, style: paths, ``PIL.Image`` objects, or arrays; see ``images.as_picture``.
        config: settings; the defaults if not given.
        network: use this instead of what ``config.weights`` names.
        callback: called after every step, see ``LevelProgress``.
        **settings: single fields of ``StylizeConfig``, over those of ``config``.

    Raises:
        InputError: something given cannot be used; its message says what to do.
    """
    job = prepare(content, style, config=config, network=network, **settings)
    return run(job, callback)


def run(job: Job, callback: Callable[[LevelProgress], None] | None = None) -> Stylized:
    """Work a job out, level by level.

    Raises:
        InputError: the loss at the start is not finite.
    """
    with precision_in_force(job.config):
        return _run(job, callback)


def _run(job: Job, callback: Callable[[LevelProgress], None] | None) -> Stylized:
    config, sizes = job.config, job.sizes
    objective, weights, model = objective_of(config), weights_of(config), model_of(job.network)
    image = start_of(job)
    seconds, losses = 0.0, []
    for level in range(len(sizes)):
        while True:
            try:
                outcome = _minimise(
                    job,
                    level,
                    objective,
                    enlarge(job, image, level),
                    (model, targets_at(job, objective, model, level), weights),
                    share_of_time(sizes, level, (config.max_seconds or math.inf) - seconds),
                    _level_callback(callback, sizes, level, sum(map(len, losses))),
                )
                break
            except Exception as error:
                # The estimate was wrong: the level starts again, from where the last one ended.
                next_job = after_out_of_memory(job, level, error)
                if next_job is None:
                    raise
                job = next_job
        image = np.clip(outcome.x, 0, 1)
        seconds += outcome.seconds
        losses.append(outcome.values)
        if outcome.reason == "interrupted":
            break
    return finished(job, image, outcome, losses, seconds)


def after_out_of_memory(job: Job, level: int, error: Exception) -> Job | None:
    """The job as it needs less memory, if that is what a level failed for; None if not so."""
    if not is_out_of_memory(error):
        return None
    architecture = job.network.architecture
    config = smaller(job.config, architecture, *job.sizes[level])
    if config is None:
        return None
    plan = f"{config.strategy}, {config.tile} px tiles, after running out of memory"
    return replace(job, config=config, plan=plan)


def _minimise(
    job: Job,
    level: int,
    objective: Objective,
    image: np.ndarray,
    arguments: tuple[Model, Targets, Weights],
    seconds: float,
    callback: Callable[[Progress], None] | None,
) -> Outcome:
    config = job.config
    stopping = Stopping(config.steps, config.tolerance, seconds)
    if is_tiled(job, level):
        tiled = tiled_of(job, objective)
        return minimise_stepwise(
            tiled,
            image,
            arguments,
            algorithm_of(config),
            stopping,
            callback=callback,
            place=tiled.home(arguments[0]),
        )
    if (mesh := mesh_of(config)) is not None:
        return minimise_sharded(
            objective,
            image,
            arguments,
            algorithm_of(config),
            stopping,
            mesh,
            callback=callback,
            steps_per_call=steps_per_call(config),
        )
    x = jnp.asarray(image)
    if config.optimizer == "scipy":
        bridge = ScipyLBFGSB(config.history, (0.0, 1.0) if config.clamp else None)
        return bridge.minimise(objective, x, arguments, stopping, callback=callback)
    return minimise(
        objective,
        x,
        arguments,
        algorithm_of(config),
        stopping,
        callback=callback,
        steps_per_call=steps_per_call(config),
    )


def _level_callback(
    callback: Callable[[LevelProgress], None] | None,
    sizes: list[tuple[int, int]],
    level: int,
    steps_before: int,
) -> Callable[[Progress], None] | None:
    if callback is None:
        return None
    width, height = sizes[level]

    def tell(progress: Progress) -> None:
        total = steps_before + progress.step
        callback(
            LevelProgress(level + 1, len(sizes), width, height, progress.step, total, progress)
        )

    return tell
