"""Where the tiles of a picture lie, such that every feature is computed as in the whole picture.

A position of a layer is owned by just one window, and that window holds all pixels which the
position depends on. Windows start on lines of the coarsest tapped layer's grid, so that poolings
pair the same rows as in the whole picture, and lie inside it, so that padding at an edge which an
owned position can see is padding at the picture's own border.

All windows have one size, whatever the size of the picture: along an axis it is congruent to the
picture's modulo the grid. The last window thus starts on a line and ends at the border, with the
rows that poolings drop there; what the others drop at their ends lies in the halo.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG19, Architecture, order_taps, stride
from jaxstyle.objective.pytrees import Guides, Targets
from jaxstyle.runtime.programs import jitted


class Span(NamedTuple):
    """A window along one axis, in pixels of the picture.

    Attributes:
        start: where the window begins.
        low, high: the pixels that it owns, from ``low`` up to but without ``high``.
    """

    start: int
    low: int
    high: int


class Window(NamedTuple):
    """One tile: its rows and its columns."""

    rows: Span
    columns: Span


class Tiling(NamedTuple):
    """Attributes:
    height, width: of every window, in pixels.
    windows: row by row.
    """

    height: int
    width: int
    windows: tuple[Window, ...]


def grid_of(taps: Iterable[str]) -> int:
    """The stride of the coarsest tap, in pixels: owned blocks begin and end on its lines."""
    return max((stride(tap) for tap in taps), default=1)


def reach_of(taps: Iterable[str], architecture: Architecture = VGG19) -> int:
    """How many pixels beyond those that it covers itself a position of the deepest tap depends on.

    A position of conv5_1 covers 16x16 pixels and reaches 70 further, 78 from its centre. At least
    1, for the sake of total variation.
    """
    ordered = order_taps(taps, architecture)
    if not ordered:
        return 1
    upto = architecture.layers[: architecture.layers.index(ordered[-1]) + 1]
    return max(1, sum(stride(layer) for layer in upto if layer.startswith("conv")))


def least_tile(taps: Iterable[str], architecture: Architecture = VGG19) -> int:
    """The smallest tile that leaves every window something to own, for pictures of any size."""
    taps = tuple(taps)
    grid, reach = grid_of(taps), reach_of(taps, architecture)
    return reach + _up(reach, grid) + 2 * grid - 1


def tile_picture(
    height: int, width: int, taps: Iterable[str], tile: int, architecture: Architecture = VGG19
) -> Tiling:
    """Cover a picture with windows of at most ``tile`` pixels on each side.

    An axis that a tile covers has one window, of the picture's own size. Otherwise there are as few
    as the tile allows, and they are no larger than so many need to be.

    Raises:
        InputError: an unknown tap, or a tile smaller than ``least_tile``.
    """
    taps = order_taps(taps, architecture)
    least = least_tile(taps, architecture)
    if tile < least:
        raise InputError(
            f"the tile is {tile} px; {taps[-1] if taps else 'total variation'} needs at least "
            f"{least}: take a larger tile or tap shallower layers"
        )
    grid, reach = grid_of(taps), reach_of(taps, architecture)
    window_height, rows = _spans(height, tile, grid, reach)
    window_width, columns = _spans(width, tile, grid, reach)
    windows = tuple(Window(*spans) for spans in product(rows, columns))
    return Tiling(window_height, window_width, windows)


def _spans(length: int, tile: int, grid: int, reach: int) -> tuple[int, list[Span]]:
    """The size of the windows along an axis, and where each lies."""
    if length <= tile:
        return length, [Span(0, 0, length)]
    size = tile - (tile - length) % grid
    count = _count(length, size, grid, reach)
    while _count(length, size - grid, grid, reach) == count:
        size -= grid
    step = _step(size, grid, reach)
    starts = [index * step for index in range(count - 1)] + [length - size]
    # The first pixel that a window may own is a halo past its start; the window before owns up to
    # there, as far as it can at a full step.
    bounds = [0, *(start + _up(reach, grid) for start in starts[1:]), length]
    return size, [
        Span(start, low, high)
        for start, low, high in zip(starts, bounds[:-1], bounds[1:], strict=True)
    ]


def _count(length: int, size: int, grid: int, reach: int) -> int:
    """How many windows cover an axis; 0 if none would own anything."""
    step = _step(size, grid, reach)
    return -(-(length - size) // step) + 1 if step > 0 else 0


def _step(size: int, grid: int, reach: int) -> int:
    """How far a window may start from the one before: what is left of it between its halos."""
    return (size - reach) // grid * grid - _up(reach, grid)


def _up(pixels: int, grid: int) -> int:
    return -(-pixels // grid) * grid


ALIGNMENT = 64
"""Bytes that XLA wants the address of an array on CPU to be a multiple of."""


def cut_targets(targets: Targets, cut: Callable[..., Array]) -> Targets:
    """A window's part of all that belongs to positions."""

    def of_taps(arrays: Mapping[str, Array]) -> dict[str, Array]:
        return {tap: cut(array, stride=stride(tap)) for tap, array in arrays.items()}

    content, style, pixels = targets.guides
    parts = Guides(of_taps(content), of_taps(style), {name: cut(a) for name, a in pixels.items()})
    return Targets(of_taps(targets.content), {}, parts)


@jitted(static_argnames=("height", "width"))
def _cut(
    array: Float[Array, "h w c"], start: Int[Array, "2"], *, height: int, width: int
) -> Float[Array, "1 height width c"]:
    size = height, width, array.shape[-1]
    return jax.lax.dynamic_slice(array, _corner(start), size)[None]


@jitted(donate_argnums=0)
def _add(
    whole: Float[Array, "h w c"], part: Float[Array, "1 height width c"], start: Int[Array, "2"]
) -> Float[Array, "h w c"]:
    corner = _corner(start)
    before = jax.lax.dynamic_slice(whole, corner, part.shape[1:])
    return jax.lax.dynamic_update_slice(whole, before + part[0], corner)


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
