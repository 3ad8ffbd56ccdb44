"""What a picture would cost to decode: looked at before a decoder begins."""

from __future__ import annotations

import mmap
import re
from typing import IO

from PIL import Image

from jaxstyle.errors import ImageError
from jaxstyle.runtime.memory import format_bytes, free_host_bytes

BYTES_PER_PIXEL = 32
"""That a picture takes at most while it is read: decoded, converted, and as floats."""
_LITTLE = 2**22
"""Pixels that there is always memory for."""
_USUAL_SCANS = 20
_MOST_SCANNED = 500_000_000
"""Pixels of all scans of a JPEG together, where these are more than usual."""
_MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
_SCAN, _END = b"\xda", b"\xd9"


def check_cost(image: Image.Image, file: IO[bytes]) -> None:
    """Refuse a picture whose few bytes mean hours or more memory than there is.

    Args:
        image: opened, not yet decoded.
        file: that it was opened from.

    Raises:
        ImageError: a message to follow the picture's name.
    """
    pixels = image.width * image.height
    if pixels > _LITTLE:
        needed, free = BYTES_PER_PIXEL * pixels, free_host_bytes()
        if needed > free:
            raise ImageError(
                f"is {image.width}x{image.height}, which takes up to {format_bytes(needed)} to "
                f"read, and {format_bytes(free)} of memory is free: make it smaller first"
            )
    if image.format in ("JPEG", "MPO"):
        scans = jpeg_scans(file)
        if scans > _USUAL_SCANS and scans * pixels > _MOST_SCANNED:
            raise ImageError(
                f"is a JPEG of {scans} scans, each of which paints all of its "
                f"{image.width}x{image.height} pixels: save it again with another program"
            )


def jpeg_scans(file: IO[bytes]) -> int:
    """How often a JPEG paints its picture; a progressive one some ten times."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        scans, place = 0, 2
        while (marker := _MARKER.search(data, place)) is not None and marker[1] != _END:
            scans += marker[1] == _SCAN
            # What follows a scan's header is searched for the next marker, as decoders do.
            place = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return scans
