"""Cells spread over devices: the same numbers, each device by itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problems import QUADRATIC, rosenbrock_start, stretched

from jaxstyle.errors import InputError
from jaxstyle.network.weights import load_weights
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Targets, make_weights, model_of
from jaxstyle.objective.targets import content_targets, style_targets
from jaxstyle.optimize import LBFGS, Adam, Outcome, Stopping
from jaxstyle.pipelines import chunk_program
from jaxstyle.pipelines.chunk_program import OWN, SHARED, Sweep

OBJECTIVE = Objective(content_layers=("relu1_2",), style_layers=("relu1_1", "pool1"))
LAYERS = {"relu1_2": 1.0}, {"relu1_1": 1.0, "pool1": 1.0}
ALGORITHMS = {"lbfgs": LBFGS(3, bounds=(0.0, 1.0)), "adam": Adam(0.02)}
COLLECTIVES = ("all-reduce", "all-gather", "collective-permute", "all-to-all", "reduce-scatter")
SIDE = 16


class Problem(NamedTuple):
    """Cells with pictures, content targets and weights of their own; network and style shared."""

    starts: list[np.ndarray]
    arguments: list[tuple[Any, ...]]
    axes: tuple[Any, ...]


@pytest.fixture(scope="module")
def problem() -> Problem:
    random = np.random.default_rng(0)
    model = model_of(load_weights("slim").upto("conv1_2"))
    pictures = [random.random((SIDE, SIDE, 3), np.float32) for _ in range(16)]
    style = style_targets(OBJECTIVE, model, jnp.asarray(random.random((9, 9, 3), np.float32)))
    arguments = [
        (
            model,
            Targets(content_targets(OBJECTIVE, model, jnp.asarray(picture)), style),
            make_weights(1.0, 0.1 * (1 + cell), 1.0, *LAYERS),
        )
        for cell, picture in enumerate(pictures)
    ]
    first = arguments[0]
    axes = (
        jax.tree.map(lambda _: SHARED, model),
        Targets(dict.fromkeys(first[1].content, OWN), jax.tree.map(lambda _: SHARED, style)),
        jax.tree.map(lambda _: OWN, first[2]),
    )
    return Problem(pictures[::-1], arguments, axes)


@pytest.fixture(scope="module", params=list(ALGORITHMS))
def pair(request) -> tuple[Sweep, Sweep]:
    """On one device and on eight."""
    algorithm = ALGORITHMS[request.param]
    return tuple(Sweep(OBJECTIVE, algorithm, jax.devices()[:n]) for n in (1, 8))  # type: ignore


def run(sweep: Sweep, problem: Problem, size: int, cells: range, steps: int = 6) -> list[Outcome]:
    found = sweep.run(
        size,
        [problem.starts[cell] for cell in cells],
        [problem.arguments[cell] for cell in cells],
        problem.axes,
        [Stopping(steps)] * len(cells),
    )
    assert all(isinstance(outcome, Outcome) for outcome in found)
    return found  # type: ignore[return-value]


def test_eight_devices_give_the_numbers_of_one(pair, problem):
    one, eight = (run(sweep, problem, 8, range(8)) for sweep in pair)
    for alone, spread in zip(one, eight, strict=True):
        np.testing.assert_allclose(spread.values, alone.values, rtol=1e-5)
        np.testing.assert_allclose(spread.value, alone.value, rtol=1e-5)
        np.testing.assert_allclose(spread.x, alone.x, atol=1e-4)
    assert len({outcome.value for outcome in eight}) == 8


def test_chunks_of_any_number_of_cells_share_one_program(pair, problem):
    sweep = pair[1]
    whole = run(sweep, problem, 8, range(8))
    compiled = len(sweep.programs)
    for cells in (range(3), range(8, 15), range(7, 8)):
        assert len(run(sweep, problem, 8, cells)) == len(cells)
    assert len(sweep.programs) == compiled == 1
    # Of a chunk that is not full: the same as of a full one.
    for found, expected in zip(run(sweep, problem, 8, range(2, 5)), whole[2:5], strict=True):
        assert found.values == expected.values
        np.testing.assert_array_equal(found.x, expected.x)


def test_no_device_waits_for_another(pair, problem):
    run(pair[1], problem, 8, range(8))
    (program,) = pair[1].programs.values()
    text = program.advance.as_text()  # type: ignore[attr-defined]
    assert "num_partitions=8" in text
    assert [name for name in COLLECTIVES if name in text] == []


def test_the_search_for_collectives_finds_one():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:8]), ("cell",))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("cell"))
    x = jax.ShapeDtypeStruct((8, 4), jnp.float32, sharding=spread)
    text = jax.jit(lambda x: jnp.sum(x)).lower(x).compile().as_text()
    assert any(name in text for name in COLLECTIVES)


def test_state_and_arguments_lie_where_they_are_needed(pair, problem, monkeypatch):
    seen: dict[str, Any] = {}
    real = chunk_program.minimise_batch

    def spy(program: Any, x: Any, arguments: Any, *rest: Any, **options: Any) -> Any:
        def advance(state: Any, remaining: Any, numbers: Any, arguments: Any) -> Any:
            seen.update(x=x, state=state, remaining=remaining, arguments=arguments)
            places = jax.tree.map(lambda leaf: leaf.sharding, state)
            state, reports = program.advance(state, remaining, numbers, arguments)
            assert jax.tree.map(lambda leaf: leaf.sharding, state) == places
            return state, reports

        return real(program._replace(advance=advance), x, arguments, *rest, **options)

    monkeypatch.setattr(chunk_program, "minimise_batch", spy)
    run(pair[1], problem, 8, range(8), steps=1)
    model, targets, weights = seen["arguments"]
    own = [seen["x"], seen["remaining"], *jax.tree.leaves((seen["state"], targets.content))]
    for leaf in [*own, *jax.tree.leaves(weights)]:
        assert leaf.shape[0] == 8
        assert leaf.sharding.shard_shape(leaf.shape) == (1, *leaf.shape[1:])
        assert len(leaf.sharding.device_set) == 8
    for leaf in jax.tree.leaves((model, targets.style)):
        assert leaf.sharding.is_fully_replicated
        assert len(leaf.sharding.device_set) == 8


def test_the_memory_asked_for_is_that_of_the_program_that_runs(pair, problem):
    sweep = pair[1]
    needed = sweep.bytes_needed(8, problem.starts[0], problem.arguments[0], problem.axes)
    run(sweep, problem, 8, range(8), steps=1)
    (program,) = sweep.programs.values()
    assert needed == program.bytes_needed
    # Each of eight devices has less to hold than one that does it all.
    whole = pair[0].bytes_needed(8, problem.starts[0], problem.arguments[0], problem.axes)
    assert problem.starts[0].nbytes < needed < whole / 2


def test_a_cell_that_is_not_finite_fails_alone(pair, problem):
    broken = problem._replace(starts=[*problem.starts])
    broken.starts[1] = np.full_like(problem.starts[1], np.nan)
    found = pair[1].run(8, broken.starts[:5], broken.arguments[:5], broken.axes, [Stopping(2)] * 5)
    assert [isinstance(one, InputError) for one in found] == [False, True, False, False, False]


@pytest.mark.parametrize(("devices", "cells"), [(3, 5), (8, 3), (1, 5)])
def test_plain_functions_on_any_number_of_devices(devices, cells):
    matrix, optimum = (np.asarray(part, np.float32) for part in stretched(6, 5))
    start = np.asarray(rosenbrock_start(6), np.float32)
    sweep = Sweep(QUADRATIC, Adam(0.1), jax.devices()[:devices], steps_per_call=3)
    size = -(-cells // devices) * devices
    found = sweep.run(
        size,
        [start * cell for cell in range(cells)],
        [(jnp.asarray(matrix), jnp.asarray(optimum * cell)) for cell in range(cells)],
        (SHARED, OWN),
        [Stopping(7)] * cells,
    )
    assert [outcome.steps for outcome in found] == [7] * cells  # type: ignore[union-attr]
    # All is 0 for the first, and in proportion for the others but for Adam's fixed steps.
    assert found[0].values == [0.0] * 7  # type: ignore[union-attr]
    firsts = [outcome.values[0] for outcome in found]  # type: ignore[union-attr]
    np.testing.assert_allclose(firsts[1:], [firsts[1] * c**2 for c in range(1, cells)], rtol=1e-5)
