"""The bridge to scipy's L-BFGS-B: the reference that the other optimisers are held against."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from problems import (
    QUADRATIC,
    ROSENBROCK,
    as_float32,
    evaluate_of,
    quadratic,
    rosenbrock,
    rosenbrock_gradient,
    rosenbrock_start,
    stretched,
)

from jaxstyle.errors import InputError
from jaxstyle.optimize import Progress, ScipyLBFGSB, Stopping

START = rosenbrock_start(20)


def start32() -> jax.Array:
    return jnp.asarray(START, jnp.float32)


def banana(x: np.ndarray) -> tuple[float, np.ndarray]:
    return rosenbrock(x), rosenbrock_gradient(x)


def on_the_host(function: Callable[[np.ndarray], tuple[float, np.ndarray]]) -> Callable[..., Any]:
    """An ``evaluate`` that asks a NumPy function, in float32 as the device would answer."""

    def ask(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, gradient = function(np.asarray(x, np.float64))
        return np.asarray(value, np.float32), np.asarray(gradient, np.float32)

    def evaluate(x: jax.Array) -> Any:
        shapes = jax.ShapeDtypeStruct((), x.dtype), jax.ShapeDtypeStruct(x.shape, x.dtype)
        value, gradient = jax.pure_callback(ask, shapes, x)
        return (value, {"value": value}), gradient

    return evaluate


def test_it_reaches_what_scipy_reaches_by_itself():
    bridge = ScipyLBFGSB().minimise(ROSENBROCK, start32(), (), Stopping(150))
    alone = scipy.optimize.minimize(
        banana, START, jac=True, method="L-BFGS-B", options={"maxfun": 150, "ftol": 0, "gtol": 0}
    )
    assert bridge.value < 1e-3 and alone.fun < 1e-3
    np.testing.assert_allclose(bridge.x, alone.x, atol=0.02)
    assert bridge.x.dtype == np.float32


def test_scipy_works_in_float64_and_is_given_the_very_values_of_the_device(monkeypatch):
    seen: list[tuple[Any, Any, Any]] = []
    original = scipy.optimize.minimize

    def spy(function: Callable[..., Any], x: np.ndarray, **options: Any) -> Any:
        def watched(point: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = function(point)
            seen.append((point.copy(), value, gradient))
            return value, gradient

        return original(watched, x, **options)

    monkeypatch.setattr("jaxstyle.optimize.scipy_lbfgsb.minimize", spy)
    found = ScipyLBFGSB().minimise(ROSENBROCK, start32(), (), Stopping(6))
    assert len(seen) == 6
    for point, value, gradient in seen:
        assert point.dtype == gradient.dtype == np.float64
        (expected, _), slope = jax.jit(ROSENBROCK)(jnp.asarray(point, jnp.float32))
        np.testing.assert_allclose(value, float(expected), rtol=1e-6)
        np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-4)
    # Steps are not rounded to float32 on the way, only what the device is given is.
    assert any((point != point.astype(np.float32)).any() for point, _, _ in seen)
    assert found.values == [value for _, value, _ in seen]


def test_the_best_point_is_kept_though_it_is_not_the_last():
    points: list[np.ndarray] = []

    def first_dip(x: np.ndarray) -> tuple[float, np.ndarray]:
        points.append(x.copy())
        value, gradient = banana(x)
        return (value - 1e3 if len(points) == 2 else value), gradient

    found = ScipyLBFGSB().minimise(on_the_host(first_dip), start32(), (), Stopping(12))
    assert 2 < found.steps
    assert found.value == min(found.values) == found.values[1] == found.terms["value"]
    np.testing.assert_allclose(found.x, points[1], rtol=1e-6)


ONE_NAN = np.where(np.arange(20) == 2, np.nan, 1.0)
BAD_ANSWERS = {
    "nan": lambda value, gradient: (np.nan, gradient),
    "inf": lambda value, gradient: (np.inf, gradient),
    "-inf": lambda value, gradient: (-np.inf, gradient),
    "one nan in the gradient": lambda value, gradient: (value - 1e3, gradient * ONE_NAN),
    "inf gradient": lambda value, gradient: (value, gradient * np.inf),
    "all nan": lambda value, gradient: (np.nan, gradient * np.nan),
}


@pytest.mark.parametrize("bad", BAD_ANSWERS)
def test_evaluations_that_are_not_finite_neither_end_nor_poison_the_run(bad):
    steps, when = itertools.count(), {1, 7, 8, 9, 20, *range(30, 60, 3)}

    def sometimes(x: np.ndarray) -> tuple[float, np.ndarray]:
        answer = banana(x)
        return BAD_ANSWERS[bad](*answer) if next(steps) in when else answer

    found = ScipyLBFGSB().minimise(on_the_host(sometimes), start32(), (), Stopping(200))
    assert found.value < 1e-3
    np.testing.assert_allclose(found.value, rosenbrock(found.x.astype(np.float64)), atol=1e-4)
    assert found.value == np.nanmin(np.where(np.isfinite(found.values), found.values, np.nan))
    np.testing.assert_allclose(found.x, np.ones(20), atol=0.05)


def test_a_region_without_numbers_is_left_again():
    def walled(x: jax.Array) -> jax.Array:
        value = jnp.sum(jnp.square(x - 0.9) * (1.0 + jnp.arange(x.size, dtype=x.dtype)))
        return jnp.where(jnp.max(x) > 1.0, jnp.nan, value)

    found = ScipyLBFGSB().minimise(evaluate_of(walled), jnp.full(5, -3.0), (), Stopping(60))
    assert np.isnan(found.values).any()
    np.testing.assert_allclose(found.x, 0.9, atol=1e-2)


def test_a_start_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="nan"):
        ScipyLBFGSB().minimise(
            evaluate_of(lambda x: jnp.sum(x) * jnp.nan), jnp.ones(3), (), Stopping(5)
        )
    with pytest.raises(InputError, match="nan"):  # the loss is a number, its gradient is not
        ScipyLBFGSB().minimise(
            evaluate_of(lambda x: jnp.sum(jnp.sqrt(x))), jnp.zeros(3), (), Stopping(5)
        )


def test_bounds_are_kept_and_the_optimum_within_them_is_found():
    matrix, optimum = stretched(20, condition=100.0)
    bounds, start = (-0.3, 0.4), jnp.full(20, 0.2)
    seen: list[np.ndarray] = []
    found = ScipyLBFGSB(bounds=bounds).minimise(
        QUADRATIC, start, as_float32(matrix, optimum), Stopping(100),
        callback=lambda progress: seen.append(progress.current()),
    )  # fmt: skip
    expected = scipy.optimize.minimize(
        lambda x: (quadratic(x, matrix, optimum), matrix @ (x - optimum)),
        np.full(20, 0.2), jac=True, bounds=[bounds] * 20, method="L-BFGS-B",
    )  # fmt: skip
    low, high = np.array(bounds, np.float32)
    assert np.min(seen) >= low and np.max(seen) <= high
    assert (found.x == low).any() and (found.x == high).any()
    np.testing.assert_allclose(found.x, expected.x, atol=2e-3)
    np.testing.assert_allclose(found.value, expected.fun, rtol=1e-4)


def test_a_start_out_of_bounds_is_moved_to_them():
    found = ScipyLBFGSB(bounds=(0.0, 1.0)).minimise(
        evaluate_of(lambda x: jnp.sum(x)), jnp.asarray([-3.0, 7.0]), (), Stopping(1)
    )
    np.testing.assert_array_equal(found.x, [0.0, 1.0])


@pytest.mark.parametrize("steps", [1, 7])
def test_it_stops_after_exactly_so_many_evaluations(steps):
    calls = 0

    def counted(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal calls
        calls += 1
        return banana(x)

    progress: list[Progress] = []
    found = ScipyLBFGSB().minimise(
        on_the_host(counted), start32(), (), Stopping(steps), callback=progress.append
    )
    assert calls == found.steps == len(found.values) == steps
    assert found.reason == "steps"
    assert [entry.step for entry in progress] == list(range(1, steps + 1))
    assert [entry.best for entry in progress] == list(np.minimum.accumulate(found.values))
    assert [entry.terms["value"] for entry in progress] == found.values


def test_it_stops_on_tolerance():
    found = ScipyLBFGSB().minimise(ROSENBROCK, start32(), (), Stopping(500, tolerance=0.05))
    assert found.reason == "tolerance"
    bests = np.minimum.accumulate(found.values)
    assert bests[-11] - bests[-1] <= 0.05 * bests[-11]
    assert all(bests[i - 10] - bests[i] > 0.05 * bests[i - 10] for i in range(10, len(bests) - 1))


def test_it_stops_on_time_but_evaluates_once():
    found = ScipyLBFGSB().minimise(ROSENBROCK, start32(), (), Stopping(500, max_seconds=0.0))
    assert found.reason == "max_seconds"
    assert found.steps == 1
    np.testing.assert_array_equal(found.x, start32())


def test_it_says_so_when_there_is_no_descent_left():
    found = ScipyLBFGSB().minimise(
        evaluate_of(lambda x: 1 + jnp.sum(x * x)), start32(), (), Stopping()
    )
    assert found.reason == "stalled"
    assert found.steps < 20
    np.testing.assert_allclose(found.x, 0, atol=1e-3)


def test_an_interrupt_ends_it_with_the_best_so_far():
    before = signal.getsignal(signal.SIGINT)

    def press(progress: Progress) -> None:
        if progress.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    found = ScipyLBFGSB().minimise(ROSENBROCK, start32(), (), Stopping(50), callback=press)
    assert found.reason == "interrupted"
    assert found.steps == 5
    assert found.value == min(found.values)
    assert signal.getsignal(signal.SIGINT) is before


def test_what_current_gives_stays_as_it_is():
    kept: list[np.ndarray] = []
    copies: list[np.ndarray] = []

    def keep(progress: Progress) -> None:
        kept.append(progress.current())
        copies.append(kept[-1].copy())

    ScipyLBFGSB().minimise(ROSENBROCK, start32(), (), Stopping(8), callback=keep)
    np.testing.assert_array_equal(kept, copies)
    assert not np.array_equal(kept[0], kept[-1])


def test_several_runs_compile_once():
    traces = 0

    def counted(x: jax.Array, scale: jax.Array) -> jax.Array:
        nonlocal traces
        traces += 1
        return scale * rosenbrock(x)

    evaluate = evaluate_of(counted)
    for scale in (1.0, 2.0, 3.0):
        ScipyLBFGSB().minimise(evaluate, start32(), as_float32(scale), Stopping(3))
    assert traces == 1
