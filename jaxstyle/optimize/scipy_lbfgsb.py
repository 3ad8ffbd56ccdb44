"""scipy's L-BFGS-B over a function on the device: the reference, in float64 on the host.

scipy's own stopping tests are off: they look at absolute sizes and relative reductions that mean
nothing at losses of 1e12, and end runs after two iterations. ``Stopping`` decides.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import Bounds, minimize

from jaxstyle.optimize.ending import Ending
from jaxstyle.optimize.loop import (
    Callback,
    Evaluate,
    LoopOptions,
    Outcome,
    Stopping,
    Watch,
)
from jaxstyle.runtime.interrupts import deferred_interrupt
from jaxstyle.runtime.programs import jitted


class _Stop(Exception):
    """Ends scipy's loop from within the function that it minimises."""


@dataclass(frozen=True)
class ScipyLBFGSB:
    """Attributes:
    history: pairs remembered, in float64 on the host.
    bounds: (low, high) for every value, kept by projection, or None.
    """

    history: int = 10
    bounds: tuple[float, float] | None = None

    def minimise(
        self,
        evaluate: Evaluate,
        x: Float[Array | np.ndarray, "*shape"],
        arguments: tuple[Any, ...],
        stopping: Stopping,
        *,
        callback: Callback | None = None,
    ) -> Outcome:
        """As ``loop.minimise``; keeps the best point, and goes on after evaluations that fail.

        It cannot go on from the middle of a run, for scipy's memory is out of reach.

        Raises:
            InputError: the loss at the start, or its gradient, is not finite.
        """
        start = np.array(x, np.float64)
        watch = Watch(stopping, LoopOptions(callback))
        best = _Best(np.array(x))

        with deferred_interrupt() as watch.interrupted:

            def function(flat: np.ndarray) -> tuple[float, np.ndarray]:
                if watch.reason() is not None:
                    raise _Stop
                point = flat.reshape(start.shape).astype(best.x.dtype)
                (value, terms), gradient = jax.device_get(
                    _evaluate(jnp.asarray(point), arguments, evaluate=evaluate)
                )
                value, gradient = float(value), np.asarray(gradient, np.float64)
                terms = jax.tree.map(float, terms)
                if not np.isfinite(gradient).all():
                    value = np.nan
                watch.add(value)
                best.offer(point, value, terms, gradient)
                watch.tell(terms, best.x.copy)
                return (value, gradient.ravel()) if np.isfinite(value) else best.mirrored(flat)

            self._search(function, start, stopping)
            reason = watch.reason() or Ending.STALLED  # scipy ended of its own accord
        return watch.outcome(best.x, best.value, best.terms, reason)

    def _search(self, function: Callable[..., Any], start: np.ndarray, stopping: Stopping) -> None:
        """Run scipy until it ends or ``function`` raises ``_Stop``."""
        search = partial(
            minimize,
            function,
            method="L-BFGS-B",
            jac=True,
            bounds=None if self.bounds is None else Bounds(*self.bounds),
            options={
                "maxcor": self.history,
                "ftol": 0.0,
                "gtol": 0.0,
                "maxiter": stopping.steps + 1,
                "maxfun": stopping.steps + 1,
            },
        )
        with suppress(_Stop):
            search(start.ravel())


@jitted(static_argnames="evaluate")
def _evaluate(x: Array, arguments: tuple[Any, ...], *, evaluate: Evaluate) -> Any:
    return evaluate(x, *arguments)


class _Best:
    """The lowest point that scipy has come by, which need not be its last."""

    def __init__(self, x: np.ndarray) -> None:
        self.x, self.value, self.terms = x, np.inf, None
        self.gradient = np.zeros_like(x, np.float64)

    def offer(self, x: np.ndarray, value: float, terms: Any, gradient: np.ndarray) -> None:
        if np.isfinite(value) and value < self.value:
            self.x, self.value, self.terms, self.gradient = x.copy(), value, terms, gradient

    def mirrored(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        """What scipy is told of a point where the loss is not finite.

        As much uphill there as downhill here: the line search comes back to about a seventh of
        its step. Told of inf or of a huge value it ends the whole run, and nan it may take.
        """
        slope = self.gradient.ravel()
        return self.value + abs(float(slope @ (flat - self.x.ravel()))), -slope
