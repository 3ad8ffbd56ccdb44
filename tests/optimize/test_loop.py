"""The loop: when it stops, what it tells, and what Ctrl-C does to it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problems import (
    QUADRATIC,
    ROSENBROCK,
    as_float32,
    evaluate_of,
    rosenbrock,
    rosenbrock_start,
    stretched,
)

from jaxstyle.errors import InputError
from jaxstyle.optimize import LBFGS, Adam, LoopOptions, Outcome, Progress, Stopping, minimise
from jaxstyle.optimize.loop import _advance

ALGORITHMS = [LBFGS(), Adam(0.05, average=0.9)]
NAMES = ["lbfgs", "adam"]


def start() -> jax.Array:
    return jnp.asarray(rosenbrock_start(20), jnp.float32)


def run(stopping: Stopping, algorithm: Any = ALGORITHMS[0], **options: Any) -> Outcome:
    return minimise(ROSENBROCK, start(), (), algorithm, stopping, LoopOptions(**options))


@pytest.fixture(autouse=True)
def usual_ctrl_c() -> Iterator[None]:
    """Tests started in the background may find the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=NAMES)
@pytest.mark.parametrize("steps", [1, 12])
def test_it_stops_after_so_many_steps(algorithm, steps):
    found = run(Stopping(steps), algorithm)
    assert found.reason == "steps"
    assert found.steps == len(found.values) == steps


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=NAMES)
def test_the_outcome_gives_the_loss_of_what_is_returned(algorithm):
    found = run(Stopping(15), algorithm)
    assert found.x.dtype == np.float32 and found.x.shape == (20,)
    np.testing.assert_allclose(found.value, rosenbrock(found.x.astype(np.float64)), rtol=1e-4)
    assert found.terms == {"value": found.value}
    assert isinstance(found.value, float) and all(isinstance(v, float) for v in found.values)


def test_lbfgs_returns_the_best_of_all_it_evaluated():
    found = run(Stopping(40))
    np.testing.assert_allclose(found.value, min(found.values), rtol=1e-5)


@pytest.mark.parametrize("tolerance", [0.5, 0.05])
def test_it_stops_when_ten_steps_gain_less_than_the_tolerance_and_not_before(tolerance):
    found = run(Stopping(500, tolerance=tolerance))
    assert found.reason == "tolerance"
    bests = np.minimum.accumulate(found.values)
    gains = 1 - bests[10:] / bests[:-10]
    assert gains[-1] <= tolerance
    assert (gains[:-1] > tolerance).all()


def test_without_a_tolerance_a_plateau_does_not_stop_it():
    flat = evaluate_of(lambda x: 1.0 + 1e-9 * jnp.sum(x))
    found = minimise(flat, start(), (), Adam(), Stopping(30))
    assert found.reason == "steps"


def test_it_stops_on_time_after_the_step_in_hand():
    found = run(Stopping(10**6, max_seconds=0.3), callback=lambda _: time.sleep(0.1))
    assert found.reason == "max_seconds"
    assert 1 <= found.steps <= 4
    assert found.seconds >= 0.3


def test_however_short_the_time_one_step_is_made():
    assert run(Stopping(10, max_seconds=0.0)).steps == 1


def test_it_stops_when_there_is_no_descent_left():
    bowl = evaluate_of(lambda x: 1.0 + jnp.sum(jnp.square(x)))
    found = minimise(bowl, start(), (), LBFGS(), Stopping(500))
    assert found.reason == "stalled"
    assert found.steps < 100
    np.testing.assert_allclose(found.x, 0, atol=1e-2)


@pytest.mark.parametrize("steps_per_call", [1, 4])
def test_a_callback_is_told_of_every_step_in_order(steps_per_call):
    told: list[Progress] = []
    found = run(Stopping(11), callback=told.append, steps_per_call=steps_per_call)
    assert [entry.step for entry in told] == list(range(1, 12))
    assert [entry.value for entry in told] == found.values
    assert [entry.terms["value"] for entry in told] == found.values
    assert [entry.best for entry in told] == list(np.minimum.accumulate(found.values))
    seconds = [entry.seconds for entry in told]
    assert seconds == sorted(seconds) and 0 < seconds[0] and seconds[-1] <= found.seconds


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=NAMES)
def test_current_is_the_result_so_far_and_outlives_the_steps_after_it(algorithm):
    pictures: list[np.ndarray] = []
    copies: list[np.ndarray] = []

    def keep(progress: Progress) -> None:
        pictures.append(progress.current())
        copies.append(pictures[-1].copy())

    found = run(Stopping(10), algorithm, callback=keep)
    np.testing.assert_array_equal(pictures, copies)
    np.testing.assert_array_equal(pictures[-1], found.x)
    for steps in (1, 4):
        np.testing.assert_array_equal(pictures[steps - 1], run(Stopping(steps), algorithm).x)
    pictures[0][:] = 7  # the caller's own


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=NAMES)
@pytest.mark.parametrize("steps", [3, 8, 11])
def test_fused_steps_are_the_same_steps(algorithm, steps):
    single = run(Stopping(steps), algorithm)
    fused = run(Stopping(steps), algorithm, steps_per_call=4)
    assert fused.steps == steps and fused.reason == "steps"
    np.testing.assert_allclose(fused.values, single.values, rtol=1e-3)
    np.testing.assert_allclose(fused.x, single.x, atol=1e-4)


def test_runs_that_differ_in_numbers_only_share_one_program():
    matrix, optimum = stretched(20)
    program: Any = _advance
    before = program._cache_size()
    for factor in (1.0, 2.0, 3.0):
        arguments = as_float32(factor * matrix, factor * optimum)
        # Equal algorithms, but not the same one.
        minimise(QUADRATIC, factor * start(), arguments, LBFGS(first_step=0.01), Stopping(4))
    assert program._cache_size() == before + 1


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=NAMES)
def test_the_arrays_of_the_caller_stay_valid(algorithm):
    x = start()
    arguments = as_float32(*stretched(20))
    minimise(QUADRATIC, x, arguments, algorithm, Stopping(4))
    np.testing.assert_array_equal(x, np.asarray(rosenbrock_start(20), np.float32))
    assert not any(argument.is_deleted() for argument in arguments)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: jnp.sum(x) * jnp.nan, "nan"),
        (lambda x: jnp.sum(x) + jnp.inf, "inf"),
        (lambda x: jnp.sum(jnp.sqrt(x - x)), "nan"),  # a loss of 0, but no gradient
    ],
    ids=["nan", "inf", "gradient"],
)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=NAMES)
def test_a_start_that_is_not_finite_is_an_error(function, said, algorithm):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InputError, match=said):
        minimise(evaluate_of(function), start(), (), algorithm, Stopping(5))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_loss_without_a_gradient_is_not_called_the_best():
    def pit(x: jax.Array) -> Any:
        """Falls to -1e6 where x is negative, without a slope there."""
        inside = x[0] < 0.0
        value = jnp.where(inside, -1e6, jnp.sum(jnp.square(x + 1.0)))
        return (value, {}), jnp.where(inside, jnp.nan, 2.0 * (x + 1.0))

    told: list[Progress] = []
    found = minimise(pit, jnp.full(3, 0.01), (), LBFGS(), Stopping(6), LoopOptions(told.append))
    assert np.isnan(found.values).any()
    assert min(entry.best for entry in told) > 0
    assert found.value > 0


def test_ctrl_c_ends_the_run_with_the_best_so_far():
    before = signal.getsignal(signal.SIGINT)

    def press(progress: Progress) -> None:
        if progress.step == 5:
            press_ctrl_c()

    found = run(Stopping(100), callback=press)
    assert found.reason == "interrupted"
    assert found.steps == 5
    np.testing.assert_allclose(found.value, min(found.values), rtol=1e-5)
    np.testing.assert_array_equal(found.x, run(Stopping(5)).x)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_raises_at_once():
    before = signal.getsignal(signal.SIGINT)
    steps: list[int] = []

    def press_twice(progress: Progress) -> None:
        press_ctrl_c()
        steps.append(progress.step)
        press_ctrl_c()
        time.sleep(1)  # for the signal to arrive
        raise AssertionError("not reached")

    with pytest.raises(KeyboardInterrupt):
        run(Stopping(100), callback=press_twice)
    assert steps == [1]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_error_in_a_callback_comes_through_and_leaves_ctrl_c_as_it_was():
    before = signal.getsignal(signal.SIGINT)

    def fail(_: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(Stopping(5), callback=fail)
    assert signal.getsignal(signal.SIGINT) is before


def test_it_works_outside_the_main_thread():
    found: list[Outcome] = []
    thread = threading.Thread(target=lambda: found.append(run(Stopping(5))))
    thread.start()
    thread.join()
    assert found[0].reason == "steps"
    np.testing.assert_array_equal(found[0].x, run(Stopping(5)).x)
