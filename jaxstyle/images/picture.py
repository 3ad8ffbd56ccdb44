"""What a picture is, and what is said when something is none."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from PIL import Image

from jaxstyle.images.transparency import filled

MAX_PIXELS = 200_000_000
"""Of a picture to read, unless told otherwise."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as the rest of jaxstyle takes it.

    Attributes:
        rgb: (height, width, 3), sRGB in [0, 1].
        alpha: (height, width) in [0, 1], not premultiplied into ``rgb``; None when opaque.
        exif: what is worth keeping of the source's EXIF, without orientation: it is applied.
        bits: 8 or 16, the depth of the source; 8 for arrays of floats.
        sha256: of the file's bytes; empty if it was no file.
        source: the path as given, or ``<array>``.
    """

    rgb: Float[np.ndarray, "height width 3"]
    alpha: Float[np.ndarray, "height width"] | None
    exif: bytes | None
    bits: int
    sha256: str
    source: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width = self.rgb.shape[:2]
        return width, height

    @cached_property
    def without_hidden(self) -> Picture:
        """The same with nothing new to be found under alpha 0, see ``hidden.filled``."""
        rgb = filled(self.rgb, self.alpha)
        return self if rgb is self.rgb else replace(self, rgb=rgb)


_pillow = threading.RLock()


@contextmanager
def pillow_settings(max_pixels: int | None = None) -> Iterator[None]:
    """Pillow with a limit of its own for the block: a larger picture raises, and none warns.

    Limit and warnings are global to the process, hence the lock, and the way back at the end.
    """
    with _pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = max_pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before
