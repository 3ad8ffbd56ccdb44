"""Small files that would cost much to read: refused, or read, within bounds of time and memory."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from fuzzing import bounded
from odd_pictures import encoded, iccp, png16
from PIL import Image

from jaxstyle.errors import ImageError
from jaxstyle.images import color_profiles, cost, image_size, load_image
from jaxstyle.images.color_profiles import deep_to_srgb, srgb_profile, to_srgb

LIMITS = 2.0, 300 * 2**20


def progressive(side: int, scans: int) -> bytes:
    """A JPEG whose last scan is there again and again."""
    data = encoded(Image.new("RGB", (side, side), "red"), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * scans + data[-2:]


def test_scans_are_counted(tmp_path):
    path = tmp_path / "x.jpg"
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    for options, scans in (({}, 1), ({"progressive": True}, 10), ({"restart_marker_rows": 1}, 1)):
        path.write_bytes(encoded(picture, "JPEG", **options))
        with open(path, "rb") as file:
            assert cost.jpeg_scans(file) == scans
            assert file.tell() == 0
    path.write_bytes(progressive(64, 90))
    with open(path, "rb") as file:
        assert cost.jpeg_scans(file) == 100


def test_a_jpeg_of_many_scans(tmp_path):
    (tmp_path / "x.jpg").write_bytes(progressive(1600, 190))
    with bounded(*LIMITS), pytest.raises(ImageError, match="a JPEG of 200 scans"):
        load_image(tmp_path / "x.jpg")
    (tmp_path / "small.jpg").write_bytes(progressive(64, 100))
    with bounded(*LIMITS):
        assert load_image(tmp_path / "small.jpg").size == (64, 64)


def test_memory_is_compared_with_what_is_free(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    Image.new("1", (4000, 4000)).save(path)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(cost, "free_host_bytes", lambda: 2**28)
    with bounded(*LIMITS), pytest.raises(ImageError, match=r"up to 488 MiB .* 256 MiB of"):
        load_image(path)


def test_the_size_of_a_file_is_bounded_by_its_pixels(tmp_path):
    path = tmp_path / "x.png"
    Image.new("RGB", (8, 8)).save(path)
    os.truncate(path, 2**40)
    with bounded(*LIMITS), pytest.raises(ImageError, match="1,099,511,627,776 bytes"):
        load_image(path)


def test_sizes_are_told_without_decoding_more_than_is_allowed(tmp_path):
    path = tmp_path / "x.tif"
    data = encoded(Image.new("L", (8, 8)), "TIFF")
    for tag in (256, 257):  # width and height
        old, new = (struct.pack("<HHII", tag, 4, 1, side) for side in (8, 20_000))
        assert old in data
        data = data.replace(old, new)
    path.write_bytes(data)
    with bounded(*LIMITS), pytest.raises(ImageError, match="cannot be read"):
        image_size(path)


def with_tag(profile: bytes, name: bytes, content: bytes, count: int = 1) -> bytes:
    """A profile with further tags, all of which share one place."""
    (before,) = struct.unpack_from(">I", profile, 128)
    moved, begin = 12 * count, 132 + 12 * before
    table = b"".join(
        struct.pack(">4sII", tag, offset + moved, size)
        for tag, offset, size in struct.iter_unpack(">4sII", profile[132:begin])
    )
    table += struct.pack(">4sII", name, len(profile) + moved, len(content)) * count
    whole = profile[:128] + struct.pack(">I", before + count) + table + profile[begin:] + content
    return struct.pack(">I", len(whole)) + whole[4:]


def steps_without_end(count: int) -> bytes:
    """A tag of processing elements: one matrix, so many times."""
    matrix = b"matf\0\0\0\0" + struct.pack(">HH12f", 3, 3, *np.eye(3).ravel(), 0, 0, 0)
    head = b"mpet\0\0\0\0" + struct.pack(">HHI", 3, 3, count)
    return head + struct.pack(">II", len(head) + 8 * count, len(matrix)) * count + matrix


def test_a_profile_of_steps_without_end(tmp_path):
    profile = with_tag(srgb_profile(), b"D2B1", steps_without_end(100_000))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    file = io.BytesIO()
    picture.save(file, "PNG", icc_profile=profile)
    (tmp_path / "x.png").write_bytes(file.getvalue())
    with bounded(*LIMITS):
        found = load_image(tmp_path / "x.png").rgb
    np.testing.assert_array_equal(np.rint(found * 255), np.asarray(picture))


@pytest.mark.parametrize("size", [2**20, 2**24, 2**25])
def test_profiles_of_megabytes_whose_tags_share_bytes(size):
    profile = with_tag(srgb_profile(), b"rTRC", b"curv\0\0\0\0" + b"\xff" * size, count=190)
    pixels = np.full((8, 8, 3), 0.5, np.float32)
    with bounded(*LIMITS):
        assert deep_to_srgb(pixels, profile).shape == (8, 8, 3)
        assert to_srgb(Image.new("RGB", (8, 8)), profile).size == (8, 8)
        color_profiles._tags(profile)


def test_a_deep_picture_too(tmp_path):
    profile = with_tag(srgb_profile(), b"D2B0", steps_without_end(20_000))
    pixels = np.random.default_rng(0).integers(0, 2**16, (8, 8, 3), np.uint16)
    (tmp_path / "x.png").write_bytes(png16(pixels, iccp(profile)))
    with bounded(*LIMITS):
        found = load_image(tmp_path / "x.png").rgb
    np.testing.assert_allclose(found, pixels / 65535, atol=1e-6)


def test_tags_that_share_bytes(tmp_path):
    """EXIF of 4000 tags, each of which claims all of its bytes: 200 MB a picture."""
    entries, size = 4000, 50_000
    exif = b"MM\0*\0\0\0\x08" + struct.pack(">H", entries)
    for tag in range(entries):
        exif += struct.pack(">HHII", 0xC000 + tag, 7, size, 8)
    exif += b"\0" * (size + 16 - len(exif) + 8)
    Image.new("RGB", (8, 8)).save(tmp_path / "x.jpg", exif=b"Exif\0\0" + exif)
    with bounded(2.0, 100 * 2**20):
        load_image(tmp_path / "x.jpg")


def test_an_animation_of_a_huge_canvas(tmp_path):
    head = b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + b"\0" * 6
    frame = b"," + struct.pack("<HHHH", 0, 0, 65535, 65535) + b"\0\x02\x02\x4c\x01\0;"
    path = Path(tmp_path / "x.gif")
    path.write_bytes(head + frame)
    with bounded(*LIMITS), pytest.raises(ImageError, match="pixels allowed"):
        load_image(path)
