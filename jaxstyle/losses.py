"""The sums that style transfer is made of: Gram matrices, squared errors, total variation.

Nothing here weighs anything: ``conventions`` says by what each sum is divided and multiplied.
Every sum is accumulated in float32 (float64 stays float64) whatever type the features have.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def _wide(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return x if x.dtype == jnp.float64 else x.astype(jnp.float32)


def gram_matrix(features: Float[Array, "h w c"]) -> Float[Array, "c c"]:
    """The mean Gram matrix: products of every two channels, averaged over the positions.

    Gatys et al. 2015, equation 3, divided by the number of positions M so that pictures of
    different sizes can be compared.
    """
    rows = features.reshape(-1, features.shape[-1])
    accumulator = jnp.float64 if rows.dtype == jnp.float64 else jnp.float32
    # "highest": a Gram matrix is one cheap product, and its errors are style errors everywhere.
    product = jax.lax.dot_general(
        rows,
        rows,
        (((0,), (0,)), ((), ())),
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=accumulator,
    )
    return product / rows.shape[0]


def squared_error(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, ""]:
    """The sum of squared differences (twice the content loss of Gatys et al. 2015, equation 1)."""
    return jnp.sum(jnp.square(_wide(a) - _wide(b)))


def energy(a: Float[Array, "*shape"]) -> Float[Array, ""]:
    """The sum of squares."""
    return jnp.sum(jnp.square(_wide(a)))


def total_variation_l1(picture: Float[Array, "h w c"], *, wrap: bool = False) -> Float[Array, ""]:
    """Mean absolute difference of neighbours, per value, both directions (anisotropic TV).

    Args:
        wrap: whether values at opposite borders are neighbours, as in a seamless texture.
    """
    # Not jnp.abs: JAX takes 1 for its slope at 0, which would tilt every flat area.
    down, right = (jnp.sum(step * jnp.sign(step)) for step in _differences(picture, wrap))
    return (down + right) / picture.size


def total_variation_l2(picture: Float[Array, "h w c"], *, wrap: bool = False) -> Float[Array, ""]:
    """Mean squared difference of neighbours, per value, both directions.

    Args:
        wrap: whether values at opposite borders are neighbours, as in a seamless texture.
    """
    down, right = _differences(picture, wrap)
    return (energy(down) + energy(right)) / picture.size


def _differences(picture: Float[Array, "h w c"], wrap: bool) -> tuple[Array, Array]:
    picture = _wide(picture)
    if wrap:
        return jnp.roll(picture, -1, axis=0) - picture, jnp.roll(picture, -1, axis=1) - picture
    return picture[1:] - picture[:-1], picture[:, 1:] - picture[:, :-1]


TOTAL_VARIATIONS = {"l1": total_variation_l1, "l2": total_variation_l2}
