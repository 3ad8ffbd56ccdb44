"""Chunks of a PNG that Pillow stumbles over, or does not know (W3C, PNG third edition, 5 and 11.3).

Nothing that only describes a picture makes it unreadable: such chunks are taken out where they are
damaged, or hold more than Pillow takes.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from typing import IO, Any

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_PROFILE = 2**25
"""Bytes of a colour profile; a larger one is ignored."""

_MOST_UNPACKED = 2**20  # that Pillow takes of one chunk
_MOST_TEXT = 2**25  # of all chunks of text, of which Pillow takes twice that
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_LEAST = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"cICP": 4}
_CHECKED = {*_TEXT, *_LEAST, b"iCCP", b"eXIf", b"sBIT", b"bKGD", b"hIST", b"tIME", b"sPLT"}


def without_obstacles(file: IO[bytes]) -> tuple[IO[bytes], dict[str, Any]]:
    """A file of any kind as Pillow can read it, and what to add to ``info`` of the picture.

    Returns:
        The file itself; or a copy, if it is a PNG with chunks that have to go. ``icc_profile``
        where Pillow finds it too large, and ``cicp``, the four numbers of that chunk.
    """
    if file.read(len(SIGNATURE)) != SIGNATURE:
        return file, {}
    length_of_file = file.seek(0, os.SEEK_END)
    info: dict[str, Any] = {}
    kept, kept_from, position, text = [], 0, len(SIGNATURE), 0
    while position + 8 <= length_of_file:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        end = position + 12 + length
        if kind == b"IEND" or end > length_of_file:
            break  # what follows is Pillow's to judge
        if kind in _CHECKED:
            data = file.read(length)
            intact = file.read(4) == struct.pack(">I", zlib.crc32(kind + data))
            text += length * (kind in _TEXT)
            if not intact or text > _MOST_TEXT or not _is_taken(kind, data, info):
                kept.append((kept_from, position))
                kept_from = end
        position = end
    if not kept:
        return file, info
    copy = io.BytesIO()
    for start, end in [*kept, (kept_from, length_of_file)]:
        file.seek(start)
        copy.write(file.read(end - start))
    return copy, info


def _is_taken(kind: bytes, data: bytes, info: dict[str, Any]) -> bool:
    """Whether Pillow can read a chunk that is intact; notes in ``info`` what it would not."""
    if kind == b"cICP" and len(data) == 4:
        info["cicp"] = tuple(data)
    if kind == b"iCCP":
        profile = _unpacked(data.partition(b"\0")[2], MOST_PROFILE)
        if profile is not None and len(profile) > _MOST_UNPACKED:
            info["icc_profile"] = profile
            return False
        return profile is not None
    if kind == b"zTXt":
        return _unpacked(data.partition(b"\0")[2], _MOST_UNPACKED) is not None
    if kind == b"iTXt":
        packed, _, rest = data.partition(b"\0")[2].partition(b"\0")
        if packed[:1] == b"\1":
            method, text = rest[:1], rest[1:].split(b"\0", 2)[-1]
            return _unpacked(method + text, _MOST_UNPACKED) is not None
    return len(data) >= _LEAST.get(kind, 0)


def _unpacked(data: bytes, most: int) -> bytes | None:
    """What follows the byte of the method, 0 for deflate; None if it is damaged or too large."""
    if data[:1] != b"\0":
        return None
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data[1:], most + 1)
    except zlib.error:
        return None
    return unpacked if len(unpacked) <= most else None
