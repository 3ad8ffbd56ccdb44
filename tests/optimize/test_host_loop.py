"""The loop over evaluations in Python, against the compiled loop."""

from __future__ import annotations

import os
import signal
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problems import ROSENBROCK, rosenbrock, rosenbrock_gradient, rosenbrock_start

from jaxstyle.errors import InputError
from jaxstyle.optimize import LBFGS, Adam, LoopOptions, Stopping, minimise
from jaxstyle.optimize.arithmetic import usable
from jaxstyle.optimize.host_loop import minimise_stepwise

ALGORITHMS = [LBFGS(5, bounds=(-0.7, 2.0)), Adam(0.05, average=0.9)]
NAMES = ["lbfgs", "adam"]


def start() -> np.ndarray:
    return rosenbrock_start(20).astype(np.float32)


def in_numpy(x: jax.Array) -> tuple[tuple[Any, Any], np.ndarray]:
    """An evaluation that JAX could not trace."""
    wide = np.asarray(x, np.float64)
    value = np.float32(rosenbrock(wide))
    return (value, {"value": value}), rosenbrock_gradient(wide).astype(np.float32)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=NAMES)
@pytest.mark.parametrize("evaluate", [jax.jit(ROSENBROCK), in_numpy], ids=["jax", "numpy"])
def test_it_takes_the_steps_of_the_compiled_loop(algorithm, evaluate):
    expected = minimise(ROSENBROCK, jnp.asarray(start()), (), algorithm, Stopping(12))
    found = minimise_stepwise(evaluate, start(), (), algorithm, Stopping(12))
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-3)
    np.testing.assert_allclose(found.x, expected.x, atol=1e-4)
    assert found.value == pytest.approx(expected.value, rel=1e-3)
    assert found.terms == {"value": found.value}
    assert (found.steps, found.reason) == (12, "steps")
    assert found.x.dtype == np.float32


def test_arguments_reach_the_evaluation():
    def evaluate(x, factor, *, base=ROSENBROCK):
        (value, terms), gradient = base(x)
        return (factor * value, terms), factor * gradient

    found = minimise_stepwise(evaluate, start(), (jnp.float32(3),), Adam(), Stopping(1))
    assert found.values[0] == pytest.approx(3 * rosenbrock(start()), rel=1e-5)


def test_a_start_that_is_a_jax_array_stays_valid():
    x = jnp.asarray(start())
    minimise_stepwise(jax.jit(ROSENBROCK), x, (), Adam(), Stopping(3))
    np.testing.assert_array_equal(x, start())


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=NAMES)
def test_the_state_is_updated_in_its_own_memory(algorithm):
    state = algorithm.init(jnp.asarray(start()))
    (value, _), gradient = ROSENBROCK(state.trial)
    algorithm.update_in_place(state, value, gradient)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state) if leaf.shape[-1:] == (20,))


@pytest.mark.parametrize("shape", [(20,), (17, 3, 2)])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=NAMES)
def test_updates_in_place_are_those_of_the_algorithm(algorithm, shape):
    """Also where a trial is refused: too high, not finite, or with a damaged gradient."""
    rng = np.random.default_rng(0)
    plain = in_place = algorithm.init(jnp.asarray(rng.uniform(-1, 3, shape), jnp.float32))
    curvatures = jnp.asarray(rng.uniform(0.5, 2, shape), jnp.float32)
    refused = {3: jnp.float32(1e9), 5: jnp.float32(jnp.nan), 6: None}
    for step in range(12):
        x = plain.trial
        gradient = curvatures * x
        value = refused.get(step, jnp.sum(gradient * x))
        if value is None:
            value, gradient = jnp.float32(0), gradient.at[0].set(jnp.inf)
        plain = algorithm.update(plain, value, gradient)
        in_place = algorithm.update_in_place(in_place, usable(value, gradient), gradient)
        assert bool(algorithm.stalled(in_place)) == bool(algorithm.stalled(plain))
        for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(in_place), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_callbacks_see_every_step_and_may_keep_the_picture():
    told, pictures = [], []

    def keep(progress):
        told.append((progress.step, progress.value, progress.terms["value"]))
        pictures.append(progress.current())

    found = minimise_stepwise(in_numpy, start(), (), Adam(0.05), Stopping(4), LoopOptions(keep))
    assert told == [(i + 1, value, value) for i, value in enumerate(found.values)]
    np.testing.assert_array_equal(pictures[-1], found.x)
    assert not np.array_equal(pictures[0], pictures[-1])


def test_the_state_lives_where_it_is_told_to():
    device, places = jax.devices()[1], []

    def evaluate(x):
        places.append(x.devices())
        return in_numpy(x)

    place = jax.sharding.SingleDeviceSharding(device)
    minimise_stepwise(evaluate, start(), (), Adam(), Stopping(2), home=place)
    assert places == [{device}] * 3


def test_a_gradient_from_another_device_is_fetched():
    def evaluate(x):
        (value, terms), gradient = ROSENBROCK(jax.device_put(x, jax.devices()[2]))
        return (value, terms), gradient

    found = minimise_stepwise(evaluate, start(), (), Adam(0.05), Stopping(3))
    expected = minimise_stepwise(ROSENBROCK, start(), (), Adam(0.05), Stopping(3))
    np.testing.assert_allclose(found.x, expected.x, rtol=1e-6)


def test_ctrl_c_ends_the_run_after_the_step_in_hand():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:

        def evaluate(x):
            os.kill(os.getpid(), signal.SIGINT)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the evaluation of the result
            return in_numpy(x)

        found = minimise_stepwise(evaluate, start(), (), Adam(), Stopping(50))
    finally:
        signal.signal(signal.SIGINT, before)
    assert (found.reason, found.steps) == ("interrupted", 1)


@pytest.mark.parametrize("damaged", ["value", "gradient"])
def test_a_start_without_a_finite_loss_is_refused(damaged):
    def evaluate(x):
        (value, terms), gradient = in_numpy(x)
        if damaged == "value":
            value = np.float32(np.inf)
        else:
            gradient[3] = np.nan
        return (value, terms), gradient

    with pytest.raises(InputError, match=r"the loss of the starting picture is (inf|nan)"):
        minimise_stepwise(evaluate, start(), (), Adam(), Stopping(3))
