"""How much memory a run needs, before it runs: whole, and tile by tile.

What fills the memory is the features kept for the way back. XLA holds those of the first block, the
largest, more than once, as its gradient is in the making; the factors below are its memory analysis
of the compiled step on CPU (slim and full VGG-19, 128 to 512 px, within 5 %).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from jaxstyle.layers import Architecture, block_of, order_taps, stride

FIRST_BLOCK, OTHER_BLOCKS = 3.5, 0.85
"""Times that the features of the first block, and of the others, are held."""

VALUE = 4
"""Bytes of a float32."""

PICTURE = 3 * VALUE
"""Bytes of one pixel."""

LBFGS_TEMPORARIES, ADAM_TEMPORARIES = 6, 3
"""Pictures that an update holds besides its state, the gradient among them."""


def feature_bytes(architecture: Architecture, taps: Iterable[str]) -> float:
    """Bytes for each pixel that one value-and-gradient holds, on the device, at its peak."""
    deepest = order_taps(taps, architecture)[-1]
    layers = architecture.layers
    reached = layers[: layers.index(deepest) + 1]
    held = 0.0
    for layer in reached:
        if layer.startswith("conv"):
            factor = FIRST_BLOCK if block_of(layer) == 1 else OTHER_BLOCKS
            held += factor * VALUE * architecture.width(layer) / stride(layer) ** 2
    return held


def target_bytes(architecture: Architecture, taps: Iterable[str]) -> float:
    """Bytes for each pixel of the content targets."""
    return sum(VALUE * architecture.width(tap) / stride(tap) ** 2 for tap in taps)


def network_bytes(architecture: Architecture, taps: Iterable[str]) -> float:
    """Bytes of the parameters, and of the copy that XLA rearranges for the way back."""
    layers = architecture.layers
    reached = layers[: layers.index(order_taps(taps, architecture)[-1]) + 1]
    kernels = (architecture.kernel_shape(name) for name in reached if name.startswith("conv"))
    return 2.0 * VALUE * sum(math.prod(shape) for shape in kernels)


def state_pictures(optimizer: str, history: int) -> int:
    """How many pictures an optimiser's state and update hold, the gradient among them."""
    if optimizer == "adam":
        return 4 + ADAM_TEMPORARIES
    return 2 * history + 3 + LBFGS_TEMPORARIES


def whole_bytes(
    architecture: Architecture,
    content_taps: Iterable[str],
    style_taps: Iterable[str],
    pixels: int,
    optimizer: str,
    history: int,
) -> float:
    """Bytes of a step that computes the whole picture at once: as one tile."""
    layers = tuple(content_taps), tuple(style_taps)
    return tiled_bytes(architecture, *layers, pixels, optimizer, history, tile=pixels)


def tiled_bytes(
    architecture: Architecture,
    content_taps: Iterable[str],
    style_taps: Iterable[str],
    pixels: int,
    optimizer: str,
    history: int,
    tile: int,
) -> float:
    """Bytes of a step that computes tile by tile; picture and state are whole, features are not."""
    content_taps = tuple(content_taps)
    taps = (*content_taps, *style_taps)
    each = target_bytes(architecture, content_taps)
    each += PICTURE * state_pictures(optimizer, history)
    within = min(tile * tile, pixels) * feature_bytes(architecture, taps)
    return network_bytes(architecture, taps) + pixels * each + within


def history_that_fits(
    limit: float,
    architecture: Architecture,
    content_taps: Iterable[str],
    style_taps: Iterable[str],
    pixels: int,
    history: int,
    tile: int,
) -> int:
    """The most steps, up to ``history``, that L-BFGS may remember tile by tile; 0 if none fits."""
    content_taps, style_taps = tuple(content_taps), tuple(style_taps)
    without = tiled_bytes(architecture, content_taps, style_taps, pixels, "lbfgs", 0, tile)
    return max(0, min(history, int((limit - without) // (2 * PICTURE * pixels))))
