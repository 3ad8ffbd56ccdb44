"""Cells that share programs, run together in chunks that fit the memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxstyle.display.progress import LevelProgress
from jaxstyle.errors import InputError, is_out_of_memory
from jaxstyle.network.architecture import order_taps
from jaxstyle.objective.pytrees import Model, Targets, Weights
from jaxstyle.optimize import Outcome, Stopping
from jaxstyle.optimize.ending import graver
from jaxstyle.optimize.vmapped_loop import BatchCallback, BatchProgress
from jaxstyle.pipelines.chunk_program import OWN, SHARED, Sweep, equal_chunks, fit_chunk
from jaxstyle.pipelines.grouping import Group, content_key, guide_key, runs_alone, style_key
from jaxstyle.pipelines.running_cell import RunningCell
from jaxstyle.run.coarse_to_fine import run
from jaxstyle.run.job import Job, algorithm_of, model_in_force, precision_in_force, steps_per_call
from jaxstyle.run.level import Level
from jaxstyle.run.level_targets import TargetMaker
from jaxstyle.run.pyramid import share_of_time
from jaxstyle.run.result import Stylized
from jaxstyle.runtime.memory import HEADROOM, format_bytes, free_bytes
from jaxstyle.runtime.processes import gather, mine
from jaxstyle.runtime.programs import programs_of_picture


@dataclass(frozen=True)
class Limits:
    """How a grid may use the machine.

    Attributes:
        max_memory: bytes for each device; None for most of what is free.
        cells_at_once: at most so many in one program; 0 for as many as fit.
        devices: to spread a chunk over; None for all of this process.
    """

    max_memory: int | None = None
    cells_at_once: int = 0
    devices: tuple[Any, ...] | None = None


class Progress(NamedTuple):
    """What the callback of ``sweep`` is told after every call of a program.

    Attributes:
        cells, done: all cells of the grid, and those finished in earlier chunks.
        chunk: how many cells run now.
        level, levels, width, height: as in ``LevelProgress``.
        steps: of the level, in all.
        batch: losses so far, of the cells in the chunk.
        sizes: (width, height) of every level.
        level_steps: of every level.
    """

    cells: int
    done: int
    chunk: int
    level: int
    levels: int
    width: int
    height: int
    steps: int
    batch: BatchProgress
    sizes: tuple[tuple[int, int], ...] = ()
    level_steps: tuple[int, ...] = ()


Callback = Callable[[Progress], bool | None]
"""Ends all that runs after the step in hand, and all that waits, by returning True."""


class Portion(NamedTuple):
    """What one chunk gave: cell index -> result or error, and the programs newly compiled."""

    results: dict[int, Stylized | InputError]
    programs: int

    @property
    def cut_short(self) -> bool:
        """Whether the user has ended it."""
        results = (one for one in self.results.values() if isinstance(one, Stylized))
        return any(result.reason.cut_short for result in results)


Load = Callable[[Job], Job]
"""Gives a job its pictures back, if they are put away until it runs. May raise InputError."""


@dataclass
class Teller:
    """Tells a callback of every step, and how far the grid has come.

    Attributes:
        callback: told; None for none.
        cells: of the whole grid.
        done: cells that are finished, or cannot be run; ``run_group`` adds its own.
    """

    callback: Callback | None
    cells: int
    done: int = 0

    def of_chunk(self, jobs: Sequence[Job], level: int) -> BatchCallback | None:
        """The callback of a chunk at a level."""
        callback, sizes = self.callback, tuple(jobs[0].sizes)
        if callback is None:
            return None
        steps = most_steps(jobs)

        def tell(batch: BatchProgress) -> bool | None:
            at = level + 1, len(sizes), *sizes[level], steps[level]
            return callback(Progress(self.cells, self.done, len(jobs), *at, batch, sizes, steps))

        return tell

    def of_one(self) -> Callable[[LevelProgress], bool | None] | None:
        """The callback of a cell that runs alone: as of a chunk of one."""
        callback = self.callback
        if callback is None:
            return None

        def tell(event: LevelProgress) -> bool | None:
            step, progress = event.step, event.progress
            batch = BatchProgress(step, [progress.best], int(step < event.steps), progress.seconds)
            at = event.level, event.levels, event.width, event.height, event.steps
            steps = event.level_steps
            return callback(Progress(self.cells, self.done, 1, *at, batch, event.sizes, steps))

        return tell


def run_group(
    group: Group, limits: Limits, teller: Teller, load: Load = lambda job: job
) -> Iterator[Portion]:
    """Run a group chunk by chunk; a chunk that the memory cannot hold after all is halved."""
    config, shape = group[0][1].config, tuple(group[0][1].sizes)
    if runs_alone(group[0][1]):
        yield from _each_alone(group, teller, load)
        return
    try:
        with precision_in_force(config), programs_of_picture(shape):
            runner = _ChunkRunner(group, limits, load)
            size = runner.fitting_size()
    except InputError as error:
        yield Portion({index: error for index, _ in group}, 0)
        return
    compiled, waiting = 0, group
    while waiting:
        together = waiting[: size * jax.process_count()]
        share = mine(together)
        seconds = runner.seconds_for(len(together), len(waiting))
        try:
            with precision_in_force(config), programs_of_picture(shape):
                results = runner.run(share, size, seconds, teller) if share else {}
        except Exception as error:
            if not is_out_of_memory(error) or jax.process_count() > 1:
                raise
            if size <= runner.devices:  # alone they may still go tile by tile
                yield from _each_alone(waiting, teller, load)
                return
            size = equal_chunks(len(waiting), size // 2, runner.devices)
            continue
        waiting = waiting[len(together) :]
        teller.done += len(together)
        yield Portion(_of_all_processes(results), len(runner.sweep.programs) - compiled)
        compiled = len(runner.sweep.programs)


def _each_alone(group: Group, teller: Teller, load: Load) -> Iterator[Portion]:
    """Run cells one by one in each process."""
    at_once = jax.process_count()
    for first in range(0, len(group), at_once):
        together = group[first : first + at_once]
        results = {index: _alone(job, load, teller) for index, job in mine(together)}
        teller.done += len(together)
        yield Portion(_of_all_processes(results), 0)


class _ChunkRunner:
    """What the chunks of one group have in common."""

    def __init__(self, group: Group, limits: Limits, load: Load) -> None:
        self.load, self.limits = load, limits
        self.jobs = [job for _, job in group]
        first = self.jobs[0]
        objectives = [job.objective for job in self.jobs]
        self.objective = replace(
            objectives[0],
            content_layers=order_taps({t for o in objectives for t in o.content_layers}),
            style_layers=order_taps({t for o in objectives for t in o.style_layers}),
        )
        deepest = max((job.network for job in self.jobs), key=lambda net: len(net.params))
        self.model = model_in_force(deepest, first.config)
        local = limits.devices or tuple(jax.local_devices())
        self.each = -(-len(group) // jax.process_count())
        # More devices than cells would only compute copies.
        self.device_list = local[: min(self.each, limits.cells_at_once or self.each)]
        self.devices = len(self.device_list)
        self.sweep = Sweep(
            self.objective,
            algorithm_of(first.config),
            self.device_list,
            steps_per_call=steps_per_call(first.config),
        )
        loaded = (_loaded(job, load) for job in self.jobs)
        sample = next((job for job in loaded if isinstance(job, Job)), None)
        self.sample = sample or load(first)  # which says what is wrong
        self.axes = self._axes()
        self.spent = 0.0

    def fitting_size(self) -> int:
        """How many cells run at once, in this and every other process."""
        job = self.sample
        width, height = job.sizes[-1]
        start = np.zeros((height, width, 3), np.float32)
        arguments = self._arguments([job], len(job.sizes) - 1)[0]
        limit = self.limits.max_memory or int(HEADROOM * free_bytes(self.device_list))
        size, needed = fit_chunk(
            self.each,
            limit,
            lambda size: self.sweep.bytes_needed(size, start, arguments, self.axes),
            multiple=self.devices,
            most=self.limits.cells_at_once,
        )
        # All processes must come to the same end.
        everywhere = gather((size, needed - limit))
        if self.limits.max_memory and max(excess for _, excess in everywhere) > 0:
            raise InputError(
                f"{size} cells of {width}x{height} need {format_bytes(needed)} on each device, "
                f"more than the {format_bytes(limit)} allowed: allow more, or use a smaller size "
                "or less history"
            )
        return min(size for size, _ in everywhere)

    def seconds_for(self, cells: int, waiting: int) -> float:
        """The share of ``max_seconds`` that the next chunk may take."""
        total = self.jobs[0].config.max_seconds or math.inf
        return (total - self.spent) * cells / waiting

    def run(
        self, cells: Group, size: int, seconds: float, teller: Teller
    ) -> dict[int, Stylized | InputError]:
        """Work some cells out, level by level."""
        loaded = {index: _loaded(job, self.load) for index, job in cells}
        results = {index: job for index, job in loaded.items() if isinstance(job, InputError)}
        running = {
            index: RunningCell(job, Level(job, 0).start())
            for index, job in loaded.items()
            if isinstance(job, Job)
        }
        spent = self._run_levels([*running.values()], size, seconds, teller) if running else 0.0
        self.spent += spent
        return {**results, **{index: cell.result(size, spent) for index, cell in running.items()}}

    def _run_levels(
        self, cells: Sequence[RunningCell], size: int, seconds: float, teller: Teller
    ) -> float:
        """Work some cells out; gives the seconds that it took."""
        jobs, spent = [cell.job for cell in cells], 0.0
        sizes = jobs[0].sizes
        for level in range(len(sizes)):
            share = share_of_time(sizes, most_steps(jobs), level, seconds - spent)
            outcomes = self.sweep.run(
                size,
                [Level(cell.job, level).enlarge(cell.image) for cell in cells],
                self._arguments(jobs, level),
                self.axes,
                [Stopping(job.steps[level], job.config.tolerance, share) for job in jobs],
                teller.of_chunk(jobs, level),
                [algorithm_of(job.config) for job in jobs],
            )
            for cell, outcome in zip(cells, outcomes, strict=True):
                cell.take(outcome)
            good = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
            spent += max((outcome.seconds for outcome in good), default=0.0)
            endings = {outcome.reason for outcome in good if outcome.reason.cut_short}
            if endings:
                if level < len(sizes) - 1:  # also those that were through have levels to come
                    for cell in cells:
                        cell.cut_short(graver(*endings))
                break
        return spent

    def _axes(self) -> tuple[Any, ...]:
        jobs = self.jobs
        content, style, guides = (
            SHARED if len({key(job) for job in jobs}) == 1 else OWN
            for key in (content_key, style_key, guide_key)
        )
        # Of the smallest level: all have targets of one structure.
        model, targets, weights = self._arguments([self.sample], 0)[0]
        axes = Targets(
            jax.tree.map(lambda _: content, targets.content),
            jax.tree.map(lambda _: style, targets.style),
            jax.tree.map(lambda _: guides, targets.guides),
        )
        return (
            jax.tree.map(lambda _: SHARED, model),
            axes,
            jax.tree.map(lambda _: OWN, weights),
        )

    def _arguments(self, jobs: Sequence[Job], level: int) -> list[tuple[Model, Targets, Weights]]:
        content: dict[Hashable, Any] = {}
        style: dict[Hashable, Any] = {}
        guides: dict[Hashable, Any] = {}
        arguments = []
        for job in jobs:
            at, keys = Level(job, level), (content_key(job), style_key(job), guide_key(job))
            if keys[0] not in content or keys[1] not in style or keys[2] not in guides:
                targets = TargetMaker(at, self.objective, self.model).targets()
                content.setdefault(keys[0], targets.content)
                style.setdefault(keys[1], targets.style)
                guides.setdefault(keys[2], targets.guides)
            targets = Targets(content[keys[0]], style[keys[1]], guides[keys[2]])
            arguments.append((self.model, targets, at.weights(self.objective)))
        return arguments


def _of_all_processes(results: dict[int, Stylized | InputError]) -> dict[int, Any]:
    """What all processes have made; results travel as plain values, errors as their messages."""
    own = {
        index: str(one) if isinstance(one, InputError) else one.as_plain()
        for index, one in results.items()
    }
    return {
        index: InputError(one) if isinstance(one, str) else Stylized.from_plain(one)
        for part in gather(own)
        for index, one in part.items()
    }


def _loaded(job: Job, load: Load) -> Job | InputError:
    try:
        return load(job)
    except InputError as error:
        return error


def _alone(job: Job, load: Load, teller: Teller) -> Stylized | InputError:
    if job.config.mesh is not None and jax.process_count() > 1:
        return InputError("the processes share the cells: none is left to share a picture by mesh")
    try:
        return run(load(job), teller.of_one())
    except InputError as error:
        return error
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return InputError("out of memory with this cell alone: use a smaller size or less history")


def most_steps(jobs: Sequence[Job]) -> tuple[int, ...]:
    """The most steps that any of the jobs makes at each level."""
    return tuple(max(steps) for steps in zip(*(job.steps for job in jobs), strict=True))
