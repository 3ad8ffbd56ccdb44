"""3x3 convolution with a quarter of the multiplications: Winograd's F(4x4, 3x3).

Each 4x4 square of outputs comes from a 6x6 square of inputs as ``A' [(G k G') * (B' x B)] A``,
where the products over the channels are 36 matrix products. All of it is written as matrix
products and copies, which XLA's CPU backend compiles and runs faster than the sums they stand for.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv:1509.09308).
Their points 0, 1, -1, 2, -2 are replaced by 0, r, -r, -1/r, 1/r with r = sqrt 2 for two reasons.
The rounding error is half as large. And the points come in reciprocal pairs, so that a kernel
turned round has the same 36 transformed values in reverse order: the gradient with respect to the
input needs no second transformed kernel.

The 36 matrices of a wide layer take longer to make than to use on a small picture. They are made
once, and kept with the parameters: ``with_transformed_kernels``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxstyle.network.network import Params, kernel_shapes

LEAST_WIDTH = 128
"""Channels, in and out, from which on it is the quicker way on a CPU (docs/benchmarks.md).

A rule, and no measurement on the spot: the same program and the same rounding every time.
"""

LEAST_NETWORK = 256
"""Channels of the widest layer of a network that gains more than longer compilation takes."""

SQUARE = 4
"""Outputs along a side of a square."""
WINDOW = SQUARE + 2
"""Inputs along a side of a square."""

_R = 2**0.5
_POINTS = (0.0, _R, -_R, -1 / _R, 1 / _R)  # and infinity, the reciprocal of 0
# Any factor may move from a row of B' to that of G; these make G the same when turned round.
_FACTORS = np.array([1, _R, _R, -1 / _R, -1 / _R, 1])


def _transforms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A' (4, 6), G (6, 3) and B' (6, 6) by the method of Toom and Cook."""
    outputs = np.zeros((SQUARE, WINDOW))
    kernels = np.zeros((WINDOW, 3))
    inputs = np.zeros((WINDOW, WINDOW))
    for row, point in enumerate(_POINTS):
        others = [other for other in _POINTS if other != point]
        outputs[:, row] = point ** np.arange(SQUARE)
        kernels[row] = point ** np.arange(3) / np.prod([point - other for other in others])
        inputs[row, :-1] = np.poly(others)[::-1]
    outputs[-1, -1] = kernels[-1, -1] = 1
    inputs[-1] = np.poly(_POINTS)[::-1]
    return outputs, kernels * _FACTORS[:, None], inputs / _FACTORS[:, None]


OUTPUTS, KERNELS, INPUTS = _transforms()


def wide_layers(params: Params) -> list[str]:
    """The convolutions that are quicker this way on a CPU."""
    shapes = kernel_shapes(params)
    if max(shape[3] for shape in shapes.values()) < LEAST_NETWORK:
        return []
    return [name for name, shape in shapes.items() if min(shape[2:]) >= LEAST_WIDTH]


def with_transformed_kernels(params: Params, convolutions: Iterable[str]) -> Params:
    """Parameters that say which convolutions are to be computed this way, by what they hold.

    Args:
        convolutions: names; each gets a third array, ``transformed``, of four times its kernel.
    """
    added = {name: {"transformed": transform(params[name]["kernel"])} for name in convolutions}
    return {name: {**layer, **added.get(name, {})} for name, layer in params.items()}


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def correlate(
    x: Float[Array, "n h w i"],
    kernel: Float[Array, "3 3 i o"],
    transformed: Float[Array, "36 i o"],
    border: int,
) -> Float[Array, "n h+2*border-2 w+2*border-2 o"]:
    """Cross-correlate pictures, surrounded by ``border`` (0, 1 or 2) zeros, with a 3x3 kernel.

    Args:
        transformed: ``transform(kernel)``. The gradient with respect to both is that of ``kernel``.
    """
    return _correlate(x, transformed, border)


def _forward(
    x: Array, kernel: Array, transformed: Array, border: int
) -> tuple[Array, tuple[Array, Array, Array]]:
    return _correlate(x, transformed, border), (x, kernel, transformed)


def _backward(
    border: int, saved: tuple[Array, Array, Array], slope: Array
) -> tuple[Array, Array, Array]:
    x, kernel, transformed = saved

    def directly(kernel: Array) -> Array:
        around = (border, border)
        return jax.lax.conv_general_dilated(
            x, kernel, (1, 1), (around, around), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    # Nobody asks for the kernel's gradient in style transfer; then this costs nothing.
    (kernel_slope,) = jax.linear_transpose(directly, kernel)(slope)
    x_slope = _correlate(slope, transformed, 2 - border, turned=True)
    return x_slope, kernel_slope, jnp.zeros_like(transformed)


correlate.defvjp(_forward, _backward)


@jax.jit
def transform(kernel: Float[Array, "3 3 i o"]) -> Float[Array, "36 i o"]:
    """``G k G'`` with the columns' index first."""
    both = np.einsum("ay,bx->bayx", KERNELS, KERNELS)
    matrix = jnp.asarray(both.reshape(WINDOW**2, 9), kernel.dtype)
    return (matrix @ kernel.reshape(9, -1)).reshape(WINDOW**2, *kernel.shape[2:])


def _correlate(
    x: Float[Array, "n h w i"],
    transformed: Float[Array, "36 i o"],
    border: int,
    turned: bool = False,
) -> Float[Array, "n _h _w o"]:
    """The 36 products; ``turned`` takes the kernel turned round, from its outputs to its inputs."""
    step = -1 if turned else 1
    to_products = jnp.asarray(INPUTS[::step], x.dtype)
    from_products = jnp.asarray(OUTPUTS[:, ::step], x.dtype)
    n, height, width, _ = x.shape
    height, width = height + 2 * border - 2, width + 2 * border - 2
    down, across = -(-height // SQUARE), -(-width // SQUARE)
    padded = _pad(x, border, down * SQUARE + 2, across * SQUARE + 2)
    rows = _mix(to_products, _strided(padded, 1, down))
    squares = _mix(to_products, _strided(rows, 3, across))
    squares = squares.reshape(WINDOW**2, n * down * across, -1)
    contracted = (((2,), (2 if turned else 1,)), ((0,), (0,)))
    products = jax.lax.dot_general(squares, transformed, contracted)
    columns = _mix(from_products, products.reshape(WINDOW, WINDOW, -1))
    outputs = _mix(from_products, columns.swapaxes(0, 1))
    outputs = outputs.reshape(SQUARE, SQUARE, n, down, across, -1).transpose(2, 3, 0, 4, 1, 5)
    outputs = outputs.reshape(n, down * SQUARE, across * SQUARE, -1)
    return outputs[:, :height, :width]


def _pad(x: Array, before: int, height: int, width: int) -> Array:
    after = (height - x.shape[1] - before, width - x.shape[2] - before)
    return jnp.pad(x, ((0, 0), (before, after[0]), (before, after[1]), (0, 0)))


def _strided(x: Array, axis: int, count: int) -> Array:
    """Stack, first, what lies at each of the six positions of all windows along an axis."""
    last = SQUARE * (count - 1) + 1
    starts = range(WINDOW)
    return jnp.stack(
        [jax.lax.slice_in_dim(x, start, start + last, SQUARE, axis) for start in starts]
    )


def _mix(matrix: Array, x: Array) -> Array:
    """Multiply the first axis by a matrix."""
    return (matrix @ x.reshape(x.shape[0], -1)).reshape(matrix.shape[0], *x.shape[1:])
