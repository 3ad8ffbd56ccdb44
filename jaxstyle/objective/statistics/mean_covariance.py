"""Mean and covariance of the channels, each as an error relative to the style's own."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxstyle.objective.losses import energy, relative_error
from jaxstyle.objective.statistics.moments import Moments, covariance
from jaxstyle.objective.statistics.statistic import Statistic


def _target(mean: Moments, _shift: Float[Array, ""]) -> dict[str, Array]:
    return {"mean": mean.total, "covariance": covariance(mean)}


def _error(mean: Moments, target: dict[str, Array]) -> Float[Array, ""]:
    return (
        relative_error(mean.total, target["mean"])
        + relative_error(covariance(mean), target["covariance"])
    ) / 2


MEAN_COVARIANCE = Statistic(
    "mean-covariance",
    "mean and covariance of the channels",
    target=_target,
    error=_error,
    energy=lambda target: jnp.ones_like(energy(target["mean"])),
    place=2,
)
