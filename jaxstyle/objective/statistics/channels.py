"""Mean of the channels and how they vary, each as an error relative to the style's own.

Alone, by their standard deviations (Huang and Belongie 2017, AdaIN), or together, by their
covariance.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxstyle.objective.losses import energy, relative_error
from jaxstyle.objective.statistics.moments import Moments, covariance
from jaxstyle.objective.statistics.statistic import Statistic

FLOOR = 1e-5
"""Of a variance, relative to the mean square of all channels: a root has no slope at 0."""


def _deviation(mean: Moments) -> Float[Array, " c"]:
    squares = jnp.diagonal(mean.products)
    tiny = jnp.asarray(jnp.finfo(squares.dtype).tiny, squares.dtype)
    floor = jnp.maximum(FLOOR * jnp.mean(squares), tiny)
    return jnp.sqrt(jnp.maximum(squares - mean.total**2, floor))


def _statistic(
    name: str, summary: str, spread: Callable[[Moments], Array], place: int
) -> Statistic:
    """The mean, and ``spread`` of the moments."""

    def target(mean: Moments, _shift: Float[Array, ""]) -> dict[str, Array]:
        return {"mean": mean.total, "spread": spread(mean)}

    def error(mean: Moments, target: dict[str, Array]) -> Float[Array, ""]:
        return (
            relative_error(mean.total, target["mean"])
            + relative_error(spread(mean), target["spread"])
        ) / 2

    return Statistic(
        name,
        summary,
        target=target,
        error=error,
        energy=lambda target: jnp.ones_like(energy(target["mean"])),
        place=place,
    )


CHANNELS = _statistic("adain", "mean and standard deviation of each channel", _deviation, place=4)
MEAN_COVARIANCE = _statistic(
    "mean-covariance", "mean and covariance of the channels", covariance, place=2
)
