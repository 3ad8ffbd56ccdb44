"""Pillow as it meets strangers' files: the formats and the sizes that it may open."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import IO

from PIL import Image, ImageFile, UnidentifiedImageError

from jaxstyle.errors import ImageError
from jaxstyle.images.png_chunks import without_obstacles

MAX_PIXELS = 200_000_000
"""Of a picture to read, unless told otherwise."""

HEIC_ENDINGS = (".heic", ".heif", ".hif")
NEEDS_HEIC = "HEIC needs pillow-heif: pip install 'jaxstyle[heic]'"

_AT_HAND = ("PNG", "JPEG", "GIF", "BMP", "PPM")  # which Pillow loads anyway; JPEG includes MPO
_MORE = ("WEBP", "TIFF", "AVIF", "JPEG2000", "ICO", "HEIF", "TGA")
_DRAWINGS = {
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",  # EPS with a preview
    b"%PDF": "PDF",
    b"\xd7\xcd\xc6\x9a": "WMF",
    b"<svg": "SVG",
}
_MOST_BOXES = 2**16  # bytes in which a file tells of its colours
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def open_image(file: IO[bytes]) -> ImageFile.ImageFile:
    """Open a picture by its content, whatever its name says, in a format that people bring.

    All else stays shut: what Pillow has other programs draw, as Ghostscript runs EPS, and decoders
    that hardly anyone needs and hardly anyone tests. HEIC is read if pillow-heif is installed.

    Raises:
        ImageError: a drawing, which has no pixels; or HEIC without pillow-heif.
        PIL.UnidentifiedImageError: no picture in one of the formats.
    """
    file.seek(0)
    file, info = without_obstacles(file)
    try:
        image = Image.open(file, formats=_AT_HAND)
        image.info |= info
        return image
    except UnidentifiedImageError:
        _load_formats()
    try:
        image = Image.open(file, formats=[kind for kind in _MORE if kind in Image.OPEN])
        if image.format in ("AVIF", "HEIF") and (code_points := _code_points(file)):
            image.info.setdefault("cicp", code_points)
        return image
    except UnidentifiedImageError:
        file.seek(0)
        head = file.read(12)
        if drawing := _DRAWINGS.get(head[:4]):
            raise ImageError(
                f"is {drawing}, a drawing without pixels: convert it to PNG first"
            ) from None
        if head[4:8] == b"ftyp" and head[8:] in _HEIC_BRANDS and "HEIF" not in Image.OPEN:
            raise ImageError(f"is HEIC: {NEEDS_HEIC}, or convert it to JPEG") from None
        raise


def _code_points(file: IO[bytes]) -> tuple[int, int, int, int] | None:
    """What an AVIF or HEIC says of its colours, as a PNG's cICP says it (ISO 14496-12, 12.1.5).

    Of the range and the matrix the decoder has taken care.
    """
    file.seek(0)
    _, box, numbers = file.read(_MOST_BOXES).partition(b"colrnclx")
    if not box or len(numbers) < 4:
        return None
    return int.from_bytes(numbers[:2]), int.from_bytes(numbers[2:4]), 0, 1


@cache
def picture_endings() -> frozenset[str]:
    """The endings of names, in small letters and with a dot, of what ``open_image`` opens."""
    _load_formats()
    kinds = (*_AT_HAND, "MPO", *_MORE)
    return frozenset(name for name, kind in Image.registered_extensions().items() if kind in kinds)


@cache
def _load_formats() -> None:
    Image.init()
    with suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()


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
