"""The loop of ``minimise`` for evaluations that are Python programs, such as tiled ones.

Only the optimiser's update is compiled, and done in the memory of its state, so that a picture that
fills the memory is held as often as the algorithm needs it, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import jax
import numpy as np
from jaxtyping import Array, Float

from jaxstyle.optimize.arithmetic import usable
from jaxstyle.optimize.loop import (
    DEFAULTS,
    Algorithm,
    LoopOptions,
    Outcome,
    Stopping,
    Watch,
    current,
    start,
)
from jaxstyle.runtime.interrupts import deferred_interrupt
from jaxstyle.runtime.profile import traced_steps

StepwiseEvaluate = Callable[..., tuple[tuple[Any, Any], Any]]
"""(x, *arguments) -> ((value, terms), gradient), in Python. It must not keep x, a JAX array."""


class InPlaceAlgorithm(Algorithm, Protocol):
    """An algorithm that can also update its state in the memory of the one before."""

    def update_in_place(self, state: Any, value: Array, gradient: Array) -> Any: ...


def minimise_stepwise(
    evaluate: StepwiseEvaluate,
    x: Float[Any, "*shape"],
    arguments: tuple[Any, ...],
    algorithm: InPlaceAlgorithm,
    stopping: Stopping,
    options: LoopOptions = DEFAULTS,
    *,
    home: jax.sharding.Sharding | None = None,
    value_alone: Callable[..., tuple[Any, Any]] | None = None,
) -> Outcome:
    """``minimise``, but ``evaluate`` is called from Python and need not be pure or hashable.

    Args:
        x: the start, a JAX or NumPy array; copied, so the caller's array stays valid.
        options: as there, but steps are never fused.
        home: where the optimiser's state is kept and updated: on the CPU, to spare an
            accelerator's memory. JAX's default device if not given.
        value_alone: (x, *arguments) -> (value, terms), for the result, if that is quicker than
            ``evaluate``.

    Raises:
        InputError, OutOfMemory: as there.
    """
    watch = Watch(stopping, options)
    state = watch.resumed(start(jax.device_put(x, home, may_alias=False), algorithm=algorithm))
    terms: Any = None
    del x  # the caller may have no more use for it, and memory is short
    with deferred_interrupt() as watch.interrupted, traced_steps() as step_begins:
        while (reason := watch.reason()) is None:
            step_begins()
            with watch.rescuing(partial(current, algorithm, state)):
                (value, terms), gradient = evaluate(state.trial, *arguments)
            value, gradient = jax.device_put((value, gradient), state.trial.sharding)
            value = usable(value, gradient)
            state = algorithm.update_in_place(state, value, gradient)
            del gradient  # as large as the picture: not to be held during the next evaluation
            watch.add(float(value), bool(algorithm.stalled(state)))
            watch.tell(_plain(terms), partial(current, algorithm, state), state)
        result = np.array(algorithm.result(state))
        if options.goes_on:
            return watch.unfinished(result, _plain(terms), reason, state)
        del state
        picture = jax.device_put(result, home)
        with watch.rescuing(lambda: result):
            if value_alone is None:
                (value, terms), _ = evaluate(picture, *arguments)
            else:
                value, terms = value_alone(picture, *arguments)
    return watch.outcome(result, float(value), _plain(terms), reason)


def _plain(terms: Any) -> Any:
    return jax.tree.map(float, jax.device_get(terms))
