"""What most style statistics are functions of: sums of features and of their products.

They are sums over positions, so those of a picture's tiles, or of its parts on several devices,
add up to those of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxstyle.objective.losses import gram_matrix, wide


class Moments(NamedTuple):
    """Sums over positions, or means once divided by their weight.

    Attributes:
        products: of every two channels.
        total: of each channel.
        weight: how many positions were counted; 1 for means.
    """

    products: Float[Array, "c c"]
    total: Float[Array, " c"]
    weight: Float[Array, ""]


def moments(features: Float[Array, "h w c"], guide: Float[Array, "h w"] | None = None) -> Moments:
    """Sums over all positions.

    Args:
        guide: how much each position counts, 0 to 1: the square of the guidance channel of Gatys
            et al. 2017, equation 3, so that two soft masks which add up to 1 share the picture.
    """
    positions = features.shape[0] * features.shape[1]
    if guide is None:
        total = jnp.sum(wide(features), axis=(0, 1))
        return Moments(
            gram_matrix(features) * positions, total, jnp.asarray(positions, total.dtype)
        )
    guide = guide.astype(features.dtype)[..., None]
    return Moments(
        gram_matrix(features * jnp.sqrt(guide)) * positions,
        jnp.sum(wide(features * guide), axis=(0, 1)),
        jnp.sum(wide(guide)),
    )


def means(sums: Moments) -> Moments:
    """Sums divided by their weight; 0 where nothing was counted."""
    weight = jnp.where(sums.weight > 0, sums.weight, jnp.ones((), sums.weight.dtype))
    return Moments(sums.products / weight, sums.total / weight, sums.weight / weight)


def blended(parts: Sequence[Moments], shares: Sequence[float]) -> Moments:
    """The means of several styles at once: each as if it covered its share of one picture."""
    whole = sum(shares)
    if len(parts) == 1:
        return means(parts[0])
    weights = [share / whole for share in shares]
    each = [means(part) for part in parts]
    products = sum(weight * part.products for weight, part in zip(weights, each, strict=True))
    total = sum(weight * part.total for weight, part in zip(weights, each, strict=True))
    return Moments(jnp.asarray(products), jnp.asarray(total), jnp.ones((), parts[0].weight.dtype))


def covariance(mean: Moments) -> Float[Array, "c c"]:
    """Of the channels, from means."""
    return mean.products - mean.total[:, None] * mean.total[None, :]
