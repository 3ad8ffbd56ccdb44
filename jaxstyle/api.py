"""``stylize``: a content picture, painted in the style of another."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxstyle.config import StylizeConfig
from jaxstyle.job import (
    Image,
    Job,
    algorithm_of,
    enlarge,
    objective_of,
    prepare,
    start_of,
    steps_per_call,
    targets_at,
    weights_of,
)
from jaxstyle.network import Network
from jaxstyle.objective import Model, Objective, Targets, Weights, model_of
from jaxstyle.optimize import Outcome, Progress, ScipyLBFGSB, Stopping, minimise
from jaxstyle.pyramid import share_of_time
from jaxstyle.result import Stylized, finished


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
    config, sizes = job.config, job.sizes
    objective, weights, model = objective_of(config), weights_of(config), model_of(job.network)
    image = start_of(job)
    seconds, losses = 0.0, []
    for level in range(len(sizes)):
        outcome = _minimise(
            config,
            objective,
            enlarge(job, image, level),
            (model, targets_at(job, objective, model, level), weights),
            share_of_time(sizes, level, (config.max_seconds or math.inf) - seconds),
            _level_callback(callback, sizes, level, sum(map(len, losses))),
        )
        image = np.clip(outcome.x, 0, 1)
        seconds += outcome.seconds
        losses.append(outcome.values)
        if outcome.reason == "interrupted":
            break
    return finished(job, image, outcome, losses, seconds)


def _minimise(
    config: StylizeConfig,
    objective: Objective,
    image: np.ndarray,
    arguments: tuple[Model, Targets, Weights],
    seconds: float,
    callback: Callable[[Progress], None] | None,
) -> Outcome:
    stopping, x = Stopping(config.steps, config.tolerance, seconds), jnp.asarray(image)
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
