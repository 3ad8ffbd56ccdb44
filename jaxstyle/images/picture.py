"""What a picture is here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxstyle.errors import ImageError
from jaxstyle.images.transparency import filled


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
        """The same with nothing new to be found under alpha 0, see ``transparency``."""
        rgb = filled(self.rgb, self.alpha)
        return self if rgb is self.rgb else replace(self, rgb=rgb)


def checked_rgb(picture: Any, what: str) -> Float[np.ndarray, "height width 3"]:
    """A picture to show, as float32.

    Args:
        what: what to call it in the message.

    Raises:
        ImageError: it has another shape, or no pixels.
    """
    picture = np.asarray(picture, np.float32)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
        raise ImageError(f"{what} has shape {picture.shape}: give a picture (height, width, 3)")
    return picture
