"""PNG with 16 bits a channel, which Pillow writes for grey only."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from jaxtyping import UInt16

_RGB, _RGBA = 2, 6  # colour types
_SUB = 1  # a row's filter: differences to the pixel on the left


def encode_png16(
    pixels: UInt16[np.ndarray, "height width channels"],
    *,
    icc_profile: bytes,
    exif: bytes | None = None,
    text: tuple[str, str] | None = None,
) -> bytes:
    """Encode RGB or RGBA as PNG (W3C Recommendation, third edition).

    Args:
        text: keyword and UTF-8 text of an iTXt chunk.
    """
    height, width, channels = pixels.shape
    colour_type = _RGBA if channels == 4 else _RGB
    step = 2 * channels
    rows = np.ascontiguousarray(pixels, ">u2").view(np.uint8).reshape(height, width * step)
    filtered = np.empty((height, 1 + width * step), np.uint8)
    filtered[:, 0] = _SUB
    filtered[:, 1:] = rows
    filtered[:, 1 + step :] -= rows[:, :-step]
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
        (b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc_profile)),
    ]
    if exif is not None:
        chunks.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    if text is not None:
        keyword, value = text
        chunks.append((b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + value.encode("utf-8")))
    chunks += [(b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
