"""``stylize``: a content picture, painted in the style of another."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from jaxstyle.checkpoint import Begun, Checkpoint, Keeper, begin
from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.display.notebook import NotebookProgress, in_notebook
from jaxstyle.display.progress import Callback, LevelProgress
from jaxstyle.errors import is_out_of_memory
from jaxstyle.job import (
    Image,
    Job,
    is_tiled,
    model_of_job,
    objective_of_job,
    prepare,
    tiled_of,
    weights_of_job,
)
from jaxstyle.levels import enlarge, start_of, targets_at
from jaxstyle.network.network import Network
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned.device_mesh import agreed, minimise_sharded
from jaxstyle.objective.pytrees import Model, Targets, Weights
from jaxstyle.optimize import Outcome, OutOfMemory, Progress, ScipyLBFGSB, Stopping, minimise
from jaxstyle.optimize.host_loop import minimise_stepwise
from jaxstyle.optimize.loop import is_stop
from jaxstyle.optimize.snapshot import Snapshot
from jaxstyle.programs import algorithm_of, mesh_of, precision_in_force, steps_per_call
from jaxstyle.pyramid import share_of_time
from jaxstyle.recolour import presented
from jaxstyle.result import Stylized, finished
from jaxstyle.strategy import smaller


def stylize(
    content: Any,
    style: Any,
    *,
    masks: Sequence[Any] = (),
    freeze: Image | None = None,
    config: StylizeConfig | None = None,
    network: Network | None = None,
    callback: Callback | Literal[False] | None = None,
    checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
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
        content: a path, a ``PIL.Image`` or an array, see ``images.as_picture``; or several, see
            ``styles.read_contents``.
        style: the same, a ``Style``, or several of them; see ``styles.read_styles``.
        masks: of the regions of the content picture, white where they are; region k takes style k
            where there are as many, else those styles that name it. See ``styles.read_regions``.
        freeze: a mask, white where the content is to stay as it is.
        config: settings; the defaults if not given.
        network: use this instead of what ``config.weights`` names.
        callback: called after every step, see ``LevelProgress``; where it returns True the run ends
            with what it has, for the reason ``stopped``. If none is given, a run in a notebook
            is shown there by ``NotebookProgress``; False shows nothing.
        checkpoint: a file to keep the run in as it goes, by default every minute: the same call
            goes on from it. Once the result is returned it is removed, unless Ctrl-C or the
            callback ended the run.
        **settings: single fields of ``StylizeConfig``, over those of ``config``.

    Raises:
        InputError: something given cannot be used; its message says what to do.
    """
    job = prepare(
        content, style, masks=masks, freeze=freeze, config=config, network=network, **settings
    )
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checkpoint)
    result = run(job, shown_by_default(callback), checkpoint)
    if checkpoint is not None and result.reason not in ("interrupted", "stopped"):
        checkpoint.remove()
    return result


def shown_by_default(callback: Callback | Literal[False] | None) -> Callback | None:
    """What is given; where nothing is, a display if this is a notebook. False is for none."""
    if callback is None and in_notebook():
        return NotebookProgress()
    return callback or None


def run(
    job: Job, callback: Callback | None = None, checkpoint: Checkpoint | None = None
) -> Stylized:
    """Work a job out, level by level.

    Args:
        callback: as in ``stylize``.
        checkpoint: where to keep the run, and to go on if it is there already: on the same machine
            and versions it ends as if it had never been cut off, to the bit. The file stays:
            ``Checkpoint.remove`` it when the result is saved.

    Raises:
        InputError: the loss at the start is not finite; or the checkpoint is not of this job,
            damaged, or could not be written.
    """
    with precision_in_force(job.config):
        return _run(job, callback, checkpoint)


def _run(job: Job, callback: Callback | None, checkpoint: Checkpoint | None) -> Stylized:
    at = begin(job, checkpoint)
    keeper = None if checkpoint is None else Keeper(checkpoint, at)
    job = at.job
    config, sizes = job.config, job.sizes
    objective, model = objective_of_job(job), model_of_job(job)
    image = start_of(job) if at.image is None else at.image
    seconds, losses = at.seconds, [*at.losses]
    for level in range(at.level, len(sizes)):
        resume = at.resume if level == at.level else None
        while True:
            here = Begun(job, level, image, losses, seconds)
            if keeper is not None:
                keeper.before_level(here)
            try:
                outcome = _minimise(
                    job,
                    level,
                    objective,
                    partial(enlarge, job, image, level),
                    (
                        model,
                        targets_at(job, objective, model, level),
                        weights_of_job(job, level),
                    ),
                    share_of_time(sizes, level, (config.max_seconds or math.inf) - seconds),
                    _level_callback(callback, keeper, here),
                    resume,
                )
                break
            except Exception as error:
                next_job = after_out_of_memory(job, level, error)
                if next_job is None:
                    raise
                job = next_job
                if isinstance(error, OutOfMemory):  # else the level has hardly begun
                    image, resume = error.x, error.snapshot
        image = np.clip(outcome.x, 0, 1)
        seconds += outcome.seconds
        losses.append(outcome.values)
        if outcome.reason in ("interrupted", "stopped"):
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
    plan = f"tiles of {config.tile} px, after running out of memory"
    return replace(job, config=config, plan=plan)


def _minimise(
    job: Job,
    level: int,
    objective: Objective,
    start: Callable[[], np.ndarray],
    arguments: tuple[Model, Targets, Weights],
    seconds: float,
    callback: Callable[[Progress], bool | None] | None,
    resume: Snapshot | None,
) -> Outcome:
    config = job.config
    mesh, stopping = mesh_of(config), Stopping(config.steps, config.tolerance, seconds)
    if is_tiled(job, level):
        tiled = tiled_of(job, objective)
        return minimise_stepwise(
            tiled,
            start(),  # nothing here holds it on: a picture that fills the memory
            arguments,
            algorithm_of(config),
            stopping,
            callback=callback,
            place=tiled.home(arguments[0]),
            agree=agreed if mesh is not None else lambda reason: reason,
            resume=resume,
            value_alone=tiled.value,
        )
    if mesh is not None:
        return minimise_sharded(
            objective,
            start(),
            arguments,
            algorithm_of(config),
            stopping,
            mesh,
            callback=callback,
            steps_per_call=steps_per_call(config),
            resume=resume,
        )
    x = jnp.asarray(start())
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
        resume=resume,
    )


def _level_callback(
    callback: Callback | None, keeper: Keeper | None, at: Begun
) -> Callable[[Progress], bool | None] | None:
    if callback is None and keeper is None:
        return None
    levels, (width, height) = len(at.job.sizes), at.job.sizes[at.level]
    before = sum(map(len, at.losses))

    def tell(progress: Progress) -> bool | None:
        step = progress.step
        shown = progress._replace(current=lambda: presented(at.job, progress.current(), at.level))
        event = LevelProgress(
            at.level + 1,
            levels,
            width,
            height,
            step,
            before + step,
            shown,
            at.job.config.steps,
            at.job.plan,
            tuple(at.job.sizes),
        )
        answer = None if callback is None else callback(event)
        # Last, so that a callback is told again of what it was killed in.
        if keeper is not None:
            keeper.after_step(at, progress, ends=is_stop(answer))
        return answer

    return tell
