"""One picture, level by level from coarse to fine: each level starts from the last, enlarged."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from jaxstyle.display.progress import Callback, LevelProgress
from jaxstyle.errors import is_out_of_memory
from jaxstyle.optimize import OutOfMemory, Progress
from jaxstyle.optimize.loop import is_stop
from jaxstyle.run.checkpoint import Begun, Checkpoint, Keeper, begin
from jaxstyle.run.from_config import precision_in_force
from jaxstyle.run.job import (
    Job,
    model_of_job,
    objective_of_job,
    weights_of_job,
)
from jaxstyle.run.level_pictures import presented
from jaxstyle.run.level_targets import enlarge, start_of, targets_at
from jaxstyle.run.minimise import minimise_level
from jaxstyle.run.pyramid import share_of_time
from jaxstyle.run.result import Stylized, finished
from jaxstyle.run.strategy import smaller


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
                outcome = minimise_level(
                    job,
                    level,
                    objective,
                    partial(enlarge, job, image, level),
                    (
                        model,
                        targets_at(job, objective, model, level),
                        weights_of_job(job, level),
                    ),
                    share_of_time(
                        sizes, job.steps, level, (config.max_seconds or math.inf) - seconds
                    ),
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
        if outcome.reason.cut_short:
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
            at.job.steps[at.level],
            at.job.plan,
            tuple(at.job.sizes),
        )
        answer = None if callback is None else callback(event)
        # Last, so that a callback is told again of what it was killed in.
        if keeper is not None:
            keeper.after_step(at, progress, ends=is_stop(answer))
        return answer

    return tell
