"""Pillow as it meets strangers' files: the formats and the sizes that it may open."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import Image, ImageFile, UnidentifiedImageError

from jaxstyle.errors import ImageError

MAX_PIXELS = 200_000_000
"""Of a picture to read, unless told otherwise."""

_AT_HAND = ("PNG", "JPEG", "GIF", "BMP", "PPM")  # which Pillow loads anyway; JPEG includes MPO
_MORE = ("WEBP", "TIFF", "AVIF", "JPEG2000", "ICO", "HEIF", "TGA")
_DRAWINGS = {
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",  # EPS with a preview
    b"%PDF": "PDF",
    b"\xd7\xcd\xc6\x9a": "WMF",
    b"<svg": "SVG",
}


def open_image(file: IO[bytes]) -> ImageFile.ImageFile:
    """Open a picture by its content, whatever its name says, in a format that people bring.

    All else stays shut: what Pillow has other programs draw, as Ghostscript runs EPS, and decoders
    that hardly anyone needs and hardly anyone tests. HEIF is read if pillow-heif is registered.

    Raises:
        ImageError: a drawing, which has no pixels.
        PIL.UnidentifiedImageError: no picture in one of the formats.
    """
    try:
        return Image.open(file, formats=_AT_HAND)
    except UnidentifiedImageError:
        Image.init()
    try:
        return Image.open(file, formats=[kind for kind in _MORE if kind in Image.OPEN])
    except UnidentifiedImageError:
        file.seek(0)
        if drawing := _DRAWINGS.get(file.read(4)):
            raise ImageError(
                f"is {drawing}, a drawing without pixels: convert it to PNG first"
            ) from None
        raise


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
