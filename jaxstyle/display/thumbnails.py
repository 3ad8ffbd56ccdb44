"""Pictures small enough to send every second."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from jaxstyle.images import fit_longest_side


def small(
    picture: Float[np.ndarray, "height width 3"], longest: int
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """The picture in 8 bits, no side longer than ``longest`` px; always a copy.

    Meant for looking: means over blocks before the fine filter, and up to a block less at the
    right and below, are many times faster than ``images.resize`` alone.

    Args:
        picture: in [0, 1]; values outside are clipped, those that are not numbers are black.
    """
    picture = _block_means(picture, max(picture.shape[:2]) // longest)
    with np.errstate(invalid="ignore"):
        pixels = np.clip(picture, 0, 1)
        pixels = np.add(pixels * np.float32(255), np.float32(0.5)).astype(np.uint8)
    pixels[np.isnan(picture)] = 0  # what a cast makes of it is not laid down
    height, width = pixels.shape[:2]
    if max(width, height) <= longest:
        return pixels
    size = fit_longest_side(width, height, longest)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _block_means(
    picture: Float[np.ndarray, "height width 3"], side: int
) -> Float[np.ndarray, "fewer_rows fewer_columns 3"]:
    """Means over squares of so many pixels; rows first, since those lie together in memory."""
    if side < 2:
        return picture
    height, width = (n // side * side for n in picture.shape[:2])
    if not height or not width:  # thinner than a block
        return picture
    rows = picture[0:height:side, :width].astype(np.float32)
    for i in range(1, side):
        rows += picture[i:height:side, :width]
    means = rows[:, ::side].copy()
    for i in range(1, side):
        means += rows[:, i::side]
    return means * np.float32(1 / side**2)


def jpeg(pixels: UInt8[np.ndarray, "height width 3"], quality: int = 90) -> bytes:
    """A JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()
