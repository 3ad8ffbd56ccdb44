"""Many minimisations as one program: ``loop.minimise`` under ``vmap``, with a cell's own stopping.

A cell that has ended keeps its state while the others go on, so that each gives what it would have
given alone. The batch axis may be sharded over devices: the cells never talk to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxstyle.errors import InputError
from jaxstyle.optimize.arithmetic import usable
from jaxstyle.optimize.ending import Ending
from jaxstyle.optimize.loop import (
    Algorithm,
    Evaluate,
    Outcome,
    Stopping,
    Watch,
    is_stop,
)
from jaxstyle.runtime.compiler_options import compiled
from jaxstyle.runtime.interrupts import deferred_interrupt
from jaxstyle.runtime.profile import traced_steps


class BatchProgram(NamedTuple):
    """What ``compile_batch`` compiles.

    Attributes:
        start: x (cells, ...) -> state.
        advance: (state, remaining, algorithms, arguments) -> (state, reports); the state is
            donated. ``algorithms`` is the algorithm, with each number of it an array (cells,).
        result: state -> x (cells, ...).
        fused: steps in one call of ``advance``.
        bytes_needed: memory of one call on each device, arguments and state included.
        algorithm: what it was compiled for.
    """

    start: Callable[[Array], Any]
    advance: Callable[[Any, Array, Any, tuple[Any, ...]], tuple[Any, Any]]
    result: Callable[[Any], Array]
    fused: int
    bytes_needed: int
    algorithm: Algorithm


class BatchProgress(NamedTuple):
    """What a callback is told after each call of the program.

    Attributes:
        step: evaluations made so far by the cell that has made most.
        values: the lowest loss of each cell so far; nan for one that has failed.
        running: how many cells have not ended.
        seconds: since the start.
    """

    step: int
    values: list[float]
    running: int
    seconds: float


BatchCallback = Callable[[BatchProgress], bool | None]
"""Ends all cells after the step in hand by returning True."""


def compile_batch(
    evaluate: Evaluate,
    x: Any,
    arguments: tuple[Any, ...],
    axes: tuple[Any, ...],
    algorithm: Algorithm,
    *,
    steps_per_call: int = 1,
) -> BatchProgram:
    """Compile a batch for arrays of these shapes and places; runs nothing.

    Args:
        evaluate: as in ``loop.minimise``, for one cell.
        x: array or ``ShapeDtypeStruct`` (cells, ...); its sharding is that of the whole state.
        arguments: arrays or shapes of what follows x.
        axes: for each argument 0 where it has a cell axis, None where all cells share it, or a
            tree of these, as in ``jax.vmap``.
        algorithm: of all cells; its numbers may be others in ``minimise_batch``.
        steps_per_call: steps fused into one call; keep it 1 on CPU.
    """
    place = getattr(x, "sharding", None)
    start = jax.jit(jax.vmap(algorithm.init), out_shardings=place).lower(x).compile()
    state = _shapes(jax.eval_shape(jax.vmap(algorithm.init), _shapes(x, None)), place)
    remaining = jax.ShapeDtypeStruct(x.shape[:1], jnp.int32, sharding=place)
    number = jax.ShapeDtypeStruct(x.shape[:1], x.dtype, sharding=place)
    algorithms = jax.tree.map(lambda _: number, algorithm)
    step = partial(_advance, evaluate, axes, steps_per_call)
    inputs = state, remaining, algorithms, arguments
    advance = compiled(step, inputs, donate_argnums=0, out_shardings=(place, None))
    result = jax.jit(jax.vmap(algorithm.result)).lower(state).compile()
    used = advance.memory_analysis()
    needed = 0
    if used is not None:
        needed = used.temp_size_in_bytes + used.argument_size_in_bytes + used.output_size_in_bytes
        needed -= used.alias_size_in_bytes
    return BatchProgram(start, advance, result, steps_per_call, needed, algorithm)


def minimise_batch(
    program: BatchProgram,
    x: Float[Array, "cells *shape"],
    arguments: tuple[Any, ...],
    stoppings: Sequence[Stopping],
    *,
    algorithms: Sequence[Algorithm] | None = None,
    callback: BatchCallback | None = None,
) -> list[Outcome | InputError]:
    """Minimise all cells at once.

    Ctrl-C ends every cell after the step in hand, with reason ``INTERRUPTED``.

    Args:
        program: compiled for arrays of these shapes and places.
        stoppings: one per cell; fewer than there are cells in ``x`` where its last ones are only
            there to fill the batch: those are computed and dropped.
        algorithms: one per stopping, that of the program but for its numbers; by default that of
            the program for all.
        callback: called on the host after every call of the program; all cells end where it
            returns True.

    Returns:
        An outcome per stopping; an error in the place of a cell whose loss at its start, or the
        gradient there, is not finite.
    """
    filling = x.shape[0] - len(stoppings)
    watches = [Watch(stopping) for stopping in stoppings]
    failures: dict[int, InputError] = {}
    reasons: dict[int, Ending] = {}
    own = list(algorithms or [program.algorithm] * len(stoppings))
    numbers = _numbers_of(own + own[-1:] * filling, x)
    state = program.start(x)
    with deferred_interrupt() as interrupted, traced_steps() as step_begins:
        while True:
            for cell, watch in enumerate(watches):
                watch.interrupted = interrupted
                if cell not in reasons and (reason := watch.reason()) is not None:
                    reasons[cell] = reason
            left = [
                0 if cell in reasons else watch.stopping.steps - len(watch.values)
                for cell, watch in enumerate(watches)
            ]
            if not any(left):
                break
            remaining = _like_cells(x, np.array(left + [0] * filling, np.int32))
            step_begins()
            state, reports = program.advance(state, remaining, numbers, arguments)
            values, _, stalled = _on_host(reports, program.fused)
            for cell, watch in enumerate(watches):
                try:
                    for step in range(min(program.fused, left[cell])):
                        watch.add(float(values[step][cell]), bool(stalled[step][cell]))
                except InputError as error:
                    failures[cell], reasons[cell] = error, Ending.STALLED
            if callback is not None and is_stop(callback(_progress(watches, reasons, failures))):
                for watch in watches:
                    watch.stopped = True
        pictures = program.result(state)
        results = np.array(pictures)
        # The same program once more, nobody moving: the losses of just what is returned.
        nobody = _like_cells(x, np.zeros(x.shape[0], np.int32))
        _, reports = program.advance(state._replace(trial=pictures), nobody, numbers, arguments)
        values, terms, _ = _on_host(reports, program.fused)

    def outcome(cell: int, watch: Watch) -> Outcome | InputError:
        if cell in failures:
            return failures[cell]
        own_terms = jax.tree.map(lambda leaf: float(leaf[0][cell]), terms)
        return watch.outcome(results[cell], float(values[0][cell]), own_terms, reasons[cell])

    return [outcome(cell, watch) for cell, watch in enumerate(watches)]


def _advance(
    evaluate: Evaluate,
    axes: tuple[Any, ...],
    fused: int,
    state: Any,
    remaining: Int[Array, " cells"],
    algorithms: Any,
    arguments: tuple[Any, ...],
) -> tuple[Any, Any]:
    def one_cell(state: Any, left: Array, algorithm: Algorithm, *arguments: Any) -> tuple[Any, Any]:
        (value, terms), gradient = evaluate(state.trial, *arguments)
        value = usable(value, gradient)
        moved = algorithm.update(state, value, gradient)
        kept = jax.tree.map(lambda new, old: jnp.where(left > 0, new, old), moved, state)
        return kept, (value, terms, algorithm.stalled(kept))

    all_cells = jax.vmap(one_cell, in_axes=(0, 0, 0, *axes))

    def step(carry: tuple[Any, Array], _: None) -> tuple[Any, Any]:
        state, left = carry
        state, report = all_cells(state, left, algorithms, *arguments)
        return (state, left - 1), report

    if fused == 1:
        (state, _), report = step((state, remaining), None)
        return state, report
    (state, _), reports = jax.lax.scan(step, (state, remaining), length=fused)
    return state, reports


def _on_host(reports: Any, fused: int) -> Any:
    """Reports as NumPy arrays (steps, cells)."""
    return jax.tree.map(lambda leaf: leaf[None] if fused == 1 else leaf, jax.device_get(reports))


def _progress(
    watches: Sequence[Watch], reasons: dict[int, Ending], failures: dict[int, InputError]
) -> BatchProgress:
    bests = [
        float("nan") if cell in failures else watch.bests[-1] if watch.bests else float("nan")
        for cell, watch in enumerate(watches)
    ]
    steps = max(len(watch.values) for watch in watches)
    return BatchProgress(steps, bests, len(watches) - len(reasons), watches[0].seconds)


def _numbers_of(algorithms: Sequence[Algorithm], x: Array) -> Any:
    """One algorithm for all cells, with the numbers of each."""
    return jax.tree.map(lambda *numbers: _like_cells(x, np.array(numbers, x.dtype)), *algorithms)


def _like_cells(x: Array, values: np.ndarray) -> Array:
    return jax.device_put(values, x.sharding)


def _shapes(tree: Any, place: Any) -> Any:
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), tree
    )
