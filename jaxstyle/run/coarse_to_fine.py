"""One picture, level by level from coarse to fine: each level starts from the last, enlarged."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from jaxstyle.display.progress import Callback, LevelProgress
from jaxstyle.errors import is_out_of_memory
from jaxstyle.optimize import OutOfMemory, Progress, Stopping
from jaxstyle.optimize.ending import Ending, graver
from jaxstyle.optimize.loop import LoopOptions, is_stop
from jaxstyle.run.checkpoint import Checkpoint, Keeper, RunState, begin
from jaxstyle.run.final_colours import in_final_colours
from jaxstyle.run.job import Job, precision_in_force
from jaxstyle.run.level import Level
from jaxstyle.run.level_targets import TargetMaker
from jaxstyle.run.minimise import minimise_level
from jaxstyle.run.pyramid import share_of_time
from jaxstyle.run.result import Stylized, finished
from jaxstyle.run.strategy import smaller
from jaxstyle.runtime.programs import programs_of_picture


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
    with precision_in_force(job.config), programs_of_picture(tuple(job.sizes)):
        # 1. Begin with the coarsest level and its starting picture, or where the checkpoint says.
        state = begin(job, checkpoint)
        keeper = None if checkpoint is None else Keeper(checkpoint, state)
        objective, model = state.job.objective, state.job.model()
        while True:
            level = Level(state.job, state.level)
            if keeper is not None:
                keeper.before_level(state)
            try:
                # 2. At the level's size, take features of the content, statistics of the style,
                # 3. and change the last level's picture, enlarged, until it fits them best.
                outcome = minimise_level(
                    level,
                    objective,
                    partial(level.enlarge, state.image),
                    # Not by name: these must be gone when the next level takes its own.
                    (
                        model,
                        TargetMaker(level, objective, model).targets(),
                        level.weights(objective),
                    ),
                    _stopping(state),
                    LoopOptions(_step_callback(state, callback, keeper), resume=state.resume),
                )
            except Exception as error:
                # 4. Where the memory does not suffice, go on with this level in smaller parts.
                smaller_state = in_smaller_parts(state, error)
                if smaller_state is None:
                    raise
                state = smaller_state
                continue
            # 5. Go on to the next level, unless this was the last or something ended the run.
            state = RunState(
                state.job,
                state.level + 1,
                np.clip(outcome.x, 0, 1),
                [*state.losses, outcome.values],
                state.seconds + outcome.seconds,
                out_of_time=state.out_of_time or outcome.reason is Ending.MAX_SECONDS,
            )
            if outcome.reason.cut_short or state.level == len(job.sizes):
                break
        # 6. Give the result its final colours and its record.
        if state.out_of_time:
            outcome = outcome._replace(reason=graver(outcome.reason, Ending.MAX_SECONDS))
        return finished(state.job, state.image, outcome, state.losses, state.seconds)


def in_smaller_parts(state: RunState, error: Exception) -> RunState | None:
    """How to go on with less memory, if that is what a level failed for; None if not so."""
    if not is_out_of_memory(error):
        return None
    job = state.job
    config = smaller(job.config, job.network.architecture, *job.sizes[state.level])
    if config is None:
        return None
    plan = f"tiles of {config.tile} px, after running out of memory"
    state = state._replace(job=replace(job, config=config, plan=plan))
    if isinstance(error, OutOfMemory):  # else the level has hardly begun
        state = state._replace(image=error.x, resume=error.snapshot)
    return state


def _stopping(state: RunState) -> Stopping:
    """When the level is to end."""
    job, level = state.job, state.level
    remaining = (job.config.max_seconds or math.inf) - state.seconds
    seconds = share_of_time(job.sizes, job.steps, level, remaining)
    return Stopping(job.steps[level], job.config.tolerance, seconds)


def _step_callback(
    state: RunState, callback: Callback | None, keeper: Keeper | None
) -> Callable[[Progress], bool | None] | None:
    """Tell of each step of a level, and keep it."""
    if callback is None and keeper is None:
        return None
    job, level = state.job, Level(state.job, state.level)

    def after_step(progress: Progress) -> bool | None:
        shown = progress._replace(current=lambda: in_final_colours(level, progress.current()))
        event = LevelProgress(
            level=level.index + 1,
            levels=len(job.sizes),
            width=level.size[0],
            height=level.size[1],
            step=progress.step,
            total_step=state.steps + progress.step,
            progress=shown,
            steps=job.steps[state.level],
            plan=job.plan,
            sizes=tuple(job.sizes),
            level_steps=job.steps,
            seconds_left=(job.config.max_seconds or math.inf) - state.seconds - progress.seconds,
        )
        answer = None if callback is None else callback(event)
        # Last, so that a callback is told again of what it was killed in.
        if keeper is not None:
            keeper.after_step(state, progress, ends=is_stop(answer))
        return answer

    return after_step
