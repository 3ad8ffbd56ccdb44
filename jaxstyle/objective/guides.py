"""What a mask says about the positions of each layer: the guides of Gatys et al. (2017)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG19, Architecture, least_side, order_taps

GUIDE_MODES = ("simple", "inside", "all")


def guides(
    masks: Float[np.ndarray, "regions height width"],
    taps: Iterable[str],
    mode: str = "simple",
    *,
    padding: str = "zeros",
    architecture: Architecture = VGG19,
) -> dict[str, Float[np.ndarray, "regions _height _width"]]:
    """What masks say about the positions of each tapped layer.

    - ``simple``: the mean over the pixels that a position stands for, a square of the layer's
      stride; masks that add up to one give guides that do.
    - ``inside``: the least weight in all that the position sees, its receptive field. Of a hard
      mask only those positions are left that see nothing else.
    - ``all``: the greatest weight in its receptive field: every position that sees any of it.

    What lies beyond the picture's border has no say. Rows and columns that poolings drop count for
    what still sees them. Modes as in leongatys/NeuralImageSynthesis (``get_fm_guides``), which
    makes masks hard at 0.5 and finds receptive fields by probing the network with noise. Here they
    come as features do: a 3x3 minimum or maximum at each convolution, a 2x2 one at each pooling.

    Args:
        masks: in [0, 1].
        mode: one of ``GUIDE_MODES``.
        padding: the network's; only with ``circular`` do positions see the other side.

    Returns:
        tap -> (regions, height // stride, width // stride) float32.

    Raises:
        InputError: an unknown mode or tap, or a mask too small for the deepest tap.
    """
    if mode not in GUIDE_MODES:
        raise InputError(f"guide mode {mode!r} is unknown: choose one of {', '.join(GUIDE_MODES)}")
    ordered = order_taps(taps, architecture)
    height, width = masks.shape[1:]
    least = least_side(ordered)
    if min(height, width) < least:
        raise InputError(
            f"the mask is {width}x{height}; {ordered[-1]} needs at least {least} px on each side: "
            "make it larger or tap shallower layers"
        )
    of_masks = [_guides_of(mask, ordered, mode, padding, architecture) for mask in masks]
    return {tap: np.stack([by_tap[tap] for by_tap in of_masks]) for tap in ordered}


def _guides_of(
    mask: np.ndarray, taps: tuple[str, ...], mode: str, padding: str, architecture: Architecture
) -> dict[str, np.ndarray]:
    """One mask's guides: the network's layers, with other arithmetic."""
    # Imported late, for it takes long.
    from scipy.ndimage import maximum_filter, minimum_filter

    around = {"inside": minimum_filter, "all": maximum_filter}.get(mode)
    pair = {"simple": _midpoint, "inside": np.minimum, "all": np.maximum}[mode]
    # Repeating the outermost pixel changes no minimum and no maximum: as if nothing were there.
    border = "wrap" if padding == "circular" else "nearest"
    values, by_tap = np.asarray(mask, np.float32), {}
    for layer in architecture.layers:
        if layer.startswith("conv") and around is not None:
            values = around(values, size=3, mode=border)
        elif layer.startswith("pool"):
            values = _pooled(values, pair)
        if layer in taps:
            by_tap[layer] = values
        if len(by_tap) == len(taps):
            break
    return by_tap


def _midpoint(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one + other) / 2


def _pooled(values: np.ndarray, pair: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """2x2 squares made one; an odd last row or column is dropped, as the network does."""
    height, width = (side // 2 * 2 for side in values.shape)
    rows = pair(values[0:height:2], values[1:height:2])
    return pair(rows[:, 0:width:2], rows[:, 1:width:2])
