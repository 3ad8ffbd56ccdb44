"""Two ways to keep one term of a loss from drowning the others."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


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
