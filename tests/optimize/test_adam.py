"""Adam against optax itself, and its average over iterates against a plain loop."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problems import ROSENBROCK, as_float32, evaluate_of, rosenbrock_gradient, rosenbrock_start
from samples import compilations

from jaxstyle.optimize import Adam, LoopOptions, Stopping, minimise
from jaxstyle.optimize.adam import EPSILON, AdamState, _updated_slice
from jaxstyle.optimize.host_loop import minimise_stepwise
from jaxstyle.optimize.loop import _advance


@partial(jax.jit, static_argnames="algorithm")
def update(state: AdamState, value: Any, gradient: Any, *, algorithm: Adam) -> AdamState:
    return algorithm.update(state, value, gradient)


def tried(algorithm: Adam, start: np.ndarray, steps: int) -> tuple[list[np.ndarray], AdamState]:
    """The points that it evaluates on Rosenbrock's function, and its last state."""
    state, trials = algorithm.init(jnp.asarray(start, jnp.float32)), []
    for _ in range(steps):
        trials.append(np.array(state.trial))
        answer = as_float32(1.0, rosenbrock_gradient(np.asarray(state.trial, np.float64)))
        state = update(state, *answer, algorithm=algorithm)
    return trials, state


def plain_mean(points: list[np.ndarray], decay: float) -> np.ndarray:
    """The mean that weighs a point by decay**(its age), in float64."""
    weights = np.array([decay**age for age in range(len(points))])[::-1]
    return np.average(np.asarray(points, np.float64), axis=0, weights=weights)


def test_the_iterates_are_those_of_optax():
    trials, state = tried(Adam(0.03), rosenbrock_start(20), 40)
    optimiser = optax.adam(0.03, b1=0.9, b2=0.99, eps=EPSILON)
    x: Any = jnp.asarray(rosenbrock_start(20), jnp.float32)
    moments = optimiser.init(x)
    for trial in trials:
        np.testing.assert_allclose(trial, x, rtol=1e-5, atol=1e-6)
        (gradient,) = as_float32(rosenbrock_gradient(np.asarray(x, np.float64)))
        with jax.numpy_dtype_promotion("standard"):
            change, moments = optimiser.update(gradient, moments)
        x = optax.apply_updates(x, change)
    np.testing.assert_allclose(state.trial, x, rtol=1e-5, atol=1e-6)
    assert all(leaf.dtype in (jnp.float32, jnp.int32) for leaf in jax.tree.leaves(state))


OTHERS = [Adam(0.03, average=0.5), Adam(0.01, average=0.99), Adam(0.2, average=0.0)]


@pytest.mark.parametrize(
    ("program", "loop"),
    [
        (_advance, minimise),
        (_advance, partial(minimise, options=LoopOptions(steps_per_call=3))),
        (_updated_slice, minimise_stepwise),
    ],
    ids=["compiled", "fused", "stepwise"],
)
def test_other_rates_and_averages_compile_nothing_and_are_obeyed(program, loop):
    def run(algorithm: Adam) -> np.ndarray:
        return loop(ROSENBROCK, jnp.full(11, 0.3), (), algorithm, Stopping(3)).x

    run(Adam(0.02, average=0.9))
    before = compilations(program)
    found = [run(algorithm) for algorithm in OTHERS]
    assert compilations(program) == before
    for algorithm, x in zip(OTHERS, found, strict=True):
        np.testing.assert_allclose(
            x, algorithm.result(tried(algorithm, np.full(11, 0.3), 3)[1]), rtol=1e-5
        )


@pytest.mark.parametrize("decay", [0.5, 0.98, 0.99999, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 30])
def test_the_result_is_the_weighted_mean_of_the_points_evaluated(decay, steps):
    algorithm = Adam(0.03, average=decay)
    trials, state = tried(algorithm, rosenbrock_start(20), steps)
    np.testing.assert_allclose(
        algorithm.result(state), plain_mean(trials, decay), rtol=1e-5, atol=1e-6
    )


def test_without_averaging_the_result_is_the_last_point_evaluated():
    algorithm = Adam(0.03, average=0.0)
    trials, state = tried(algorithm, rosenbrock_start(20), 5)
    np.testing.assert_array_equal(algorithm.result(state), trials[-1])


def test_before_any_evaluation_the_result_is_the_start():
    start = jnp.asarray(rosenbrock_start(5), jnp.float32)
    np.testing.assert_array_equal(Adam().result(Adam().init(start)), start)


def test_every_iterate_and_the_average_stay_within_bounds():
    algorithm = Adam(0.1, average=0.9, bounds=(-0.5, 0.4))
    trials, state = tried(algorithm, rosenbrock_start(20), 30)
    low, high = np.array(algorithm.bounds, np.float32)
    assert np.min(trials) == low and np.max(trials) == high
    result = np.asarray(algorithm.result(state))
    assert result.min() >= low and result.max() <= high


@pytest.mark.parametrize(
    ("value", "spoil"), [(np.nan, 1.0), (np.inf, 1.0), (-np.inf, 1.0), (1.0, np.nan), (1.0, np.inf)]
)
def test_an_evaluation_that_is_not_finite_changes_nothing_but_says_that_it_is_stuck(value, spoil):
    algorithm = Adam(0.03, average=0.9)
    _, before = tried(algorithm, rosenbrock_start(20), 4)
    gradient = np.ones(20)
    gradient[3] *= spoil
    after = update(before, *as_float32(value, gradient), algorithm=algorithm)
    assert algorithm.stalled(after) and not algorithm.stalled(before)
    jax.tree.map(
        np.testing.assert_array_equal,
        after._replace(refusals=before.refusals),
        before,
    )
    good = update(after, *as_float32(1.0, np.ones(20)), algorithm=algorithm)
    assert not algorithm.stalled(good)
    assert np.isfinite(good.trial).all() and (good.trial != before.trial).all()


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_run_into_a_region_without_numbers_returns_a_point_that_has_a_loss(average):
    cliff = evaluate_of(lambda x: jnp.where(x[0] > 0.5, jnp.nan, -x[0]))
    found = minimise(cliff, jnp.zeros(3), (), Adam(0.2, average), Stopping(50))
    assert found.reason == "stalled"
    assert np.isfinite(found.value) and np.isfinite(found.x).all()
    assert found.x[0] <= 0.5


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_units_of_the_loss_do_not_matter(scale):
    state = other = Adam(0.03).init(jnp.asarray(rosenbrock_start(20), jnp.float32))
    for _ in range(10):
        gradient = rosenbrock_gradient(np.asarray(state.trial, np.float64))
        state = update(state, *as_float32(1.0, gradient), algorithm=Adam(0.03))
        other = update(other, *as_float32(1.0, scale * gradient), algorithm=Adam(0.03))
    np.testing.assert_allclose(other.trial, state.trial, atol=1e-4)


def test_the_average_is_nearer_the_optimum_than_the_iterates_that_swing_round_it():
    optimum, random = np.linspace(-0.5, 0.5, 20), np.random.default_rng(0)
    algorithm = Adam(0.2, average=0.99)
    state = algorithm.init(jnp.zeros(20))
    for _ in range(400):
        # A bowl whose slope is known up to noise only, as if from a part of the data.
        slope = np.asarray(state.trial, np.float64) - optimum + random.normal(size=20)
        state = update(state, *as_float32(1.0, slope), algorithm=algorithm)
    last = np.linalg.norm(state.trial - optimum)
    assert np.linalg.norm(algorithm.result(state) - optimum) < 0.5 * last
