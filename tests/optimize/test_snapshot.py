"""A run that goes on from a snapshot is the run that was never cut off."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problems import ROSENBROCK, evaluate_of, rosenbrock_start

from jaxstyle.errors import InputError
from jaxstyle.optimize import LBFGS, Adam, LoopOptions, Outcome, ScipyLBFGSB, Stopping, minimise
from jaxstyle.optimize.host_loop import minimise_stepwise
from jaxstyle.optimize.snapshot import FORMER_NAMES, Snapshot, named, on_host

STEPS = 16
ALL = Stopping(STEPS)
ALGORITHMS = [LBFGS(4, bounds=(-0.7, 2.0)), Adam(0.05, average=0.9)]
NAMES = ["lbfgs", "adam"]


def start() -> Any:
    return jnp.asarray(rosenbrock_start(20), jnp.float32)


def compiled(algorithm: Any, stopping: Stopping = ALL, **options: Any) -> Outcome:
    return minimise(ROSENBROCK, start(), (), algorithm, stopping, LoopOptions(**options))


def fused(algorithm: Any, stopping: Stopping = ALL, **options: Any) -> Outcome:
    return compiled(algorithm, stopping, steps_per_call=5, **options)


def stepwise(algorithm: Any, stopping: Stopping = ALL, **options: Any) -> Outcome:
    options = LoopOptions(**options)
    return minimise_stepwise(jax.jit(ROSENBROCK), start(), (), algorithm, stopping, options)


LOOPS = [compiled, fused, stepwise]


class Kept:
    """A callback that keeps every snapshot, and can say which progress had one."""

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []

    def __call__(self, progress: Any) -> None:
        if progress.snapshot is None:
            return
        taken = progress.snapshot()
        state = {name: on_host(array) for name, array in taken.state.items()}
        self.snapshots.append(taken._replace(state=state))


def same(found: Outcome, expected: Outcome) -> None:
    np.testing.assert_array_equal(found.x, expected.x)
    assert found.values == expected.values
    assert (found.value, found.terms) == (expected.value, expected.terms)
    assert (found.steps, found.reason) == (expected.steps, expected.reason)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=NAMES)
def test_from_any_step_it_ends_in_the_same_bits(loop, algorithm):
    expected, kept = loop(algorithm), Kept()
    same(loop(algorithm, callback=kept), expected)  # to take snapshots disturbs nothing
    assert [len(one.values) for one in kept.snapshots] == (
        [5, 10, 15, 16] if loop is fused else list(range(1, STEPS + 1))
    )
    for snapshot in kept.snapshots:
        same(loop(algorithm, resume=snapshot), expected)


def test_arrays_by_their_former_names_are_accepted():
    kept, former = Kept(), {new: old for old, new in FORMER_NAMES.items()}
    expected = compiled(ALGORITHMS[0], callback=kept)
    state = {former.get(name, name): array for name, array in kept.snapshots[8].state.items()}
    assert {"moves", "turns", "curvature"} < state.keys()
    same(compiled(ALGORITHMS[0], resume=kept.snapshots[8]._replace(state=state)), expected)


@pytest.mark.parametrize("loop", [compiled, stepwise])
def test_callbacks_count_on(loop):
    kept, told = Kept(), []
    loop(ALGORITHMS[0], callback=kept)
    loop(ALGORITHMS[0], callback=lambda p: told.append((p.step, p.best)), resume=kept.snapshots[9])
    assert [step for step, _ in told] == list(range(11, STEPS + 1))
    assert told[0][1] <= min(kept.snapshots[9].values)


def test_of_the_start_only_the_shape_counts():
    kept = Kept()
    expected = compiled(ALGORITHMS[0], callback=kept)
    options = LoopOptions(resume=kept.snapshots[6])
    found = minimise(ROSENBROCK, jnp.zeros(20), (), ALGORITHMS[0], Stopping(STEPS), options)
    same(found, expected)


@pytest.mark.parametrize("loop", [compiled, stepwise])
def test_time_and_tolerance_count_on(loop):
    kept = Kept()
    loop(ALGORITHMS[0], callback=kept)
    late = kept.snapshots[3]._replace(seconds=60.0)
    found = loop(ALGORITHMS[0], Stopping(STEPS, max_seconds=50), resume=late)
    assert (found.reason, found.steps) == ("max_seconds", 4)
    assert found.seconds >= 60
    slow = Stopping(500, tolerance=0.05)
    expected = loop(ALGORITHMS[0], slow)
    assert expected.reason == "tolerance"
    same(loop(ALGORITHMS[0], slow, resume=kept.snapshots[7]), expected)


@pytest.mark.parametrize("loop", [minimise, minimise_stepwise])
def test_what_has_stalled_stays_so(loop):
    bowl = evaluate_of(lambda x: 1.0 + jnp.sum(jnp.square(x)))
    kept = Kept()
    expected = loop(bowl, start(), (), LBFGS(), Stopping(500), LoopOptions(kept))
    assert expected.reason == "stalled"
    again = LoopOptions(resume=kept.snapshots[-1])
    same(loop(bowl, start(), (), LBFGS(), Stopping(500), again), expected)


@pytest.mark.parametrize("algorithm", [LBFGS(5), ALGORITHMS[1]], ids=["history", "adam"])
def test_a_snapshot_of_another_algorithm_is_refused(algorithm):
    kept = Kept()
    compiled(ALGORITHMS[0], Stopping(2), callback=kept)
    with pytest.raises(InputError, match=r"not of this run: [a-z_.0-9]+ is .*, needed is") as said:
        compiled(algorithm, resume=kept.snapshots[0])
    assert "\n" not in str(said.value)


def test_scipy_gives_none():
    told = []
    ScipyLBFGSB().minimise(
        ROSENBROCK, start(), (), Stopping(3), callback=lambda p: told.append(p.snapshot)
    )
    assert told == [None] * 3


def test_arrays_are_named_by_where_they_are():
    state = ALGORITHMS[1].init(start())
    assert {"trial", "average", "mass", "moments.0.mu"} <= named(state).keys()
