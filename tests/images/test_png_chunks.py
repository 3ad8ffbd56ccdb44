"""What only describes a PNG never makes it unreadable, and takes no memory without bounds."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import odd_pictures as odd
import pytest
from picture_checks import RGB8, as_float, load
from PIL import Image

from jaxstyle.images import load_image, read_record, save_image
from jaxstyle.images.png_chunks import MOST_PROFILE, without_obstacles

MUCH = b"x" * (3 * 2**20)
PACKED = zlib.compress(MUCH)
ADOBE_RGB = odd.matrix_profile(odd.ADOBE_RGB_PRIMARIES, odd.gamma(2.2))


def png(before: bytes = b"", after: bytes = b"") -> bytes:
    """``RGB8`` as a PNG of 8 bits, with further chunks before and after the pixels."""
    data = odd.encoded(Image.fromarray(RGB8), "PNG")
    pixels, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    return data[:pixels] + before + data[pixels:end] + after + data[end:]


def damaged(chunk: bytes) -> bytes:
    """A chunk with a wrong checksum."""
    return chunk[:-1] + bytes([chunk[-1] ^ 1])


OBSTACLES = {
    "much compressed text": odd.chunk(b"zTXt", b"key\0\0" + PACKED),
    "much international text": odd.chunk(b"iTXt", b"key\0\1\0\0\0" + PACKED),
    "much plain text, often": odd.chunk(b"tEXt", b"key\0" + MUCH) * 30,
    "text of another method": odd.chunk(b"zTXt", b"key\0\7" + PACKED),
    "text that is cut": odd.chunk(b"zTXt", b"key\0\0" + PACKED[:50]),
    "text of nothing": odd.chunk(b"zTXt", b""),
    "wrong sum of text": damaged(odd.chunk(b"tEXt", b"key\0value")),
    "wrong sum of a time": damaged(odd.chunk(b"tIME", bytes(7))),
    "wrong sum of a profile": damaged(odd.iccp(ADOBE_RGB)),
    "wrong sum of gamma": damaged(odd.chunk(b"gAMA", struct.pack(">I", 100000))),
    "gamma of one byte": odd.chunk(b"gAMA", b"\0"),
    "chromaticities cut": odd.chunk(b"cHRM", bytes(20)),
    "sRGB of nothing": odd.chunk(b"sRGB", b""),
    "size of nothing": odd.chunk(b"pHYs", b""),
    "profile of another method": odd.chunk(b"iCCP", b"x\0\1" + zlib.compress(ADOBE_RGB)),
    "profile without an end": odd.chunk(b"iCCP", b"x"),
    "profile that is no zip": odd.chunk(b"iCCP", b"x\0\0no zip"),
    "profile without bounds": odd.iccp(bytes(MOST_PROFILE + 1)),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_what_describes_a_picture_does_not_hide_it(name, tmp_path):
    for data in (png(OBSTACLES[name]), png(after=OBSTACLES[name])):
        picture = load(tmp_path, data)
        np.testing.assert_array_equal(picture.rgb, as_float(RGB8))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_large_profile_is_honoured(bits, tmp_path):
    small, large = odd.iccp(ADOBE_RGB), odd.iccp(ADOBE_RGB + bytes(2**21))
    deep = RGB8.astype(np.uint16) * 257
    files = [odd.png16(deep, one) if bits == 16 else png(one) for one in (small, large)]
    wanted, found = (load(tmp_path, data).rgb for data in files)
    assert np.abs(wanted - as_float(RGB8)).max() > 0.02
    np.testing.assert_array_equal(found, wanted)


def test_a_record_beside_damage_is_found(tmp_path):
    path = tmp_path / "x.png"
    save_image(path, as_float(RGB8), record='{"format": "jaxstyle-record"}')
    data = path.read_bytes()
    pixels = data.index(b"IDAT") - 4
    path.write_bytes(data[:pixels] + b"".join(OBSTACLES.values()) + data[pixels:])
    assert read_record(path) == '{"format": "jaxstyle-record"}'


def test_a_file_without_obstacles_is_read_as_it_is():
    for data in (png(), png(odd.iccp(ADOBE_RGB)), png()[:60], b"", b"GIF89a"):
        file = io.BytesIO(data)
        assert without_obstacles(file) == (file, {})
    apng = io.BytesIO()
    frames = [Image.fromarray(RGB8), Image.fromarray(255 - RGB8)]
    frames[0].save(apng, "PNG", save_all=True, append_images=frames[1:])
    apng.seek(0)
    assert without_obstacles(apng) == (apng, {})


def test_a_bomb_in_a_profile_takes_little_memory(tmp_path):
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(400)) + packer.flush()
    path = tmp_path / "x.png"
    path.write_bytes(png(odd.chunk(b"iCCP", b"x\0\0" + bomb)))
    tracemalloc.start()
    try:
        load_image(path)
        assert tracemalloc.get_traced_memory()[1] < 3 * MOST_PROFILE
    finally:
        tracemalloc.stop()
