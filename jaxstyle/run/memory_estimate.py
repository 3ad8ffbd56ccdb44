"""How much memory a run needs, before it runs: whole, and tile by tile.

What fills the memory is the features kept for the way back; the factors below are XLA's memory
analysis of the compiled step on CPU, with the schedule of ``compiler_options``. To them come
pictures and the optimiser's state, the network, and what compiling leaves behind.
``python -m benchmarks memory`` holds the estimate against what processes take.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from jaxstyle.network.architecture import Architecture, block_of, order_taps, stride
from jaxstyle.network.winograd import LEAST_NETWORK, LEAST_WIDTH

FIRST_BLOCK, OTHER_BLOCKS, BY_WINOGRAD = 2.0, 0.63, 1.0
"""Times that the features of the first block, of the others, and of wide layers are held."""

TRANSFORMED = 4
"""Size of a wide layer's transformed kernel, in kernels."""

PROCESS = 580 * 2**20
"""Bytes for any picture: Python and JAX, and what tracing, compiling and free lists hold on top."""

VALUE = 4
"""Bytes of a float32."""

PICTURE = 3 * VALUE
"""Bytes of one pixel."""

HOST_PICTURES_WHOLE, HOST_PICTURES_TILED = 3, 1
"""Besides the optimiser's: whole, the content, a style and the result; tile by tile the content
alone, for the style of a picture that fills the memory is smaller."""


def feature_bytes(architecture: Architecture, taps: Iterable[str]) -> float:
    """Bytes for each pixel that one value-and-gradient holds, on the device, at its peak."""
    deepest = order_taps(taps, architecture)[-1]
    layers = architecture.layers
    reached = layers[: layers.index(deepest) + 1]
    held = 0.0
    for layer in reached:
        if layer.startswith("conv"):
            held += _factor(architecture, layer) * architecture.width(layer) / stride(layer) ** 2
    return VALUE * held


def _factor(architecture: Architecture, layer: str) -> float:
    if block_of(layer) == 1:
        return FIRST_BLOCK
    return BY_WINOGRAD if _is_wide(architecture, layer) else OTHER_BLOCKS


def _is_wide(architecture: Architecture, layer: str) -> bool:
    """Whether a layer is one of ``winograd.wide_layers``."""
    least = min(architecture.kernel_shape(layer)[2:])
    return max(architecture.widths) >= LEAST_NETWORK and least >= LEAST_WIDTH


def target_bytes(architecture: Architecture, taps: Iterable[str]) -> float:
    """Bytes for each pixel of the content targets."""
    return sum(VALUE * architecture.width(tap) / stride(tap) ** 2 for tap in taps)


def network_bytes(architecture: Architecture, taps: Iterable[str]) -> float:
    """Bytes of the kernels, and of those that are transformed beforehand."""
    layers = architecture.layers
    reached = layers[: layers.index(order_taps(taps, architecture)[-1]) + 1]
    total = 0.0
    for name in reached:
        if name.startswith("conv"):
            copies = TRANSFORMED if _is_wide(architecture, name) else 0
            total += VALUE * (1 + copies) * math.prod(architecture.kernel_shape(name))
    return total


def state_pictures(optimizer: str, history: int) -> int:
    """How many pictures an optimiser's state holds."""
    return 4 if optimizer == "adam" else 2 * history + 3


def whole_bytes(
    architecture: Architecture,
    content_taps: Iterable[str],
    style_taps: Iterable[str],
    pixels: int,
    optimizer: str,
    history: int,
) -> float:
    """Bytes of a run that computes the whole picture at once."""
    content_taps = tuple(content_taps)
    taps = (*content_taps, *style_taps)
    each = target_bytes(architecture, content_taps) + feature_bytes(architecture, taps)
    each += PICTURE * (state_pictures(optimizer, history) + HOST_PICTURES_WHOLE)
    return PROCESS + network_bytes(architecture, taps) + pixels * each


def tiled_bytes(
    architecture: Architecture,
    content_taps: Iterable[str],
    style_taps: Iterable[str],
    pixels: int,
    optimizer: str,
    history: int,
    tile: int,
    recompute_content: bool = False,
) -> float:
    """Bytes of a run that computes tile by tile; picture and state are whole, features are not."""
    content_taps = tuple(content_taps)
    taps = (*content_taps, *style_taps)
    each = 0.0 if recompute_content else target_bytes(architecture, content_taps)
    gradient = 1
    each += PICTURE * (state_pictures(optimizer, history) + gradient + HOST_PICTURES_TILED)
    within = min(tile * tile, pixels) * feature_bytes(architecture, taps)
    return PROCESS + network_bytes(architecture, taps) + pixels * each + within


def history_that_fits(
    limit: float,
    architecture: Architecture,
    content_taps: Iterable[str],
    style_taps: Iterable[str],
    pixels: int,
    history: int,
    tile: int,
    recompute_content: bool = False,
) -> int:
    """The most steps, up to ``history``, that L-BFGS may remember tile by tile; 0 if none fits."""
    content_taps, style_taps = tuple(content_taps), tuple(style_taps)
    without = tiled_bytes(
        architecture, content_taps, style_taps, pixels, "lbfgs", 0, tile, recompute_content
    )
    return max(0, min(history, int((limit - without) // (2 * PICTURE * pixels))))
