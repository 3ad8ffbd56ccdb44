"""A callback that has seen enough ends the run, and what is there by then is the result."""

from __future__ import annotations

import os
import signal
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from problems import ROSENBROCK, rosenbrock_start
from samples import landscape, waves

from jaxstyle import stylize
from jaxstyle.optimize import LBFGS, Adam, LoopOptions, Outcome, ScipyLBFGSB, Stopping, minimise
from jaxstyle.optimize.host_loop import minimise_stepwise
from jaxstyle.run.minimise import agreed


def start() -> Any:
    return jnp.asarray(rosenbrock_start(20), jnp.float32)


def compiled(stopping: Stopping, callback: Any = None, **options: Any) -> Outcome:
    options = LoopOptions(callback, **options)
    return minimise(ROSENBROCK, start(), (), LBFGS(), stopping, options)


def stepwise(stopping: Stopping, callback: Any = None) -> Outcome:
    options = LoopOptions(callback)
    return minimise_stepwise(ROSENBROCK, start(), (), Adam(0.05), stopping, options)


def scipy(stopping: Stopping, callback: Any = None) -> Outcome:
    return ScipyLBFGSB().minimise(ROSENBROCK, start(), (), stopping, callback=callback)


LOOPS = [compiled, stepwise, scipy]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("yes", [True, np.True_])
def test_true_ends_the_run_after_that_step(loop, yes):
    found = loop(Stopping(100), lambda progress: yes if progress.step == 5 else None)
    assert (found.reason, found.steps) == ("stopped", 5)
    np.testing.assert_array_equal(found.x, loop(Stopping(5)).x)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("answer", [None, False, 7, "yes", np.ones(2)])
def test_nothing_else_ends_it(loop, answer):
    assert loop(Stopping(6), lambda _: answer).reason == "steps"


@pytest.mark.parametrize("loop", LOOPS)
def test_it_counts_at_the_last_step_too(loop):
    assert loop(Stopping(3), lambda progress: progress.step == 3).reason == "stopped"


def test_fused_steps_end_with_their_call():
    told = []

    def stop(progress) -> bool:
        told.append(progress.step)
        return progress.step == 2

    found = compiled(Stopping(20), stop, steps_per_call=4)
    assert (found.reason, found.steps, told) == ("stopped", 4, [1, 2, 3, 4])
    np.testing.assert_array_equal(found.x, compiled(Stopping(4), steps_per_call=4).x)


def test_ctrl_c_is_the_graver_reason():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:

        def both(_) -> bool:
            os.kill(os.getpid(), signal.SIGINT)
            return True

        assert compiled(Stopping(9), both).reason == "interrupted"
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("reason", [None, "steps", "stopped", "interrupted"])
def test_processes_know_the_reason(reason):
    assert agreed(reason) == reason


SETTINGS = {
    "size": 64, "steps": 4, "levels": 3, "weights": "slim",
    "content_layers": "relu1_1", "style_layers": "relu1_1",
}  # fmt: skip


@pytest.mark.parametrize("more", [{}, {"optimizer": "scipy"}, {"strategy": "tiled", "tile": 32}])
def test_no_further_level_is_begun(more):
    content, style = np.asarray(landscape(48, 64)), np.asarray(waves(40))
    told = []

    def stop(event) -> bool:
        told.append((event.level, event.step))
        return event.total_step == 6

    result = stylize(content, style, callback=stop, **SETTINGS, **more)
    assert told[-1] == (2, 2)
    assert (result.reason, result.steps) == ("stopped", 6)
    assert result.image.shape == (48, 64, 3)
