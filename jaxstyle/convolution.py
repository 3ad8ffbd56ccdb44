"""The two kernels of arithmetic in VGG: 3x3 convolution and 2x2 pooling."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def convolve3x3(
    x: Float[Array, "n h w i"],
    kernel: Float[Array, "3 3 i o"],
    bias: Float[Array, " o"],
    padding: str = "zeros",
) -> Float[Array, "n h w o"]:
    """Cross-correlate with a 3x3 kernel and add a bias; the output is as large as the input.

    Args:
        padding: what lies beyond the border: ``zeros``, ``reflect``, ``replicate`` or
            ``circular``, the other side of the picture.
    """
    if padding == "zeros":
        mode = "SAME"
    else:
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=_PAD_MODES[padding])
        mode = "VALID"
    y = jax.lax.conv_general_dilated(
        x, kernel, (1, 1), mode, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return y + bias.reshape(1, 1, 1, -1)


def pool2x2(x: Float[Array, "n h w c"], pooling: str) -> Float[Array, "n h/2 w/2 c"]:
    """Halve height and width by the mean (``avg``) or the maximum (``max``) of 2x2 squares.

    An odd last row or column is dropped, as PyTorch's poolings do.
    """
    n, h, w, c = x.shape
    squares = x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c)
    return squares.mean(axis=(2, 4)) if pooling == "avg" else squares.max(axis=(2, 4))
