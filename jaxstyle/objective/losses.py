"""The sums that style transfer is made of: Gram matrices and squared errors.

Nothing here weighs anything: ``conventions`` says by what each sum is divided and multiplied.
Every sum is accumulated in float32 (float64 stays float64) whatever type the features have.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def wide(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """In the type that sums are accumulated in."""
    return x if x.dtype == jnp.float64 else x.astype(jnp.float32)


def gram_matrix(
    features: Float[Array, "h w c"], others: Float[Array, "h w c"] | None = None
) -> Float[Array, "c c"]:
    """The mean Gram matrix: products of every two channels, averaged over the positions.

    Gatys et al. 2015, equation 3, divided by the number of positions M so that pictures of
    different sizes can be compared.

    Args:
        others: the second factor of each product, if that is not the features themselves.
    """
    rows = features.reshape(-1, features.shape[-1])
    if others is None:
        return _products_of(rows) / rows.shape[0]
    return _products(rows, others.reshape(rows.shape)) / rows.shape[0]


@jax.custom_jvp
def _products_of(rows: Float[Array, "positions c"]) -> Float[Array, "c c"]:
    """``_products`` with itself. On the way back both factors' parts come of one product."""
    return _products(rows, rows)


@_products_of.defjvp
def _products_slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    one_way = _products(primals[0], tangents[0])
    return _products_of(*primals), one_way + one_way.T


def _products(
    rows: Float[Array, "positions c"], columns: Float[Array, "positions c"]
) -> Float[Array, "c c"]:
    accumulator = jnp.float64 if rows.dtype == jnp.float64 else jnp.float32
    # "highest": a Gram matrix is one cheap product, and its errors are style errors everywhere.
    return jax.lax.dot_general(
        rows,
        columns,
        (((0,), (0,)), ((), ())),
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=accumulator,
    )


def squared_error(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, ""]:
    """The sum of squared differences (twice the content loss of Gatys et al. 2015, equation 1)."""
    return jnp.sum(jnp.square(wide(a) - wide(b)))


def energy(a: Float[Array, "*shape"]) -> Float[Array, ""]:
    """The sum of squares."""
    return jnp.sum(jnp.square(wide(a)))


def relative_error(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, ""]:
    """The squared error of ``a``, relative to the energy of ``b``."""
    return squared_error(a, b) / jnp.maximum(energy(b), jnp.asarray(1e-12, wide(b).dtype))


@jax.custom_vjp
def with_unit_gradient(
    x: Float[Array, "*shape"], strength: Float[Array, ""]
) -> Float[Array, "*shape"]:
    """``x`` itself, but the gradient that comes back to it is scaled to an L1 norm of ``strength``.

    As ``-normalize_gradients`` of jcjohnson/neural-style, which scales the gradient of each loss
    layer. What is descended then is no longer the gradient of any loss.
    """
    return x


def _forward(x: Array, strength: Array) -> tuple[Array, Array]:
    return x, strength


def _backward(strength: Array, cotangent: Array) -> tuple[Array, Array]:
    wide = cotangent.astype(strength.dtype)
    norm = jnp.sum(jnp.abs(wide))
    # Divided before it is multiplied: the strength by a small norm alone may be infinite.
    some = norm > 0
    unit = jnp.where(some, wide / jnp.where(some, norm, jnp.ones_like(norm)), jnp.zeros_like(wide))
    return (unit * strength).astype(cotangent.dtype), jnp.zeros_like(strength)


with_unit_gradient.defvjp(_forward, _backward)


def clipped(value: Float[Array, ""], most: Float[Array, ""]) -> Float[Array, ""]:
    """A squared error whose root grows freely up to that of ``most``, and beyond it linearly.

    As Huber's loss does with residuals: the value and its slope are continuous, and a layer that
    is far off pulls no harder than at ``most``. 0 is no limit.
    """
    limited = most > 0
    limit = jnp.where(limited, most, jnp.ones_like(most))
    beyond = limited & (value > limit)
    far = jnp.where(beyond, value, limit)
    return jnp.where(beyond, 2 * jnp.sqrt(limit * far) - limit, value)
