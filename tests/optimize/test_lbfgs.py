"""L-BFGS against a plain version of itself, and what its guard promises."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_lbfgs import Found, plain_lbfgs
from problems import (
    as_float32,
    evaluate_of,
    quadratic,
    rosenbrock,
    rosenbrock_gradient,
    rosenbrock_start,
    stretched,
)
from scipy.optimize import minimize as scipy_minimize

from jaxstyle.optimize import LBFGS, Stopping, minimise
from jaxstyle.optimize.lbfgs import GIVE_UP, PATIENCE, SHRINK, LBFGSState

DEFAULT = LBFGS()


def stepper(algorithm: LBFGS, function: Callable[..., jax.Array]) -> Callable[..., LBFGSState]:
    """One step as the loop makes it: what to jit and vmap."""

    def step(state: LBFGSState, *arguments: Any) -> LBFGSState:
        value, gradient = jax.value_and_grad(function)(state.trial, *arguments)
        return algorithm.update(state, value, gradient)

    return step


@partial(jax.jit, static_argnames="algorithm")
def update(
    state: LBFGSState, value: Any, gradient: jax.Array, *, algorithm: LBFGS = DEFAULT
) -> LBFGSState:
    """Tell the algorithm something that need not be so."""
    return algorithm.update(state, value, gradient)


def told(algorithm: LBFGS, x: Any, *answers: tuple[float, Any]) -> LBFGSState:
    """The state after being told these values and gradients, whatever the trials were."""
    state = algorithm.init(jnp.asarray(x, jnp.float32))
    for value, gradient in answers:
        state = update(state, jnp.float32(value), *as_float32(gradient), algorithm=algorithm)
    return state


def tried(
    algorithm: LBFGS, ask: Callable[[np.ndarray], Found], start: np.ndarray, steps: int, dtype: Any
) -> tuple[list[np.ndarray], LBFGSState]:
    """The points that the algorithm evaluates, and its last state."""
    state, trials = algorithm.init(jnp.asarray(start, dtype)), []
    for _ in range(steps):
        trials.append(np.array(state.trial))
        value, gradient = ask(np.asarray(state.trial, np.float64))
        value, gradient = jnp.asarray(value, dtype), jnp.asarray(gradient, dtype)
        state = update(state, value, gradient, algorithm=algorithm)
    return trials, state


def banana(x: np.ndarray) -> Found:
    return rosenbrock(x), rosenbrock_gradient(x)


def ellipse(n: int, condition: float = 1e3) -> Callable[[np.ndarray], Found]:
    matrix, optimum = stretched(n, condition)
    return lambda x: (quadratic(x, matrix, optimum), matrix @ (x - optimum))


@pytest.mark.parametrize(
    ("ask", "n", "history", "bounds"),
    [
        (banana, 50, 10, None),
        (banana, 20, 3, None),
        (banana, 20, 1, None),
        (banana, 20, 10, (-0.9, 0.7)),
        (ellipse(20), 20, 10, None),
        (ellipse(20), 20, 10, (-0.9, 0.7)),
    ],
    ids=["banana", "small memory", "one pair", "bounded banana", "ellipse", "bounded ellipse"],
)
def test_every_trial_is_that_of_the_plain_version(ask, n, history, bounds):
    start = rosenbrock_start(n)
    with jax.enable_x64(True):
        trials, state = tried(LBFGS(history, bounds=bounds), ask, start, 60, jnp.float64)
        assert state.best.dtype == jnp.float64
    expected = list(itertools.islice(plain_lbfgs(ask, start, history, bounds=bounds), 60))
    points = [point for point, _, _ in expected]
    np.testing.assert_allclose(trials[:25], points[:25], rtol=0, atol=1e-11)
    # Rounding grows along a winding path.
    np.testing.assert_allclose(trials, points, rtol=0, atol=1e-5)
    np.testing.assert_allclose(state.best, expected[-1][1], atol=1e-5)
    np.testing.assert_allclose(state.value, expected[-1][2], rtol=1e-5)
    assert float(state.value) < 0.5 * ask(start)[0]


def test_in_float32_the_first_trials_and_the_end_are_those_of_the_plain_version():
    start = rosenbrock_start(20)
    trials, state = tried(LBFGS(), banana, start, 60, jnp.float32)
    expected = list(itertools.islice(plain_lbfgs(banana, start), 60))
    points = [point for point, _, _ in expected]
    np.testing.assert_allclose(trials[:12], points[:12], rtol=0, atol=1e-4)
    np.testing.assert_allclose(state.value, expected[-1][2], rtol=0.05)
    assert all(leaf.dtype in (jnp.float32, jnp.int32) for leaf in jax.tree.leaves(state))


def test_the_loss_is_evaluated_once_a_step_even_under_vmap_and_when_refused():
    calls: list[float] = []

    def watched(x: jax.Array) -> jax.Array:
        jax.debug.callback(lambda value: calls.append(float(value)), x[0])
        return rosenbrock(x)

    algorithm = LBFGS(first_step=3.0)  # too far: refusals
    starts = jnp.asarray([rosenbrock_start(6), -rosenbrock_start(6)], jnp.float32)
    states = jax.vmap(algorithm.init)(starts)
    step = jax.jit(jax.vmap(stepper(algorithm, watched)))
    refused = 0
    for _ in range(15):
        states = step(states)
        refused += int(jnp.sum(states.refusals > 0))
    jax.effects_barrier()
    assert refused > 0
    assert len(calls) == 2 * 15


BAD_ANSWERS = {
    "nan": lambda value, gradient: (np.nan, gradient),
    "inf": lambda value, gradient: (np.inf, gradient),
    "-inf": lambda value, gradient: (-np.inf, gradient),
    "nan gradient": lambda value, gradient: (value - 1e3, gradient * np.nan),
    "one inf in the gradient": lambda value, gradient: (
        value - 1e3,
        np.where(np.arange(gradient.size) == 1, np.inf, gradient),
    ),
    "all nan": lambda value, gradient: (np.nan, gradient * np.nan),
}


@pytest.mark.parametrize("bad", BAD_ANSWERS)
@pytest.mark.parametrize("when", [{1}, {9, 10, 11, 30}, set(range(20, 31))], ids=len)
def test_a_run_recovers_from_evaluations_that_are_not_finite(bad, when):
    _, optimum = stretched(20, condition=30.0)
    steps = itertools.count()

    def ask(x: np.ndarray) -> Found:
        answer = ellipse(20, condition=30.0)(x)
        return BAD_ANSWERS[bad](*answer) if next(steps) in when else answer

    trials, state = tried(LBFGS(), ask, np.zeros(20), 100, jnp.float32)
    assert np.isfinite(trials).all()
    assert state.value >= 0
    np.testing.assert_allclose(state.best, optimum, atol=5e-3)


# No subnormal numbers: XLA compares them as zeros on some processors, and the oracle does not.
numbers = st.one_of(
    st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0]),
)
answers = st.lists(
    st.tuples(numbers, st.lists(numbers, min_size=3, max_size=3)), min_size=1, max_size=30
)


@settings(max_examples=150, deadline=None)
@given(answers, st.sampled_from([None, (-0.25, 0.5)]))
def test_whatever_it_is_told_it_keeps_the_best_and_tries_finite_points(found, bounds):
    algorithm = LBFGS(history=3, bounds=bounds)
    state = algorithm.init(jnp.zeros(3))
    best, point = np.inf, np.zeros(3)
    for value, gradient in found:
        trial = np.array(state.trial)
        assert np.isfinite(trial).all()
        assert bounds is None or (trial.min() >= bounds[0] and trial.max() <= bounds[1])
        gradient = np.array(gradient)
        state = update(state, jnp.float32(value), *as_float32(gradient), algorithm=algorithm)
        if np.isfinite([value, *gradient]).all() and value < best:
            best, point = value, trial
        assert float(state.value) == best
        np.testing.assert_array_equal(algorithm.result(state), point)


def test_the_optimum_within_bounds_is_reached():
    bounds, start, ask = (-0.9, 0.7), np.full(20, 0.2), ellipse(20, condition=100.0)
    trials, state = tried(LBFGS(bounds=bounds), ask, start, 150, jnp.float32)
    expected = scipy_minimize(
        ask, start, jac=True, bounds=[bounds] * 20,
        method="L-BFGS-B", options={"ftol": 0.0, "gtol": 1e-9},
    )  # fmt: skip
    at_bounds = (expected.x <= bounds[0]) | (expected.x >= bounds[1])
    assert 3 < at_bounds.sum() < 17
    low, high = np.array(bounds, np.float32)
    assert all(trial.min() >= low and trial.max() <= high for trial in trials)
    assert state.value <= expected.fun * (1 + 1e-4)
    np.testing.assert_allclose(state.best, expected.x, atol=5e-3)


def test_a_start_out_of_bounds_is_moved_to_them():
    state = LBFGS(bounds=(0.0, 1.0)).init(jnp.asarray([-3.0, 0.5, 7.0]))
    np.testing.assert_array_equal(state.trial, [0.0, 0.5, 1.0])


def test_lanes_of_a_vmap_go_as_they_would_alone_though_they_refuse_at_different_times():
    def dented(x: jax.Array, radius: jax.Array) -> jax.Array:
        """A bowl that is not a number in a ring round its bottom."""
        value = jnp.sum(jnp.square(x) * (1.0 + jnp.arange(x.size, dtype=x.dtype)))
        distance = jnp.max(jnp.abs(x))
        return jnp.where((distance < radius) & (distance > 0.7 * radius), jnp.nan, value)

    algorithm = LBFGS(first_step=1.0)
    step = jax.jit(stepper(algorithm, dented))
    together = jax.jit(jax.vmap(stepper(algorithm, dented)))
    starts = jnp.asarray([0.1, 0.3, 2.7])[:, None] * jnp.linspace(-1.0, 1.0, 5)[None]
    radii = jnp.asarray([0.0, 0.25, 0.5])
    states = jax.vmap(algorithm.init)(starts)
    alone = [algorithm.init(start) for start in starts]
    refusals: list[np.ndarray] = []
    for _ in range(14):
        states = together(states, radii)
        alone = [step(state, radius) for state, radius in zip(alone, radii, strict=True)]
        np.testing.assert_array_equal(states.refusals, [s.refusals for s in alone])
        np.testing.assert_allclose(states.trial, [s.trial for s in alone], atol=2e-5)
        np.testing.assert_allclose(states.value, [s.value for s in alone], rtol=1e-3, atol=1e-8)
        refusals.append(np.array(states.refusals))
    lanes = np.transpose(refusals)
    assert (lanes.max(axis=1) > 0).all()
    assert len(np.unique(lanes, axis=0)) == len(lanes)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("first_step", [0.005, 0.1])
def test_the_first_step_is_straight_downhill_and_of_the_given_length(size, first_step):
    gradient = size * np.array([[3.0, -1.0], [0.5, 2.0]])
    state = told(LBFGS(first_step=first_step), np.zeros((2, 2)), (1.0, gradient))
    length = np.sqrt(np.mean(np.square(state.trial)))
    np.testing.assert_allclose(length, first_step, rtol=1e-5)
    np.testing.assert_allclose(
        state.trial / length, -gradient / np.sqrt(np.mean(gradient**2)), rtol=1e-5
    )


def test_the_first_step_within_bounds_counts_only_the_values_that_are_free():
    state = told(LBFGS(first_step=0.1, bounds=(0.0, 1.0)), [0.0, 0.5], (1.0, np.array([9.0, 1.0])))
    np.testing.assert_allclose(state.trial, [0.0, 0.5 - 0.1 * np.sqrt(2)], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_units_of_the_loss_do_not_matter(scale):
    def scaled(x: np.ndarray) -> Found:
        value, gradient = banana(x)
        return scale * value, scale * gradient

    plain, _ = tried(LBFGS(), banana, rosenbrock_start(20), 15, jnp.float32)
    other, _ = tried(LBFGS(), scaled, rosenbrock_start(20), 15, jnp.float32)
    np.testing.assert_allclose(other, plain, atol=1e-3)


def test_a_start_without_slope_is_kept_and_ends_the_run():
    flat = evaluate_of(lambda x: jnp.sum(x * 0))
    found = minimise(flat, jnp.full((2, 3), 0.4), (), LBFGS(), Stopping(200))
    assert found.reason == "stalled"
    assert found.steps == GIVE_UP + 1
    np.testing.assert_array_equal(found.x, np.full((2, 3), 0.4, np.float32))


def test_refusals_quarter_the_step_and_then_drop_the_memory():
    start, slope = np.zeros(2), np.array([1.0, 2.0])
    good = [(3.0, slope), (2.0, 0.5 * slope)]
    before = told(LBFGS(), start, *good)
    full = np.asarray(before.trial - before.best)
    assert np.count_nonzero(before.inverse_curvatures) == 1
    for refusals in range(1, PATIENCE):
        state = told(LBFGS(), start, *good, *[(np.nan, slope)] * refusals)
        assert np.count_nonzero(state.inverse_curvatures) == 1
        np.testing.assert_allclose(state.trial - state.best, full * SHRINK**refusals, rtol=1e-4)
    state = told(LBFGS(), start, *good, *[(np.nan, slope)] * PATIENCE)
    assert np.count_nonzero(state.inverse_curvatures) == 0
    length = np.sqrt(np.mean(np.square(state.trial - state.best)))
    np.testing.assert_allclose(length, LBFGS().first_step * SHRINK**PATIENCE, rtol=1e-3)
    recovered = update(state, jnp.float32(1.0), *as_float32(0.3 * slope))
    assert recovered.refusals == 0 and recovered.length == 1
    assert np.count_nonzero(recovered.inverse_curvatures) == 1


def test_it_gives_up_after_so_many_refusals_and_not_before():
    good, bad = (1.0, np.ones(2)), (np.nan, np.ones(2))
    almost = told(LBFGS(), np.zeros(2), good, *[bad] * (GIVE_UP - 1))
    assert not LBFGS().stalled(almost)
    assert LBFGS().stalled(told(LBFGS(), np.zeros(2), good, *[bad] * GIVE_UP))


def test_the_memory_is_a_ring_of_the_last_accepted_steps():
    algorithm = LBFGS(history=3, first_step=0.01)
    state, points, slopes = algorithm.init(jnp.zeros(2)), [], []
    for _ in range(8):
        trial = np.array(state.trial)
        off = trial - np.array([1.0, -2.0], np.float32)
        value, slope = np.sum(off**4), 4 * off**3
        state = update(state, *as_float32(value, slope), algorithm=algorithm)
        if state.refusals == 0:
            points.append(trial)
            slopes.append(slope)
    assert len(points) > 5
    for age in range(3):
        slot = (int(state.newest) - age) % 3
        s, y = points[-1 - age] - points[-2 - age], slopes[-1 - age] - slopes[-2 - age]
        np.testing.assert_array_equal(state.steps[slot], s)
        np.testing.assert_array_equal(state.gradient_changes[slot], y)
        np.testing.assert_allclose(state.inverse_curvatures[slot], 1 / (s @ y), rtol=1e-5)


def test_a_step_over_which_the_slope_did_not_rise_is_not_remembered():
    hill = told(LBFGS(), np.zeros(2), (1.0, np.ones(2)), (0.5, 2 * np.ones(2)))
    assert hill.value == 0.5 and hill.refusals == 0
    assert np.count_nonzero(hill.inverse_curvatures) == 0
    straight = told(LBFGS(), np.zeros(2), (1.0, np.ones(2)), (0.5, np.ones(2)))
    assert np.count_nonzero(straight.inverse_curvatures) == 0


@pytest.mark.parametrize("shape", [(), (4, 5), (2, 5, 2)])
def test_the_rank_of_the_array_does_not_matter(shape):
    size = int(np.prod(shape))
    weights, start = np.arange(1.0, size + 1), np.linspace(-1.0, 1.0, size)

    def ask(x: np.ndarray) -> Found:
        off = x.ravel() - 0.3
        value = float(weights @ off**2 + 0.1 * np.sin(3 * off).sum())
        return value, (2 * weights * off + 0.3 * np.cos(3 * off)).reshape(x.shape)

    shaped, _ = tried(LBFGS(), ask, start.reshape(shape), 12, jnp.float32)
    flat, _ = tried(LBFGS(), ask, start, 12, jnp.float32)
    assert shaped[-1].shape == shape
    np.testing.assert_allclose([trial.ravel() for trial in shaped], flat, atol=1e-5)


def test_a_donated_state_gives_the_same_steps():
    donating = jax.jit(LBFGS().update, donate_argnums=0)
    kept = LBFGS().init(jnp.asarray(rosenbrock_start(20), jnp.float32))
    given_away = jax.tree.map(jnp.array, kept)
    for _ in range(8):
        value, gradient = as_float32(*banana(np.asarray(kept.trial, np.float64)))
        kept, used = update(kept, value, gradient), given_away
        given_away = donating(used, value, gradient)
        assert used.steps.is_deleted()
        np.testing.assert_array_equal(given_away.trial, kept.trial)


def test_a_fresh_state_can_be_donated():
    state = jax.jit(LBFGS().init)(jnp.zeros(4))
    step = jax.jit(LBFGS().update, donate_argnums=0)
    assert np.isfinite(step(state, jnp.float32(1.0), jnp.ones(4)).trial).all()
