"""Other sizes, by Lanczos filters wide enough to let nothing alias."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from PIL import Image

from jaxstyle.errors import ImageError
from jaxstyle.images.picture import Picture

_LOBES = 3
_SEEN = 1e-3  # below this alpha, dividing by it would only amplify ringing


def resize(array: Float[np.ndarray, "..."], width: int, height: int) -> Float[np.ndarray, "..."]:
    """Resample (h, w) or (h, w, channels) to width x height, each channel on its own.

    Lanczos with three lobes, stretched by the factor of reduction; float32 throughout; the result
    is clipped to [0, 1]. Colours under transparency need ``resize_picture``.

    Raises:
        ImageError: the size asked for is below one pixel, or the array is empty.
    """
    return np.clip(_resampled(array, width, height), 0, 1)


def resize_wrapped(
    array: Float[np.ndarray, "..."], width: int, height: int
) -> Float[np.ndarray, "..."]:
    """Like ``resize`` for a picture that goes on at its other side, such as a seamless texture.

    A texture that tiles without a seam does so at the new size too.

    Raises:
        ImageError: the size asked for is below one pixel, or the array is empty.
    """
    return np.clip(_resampled(array, width, height, wrap=True), 0, 1)


def resize_picture(picture: Picture, width: int, height: int) -> Picture:
    """Resample colour and alpha, such that hidden colours do not show at transparent edges.

    Colours are weighted by alpha (premultiplied), as Porter and Duff (1984) have it. Where nothing
    opaque is near, they are resampled as they are.

    Raises:
        ImageError: the size asked for is below one pixel.
    """
    if picture.size == (width, height):
        return picture  # no copy: it may fill the memory
    plain = resize(picture.rgb, width, height)
    if picture.alpha is None:
        return replace(picture, rgb=plain)
    alpha = _resampled(picture.alpha, width, height)
    weighted = _resampled(picture.rgb * picture.alpha[..., None], width, height)
    seen = (alpha > _SEEN)[..., None]
    divisor = np.where(seen, alpha[..., None], 1)
    rgb = np.where(seen, np.clip(weighted / divisor, 0, 1), plain)
    return replace(picture, rgb=rgb, alpha=np.clip(alpha, 0, 1))


def fit_longest_side(width: int, height: int, size: int) -> tuple[int, int]:
    """The (width, height) of the same shape whose longest side is ``size`` pixels.

    Raises:
        ImageError: a side or ``size`` is below one pixel.
    """
    if min(width, height, size) < 1:
        raise ImageError(f"cannot fit {width}x{height} to {size} px: at least 1 px is needed")
    longest = max(width, height)
    # Halves go up; in integers, so that no rounding of quotients comes in between.
    width, height = (
        max(1, (2 * side * size + longest) // (2 * longest)) for side in (width, height)
    )
    return width, height


def size_with(least: int, width: int, height: int) -> int:
    """The smallest ``size`` at which ``fit_longest_side`` gives both sides ``least`` pixels."""
    longest, shortest = max(width, height), min(width, height)
    return max(least, -(-longest * (2 * least - 1) // (2 * shortest)))


def _resampled(array: np.ndarray, width: int, height: int, *, wrap: bool = False) -> np.ndarray:
    if min(width, height) < 1 or array.size == 0:
        raise ImageError(f"cannot resize to {width}x{height}: at least 1 px on each side is needed")
    array = np.asarray(array, np.float32)
    if array.ndim == 3:
        channels = [
            _resampled(array[..., i], width, height, wrap=wrap) for i in range(array.shape[2])
        ]
        return np.stack(channels, axis=-1)
    if array.shape == (height, width):
        return array.copy()
    down = _reach(array.shape[0], height) if wrap else 0
    right = _reach(array.shape[1], width) if wrap else 0
    padded = np.pad(array, ((down, down), (right, right)), mode="wrap")
    # Sampled within the box, at the very places as without padding; Pillow's filter sees beyond.
    box = (right, down, right + array.shape[1], down + array.shape[0])
    image = Image.fromarray(np.ascontiguousarray(padded))
    return np.array(image.resize((width, height), Image.Resampling.LANCZOS, box))


def _reach(side: int, new_side: int) -> int:
    """How many pixels beyond the border the filter sees."""
    return 0 if side == new_side else math.ceil(_LOBES * max(1.0, side / new_side)) + 1
