"""A minimisation between two steps: what of it can be kept, and how it goes on from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Array

from jaxstyle.errors import InputError

FORMER_NAMES = {
    "moves": "steps",
    "turns": "gradient_changes",
    "curvature": "inverse_curvatures",
}
"""What arrays of L-BFGS are called in older checkpoints, and what now."""


class Snapshot(NamedTuple):
    """All that a run needs to go on as if it had never ended.

    Attributes:
        state: the algorithm's arrays by name. As ``Progress`` gives them they live on the devices,
            until the callback returns; ``on_host`` copies one. None where they are lost: the run
            goes on from a picture alone, as after ``OutOfMemory``.
        values: the loss at each step so far.
        seconds: time taken so far.
        stalled: whether the algorithm has no descent left.
    """

    state: Mapping[str, Any] | None
    values: list[float]
    seconds: float
    stalled: bool


class OutOfMemory(MemoryError):
    """Memory ran out in the midst of a run, of which this is left.

    Attributes:
        x: the result as it was.
        snapshot: where to go on from ``x``; without the algorithm's arrays.
    """

    def __init__(self, x: np.ndarray, snapshot: Snapshot) -> None:
        super().__init__(f"out of memory after {len(snapshot.values)} steps")
        self.x, self.snapshot = x, snapshot


def on_host(x: Array) -> np.ndarray:
    """A copy on the host, for the optimiser's arrays are donated to the next step.

    Where processes share ``x``, all must call this, and each gets the whole of it.
    """
    if x.is_fully_addressable:
        return np.array(x)
    return np.array(multihost_utils.process_allgather(x, tiled=True))


def named(state: Any) -> dict[str, Any]:
    """The arrays of a pytree, by where they are in it: ``moments.0.mu``."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def restored(state: Any, kept: Mapping[str, np.ndarray] | None) -> Any:
    """A state with the arrays that were kept, where those of ``state`` are, which is given up.

    Raises:
        InputError: they are of another algorithm or shape.
    """
    if kept is None:
        return state
    arrays = named(state)
    kept = {FORMER_NAMES.get(name, name): array for name, array in kept.items()}
    needed, given = (
        {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in leaves.items()}
        for leaves in (arrays, kept)
    )
    for name in sorted({*needed, *given}):
        if needed.get(name) != given.get(name):
            raise InputError(
                f"the optimiser's state to go on from is not of this run: {name} is "
                f"{given.get(name, 'missing')}, needed is {needed.get(name, 'none')}"
            )
    leaves = [_in_place_of(leaf, kept[name]) for name, leaf in arrays.items()]
    return jax.tree.unflatten(jax.tree.structure(state), leaves)


def _in_place_of(old: Array, new: np.ndarray) -> Array:
    sharding, shape, new = old.sharding, old.shape, np.asarray(new)
    old.delete()  # memory is short: never both
    if sharding.is_fully_addressable:
        return jax.device_put(new, sharding, may_alias=False)
    return jax.make_array_from_callback(shape, sharding, lambda index: new[index])
