"""Cells that share programs, run together in chunks that fit the memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxstyle.display.progress import LevelProgress
from jaxstyle.errors import InputError, is_out_of_memory
from jaxstyle.network.architecture import order_taps
from jaxstyle.objective.pytrees import Model, Targets, Weights
from jaxstyle.optimize import Outcome, Stopping
from jaxstyle.optimize.ending import Ending
from jaxstyle.optimize.vmapped_loop import BatchProgress
from jaxstyle.pipelines.chunk_program import OWN, SHARED, Sweep, equal_chunks, fit_chunk
from jaxstyle.pipelines.grouping import Group, content_key, guide_key, runs_alone, style_key
from jaxstyle.run.coarse_to_fine import run
from jaxstyle.run.from_config import (
    algorithm_of,
    model_in_force,
    precision_in_force,
    steps_per_call,
)
from jaxstyle.run.job import Job, objective_of_job, weights_of_job
from jaxstyle.run.level_targets import enlarge, start_of, targets_at
from jaxstyle.run.pyramid import share_of_time
from jaxstyle.run.result import Stylized, finished
from jaxstyle.runtime.memory import HEADROOM, format_bytes, free_bytes
from jaxstyle.runtime.processes import gather, mine


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


class Portion(NamedTuple):
    """What one chunk gave: cell index -> result or error, and the programs newly compiled."""

    results: dict[int, Stylized | InputError]
    programs: int


Load = Callable[[Job], Job]
"""May raise InputError."""


def run_group(
    group: Group,
    limits: Limits,
    callback: Callable[[Progress], None] | None,
    load: Load = lambda job: job,
) -> Iterator[Portion]:
    """Run a group chunk by chunk; a chunk that the memory cannot hold after all is halved.

    Args:
        load: gives a job its pictures back, if they are put away until it runs.
    """
    if runs_alone(group[0][1]):
        each = jax.process_count()
        for done in range(0, len(group), each):
            share = mine(group[done : done + each])
            found = {index: _alone(job, load, _of_one(callback, done)) for index, job in share}
            yield Portion(_merged(found), 0)
        return
    config = group[0][1].config
    try:
        with precision_in_force(config):
            runner = _Runner(group, limits, load)
            size = runner.fitting_size()
    except InputError as error:
        yield Portion({index: error for index, _ in group}, 0)
        return
    compiled = 0
    waiting, done = group, 0
    while waiting:
        together = waiting[: size * jax.process_count()]
        share = mine(together)
        seconds = runner.seconds_for(len(together), len(waiting))
        try:
            with precision_in_force(config):
                found = runner.run(share, size, seconds, _counted(callback, done)) if share else {}
        except Exception as error:
            if not is_out_of_memory(error) or jax.process_count() > 1:
                raise
            if size <= runner.devices:  # alone they may still go tile by tile
                for place, (index, job) in enumerate(waiting, done):
                    yield Portion({index: _alone(job, load, _of_one(callback, place))}, 0)
                return
            size = equal_chunks(len(waiting), size // 2, runner.devices)
            continue
        waiting, done = waiting[len(together) :], done + len(together)
        yield Portion(_merged(found), len(runner.sweep.programs) - compiled)
        compiled = len(runner.sweep.programs)


class _Runner:
    """What the chunks of one group have in common."""

    def __init__(self, group: Group, limits: Limits, load: Load) -> None:
        self.load = load
        self.jobs = [job for _, job in group]
        self.limits = limits
        first = self.jobs[0]
        objectives = [objective_of_job(job) for job in self.jobs]
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
        last = len(job.sizes) - 1
        width, height = job.sizes[last]
        start = np.zeros((height, width, 3), np.float32)
        arguments = self._arguments([job], last)[0]
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
        self,
        cells: Group,
        size: int,
        seconds: float,
        callback: Callable[[Progress], None] | None,
    ) -> dict[int, Stylized | InputError]:
        """Work some cells out, level by level."""
        results: dict[int, Stylized | InputError] = {}
        loaded = [(index, _loaded(job, self.load)) for index, job in cells]
        results |= {index: job for index, job in loaded if isinstance(job, InputError)}
        cells = [(index, job) for index, job in loaded if isinstance(job, Job)]
        if not cells:
            return results
        jobs = [job for _, job in cells]
        sizes = jobs[0].sizes
        images = [start_of(job) for job in jobs]
        losses: list[list[list[float]]] = [[] for _ in jobs]
        errors: dict[int, InputError] = {}
        outcomes: list[Outcome | InputError] = []
        spent = 0.0
        for level in range(len(sizes)):
            share = share_of_time(sizes, jobs[0].steps, level, seconds - spent)
            outcomes = self.sweep.run(
                size,
                [enlarge(job, image, level) for job, image in zip(jobs, images, strict=True)],
                self._arguments(jobs, level),
                self.axes,
                [Stopping(job.steps[level], job.config.tolerance, share) for job in jobs],
                _at_level(callback, jobs, level),
                [algorithm_of(job.config) for job in jobs],
            )
            for place, outcome in enumerate(outcomes):
                if isinstance(outcome, InputError):
                    errors.setdefault(place, outcome)
                else:
                    images[place] = np.clip(outcome.x, 0, 1)
                    losses[place].append(outcome.values)
            good = [outcome for outcome in outcomes if not isinstance(outcome, InputError)]
            spent += max((outcome.seconds for outcome in good), default=0.0)
            if any(outcome.reason is Ending.INTERRUPTED for outcome in good):
                if level < len(sizes) - 1:
                    # Those that were through with this level have others to come.
                    outcomes = [_cut_short(outcome) for outcome in outcomes]
                break
        self.spent += spent
        for place, (index, job) in enumerate(cells):
            outcome = errors.get(place, outcomes[place])
            results[index] = (
                outcome
                if isinstance(outcome, InputError)
                else _own_terms(
                    job, finished(_among(job, size), images[place], outcome, losses[place], spent)
                )
            )
        return results

    def _axes(self) -> tuple[Any, ...]:
        jobs = self.jobs
        content = SHARED if len({content_key(job) for job in jobs}) == 1 else OWN
        style = SHARED if len({style_key(job) for job in jobs}) == 1 else OWN
        guides = SHARED if len({guide_key(job) for job in jobs}) == 1 else OWN
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
            keys = content_key(job), style_key(job), guide_key(job)
            if keys[0] not in content or keys[1] not in style or keys[2] not in guides:
                found = targets_at(job, self.objective, self.model, level)
                content.setdefault(keys[0], found.content)
                style.setdefault(keys[1], found.style)
                guides.setdefault(keys[2], found.guides)
            targets = Targets(content[keys[0]], style[keys[1]], guides[keys[2]])
            arguments.append((self.model, targets, self._weights(job, level)))
        return arguments

    def _weights(self, job: Job, level: int) -> Weights:
        """A job's weights, with zeros for the layers that only others tap."""
        own, zero = weights_of_job(job, level), jnp.zeros((), jnp.float32)

        def with_zeros(layers: Mapping[str, Array], taps: tuple[str, ...]) -> dict[str, Array]:
            return {tap: layers.get(tap, zero) for tap in taps}

        content, style = self.objective.content_layers, self.objective.style_layers
        return own._replace(
            content_layers=with_zeros(own.content_layers, content),
            style_layers=with_zeros(own.style_layers, style),
            content_factors=with_zeros(own.content_factors, content),
            style_factors=with_zeros(own.style_factors, style),
        )


def _among(job: Job, size: int) -> Job:
    """With a note for its record that it ran in a program of so many: alone it rounds otherwise."""
    return replace(job, note={**job.note, "together": size}) if size > 1 else job


def _cut_short(outcome: Outcome | InputError) -> Outcome | InputError:
    return outcome._replace(reason=Ending.INTERRUPTED) if isinstance(outcome, Outcome) else outcome


def _own_terms(job: Job, result: Stylized) -> Stylized:
    """Without the layers that only other cells tap."""
    content, style = job.config.content_loss_layers, job.config.style_loss_layers
    terms = dict(result.terms)
    for name, own in (("content_layers", content), ("style_layers", style)):
        terms[name] = {tap: term for tap, term in terms[name].items() if tap in own}
    return replace(result, terms=terms)


def _merged(results: dict[int, Stylized | InputError]) -> dict[int, Stylized | InputError]:
    """Those of all processes."""
    return {index: one for part in gather(results) for index, one in part.items()}


def _loaded(job: Job, load: Load) -> Job | InputError:
    try:
        return load(job)
    except InputError as error:
        return error


def _alone(
    job: Job, load: Load, callback: Callable[[LevelProgress], None] | None
) -> Stylized | InputError:
    if job.config.mesh is not None and jax.process_count() > 1:
        return InputError("the processes share the cells: none is left to share a picture by mesh")
    try:
        return run(load(job), callback)
    except InputError as error:
        return error
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return InputError("out of memory with this cell alone: use a smaller size or less history")


def _of_one(
    callback: Callable[[Progress], None] | None, done: int
) -> Callable[[LevelProgress], None] | None:
    """Tells of a cell that runs alone as of a chunk of one."""
    if callback is None:
        return None

    def tell(event: LevelProgress) -> None:
        step, progress = event.step, event.progress
        batch = BatchProgress(step, [progress.best], int(step < event.steps), progress.seconds)
        place = event.level, event.levels, event.width, event.height, event.steps
        callback(Progress(0, done, 1, *place, batch, event.sizes))

    return tell


def _counted(
    callback: Callable[[Progress], None] | None, done: int
) -> Callable[[Progress], None] | None:
    if callback is None:
        return None
    return lambda progress: callback(progress._replace(done=done))


def _at_level(
    callback: Callable[[Progress], None] | None, jobs: Sequence[Job], level: int
) -> Callable[[BatchProgress], None] | None:
    if callback is None:
        return None
    sizes = jobs[0].sizes
    width, height = sizes[level]
    steps = max(job.steps[level] for job in jobs)

    def tell(batch: BatchProgress) -> None:
        place = level + 1, len(sizes), width, height, steps
        callback(Progress(0, 0, len(jobs), *place, batch, tuple(sizes)))

    return tell
