"""Masks: pictures that say where, and what of that each layer of the network gets to know.

A mask has one weight in [0, 1] a pixel: white is inside, black outside, grey in part. Guides are
the same for the positions of a layer (Gatys et al., "Controlling perceptual factors in neural style
transfer", 2017, section 4, there "guidance channels").
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from jaxstyle.errors import InputError
from jaxstyle.images import Picture, as_picture
from jaxstyle.images.luminance import luminance
from jaxstyle.network.architecture import VGG19, Architecture, least_side, order_taps

GUIDE_MODES = ("simple", "inside", "all")
_OFF = 0.02  # of width to height; what comes from rounding sizes is less
_ALIKE = 4 / 255  # by which one colour may vary, from rounding and compression


@dataclass(frozen=True)
class Mask:
    """A mask as it was read.

    Attributes:
        values: (height, width) float32 in [0, 1].
        source: the path as given, or ``<array>``.
        sha256: of the file's bytes; empty if it was no file.
    """

    values: Float[np.ndarray, "height width"]
    source: str
    sha256: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width = self.values.shape
        return width, height


def read_mask(source: Any, *, name: str = "mask") -> Mask:
    """Take a mask in whatever form: a path, a ``PIL.Image``, a ``Picture``, or an array.

    A pixel's weight is its grey value as it is coded: level 128 of 255 is 0.502, whatever light a
    screen makes of it. Colours count by their luma (Y of YIQ), and an embedded colour profile is
    converted to sRGB as in any picture. Where a picture has transparency, what is transparent is
    outside; if all that is to be seen has one colour, whichever it is, alpha alone is the mask.

    Args:
        source: arrays are (height, width), or with 1, 3 or 4 channels; bool, floats in [0, 1],
            uint8 or uint16 (white at 255 and 65535).
        name: what to call the mask in messages, such as "mask 2".

    Raises:
        ImageError: as ``images.as_picture``.
        InputError: an array of integers 0 and 1.
    """
    if not isinstance(source, str | os.PathLike | Image.Image | Picture):
        source = _array(source, name)
    picture = as_picture(source, name=name)
    return Mask(_weights(picture), picture.source, picture.sha256)


def resize_mask(
    values: Float[np.ndarray, "height width"], width: int, height: int
) -> Float[np.ndarray, "_height _width"]:
    """Resample a mask without ringing and without aliasing.

    By a triangle as wide as two new pixels, or two old ones where it grows: new values are means of
    old ones, so that they stay in [0, 1], a mask of ones is one of ones, and masks that add up to
    one still do.

    Raises:
        InputError: the size asked for is below one pixel, or the mask is empty.
    """
    if min(width, height, values.size) < 1:
        raise InputError(
            f"cannot resize a mask of shape {values.shape} to {width}x{height}: at least 1 px on "
            "each side is needed"
        )
    values = np.ascontiguousarray(values, np.float32)
    if values.shape == (height, width):
        return values.copy()
    resized = Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(resized), 0, 1)


def check_aspect(mask: Mask, name: str, size: tuple[int, int], of: str) -> None:
    """Refuse a mask that would have to be stretched: it was made for another picture.

    Args:
        size: (width, height) of the picture that it is a mask of.
        of: what that is called.

    Raises:
        InputError: width to height differ by more than 2 % and by more than a pixel of the mask.
    """
    width, height = mask.size
    off = width * size[1] / (height * size[0])
    across = abs(width - width / off)  # to the width that would do
    if abs(off - 1) <= _OFF or min(across, abs(height - height * off)) <= 1:
        return
    raise InputError(
        f"{name} ({mask.source}) is {width}x{height}, {of} {size[0]}x{size[1]}: a mask must have "
        "the shape of its picture, at any size: crop it as the picture was, or paint it anew"
    )


def guide(
    mask: Float[np.ndarray, "height width"],
    tap: str,
    mode: str = "simple",
    *,
    padding: str = "zeros",
    architecture: Architecture = VGG19,
) -> Float[np.ndarray, "_height _width"]:
    """What a mask says about the positions of one layer: ``guides`` for one mask and one tap."""
    found = guides(mask[None], (tap,), mode, padding=padding, architecture=architecture)
    return found[tap][0]


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
    found: dict[str, list[np.ndarray]] = {tap: [] for tap in ordered}
    for mask in masks:
        for tap, seen in _seen(mask, ordered, mode, padding, architecture).items():
            found[tap].append(seen)
    return {tap: np.stack(regions) for tap, regions in found.items()}


def full(mask: Float[np.ndarray, "..."]) -> bool:
    """Whether a mask is 1 everywhere, so that it can be left out."""
    return bool((mask == 1).all())


def _array(value: Any, name: str) -> Any:
    try:
        array = np.asarray(value)
    except Exception:  # whatever the object's own conversion raises; as_picture says so
        return value
    if array.dtype == bool:
        return array.astype(np.float32)
    if array.dtype.kind in "iu" and array.size and 0 <= array.min() and array.max() == 1:
        raise InputError(
            f"{name} is an array of {array.dtype} that holds nothing above 1, but integers are "
            "white at the largest of their type: give it as bool or float"
        )
    return array


def _weights(picture: Picture) -> Float[np.ndarray, "height width"]:
    values, alpha = luminance(picture.rgb, "yiq"), picture.alpha
    if alpha is None:
        return values
    # Edges are left out: colours are coarse where alpha is small.
    seen = picture.rgb[alpha >= alpha.max() / 2]
    if (np.ptp(seen, axis=0) <= _ALIKE).all():
        return alpha
    return values * alpha


def _seen(
    mask: np.ndarray, taps: tuple[str, ...], mode: str, padding: str, architecture: Architecture
) -> dict[str, np.ndarray]:
    """One mask's guides: the network's layers, with other arithmetic."""
    # Late, as it takes long and is needed here alone.
    from scipy.ndimage import maximum_filter, minimum_filter

    around = {"inside": minimum_filter, "all": maximum_filter}.get(mode)
    pair = {"simple": _midpoint, "inside": np.minimum, "all": np.maximum}[mode]
    # Repeating the outermost pixel changes no minimum and no maximum: as if nothing were there.
    border = "wrap" if padding == "circular" else "nearest"
    values, found = np.asarray(mask, np.float32), {}
    for layer in architecture.layers:
        if layer.startswith("conv") and around is not None:
            values = around(values, size=3, mode=border)
        elif layer.startswith("pool"):
            values = _pooled(values, pair)
        if layer in taps:
            found[layer] = values
        if len(found) == len(taps):
            break
    return found


def _midpoint(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one + other) / 2


def _pooled(values: np.ndarray, pair: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """2x2 squares made one; an odd last row or column is dropped, as the network does."""
    height, width = (side // 2 * 2 for side in values.shape)
    rows = pair(values[0:height:2], values[1:height:2])
    return pair(rows[:, 0:width:2], rows[:, 1:width:2])
