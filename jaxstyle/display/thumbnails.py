"""Pictures small enough to send every second."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from jaxstyle.images import fit_longest_side
from jaxstyle.images.color_matching import row_blocks


def small(
    picture: Float[np.ndarray, "height width 3"], longest: int
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """The picture in 8 bits, no side longer than ``longest`` px; always a copy.

    Meant for looking: means over blocks come before the fine filter, which makes it many times
    faster than ``images.resize``.

    Args:
        picture: in [0, 1]; values outside are clipped, those that are not numbers are black.
    """
    height, width = picture.shape[:2]
    pixels = np.empty((height, width, 3), np.uint8)
    for rows in row_blocks(picture):
        pixels[rows] = np.rint(np.clip(np.nan_to_num(picture[rows]), 0, 1) * np.float32(255))
    if max(width, height) <= longest:
        return pixels
    size = fit_longest_side(width, height, longest)
    image = Image.fromarray(pixels)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=1))


def jpeg(pixels: UInt8[np.ndarray, "height width 3"], quality: int = 90) -> bytes:
    """A JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()
