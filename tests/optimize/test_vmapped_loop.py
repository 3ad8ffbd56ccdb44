"""Many minimisations as one program: each cell gets what it would have got alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problems import QUADRATIC, ROSENBROCK, as_float32, evaluate_of, rosenbrock_start, stretched

from jaxstyle.errors import InputError
from jaxstyle.network.weights import load_weights
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Targets, make_weights, model_of
from jaxstyle.objective.targets import content_targets
from jaxstyle.objective.targets import style_targets as targets_of_style
from jaxstyle.optimize import LBFGS, Adam, Outcome, Stopping, minimise
from jaxstyle.optimize.vmapped_loop import (
    BatchProgram,
    BatchProgress,
    compile_batch,
    minimise_batch,
)

ALGORITHMS = [LBFGS(), Adam(0.02, average=0.9)]
NAMES = ["lbfgs", "adam"]
CELLS, SIZE = 4, 12


@pytest.fixture(autouse=True)
def usual_ctrl_c() -> Iterator[None]:
    """Tests started in the background may find the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def starts(dtype: Any = jnp.float32) -> jax.Array:
    """One start per cell, each on another scale."""
    return jnp.asarray(rosenbrock_start(SIZE) * np.linspace(0.4, 1.2, CELLS)[:, None], dtype)


@pytest.fixture(scope="module", params=ALGORITHMS, ids=NAMES)
def valley(request) -> tuple[Any, BatchProgram]:
    """An algorithm, and its program for Rosenbrock's valley."""
    return request.param, compile_batch(ROSENBROCK, starts(), (), (), request.param)


@pytest.fixture(scope="module")
def descent() -> BatchProgram:
    return compile_batch(ROSENBROCK, starts(), (), (), LBFGS())


def run(
    program: BatchProgram, stoppings: Sequence[Stopping], x: jax.Array | None = None, **options: Any
) -> list[Any]:
    return minimise_batch(program, starts() if x is None else x, (), stoppings, **options)


def same(one: Outcome, other: Outcome) -> None:
    """Bit for bit, however long the rest of their batches went on."""
    np.testing.assert_array_equal(one.x, other.x)
    assert (one.value, one.terms, one.steps) == (other.value, other.terms, other.steps)
    assert one.values == other.values


def test_cells_are_as_if_alone(valley):
    algorithm, program = valley
    together = run(program, [Stopping(12)] * CELLS)
    for cell, found in enumerate(together):
        alone = minimise(ROSENBROCK, starts()[cell], (), algorithm, Stopping(12))
        np.testing.assert_allclose(found.values, alone.values, rtol=1e-3)
        np.testing.assert_allclose(found.x, alone.x, atol=1e-3)
        assert (found.steps, found.reason) == (12, "steps")
        np.testing.assert_allclose(found.value, alone.value, rtol=1e-3)
        assert found.terms == {"value": found.value}
        assert isinstance(found.value, float) and found.x.shape == (SIZE,)


def test_cells_may_share_arguments_and_have_others_of_their_own():
    algorithm = ALGORITHMS[1]
    matrix, optimum = stretched(SIZE, 30)
    own = np.stack([optimum * factor for factor in (1, 2, -1, 0.5)])
    with jax.enable_x64(True):
        x = starts(jnp.float64)
        arguments = jnp.asarray(matrix), jnp.asarray(own)
        program = compile_batch(QUADRATIC, x, arguments, (None, 0), algorithm)
        together = minimise_batch(program, x, arguments, [Stopping(30)] * CELLS)
        for cell, found in enumerate(together):
            mine = arguments[0], arguments[1][cell]
            alone = minimise(QUADRATIC, x[cell], mine, algorithm, Stopping(30))
            np.testing.assert_allclose(found.values, alone.values, rtol=1e-6)
            np.testing.assert_allclose(found.x, alone.x, atol=1e-9)


def test_a_cell_that_has_made_its_steps_keeps_its_state_while_others_go_on(valley):
    _, program = valley
    together = run(program, [Stopping(steps) for steps in (3, 11, 1, 7)])
    for cell, steps in enumerate((3, 11, 1, 7)):
        same(together[cell], run(program, [Stopping(steps)] * CELLS)[cell])
        assert together[cell].reason == "steps"


def test_each_cell_ends_by_its_own_tolerance(descent):
    together = run(descent, [Stopping(80, tolerance) for tolerance in (0.0, 0.5, 0.2, 0.5)])
    assert [found.reason for found in together] == ["steps"] + 3 * ["tolerance"]
    assert together[1].steps < 80
    for cell, found in enumerate(together):
        same(found, run(descent, [Stopping(found.steps)] * CELLS)[cell])


def test_a_stalled_cell_ends_and_the_others_go_on():
    bowl = evaluate_of(lambda x, tilt: 1.0 + jnp.sum(jnp.square(x)) + tilt * jnp.sum(x[1:] ** 4))
    tilts = jnp.asarray([0.0, 1e4, 0.0, 1e4], jnp.float32)
    program = compile_batch(bowl, starts(), (tilts,), (0,), LBFGS())
    together = minimise_batch(program, starts(), (tilts,), [Stopping(45)] * CELLS)
    assert [found.reason for found in together] == ["stalled", "steps"] * 2
    assert together[0].steps < 45
    shorter = minimise_batch(program, starts(), (tilts,), [Stopping(together[0].steps)] * CELLS)
    same(together[0], shorter[0])


def test_cells_that_only_fill_the_batch_are_dropped(descent):
    full = run(descent, [Stopping(5)] * CELLS)
    part = run(descent, [Stopping(5)] * 2)
    assert len(part) == 2
    for found, expected in zip(part, full, strict=False):
        same(found, expected)


@pytest.mark.parametrize("damage", [np.nan, 1e30])
def test_a_cell_that_is_not_finite_fails_alone(valley, damage):
    _, program = valley
    whole = run(program, [Stopping(6)] * CELLS)
    told: list[BatchProgress] = []
    broken = run(program, [Stopping(6)] * CELLS, starts().at[2].set(damage), callback=told.append)
    assert isinstance(broken[2], InputError)
    assert "loss of the starting picture" in str(broken[2])
    for cell in (0, 1, 3):
        same(broken[cell], whole[cell])
    assert np.isnan(told[0].values[2]) and np.isfinite(np.delete(told[0].values, 2)).all()
    assert [progress.running for progress in told] == [3] * 6


def test_a_gradient_that_is_not_finite_fails_its_cell():
    root = evaluate_of(lambda x: jnp.sum(jnp.sqrt(x)))
    x = jnp.ones((2, 3), jnp.float32).at[1, 0].set(0.0)
    program = compile_batch(root, x, (), (), Adam())
    found = minimise_batch(program, x, (), [Stopping(2)] * 2)
    assert isinstance(found[0], Outcome) and isinstance(found[1], InputError)


def test_fused_steps_are_the_same_steps(valley):
    algorithm, single = valley
    fused = compile_batch(ROSENBROCK, starts(), (), (), algorithm, steps_per_call=4)
    stoppings = [Stopping(steps) for steps in (3, 8, 11, 2)]
    told: list[BatchProgress] = []
    for one, other in zip(
        run(single, stoppings), run(fused, stoppings, callback=told.append), strict=True
    ):
        assert (one.steps, one.reason) == (other.steps, other.reason)
        np.testing.assert_allclose(other.values, one.values, rtol=1e-3)
        np.testing.assert_allclose(other.x, one.x, atol=1e-4)
        np.testing.assert_allclose(other.value, one.value, rtol=1e-3)
    assert [progress.step for progress in told] == [4, 8, 11]


def test_a_program_is_traced_once_whatever_the_numbers():
    traces = 0

    def counted(x: jax.Array, target: jax.Array) -> jax.Array:
        nonlocal traces
        traces += 1
        return jnp.sum(jnp.square(x - target))

    targets = starts()
    program = compile_batch(evaluate_of(counted), starts(), (targets,), (0,), Adam())
    assert traces == 1
    for factor in as_float32(1.0, 2.0):
        found = minimise_batch(program, starts() * factor, (targets * 3,), [Stopping(4)] * CELLS)
        assert all(isinstance(outcome, Outcome) for outcome in found)
    assert traces == 1


def test_each_cell_has_its_own_rate_and_average():
    program = compile_batch(ROSENBROCK, starts(), (), (), Adam())
    own = [Adam(0.1 / (1 + cell), average=0.3 * cell) for cell in range(CELLS - 1)]
    found = run(program, [Stopping(4)] * len(own), algorithms=own)
    for x, algorithm, outcome in zip(starts(), own, found, strict=False):
        alone = minimise(ROSENBROCK, x, (), algorithm, Stopping(4))
        np.testing.assert_allclose(outcome.values, alone.values, rtol=1e-4)
        np.testing.assert_allclose(outcome.x, alone.x, rtol=1e-4)


def test_the_arrays_of_the_caller_stay_valid(valley):
    _, program = valley
    x = starts()
    run(program, [Stopping(3)] * CELLS, x)
    np.testing.assert_array_equal(x, starts())


def test_the_callback_hears_the_lowest_losses_and_who_still_runs(descent):
    told: list[BatchProgress] = []
    found = run(descent, [Stopping(steps) for steps in (2, 9, 5, 9)], callback=told.append)
    assert [progress.step for progress in told] == list(range(1, 10))
    for progress in told:
        lowest = [min(outcome.values[: progress.step]) for outcome in found]
        assert progress.values == lowest
    # Who is through is noticed before the next step.
    assert [progress.running for progress in told] == [4, 4, 3, 3, 3, 2, 2, 2, 2]
    assert found[1].seconds >= told[-1].seconds > told[0].seconds > 0


def test_ctrl_c_ends_all_cells_with_what_they_have(descent):
    before = signal.getsignal(signal.SIGINT)

    def press(progress: BatchProgress) -> None:
        if progress.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    found = run(descent, [Stopping(steps) for steps in (3, 100, 100, 5)], callback=press)
    assert [outcome.reason for outcome in found[:3]] == ["steps", "interrupted", "interrupted"]
    assert [outcome.steps for outcome in found] == [3, 5, 5, 5]
    assert found[3].reason in ("steps", "interrupted")
    same(found[1], run(descent, [Stopping(5)] * CELLS)[1])
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("answer", [True, np.True_, None, 1, "yes"])
def test_a_callback_ends_all_cells_by_true_alone(descent, answer):
    stoppings = [Stopping(steps) for steps in (3, 8, 8, 8)]
    found = run(descent, stoppings, callback=lambda told: answer if told.step == 5 else None)
    stops = answer is True or answer is np.True_
    later = "stopped" if stops else "steps"
    assert [outcome.reason for outcome in found] == ["steps", later, later, later]
    assert [outcome.steps for outcome in found] == [3, *[5 if stops else 8] * 3]


def test_time_ends_it_after_the_step_in_hand(descent):
    found = run(
        descent,
        [Stopping(10**6, max_seconds=0.3), *[Stopping(10**6, max_seconds=0.0)] * 3],
        callback=lambda _: time.sleep(0.1),
    )
    assert [outcome.reason for outcome in found] == ["max_seconds"] * 4
    assert 1 <= found[0].steps <= 4
    assert [outcome.steps for outcome in found[1:]] == [1, 1, 1]


def test_the_program_knows_its_memory(descent):
    held = 23 * starts().nbytes  # trial, best, gradient, ten pairs
    assert held <= descent.bytes_needed < 3 * held


OBJECTIVE = Objective(content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"))
STEPS, STEPS_IN_FLOAT64 = 50, 20
BALANCES = (0.1, 1.0, 10.0)


def picture_problem(
    dtype: Any, algorithm: Any, steps: int = STEPS
) -> tuple[list[Outcome], list[Outcome]]:
    """Three balances of style and content, from the content: together, and each alone."""
    y, x = np.mgrid[0:24, 0:32] / 32
    content = jnp.asarray(np.stack([x, y, 0.5 + 0.5 * np.sin(9 * x * y)], -1), dtype)
    style = jnp.asarray(np.random.default_rng(0).random((24, 24, 3)) ** 2, dtype)
    model = jax.tree.map(
        lambda leaf: jnp.asarray(leaf, dtype), model_of(load_weights("slim").upto("conv2_1"))
    )
    targets = Targets(
        content_targets(OBJECTIVE, model, content), targets_of_style(OBJECTIVE, model, style)
    )
    layers = (
        dict.fromkeys(OBJECTIVE.content_layers, 1.0),
        dict.fromkeys(OBJECTIVE.style_layers, 1.0),
    )
    weights = [
        jax.tree.map(lambda leaf: leaf.astype(dtype), make_weights(1.0, balance, 5.0, *layers))
        for balance in BALANCES
    ]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *weights)
    pictures = jnp.stack([content] * len(BALANCES))
    arguments = model, targets, stacked
    program = compile_batch(OBJECTIVE, pictures, arguments, (None, None, 0), algorithm)
    together = minimise_batch(program, pictures, arguments, [Stopping(steps)] * len(BALANCES))
    alone = [
        minimise(OBJECTIVE, content, (model, targets, own), algorithm, Stopping(steps))
        for own in weights
    ]
    return together, alone  # type: ignore[return-value]


def test_lbfgs_in_float64_paints_what_separate_runs_paint():
    with jax.enable_x64(True):
        together, alone = picture_problem(jnp.float64, LBFGS(bounds=(0.0, 1.0)), STEPS_IN_FLOAT64)
    for one, other in zip(together, alone, strict=True):
        assert one.x.dtype == np.float64
        np.testing.assert_allclose(one.values, other.values, rtol=1e-6)
        assert one.value < 0.5 * one.values[0]


def test_lbfgs_in_float32_goes_as_far_as_separate_runs():
    """Rounding is amplified step by step, so that only the first ones can be the same."""
    together, alone = picture_problem(jnp.float32, LBFGS(bounds=(0.0, 1.0)))
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.values[:8], other.values[:8], rtol=1e-4)
        np.testing.assert_allclose(one.value, other.value, rtol=0.05)


def test_adam_in_float32_paints_what_separate_runs_paint():
    together, alone = picture_problem(jnp.float32, Adam(0.02, 0.9, (0.0, 1.0)))
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-3)
        np.testing.assert_allclose(one.value, other.value, rtol=1e-3)
        assert one.value < one.values[0]
