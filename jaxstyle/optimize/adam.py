"""Adam (optax) with an average over its iterates, which is smoother than the last of them.

The running mean is corrected for its start as Adam's own moments are; averaging the iterates of
a stochastic method goes back to Polyak and Juditsky (1992).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from jaxstyle.optimize.arithmetic import usable
from jaxstyle.runtime.programs import jitted

EPSILON = 1e-16
"""Far below any gradient: with optax's 1e-8, losses in small units would hardly move x."""

PARTS = 16
"""Slices, along the first axis, that an update in place is done in."""


class AdamState(NamedTuple):
    """Attributes:
    trial: the point to evaluate next.
    moments: optax's state.
    average: weighted mean of the points evaluated so far.
    mass: the sum of their weights: 1 for the newest, and times the decay for every later one.
    refusals: evaluations in a row that were not finite.
    """

    trial: Float[Array, "*shape"]
    moments: optax.OptState
    average: Float[Array, "*shape"]
    mass: Float[Array, ""]
    refusals: Int[Array, ""]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Adam:
    """As an argument of a jitted function its numbers are traced: others compile nothing.

    Attributes:
    learning_rate: in units of x.
    average: decay of the mean over iterates; 0 returns the last one, 1 the plain mean of all.
    bounds: (low, high) that every iterate is clipped to, or None.
    """

    learning_rate: float = 0.02
    average: float = 0.99
    bounds: tuple[float, float] | None = field(default=None, metadata={"static": True})

    @property
    def _transform(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate, b1=0.9, b2=0.99, eps=EPSILON)

    def init(self, x: Float[Array, "*shape"]) -> AdamState:
        """Start at ``x``, which is the first trial. Evaluates nothing."""
        x = x if self.bounds is None else jnp.clip(x, *self.bounds)
        return AdamState(
            trial=x,
            moments=self._transform.init(x),
            average=jnp.array(x),  # a copy, for a donated state must not hold one buffer twice
            mass=jnp.zeros((), x.dtype),
            refusals=jnp.zeros((), jnp.int32),
        )

    def update(
        self, state: AdamState, value: Float[Array, ""], gradient: Float[Array, "*shape"]
    ) -> AdamState:
        """Take in the value and gradient of ``state.trial``; skip them if they are not finite."""
        finite = jnp.isfinite(usable(value, gradient))
        # optax raises floats to an integer power, which strict promotion forbids.
        with jax.numpy_dtype_promotion("standard"):
            change, moments = self._transform.update(gradient, state.moments)
        trial = state.trial + jnp.asarray(change)
        if self.bounds is not None:
            trial = jnp.clip(trial, *self.bounds)
        # Exact for every decay, where dividing by 1 - average**n loses its digits close to 1.
        mass = jnp.asarray(self.average, state.mass.dtype) * state.mass + 1
        average = state.average + (state.trial - state.average) / mass
        moved = AdamState(trial, moments, average, mass, jnp.zeros_like(state.refusals))
        kept = state._replace(refusals=state.refusals + 1)
        return jax.tree.map(lambda new, old: jnp.where(finite, new, old), moved, kept)

    def update_in_place(self, state: AdamState, value: Array, gradient: Array) -> AdamState:
        """``update``, called from Python, in the memory of ``state``, which is given up.

        As one program it would hold two more arrays of the size of x. Here they are slices, whose
        updates are the same but for the scalars: those count once.
        """
        value = usable(value, gradient)
        rows, part = -(-len(gradient) // PARTS), state
        for first in range(0, len(gradient), rows):
            size = min(rows, len(gradient) - first)
            part = _updated_slice(self, state, value, gradient, first, size=size)
            state = _with_slice(state, part, first)
        return jax.tree.map(lambda whole, new: whole if whole.ndim else new, state, part)

    def redirected(self, arrays: Mapping[str, Any], growth: float = 1.0) -> dict[str, Any]:
        """The arrays of a ``Snapshot`` to go on with when the function has become another.

        Its moments are means of late gradients, which forget the old function by themselves, and
        its steps are of one length whatever the ``growth``.
        """
        return {**arrays, "refusals": np.zeros_like(arrays["refusals"])}

    def result(self, state: AdamState) -> Float[Array, "*shape"]:
        """The average of the points evaluated, all of which had a finite loss."""
        return state.average

    def stalled(self, state: AdamState) -> Bool[Array, ""]:
        """Whether going on is of no use: the same point would be refused again."""
        return state.refusals > 0


@jitted(static_argnames="size")
def _updated_slice(
    algorithm: Adam,
    state: AdamState,
    value: Array,
    gradient: Array,
    first: Int[Array, ""],
    *,
    size: int,
) -> AdamState:
    def part(whole: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(whole, first, size) if whole.ndim else whole

    return algorithm.update(jax.tree.map(part, state), value, part(gradient))


@jitted(donate_argnums=0)
def _with_slice(state: AdamState, part: AdamState, first: Int[Array, ""]) -> AdamState:
    # A program of its own: in that of the update, XLA would keep copies of what it still reads.
    def put(whole: Array, new: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(whole, new, first, 0) if whole.ndim else whole

    return jax.tree.map(put, state, part)
