"""Gram matrices (Gatys et al. 2015), plain and of shifted activations (Novak and Nikulin 2016)."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxstyle.objective.losses import energy, squared_error
from jaxstyle.objective.statistics.moments import Moments
from jaxstyle.objective.statistics.statistic import Statistic

GRAM = Statistic(
    "gram",
    "the mean Gram matrix",
    target=lambda mean, _shift: mean.products,
    error=lambda mean, target: squared_error(mean.products, target),
    energy=energy,
    place=0,
)


def _shifted(mean: Moments, by: Float[Array, ""]) -> Float[Array, "c c"]:
    """The mean Gram matrix of features plus a number, from the moments of the features."""
    return mean.products + by * (mean.total[:, None] + mean.total[None, :]) + by * by


def _target(mean: Moments, shift: Float[Array, ""]) -> dict[str, Array]:
    by = shift * jnp.mean(mean.total)
    return {"gram": _shifted(mean, by), "by": by}


SHIFTED_GRAM = Statistic(
    "shifted-gram",
    "the Gram matrix of activations shifted by style_shift times their mean (Novak and Nikulin)",
    target=_target,
    error=lambda mean, target: squared_error(_shifted(mean, target["by"]), target["gram"]),
    energy=lambda target: energy(target["gram"]),
    place=1,
)
