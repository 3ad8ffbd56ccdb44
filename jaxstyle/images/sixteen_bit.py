"""All 16 bits of PNG and TIFF pictures, of which Pillow's RGB modes hold eight.

Pillow's unpackers for 16-bit channels take the byte that is the high one in the named byte order
and drop the other. The file is therefore decoded twice, the second time under the opposite byte
order, and the two halves are put together. Decompression, filters, interlacing and tiles stay with
Pillow. Other formats with more than 8 bits in colour (JPEG 2000, AVIF, PPM) come in 8.
"""

from __future__ import annotations

import re
import sys
from typing import IO

import numpy as np
from PIL import Image, ImageFile

from jaxstyle.errors import ImageError
from jaxstyle.images.pillow import open_image

_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANAR = 258, 262, 284  # tags of TIFF
_OPPOSITE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


def deep_raw_mode(image: ImageFile.ImageFile) -> str | None:
    """How the file's 16-bit colour channels are stored, in Pillow's words; None if not so.

    To be called before ``image`` is loaded.

    Raises:
        ImageError: a layout that Pillow would silently decode wrongly.
    """
    tags = getattr(image, "tag_v2", {})
    depths = tags.get(_BITS_PER_SAMPLE, ())
    if tags.get(_PLANAR) == 2 and len(depths) > 1 and max(depths) > 8:
        raise ImageError(
            "stores 16-bit channels in separate planes, which cannot be read: "
            "save it with interleaved channels"
        )
    if image.format not in ("PNG", "TIFF") or not image.tile:
        return None
    arguments = image.tile[0].args
    raw_mode = arguments[0] if isinstance(arguments, tuple) else arguments
    known = re.fullmatch(r"LA;16B|RGB[AaX]?;16[BLN]", str(raw_mode))
    return str(raw_mode) if known else None


def deep_pixels(file: IO[bytes], raw_mode: str) -> np.ndarray:
    """Decode an opened file's pixels.

    Args:
        raw_mode: of ``deep_raw_mode``.

    Returns:
        uint16 (height, width, channels), with channels L A, R G B or R G B A; with premultiplied
        alpha if ``raw_mode`` has a small a.
    """
    if raw_mode == "LA;16B":  # four bytes a pixel, as many as RGBA has
        return np.ascontiguousarray(_decoded(file, "RGBA")).view(">u2").astype(np.uint16)
    raw_mode = raw_mode.replace("a", "A")
    high = _decoded(file, raw_mode).astype(np.uint16)
    return high << 8 | _decoded(file, raw_mode[:-1] + _OPPOSITE[raw_mode[-1]])


def _decoded(file: IO[bytes], raw_mode: str) -> np.ndarray:
    file.seek(0)
    image = open_image(file)
    image.tile = [
        tile._replace(args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode)
        for tile in image.tile
    ]
    return np.asarray(image)


def deep_grey(image: Image.Image) -> np.ndarray:
    """uint16 (height, width) of a loaded picture of mode I;16 and its like, white at 65535.

    TIFF's 12-bit values and its "white is zero" come from Pillow as they are stored.
    """
    grey = np.asarray(image).astype(np.uint16)
    tags = getattr(image, "tag_v2", {})
    (bits, *_) = tags.get(_BITS_PER_SAMPLE, (16,))
    if bits < 16:
        grey = np.rint(grey * (65535 / (2**bits - 1))).astype(np.uint16)
    return 65535 - grey if tags.get(_PHOTOMETRIC) == 0 else grey
