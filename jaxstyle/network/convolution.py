"""The three kinds of arithmetic in VGG: 3x3 convolution, ReLU and 2x2 pooling."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxstyle.network import winograd

_PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def convolve3x3(
    x: Float[Array, "n h w i"],
    kernel: Float[Array, "3 3 i o"],
    bias: Float[Array, " o"],
    padding: str = "zeros",
    transformed: Float[Array, "36 i o"] | None = None,
) -> Float[Array, "n h w o"]:
    """Cross-correlate with a 3x3 kernel and add a bias; the output is as large as the input.

    Args:
        padding: what lies beyond the border: ``zeros``, ``reflect``, ``replicate`` or
            ``circular``, the other side of the picture.
        transformed: ``winograd.transform(kernel)``, to take that way; it rounds a little more.
    """
    border = 1
    if padding != "zeros":
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=_PAD_MODES[padding])
        border = 0
    if transformed is not None and x.dtype == transformed.dtype:
        y: Any = winograd.correlate(x, kernel, transformed, border)
    else:
        around = (border, border)
        y = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), (around, around), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    return y + bias.reshape(1, 1, 1, -1)


@jax.custom_jvp
def relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The larger of 0 and the value.

    Unlike ``jax.nn.relu`` it remembers its output alone for the way back, and is computed once
    whoever uses it: XLA would compute it anew, and keep it, for each.
    """
    return jax.lax.optimization_barrier(jnp.maximum(x, jnp.zeros((), x.dtype)))


@relu.defjvp
def _relu_slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = relu(*primals)
    return y, jnp.where(y > 0, tangents[0], jnp.zeros((), y.dtype))


def pool2x2(x: Float[Array, "n h w c"], pooling: str) -> Float[Array, "n h/2 w/2 c"]:
    """Halve height and width by the mean (``avg``) or the maximum (``max``) of 2x2 squares.

    An odd last row or column is dropped, as PyTorch's poolings do.
    """
    n, h, w, c = x.shape
    squares = x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c)
    return squares.mean(axis=(2, 4)) if pooling == "avg" else squares.max(axis=(2, 4))
