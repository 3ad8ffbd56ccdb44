"""L-BFGS on the device, without a line search: one evaluation a step, guarded against bad ones.

With steps s and the changes y of the gradient g over the last of them, the next step is -H g, where

    H = (1 - s y'/<s,y>) H (1 - y s'/<s,y>) + s s'/<s,y>     from the oldest pair to the newest,
    H = <s,y>/<y,y>                                          before them, of the newest pair,

which the two-loop recursion multiplies out from right to left without making a matrix of it
(Nocedal and Wright, "Numerical Optimization", 2006, equations 7.16 and 7.20, algorithm 7.4).

That step, of length 1, is nearly always good on this problem, so a line search would double the
time for nothing. What a search protects from is left to a guard: a trial that is not finite or not
lower than the best is refused, the step is quartered, and after a few refusals the memory is
dropped. Everything is ``where``, so it costs one evaluation under ``vmap`` too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxstyle.optimize.arithmetic import IN_PLACE, WHOLE, Arithmetic, Entry, any_not_finite

SHRINK = 0.25
PATIENCE = 4
"""Refusals in a row after which the memory is dropped."""
CAUTION = SHRINK**3
"""Of ``first_step`` where a run that has converged goes on without memory."""
GIVE_UP = 24
"""Refusals in a row after which no descent is to be had: the steps are below float32's grain."""
LEAST_CURVATURE = 1e-8


class LBFGSState(NamedTuple):
    """Attributes:
    trial: the point to evaluate next.
    best, value, gradient: the lowest point so far; value is inf before the first evaluation.
    steps, gradient_changes: (history, ...) accepted steps s and changes y of the gradient.
    inverse_curvatures: (history,) 1 / <s, y>; 0 where the slot is empty.
    newest: slot of the latest pair.
    scale: <s, y> / <y, y> of the latest pair, the inverse Hessian's size where no pair speaks.
    length: fraction of the full step that the trial takes.
    refusals: trials refused since the last one taken.
    """

    trial: Float[Array, "*shape"]
    best: Float[Array, "*shape"]
    value: Float[Array, ""]
    gradient: Float[Array, "*shape"]
    steps: Float[Array, "history *shape"]
    gradient_changes: Float[Array, "history *shape"]
    inverse_curvatures: Float[Array, " history"]
    newest: Int[Array, ""]
    scale: Float[Array, ""]
    length: Float[Array, ""]
    refusals: Int[Array, ""]


@jax.tree_util.register_static
@dataclass(frozen=True)
class LBFGS:
    """Attributes:
    history: pairs remembered; memory is 2 * history times that of x.
    first_step: root mean square length of a step that has no memory to go by, in units of x.
    bounds: (low, high) that every trial is clipped to, or None.
    """

    history: int = 10
    first_step: float = 0.02
    bounds: tuple[float, float] | None = None

    def init(self, x: Float[Array, "*shape"]) -> LBFGSState:
        """Start at ``x``, which is the first trial. Evaluates nothing."""
        x = x if self.bounds is None else jnp.clip(x, *self.bounds)
        empty = jnp.zeros((self.history, *x.shape), x.dtype)
        return LBFGSState(
            trial=x,
            best=jnp.array(x),  # copies, for a donated state must not hold one buffer twice
            value=jnp.full((), jnp.inf, x.dtype),
            gradient=jnp.zeros_like(x),
            steps=empty,
            gradient_changes=jnp.array(empty),
            inverse_curvatures=jnp.zeros((self.history,), x.dtype),
            newest=jnp.zeros((), jnp.int32),
            scale=jnp.ones((), x.dtype),
            length=jnp.ones((), x.dtype),
            refusals=jnp.zeros((), jnp.int32),
        )

    def update(
        self,
        state: LBFGSState,
        value: Float[Array, ""],
        gradient: Float[Array, "*shape"],
        arithmetic: Arithmetic = WHOLE,
    ) -> LBFGSState:
        """Take in the value and gradient of ``state.trial`` and choose the next trial."""
        finite = jnp.isfinite(value) & ~arithmetic.sums(any_not_finite, gradient)
        taken = finite & (value < state.value)
        state = _remember(state, taken, gradient, arithmetic)
        refusals = jnp.where(taken, 0, state.refusals + 1)
        forget = (refusals > 0) & (refusals % PATIENCE == 0)
        curvatures = state.inverse_curvatures
        state = state._replace(
            best=arithmetic.put(_replaced_if, state.best, taken, state.trial),
            value=jnp.where(taken, value, state.value),
            gradient=arithmetic.put(_replaced_if, state.gradient, taken, gradient),
            inverse_curvatures=jnp.where(forget, jnp.zeros_like(curvatures), curvatures),
            length=jnp.where(taken, jnp.ones_like(state.length), state.length * SHRINK),
            refusals=refusals,
        )
        return state._replace(trial=self._next_trial(state, arithmetic))

    def update_in_place(self, state: LBFGSState, value: Array, gradient: Array) -> LBFGSState:
        """``update``, called from Python, in the memory of ``state``, which is given up."""
        return self.update(state, value, gradient, IN_PLACE)

    def redirected(self, arrays: Mapping[str, Any], growth: float = 1.0) -> dict[str, Any]:
        """The arrays of a ``Snapshot`` to go on with when the function has become another.

        The lowest point is evaluated again, unconditionally taken, and no pair is made of the two
        functions' gradients. The pairs of the old one stay: the matrix made of them is positive
        definite, so that its step descends on any function. Measured on turns of style weight,
        layers and styles it moves at the next step, where a start without memory has its first
        steps refused; forty steps later both are within 4 % of each other.

        Args:
            growth: at most how many times as much the function is curved now, as where a sum has
                got larger weights: the first step is as much shorter. If it is infinite the pairs
                say nothing, and are dropped.
        """
        value, gradient = (np.asarray(arrays[name]) for name in ("value", "gradient"))
        curvatures, unknown = arrays["inverse_curvatures"], growth == np.inf
        return {
            **arrays,
            "trial": arrays["best"],
            "value": np.full_like(value, np.inf),
            "gradient": np.zeros_like(gradient),
            "length": np.full_like(arrays["length"], CAUTION if unknown else 1 / growth),
            "inverse_curvatures": np.zeros_like(curvatures) if unknown else curvatures,
            "refusals": np.zeros_like(arrays["refusals"]),
        }

    def result(self, state: LBFGSState) -> Float[Array, "*shape"]:
        """The lowest point so far."""
        return state.best

    def stalled(self, state: LBFGSState) -> Bool[Array, ""]:
        """Whether going on is of no use."""
        return state.refusals >= GIVE_UP

    def _next_trial(self, state: LBFGSState, arithmetic: Arithmetic) -> Float[Array, "*shape"]:
        """In the memory of ``state.trial``, which is known no longer."""
        size = state.gradient.size
        point = state.gradient, state.best, self
        downhill = arithmetic.put(_downhill, state.trial, *point)
        newton = _two_loop(state, downhill, arithmetic)
        descent, squares = arithmetic.sums(_descent_and_squares, newton, *point)
        root_mean_square = jnp.sqrt(squares / size)
        steepest = self.first_step / jnp.maximum(root_mean_square, 1e-30)
        # It is finite only where all of the step is.
        descends = jnp.any(state.inverse_curvatures > 0) & (descent > 0) & jnp.isfinite(descent)
        return arithmetic.put(_trial, newton, *point, descends, steepest, state.length)


def _remember(
    state: LBFGSState, taken: Bool[Array, ""], gradient: Array, arithmetic: Arithmetic
) -> LBFGSState:
    """Store the accepted step, unless it is the first point or shows no positive curvature."""
    points = state.trial, state.best, gradient, state.gradient
    product, energy, length = arithmetic.sums(_products_of_changes, *points)
    curved = product > LEAST_CURVATURE * jnp.sqrt(length) * jnp.sqrt(energy)
    keep = taken & jnp.isfinite(state.value) & curved
    slot = jnp.where(keep, (state.newest + 1) % len(state.inverse_curvatures), state.newest)

    def stored(memory: Array, new: Array, old: Array) -> Array:
        return arithmetic.store(_change_if, memory, slot, keep, new, old)

    curvatures = state.inverse_curvatures
    return state._replace(
        steps=stored(state.steps, state.trial, state.best),
        gradient_changes=stored(state.gradient_changes, gradient, state.gradient),
        inverse_curvatures=curvatures.at[slot].set(jnp.where(keep, 1 / product, curvatures[slot])),
        newest=slot,
        scale=jnp.where(keep, product / energy, state.scale),
    )


def _two_loop(state: LBFGSState, downhill: Array, arithmetic: Arithmetic) -> Array:
    """Minus the inverse Hessian estimate times the gradient, in the memory of ``downhill``."""
    history = len(state.inverse_curvatures)

    def dot(memory: Array, slot: Array, q: Array) -> Array:
        return arithmetic.sums(_dot, Entry(memory, slot), q)

    def axpy(factor: Array, memory: Array, slot: Array, q: Array) -> Array:
        return arithmetic.put(_axpy, q, factor, Entry(memory, slot))

    def newest_to_oldest(age: Any, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        q, alphas = carry
        slot = (state.newest - age) % history
        alpha = state.inverse_curvatures[slot] * dot(state.steps, slot, q)
        return axpy(-alpha, state.gradient_changes, slot, q), alphas.at[slot].set(alpha)

    def oldest_to_newest(index: Any, q: Array) -> Array:
        slot = (state.newest + 1 + index) % history
        beta = state.inverse_curvatures[slot] * dot(state.gradient_changes, slot, q)
        return axpy(alphas[slot] - beta, state.steps, slot, q)

    start = downhill, jnp.zeros_like(state.inverse_curvatures)
    q, alphas = arithmetic.repeat(history, newest_to_oldest, start)
    return arithmetic.repeat(history, oldest_to_newest, arithmetic.put(_scaled, q, state.scale))


# Functions of arrays, or of rows of them: what ``Arithmetic`` is given.


def _dot(a: Array, b: Array) -> Array:
    return jnp.sum(a * b)


def _axpy(y: Array, factor: Array, x: Array) -> Array:
    return y + factor * x


def _scaled(x: Array, factor: Array) -> Array:
    return factor * x


def _replaced_if(old: Array, condition: Array, new: Array) -> Array:
    return jnp.where(condition, new, old)


def _change_if(entry: Array, condition: Array, new: Array, old: Array) -> Array:
    return jnp.where(condition, new - old, entry)


def _products_of_changes(
    trial: Array, best: Array, gradient: Array, before: Array
) -> tuple[Array, Array, Array]:
    """<s, y>, <y, y> and <s, s> of the step from the best point to the trial."""
    step, change = trial - best, gradient - before
    return _dot(step, change), _dot(change, change), _dot(step, step)


def _free(gradient: Array, best: Array, algorithm: LBFGS) -> tuple[Array, Array | None]:
    """Downhill, 0 where a value sits at a bound and is pushed outwards; and where that is."""
    downhill = -gradient
    if algorithm.bounds is None:
        return downhill, None
    low, high = algorithm.bounds
    held = ((best <= low) & (downhill < 0)) | ((best >= high) & (downhill > 0))
    return jnp.where(held, 0, downhill), held


def _downhill(_: Array, gradient: Array, best: Array, algorithm: LBFGS) -> Array:
    return _free(gradient, best, algorithm)[0]


def _descent_and_squares(
    newton: Array, gradient: Array, best: Array, algorithm: LBFGS
) -> tuple[Array, Array]:
    """How far downhill the step leads, and the squares of the free gradient."""
    downhill, held = _free(gradient, best, algorithm)
    newton = newton if held is None else jnp.where(held, 0, newton)
    return _dot(newton, downhill), jnp.sum(jnp.square(downhill))


def _trial(
    newton: Array,
    gradient: Array,
    best: Array,
    algorithm: LBFGS,
    descends: Array,
    steepest: Array,
    length: Array,
) -> Array:
    """The point that the step leads to, or ``steepest`` times downhill if it does not descend."""
    downhill, held = _free(gradient, best, algorithm)
    newton = newton if held is None else jnp.where(held, 0, newton)
    trial = best + length * jnp.where(descends, newton, downhill * steepest)
    return trial if algorithm.bounds is None else jnp.clip(trial, *algorithm.bounds)
