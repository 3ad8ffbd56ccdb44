"""The loop of ``minimise`` for evaluations that are Python programs, such as tiled ones.

Only the optimiser's update is compiled. Its state is donated to it, so that a picture that fills
the memory is held as often as the algorithm needs it, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from jaxstyle.optimize.adam import Adam
from jaxstyle.optimize.lbfgs import LBFGS
from jaxstyle.optimize.loop import (
    Agree,
    Algorithm,
    Callback,
    Outcome,
    Stopping,
    Watch,
    _current,
    _start,
    deferred_interrupt,
    usable,
)
from jaxstyle.optimize.row_by_row import adam_in_place, lbfgs_in_place
from jaxstyle.optimize.snapshot import Snapshot, restored

StepwiseEvaluate = Callable[..., tuple[tuple[Any, Any], Any]]
"""(x, *arguments) -> ((value, terms), gradient), in Python. It must not keep x, a JAX array."""


def minimise_stepwise(
    evaluate: StepwiseEvaluate,
    x: Float[Array, "*shape"] | Float[np.ndarray, "*shape"],
    arguments: tuple[Any, ...],
    algorithm: Algorithm,
    stopping: Stopping,
    *,
    callback: Callback | None = None,
    place: jax.sharding.Sharding | None = None,
    agree: Agree = lambda reason: reason,
    resume: Snapshot | None = None,
    value_alone: Callable[..., tuple[Any, Any]] | None = None,
) -> Outcome:
    """``minimise``, but ``evaluate`` is called from Python and need not be pure or hashable.

    Ctrl-C ends the run after the step in hand, as it does there.

    Args:
        x: the start; copied, so the caller's array stays valid.
        callback: called after every step; the run ends where it returns True.
        place: where the optimiser's state is kept and updated: on the CPU, to spare an
            accelerator's memory. JAX's default device if not given.
        agree, resume: as there.
        value_alone: (x, *arguments) -> (value, terms), for the result, if that is quicker than
            ``evaluate``.

    Raises:
        InputError, OutOfMemory: as there.
    """
    state = _start(jax.device_put(x, place, may_alias=False), algorithm=algorithm)
    del x  # the caller may have no more use for it, and memory is short
    watch = Watch(stopping, resume)
    if resume is not None:
        state = restored(state, resume.state)
    with deferred_interrupt() as interrupted:
        while (reason := agree(watch.reason(interrupted))) is None:
            with watch.rescuing(partial(_current, algorithm, state)):
                (value, terms), gradient = evaluate(state.trial, *arguments)
            value, gradient = jax.device_put((value, gradient), state.trial.sharding)
            state, value, stalled = _take_in(state, value, gradient, algorithm=algorithm)
            del gradient  # as large as the picture: not to be held during the next evaluation
            watch.add(float(value), bool(stalled))
            current = partial(_current, algorithm, state)
            watch.tell(callback, float(value), _plain(terms), current, state, interrupted)
            del current
        result = np.array(algorithm.result(state))
        del state
        found = jax.device_put(result, place)
        with watch.rescuing(lambda: result):
            if value_alone is None:
                (value, terms), _ = evaluate(found, *arguments)
            else:
                value, terms = value_alone(found, *arguments)
    return Outcome(
        result, float(value), _plain(terms), len(watch.values), watch.seconds, reason, watch.values
    )


def _take_in(
    state: Any, value: Array, gradient: Array, *, algorithm: Algorithm
) -> tuple[Any, Array, Array]:
    """The next state, in the memory of this one; the value, or nan; whether to give up."""
    value = _usable(value, gradient)
    if isinstance(algorithm, LBFGS):
        state = lbfgs_in_place(algorithm, state, value, gradient)
    elif isinstance(algorithm, Adam):
        state = adam_in_place(algorithm, state, value, gradient)
    else:
        state = _updated(state, value, gradient, algorithm=algorithm)
    return state, value, algorithm.stalled(state)


@partial(jax.jit, donate_argnames="state")
def _updated(state: Any, value: Array, gradient: Array, *, algorithm: Algorithm) -> Any:
    return algorithm.update(state, value, gradient)


_usable = jax.jit(usable)


def _plain(terms: Any) -> Any:
    return jax.tree.map(float, jax.device_get(terms))
