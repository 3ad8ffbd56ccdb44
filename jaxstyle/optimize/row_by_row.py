"""Updates of an optimiser's state in the memory of what they replace, part by part.

As one program, XLA's update of Adam holds two more arrays of the size of x, that of L-BFGS five.
Of a picture that fills the memory each is a tenth of all there is; here they are slices.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxstyle.optimize.adam import Adam, AdamState
from jaxstyle.optimize.lbfgs import LBFGS, LEAST_CURVATURE, PATIENCE, SHRINK, LBFGSState

PARTS = 16
"""Slices, along the first axis, that Adam's update is done in."""


def adam_in_place(
    algorithm: Adam, state: AdamState, value: Float[Array, ""], gradient: Float[Array, "*shape"]
) -> AdamState:
    """``algorithm.update``, which is the same for every part but for its scalars."""
    value = jnp.where(_all_finite(gradient), value, jnp.nan)
    arrays, scalars = _divided(state, gradient.shape)
    rows, changed = -(-len(gradient) // PARTS), scalars
    for first in range(0, len(gradient), rows):
        size = min(rows, len(gradient) - first)
        parts, changed = _updated_part(
            arrays, scalars, value, gradient, first, algorithm=algorithm, size=size
        )
        arrays = _put(arrays, parts, first)
    return jax.tree.map(_one_of, arrays, changed, is_leaf=_is_none)


@partial(jax.jit, static_argnames="size")
def _updated_part(
    arrays: Any,
    scalars: Any,
    value: Array,
    gradient: Array,
    first: Int[Array, ""],
    *,
    algorithm: Adam,
    size: int,
) -> tuple[Any, Any]:
    def part(whole: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(whole, first, size)

    state = jax.tree.map(_one_of, jax.tree.map(part, arrays), scalars, is_leaf=_is_none)
    changed = algorithm.update(state, value, part(gradient))
    return _divided(changed, (size, *gradient.shape[1:]))


@partial(jax.jit, donate_argnums=0)
def _put(arrays: Any, parts: Any, first: Int[Array, ""]) -> Any:
    # A program of its own: in that of the update, XLA would keep copies of what it still reads.
    put = partial(jax.lax.dynamic_update_slice_in_dim, start_index=first, axis=0)
    return jax.tree.map(put, arrays, parts)


def _divided(state: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """The arrays of a state, and the rest of it; None where the other has something."""
    arrays = jax.tree.map(lambda leaf: leaf if leaf.shape == shape else None, state)
    rest = jax.tree.map(lambda leaf: None if leaf.shape == shape else leaf, state)
    return arrays, rest


def _one_of(array: Any, scalar: Any) -> Any:
    return scalar if array is None else array


def _is_none(leaf: Any) -> bool:
    return leaf is None


def lbfgs_in_place(
    algorithm: LBFGS, state: LBFGSState, value: Float[Array, ""], gradient: Float[Array, "*shape"]
) -> LBFGSState:
    """``algorithm.update``; the arrays of ``state`` and ``gradient`` are given up."""
    taken, keep, product, energy = _compared(state, value, gradient)
    slot = jnp.where(keep, (state.newest + 1) % algorithm.history, state.newest)
    moves = _stored(state.moves, slot, keep, state.trial, state.best)
    turns = _stored(state.turns, slot, keep, gradient, state.gradient)
    best = _chosen(state.best, taken, state.trial)
    slope = _chosen(state.gradient, taken, gradient)
    gradient.delete()
    refusals = jnp.where(taken, 0, state.refusals + 1)
    forget = (refusals > 0) & (refusals % PATIENCE == 0)
    curvature = state.curvature.at[slot].set(jnp.where(keep, 1 / product, state.curvature[slot]))
    state = LBFGSState(
        trial=state.trial,
        best=best,
        value=jnp.where(taken, value, state.value),
        gradient=slope,
        moves=moves,
        turns=turns,
        curvature=jnp.where(forget, jnp.zeros_like(curvature), curvature),
        newest=slot,
        scale=jnp.where(keep, product / energy, state.scale),
        length=jnp.where(taken, jnp.ones_like(state.length), state.length * SHRINK),
        refusals=refusals,
    )
    return state._replace(trial=_next_trial(algorithm, state))


def _next_trial(algorithm: LBFGS, state: LBFGSState) -> Array:
    """In the place of ``state.trial``."""
    history = algorithm.history
    q = _downhill(state.trial, state.gradient, state.best, bounds=algorithm.bounds)
    alphas = {}
    for age in range(history):
        slot = (state.newest - age) % history
        alphas[age] = _along(state.moves, slot, state.curvature, q)
        q = _moved(q, state.turns, slot, -alphas[age])
    q = _scaled(q, state.scale)
    for age in reversed(range(history)):
        slot = (state.newest - age) % history
        beta = _along(state.turns, slot, state.curvature, q)
        q = _moved(q, state.moves, slot, alphas[age] - beta)
    return _stepped(
        q, state.gradient, state.best, state.curvature, state.length, algorithm=algorithm
    )


@jax.jit
def _compared(
    state: LBFGSState, value: Array, gradient: Array
) -> tuple[Bool[Array, ""], Bool[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """Whether the trial is taken, whether its pair is, <s, y> and <y, y>."""

    def products(trial: Array, best: Array, new: Array, old: Array) -> Array:
        move, turn = trial - best, new - old
        return jnp.stack([jnp.sum(move * turn), jnp.sum(turn * turn), jnp.sum(move * move)])

    points = state.trial, state.best, gradient, state.gradient
    product, energy, length = _summed(products, jnp.zeros(3, gradient.dtype), *points)
    taken = jnp.isfinite(value) & _all_finite(gradient) & (value < state.value)
    steep = product > LEAST_CURVATURE * jnp.sqrt(length) * jnp.sqrt(energy)
    return taken, taken & jnp.isfinite(state.value) & steep, product, energy


@partial(jax.jit, donate_argnums=0)
def _stored(memory: Array, slot: Int[Array, ""], keep: Array, new: Array, old: Array) -> Array:
    def put(row: Array, memory: Array) -> Array:
        entry = jnp.where(keep, new[row] - old[row], memory[slot, row])
        return memory.at[slot, row].set(entry)

    return jax.lax.fori_loop(0, len(new), put, memory)


@partial(jax.jit, donate_argnums=0)
def _chosen(old: Array, taken: Array, new: Array) -> Array:
    return jnp.where(taken, new, old)


def _free(gradient: Array, best: Array, bounds: tuple[float, float] | None) -> tuple[Array, Array]:
    """Downhill, 0 where a value sits at a bound and is pushed outwards; and where that is."""
    downhill = -gradient
    if bounds is None:
        return downhill, jnp.zeros_like(downhill, bool)
    low, high = bounds
    held = ((best <= low) & (downhill < 0)) | ((best >= high) & (downhill > 0))
    return jnp.where(held, 0, downhill), held


@partial(jax.jit, static_argnames="bounds", donate_argnums=0)
def _downhill(
    place: Array, gradient: Array, best: Array, *, bounds: tuple[float, float] | None
) -> Array:
    def put(row: Array, place: Array) -> Array:
        return place.at[row].set(_free(gradient[row], best[row], bounds)[0])

    return jax.lax.fori_loop(0, len(place), put, place)


@jax.jit
def _along(memory: Array, slot: Int[Array, ""], curvature: Array, q: Array) -> Float[Array, ""]:
    def add(row: Array, total: Array) -> Array:
        return total + jnp.sum(memory[slot, row] * q[row])

    return curvature[slot] * jax.lax.fori_loop(0, len(q), add, jnp.zeros((), q.dtype))


@partial(jax.jit, donate_argnums=0)
def _moved(q: Array, memory: Array, slot: Int[Array, ""], by: Float[Array, ""]) -> Array:
    return q + by * memory[slot]


@partial(jax.jit, donate_argnums=0)
def _scaled(q: Array, scale: Float[Array, ""]) -> Array:
    return scale * q


@partial(jax.jit, static_argnames="algorithm", donate_argnums=0)
def _stepped(
    newton: Array,
    gradient: Array,
    best: Array,
    curvature: Array,
    length: Array,
    *,
    algorithm: LBFGS,
) -> Array:
    bounds = algorithm.bounds

    def facts(newton: Array, gradient: Array, best: Array) -> Array:
        downhill, held = _free(gradient, best, bounds)
        newton = jnp.where(held, 0, newton)
        return jnp.stack([jnp.sum(newton * downhill), jnp.sum(jnp.square(downhill))])

    product, energy = _summed(facts, jnp.zeros(2, newton.dtype), newton, gradient, best)
    descends = jnp.any(curvature > 0) & (product > 0) & _all_finite(newton)
    size = algorithm.first_step / jnp.maximum(jnp.sqrt(energy / gradient.size), 1e-30)

    def put(row: Array, place: Array) -> Array:
        downhill, held = _free(gradient[row], best[row], bounds)
        step = jnp.where(descends, jnp.where(held, 0, place[row]), downhill * size)
        trial = best[row] + length * step
        return place.at[row].set(trial if bounds is None else jnp.clip(trial, *bounds))

    return jax.lax.fori_loop(0, len(newton), put, newton)


def _summed(of: Callable[..., Array], zero: Array, *arrays: Array) -> Array:
    """The sum of ``of`` over the rows of arrays, of which none is made as a whole."""
    return jax.lax.fori_loop(
        0, len(arrays[0]), lambda row, total: total + of(*(array[row] for array in arrays)), zero
    )


@jax.jit
def _all_finite(x: Array) -> Bool[Array, ""]:
    return jax.lax.fori_loop(
        0, len(x), lambda row, so_far: so_far & jnp.all(jnp.isfinite(x[row])), jnp.asarray(True)
    )
