"""The histogram of each channel (Risser, Wilmot and Barnes 2017), compared by rank.

Their loss is the squared distance of every value from the one that histogram matching would put
in its place; that is the value of the same rank, and the loss the squared Wasserstein-2 distance of
the two histograms. Ranks are known only of the whole picture.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxstyle.objective.losses import energy, wide
from jaxstyle.objective.statistics.statistic import Statistic

COUNT = 1024
"""Quantiles that are kept of a style."""


def values(features: Float[Array, "h w c"]) -> Float[Array, "m c"]:
    """The values of each channel in order: what is known of a picture's features."""
    return jnp.sort(wide(features).reshape(-1, features.shape[-1]), axis=0)


def quantiles(ordered: Float[Array, "m c"], count: int) -> Float[Array, "count c"]:
    """``count`` values at even ranks, interpolated between their neighbours."""
    have = ordered.shape[0]
    ranks = np.clip((np.arange(count) + 0.5) * have / count - 0.5, 0, have - 1)
    low = np.floor(ranks).astype(np.int32)
    high = np.minimum(low + 1, have - 1)
    share = jnp.asarray(ranks - low, ordered.dtype)[:, None]
    return ordered[low] * (1 - share) + ordered[high] * share


def _error(ordered: Float[Array, "m c"], target: Float[Array, "_q c"]) -> Float[Array, ""]:
    return energy(ordered - quantiles(target, ordered.shape[0])) / ordered.shape[0]


HISTOGRAM = Statistic(
    "histogram",
    "the histogram of each channel (Risser et al.)",
    target=lambda ordered, _shift: quantiles(ordered, COUNT),
    error=_error,
    energy=lambda target: energy(target) / target.shape[0],
    needs="quantiles",
    place=5,
)
