"""Windows of pictures and features: cut out, and added back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxstyle.network.architecture import stride
from jaxstyle.quantities import Guides, Targets
from jaxstyle.windows import Tiling, Window

ALIGNMENT = 64
"""Bytes that XLA wants the address of an array on CPU to be a multiple of."""


def cut_targets(targets: Targets, cut: Callable[..., Array]) -> Targets:
    """A window's part of all that belongs to positions."""

    def of_taps(arrays: Mapping[str, Array]) -> dict[str, Array]:
        return {tap: cut(array, stride=stride(tap)) for tap, array in arrays.items()}

    content, style, pixels = targets.guides
    here = Guides(of_taps(content), of_taps(style), {name: cut(a) for name, a in pixels.items()})
    return Targets(of_taps(targets.content), {}, here)


@partial(jax.jit, static_argnames=("height", "width"))
def _cut(
    array: Float[Array, "h w c"], start: Int[Array, "2"], *, height: int, width: int
) -> Float[Array, "1 height width c"]:
    size = height, width, array.shape[-1]
    return jax.lax.dynamic_slice(array, _corner(start), size)[None]


@partial(jax.jit, donate_argnums=0)
def _add(
    whole: Float[Array, "h w c"], part: Float[Array, "1 height width c"], start: Int[Array, "2"]
) -> Float[Array, "h w c"]:
    corner = _corner(start)
    there = jax.lax.dynamic_slice(whole, corner, part.shape[1:])
    return jax.lax.dynamic_update_slice(whole, there + part[0], corner)


def add_window(
    whole: Float[Array, "h w c"], part: Float[Array, "1 height width c"], window: Window
) -> Float[Array, "h w c"]:
    """``whole``, which is given up, with a window's part added where it was cut out."""
    return _add(whole, part, _start(window))


def _corner(start: Int[Array, "2"]) -> tuple[Array, ...]:
    return start[0], start[1], jnp.zeros_like(start[0])


def cut_window(array: Any, window: Window, tiling: Tiling, stride: int = 1) -> Any:
    """A window's part (1, h, w, c) of a picture, or of features: one position in ``stride`` pixels.

    Of a NumPy array it is one, so that the whole is nowhere else.
    """
    height, width = tiling.height // stride, tiling.width // stride
    top, left = start = _start(window) // stride
    if isinstance(array, np.ndarray):
        return array[None, top : top + height, left : left + width]
    return _cut(array, start, height=height, width=width)


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """As ``np.zeros``, where JAX can use the very memory: else it makes a copy, and keeps both."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(shape)


def _start(window: Window) -> np.ndarray:
    return np.array([span.start for span in window], np.int32)


def owned_within(window: Window) -> np.ndarray:
    """By axis the first pixel that a window owns and the first that it does not, from its start."""
    return np.array([[s.low - s.start, s.high - s.start] for s in window], np.int32)
