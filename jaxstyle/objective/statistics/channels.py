"""Mean and standard deviation of each channel (Huang and Belongie 2017, AdaIN)."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxstyle.objective.losses import energy, relative_error
from jaxstyle.objective.statistics.moments import Moments
from jaxstyle.objective.statistics.statistic import Statistic

FLOOR = 1e-5
"""Of a variance, relative to the mean square of all channels: a root has no slope at 0."""


def _deviation(mean: Moments) -> Float[Array, " c"]:
    squares = jnp.diagonal(mean.products)
    tiny = jnp.asarray(jnp.finfo(squares.dtype).tiny, squares.dtype)
    floor = jnp.maximum(FLOOR * jnp.mean(squares), tiny)
    return jnp.sqrt(jnp.maximum(squares - mean.total**2, floor))


def _target(mean: Moments, _shift: Float[Array, ""]) -> dict[str, Array]:
    return {"mean": mean.total, "deviation": _deviation(mean)}


def _error(mean: Moments, target: dict[str, Array]) -> Float[Array, ""]:
    return (
        relative_error(mean.total, target["mean"])
        + relative_error(_deviation(mean), target["deviation"])
    ) / 2


CHANNELS = Statistic(
    "adain",
    "mean and standard deviation of each channel",
    target=_target,
    error=_error,
    energy=lambda target: jnp.ones_like(energy(target["mean"])),
    place=4,
)
