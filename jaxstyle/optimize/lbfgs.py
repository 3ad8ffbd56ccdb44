"""L-BFGS on the device, without a line search: one evaluation a step, guarded against bad ones.

The quasi-Newton step of length 1 is nearly always good on this problem, so a line search would
double the time for nothing. What a search protects from is left to a guard: a trial that is not
finite or not lower than the best is refused, the step is quartered, and after a few refusals the
memory is dropped. Everything is ``where``, so it costs one evaluation under ``vmap`` too.

Source: Nocedal and Wright, "Numerical Optimization" (2006), algorithm 7.4 (two-loop recursion).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

SHRINK = 0.25
PATIENCE = 4
"""Refusals in a row after which the memory is dropped."""
GIVE_UP = 24
"""Refusals in a row after which no descent is to be had: the steps are below float32's grain."""
LEAST_CURVATURE = 1e-8


class LBFGSState(NamedTuple):
    """Attributes:
    trial: the point to evaluate next.
    best, value, gradient: the lowest point so far; value is inf before the first evaluation.
    moves, turns: (history, ...) accepted steps s and the changes y of the gradient over them.
    curvature: (history,) 1 / <s, y>; 0 where the slot is empty.
    newest: slot of the latest pair.
    scale: <s, y> / <y, y> of the latest pair, the inverse Hessian's size where no pair speaks.
    length: fraction of the full step that the trial takes.
    refusals: trials refused since the last one taken.
    """

    trial: Float[Array, "*shape"]
    best: Float[Array, "*shape"]
    value: Float[Array, ""]
    gradient: Float[Array, "*shape"]
    moves: Float[Array, "history *shape"]
    turns: Float[Array, "history *shape"]
    curvature: Float[Array, " history"]
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
            moves=empty,
            turns=jnp.array(empty),
            curvature=jnp.zeros((self.history,), x.dtype),
            newest=jnp.zeros((), jnp.int32),
            scale=jnp.ones((), x.dtype),
            length=jnp.ones((), x.dtype),
            refusals=jnp.zeros((), jnp.int32),
        )

    def update(
        self, state: LBFGSState, value: Float[Array, ""], gradient: Float[Array, "*shape"]
    ) -> LBFGSState:
        """Take in what was found at ``state.trial`` and choose the next trial."""
        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
        taken = finite & (value < state.value)
        state = _remember(state, taken, gradient)
        refusals = jnp.where(taken, 0, state.refusals + 1)
        forget = (refusals > 0) & (refusals % PATIENCE == 0)
        state = state._replace(
            best=jnp.where(taken, state.trial, state.best),
            value=jnp.where(taken, value, state.value),
            gradient=jnp.where(taken, gradient, state.gradient),
            curvature=jnp.where(forget, jnp.zeros_like(state.curvature), state.curvature),
            length=jnp.where(taken, jnp.ones_like(state.length), state.length * SHRINK),
            refusals=refusals,
        )
        return state._replace(trial=self._next_trial(state))

    def result(self, state: LBFGSState) -> Float[Array, "*shape"]:
        """The lowest point found."""
        return state.best

    def stalled(self, state: LBFGSState) -> Bool[Array, ""]:
        """Whether going on is of no use."""
        return state.refusals >= GIVE_UP

    def _next_trial(self, state: LBFGSState) -> Float[Array, "*shape"]:
        downhill, held = -state.gradient, None
        if self.bounds is not None:
            low, high = self.bounds
            # Values that sit at a bound and are pushed outwards take no part in the step.
            held = ((state.best <= low) & (downhill < 0)) | ((state.best >= high) & (downhill > 0))
            downhill = jnp.where(held, 0, downhill)
        steepest = downhill * (self.first_step / jnp.maximum(_root_mean_square(downhill), 1e-30))
        newton = _two_loop(state, downhill)
        newton = newton if held is None else jnp.where(held, 0, newton)
        descends = jnp.any(state.curvature > 0) & (_dot(newton, downhill) > 0)
        descends &= jnp.all(jnp.isfinite(newton))
        step = jnp.where(descends, newton, steepest)
        trial = state.best + state.length * step
        return trial if self.bounds is None else jnp.clip(trial, *self.bounds)


def _remember(state: LBFGSState, taken: Bool[Array, ""], gradient: Array) -> LBFGSState:
    """Store the accepted step, unless it is the first point or shows no positive curvature."""
    move, turn = state.trial - state.best, gradient - state.gradient
    product, energy = _dot(move, turn), _dot(turn, turn)
    steep = product > LEAST_CURVATURE * jnp.sqrt(_dot(move, move)) * jnp.sqrt(energy)
    keep = taken & jnp.isfinite(state.value) & steep
    slot = jnp.where(keep, (state.newest + 1) % len(state.curvature), state.newest)

    def stored(memory: Array, entry: Array) -> Array:
        return memory.at[slot].set(jnp.where(keep, entry, memory[slot]))

    return state._replace(
        moves=stored(state.moves, move),
        turns=stored(state.turns, turn),
        curvature=stored(state.curvature, 1 / product),
        newest=slot,
        scale=jnp.where(keep, product / energy, state.scale),
    )


def _two_loop(state: LBFGSState, downhill: Array) -> Array:
    """Minus the inverse Hessian estimate times the gradient.

    As loops of the program, not of Python, it compiles four times faster and runs no slower.
    """
    history = len(state.curvature)

    def newest_to_oldest(age: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        q, alphas = carry
        slot = (state.newest - age) % history
        alpha = state.curvature[slot] * _dot(state.moves[slot], q)
        return q - alpha * state.turns[slot], alphas.at[slot].set(alpha)

    def oldest_to_newest(index: Array, q: Array) -> Array:
        slot = (state.newest + 1 + index) % history
        beta = state.curvature[slot] * _dot(state.turns[slot], q)
        return q + (alphas[slot] - beta) * state.moves[slot]

    start = downhill, jnp.zeros_like(state.curvature)
    q, alphas = jax.lax.fori_loop(0, history, newest_to_oldest, start)
    return jax.lax.fori_loop(0, history, oldest_to_newest, state.scale * q)


def _dot(a: Array, b: Array) -> Array:
    return jnp.sum(a * b)


def _root_mean_square(a: Array) -> Array:
    return jnp.sqrt(jnp.mean(jnp.square(a)))
