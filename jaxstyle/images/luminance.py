"""Luminance and chroma taken apart, and put together from different pictures.

In one of two spaces:

- ``yiq``: Y of NTSC's YIQ, 0.299 R + 0.587 G + 0.114 B of the gamma-coded values (Rec. 601's luma),
  and what is left over as chroma. What peers call YUV or YCbCr: they share the Y.
- ``linear``: relative luminance of linear light, 0.2126 R + 0.7152 G + 0.0722 B (Rec. 709, whose
  primaries sRGB has), given as the sRGB code of the grey that has it. Chroma is the ratio of the
  channels.

A colour that its new luminance leaves no room for in [0, 1] moves straight towards the grey of
that luminance until it fits. So luminance and hue stay, and saturation gives way; clipping each
channel would change all three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxstyle.errors import InputError
from jaxstyle.images.color_matching import match_colors, row_blocks
from jaxstyle.images.color_profiles import srgb_decoded, srgb_encoded

_DARK = np.float32(8 / 255 / 12.92)  # of linear light: level 8, below which chroma is mostly noise


class _Space(NamedTuple):
    """Attributes:
    red, blue: their weights in the luminance; green has the rest of 1.
    to, back: from sRGB-coded values to those that are weighted, and back.
    """

    red: float
    blue: float
    to: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]


def luminance(
    picture: Float[np.ndarray, "height width 3"], space: str = "yiq"
) -> Float[np.ndarray, "height width"]:
    """The grey values that have a picture's luminance; exactly its own where it is grey.

    Args:
        picture: in [0, 1]; in ``linear``, what is beyond is clipped first.
        space: ``yiq`` or ``linear``, as above.

    Raises:
        InputError: an unknown space, or a picture of another shape.
    """
    chosen = _space(space, picture)
    found = np.empty(picture.shape[:2], np.float32)
    for rows in row_blocks(picture):
        values = chosen.to(np.asarray(picture[rows], np.float32))
        found[rows] = chosen.back(_weighted(values, chosen))
    return found


def grey(
    picture: Float[np.ndarray, "height width 3"], space: str = "yiq"
) -> Float[np.ndarray, "height width 3"]:
    """The picture without chroma: three channels, each its ``luminance``."""
    return np.repeat(luminance(picture, space)[..., None], 3, axis=2)


def match_luminance(
    picture_luma: Float[np.ndarray, "height width"],
    reference_luma: Float[np.ndarray, "height2 width2"],
    *,
    weights: Float[np.ndarray, "height width"] | None = None,
    reference_weights: Float[np.ndarray, "height2 width2"] | None = None,
) -> Float[np.ndarray, "height width"]:
    """Give luminance the mean and standard deviation of the reference's.

    For luminance-only transfer: the style's is matched to the content's beforehand (Gatys et al.,
    "Preserving color in neural artistic style transfer", 2016). Not clipped; flat pictures, weights
    and errors as in ``color.match_colors``.
    """
    return match_colors(
        picture_luma[..., None],
        reference_luma[..., None],
        weights=weights,
        reference_weights=reference_weights,
    )[..., 0]


def with_luminance(
    chroma_from: Float[np.ndarray, "height width 3"],
    luma: Float[np.ndarray, "height width"],
    space: str = "yiq",
) -> Float[np.ndarray, "height width 3"]:
    """A picture of one picture's chroma and another's luminance.

    In ``yiq``, I and Q are kept. In ``linear``, all channels of linear light are multiplied by one
    number, such that chromaticity is kept; pixels darker than level 8 of 255 are multiplied by no
    more than one of level 8 would be, since their chromaticity is noise, and grey makes up the
    rest. What does not fit into [0, 1] loses saturation, as said above.

    Args:
        chroma_from: in [0, 1]; in ``linear``, what is beyond is clipped first.
        luma: as ``luminance`` gives it in the same space, clipped to [0, 1].

    Returns:
        float32 in [0, 1].

    Raises:
        InputError: an unknown space, or shapes that do not fit.
    """
    chosen = _space(space, chroma_from)
    if luma.shape != chroma_from.shape[:2]:
        raise InputError(
            f"luminance of shape {luma.shape} does not fit a picture of shape {chroma_from.shape}: "
            "they must have the same height and width"
        )
    found = np.empty(chroma_from.shape, np.float32)
    for rows in row_blocks(chroma_from):
        values = chosen.to(np.asarray(chroma_from[rows], np.float32))
        wanted = chosen.to(np.clip(np.asarray(luma[rows], np.float32), 0, 1))[..., None]
        own = _weighted(values, chosen)[..., None]
        chroma = values - own
        if space == "linear":
            chroma *= _gain(own, wanted)
        found[rows] = np.clip(chosen.back(_fitted(wanted, chroma)), 0, 1)
    return found


def saturate(
    picture: Float[np.ndarray, "height width 3"], factor: float, space: str = "yiq"
) -> Float[np.ndarray, "height width 3"]:
    """Multiply a picture's distance from its grey, at constant luminance.

    Args:
        picture: in [0, 1]; what is beyond is clipped first.
        factor: 0 gives ``grey``, 1 the picture itself, more than 1 stronger colours, up to what
            fits into [0, 1].
        space: that of luminance and distance. In ``linear``, blue skies turn to cyan early.

    Returns:
        float32 in [0, 1].

    Raises:
        InputError: an unknown space, a picture of another shape, or a factor that is negative or
            not finite.
    """
    chosen = _space(space, picture)
    if not 0 <= factor < np.inf:
        raise InputError(f"saturation is {factor:g}: give a number of at least 0 (1: as it is)")
    clipped = np.clip(np.asarray(picture, np.float32), 0, 1)
    if factor == 1:
        return clipped
    for rows in row_blocks(clipped):
        values = chosen.to(clipped[rows])
        own = _weighted(values, chosen)[..., None]
        chroma = (values - own) * np.float32(factor)
        clipped[rows] = np.clip(chosen.back(_fitted(own, chroma)), 0, 1)
    return clipped


def _weighted(values: np.ndarray, space: _Space) -> np.ndarray:
    red, green, blue = (values[..., channel] for channel in range(3))
    # Written as differences, it gives a grey pixel's very value.
    return green + np.float32(space.red) * (red - green) + np.float32(space.blue) * (blue - green)


def _gain(own: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """By how much chroma grows where luminance goes from ``own`` to ``wanted``; linear light."""
    ratio = np.divide(wanted, own, out=np.zeros_like(wanted), where=own > 0)
    return np.maximum(wanted / np.maximum(own, _DARK), np.minimum(ratio, 1))


def _fitted(luma: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Their sum, with as much of each pixel's chroma as leaves all its channels in [0, 1]."""
    room = np.where(chroma > 0, 1 - luma, luma)
    size = np.abs(chroma)
    share = np.divide(room, size, out=np.ones_like(chroma), where=size > room)
    return luma + share.min(axis=2, keepdims=True) * chroma


_SPACES = {
    "yiq": _Space(0.299, 0.114, np.asarray, np.asarray),
    "linear": _Space(0.2126, 0.0722, srgb_decoded, srgb_encoded),
}
LUMINANCE_SPACES = tuple(_SPACES)
"""The spaces above."""


def _space(name: str, picture: np.ndarray) -> _Space:
    """The space of that name, for a picture that has a luminance."""
    if name not in _SPACES:
        raise InputError(f"luminance space {name!r} is unknown: choose yiq or linear")
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise InputError(
            f"a picture of shape {picture.shape} has no luminance: (height, width, 3) is needed"
        )
    return _SPACES[name]
