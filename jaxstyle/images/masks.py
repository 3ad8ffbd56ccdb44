"""Masks: pictures that say where, and what of that each layer of the network gets to know.

A mask has one weight in [0, 1] a pixel: white is inside, black outside, grey in part. Guides are
the same for the positions of a layer (Gatys et al., "Controlling perceptual factors in neural style
transfer", 2017, section 4, there "guidance channels").
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from jaxstyle.errors import InputError
from jaxstyle.images import Picture, as_picture
from jaxstyle.images.luminance import luminance

_OFF = 0.02  # of width to height; what comes from rounding sizes is less
_ALIKE = 4 / 255  # by which one colour may vary, from rounding and compression


@dataclass(frozen=True, eq=False)
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
