"""Writing: what is saved can be read again, is the same each time, and is whole or not there."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

import numpy as np
import odd_pictures as odd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from picture_checks import refusal
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from jaxstyle.images import (
    SUPPORTED_EXTENSIONS,
    check_writable,
    load_image,
    read_record,
    save_image,
)
from jaxstyle.images.color_profiles import srgb_profile

rng = np.random.default_rng(0)
PICTURE = rng.random((12, 17, 3), np.float32)
ALPHA = rng.random((12, 17), np.float32)
RECORD = '{"format": "jaxstyle-record", "a": [1, 2]}'
LOSSLESS = [(".png", 8), (".png", 16), (".tif", 8), (".tif", 16)]
IN_FOLDER = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def smooth_picture() -> np.ndarray:
    y, x = np.mgrid[0:1:48j, 0:1:64j]
    return np.stack([x, y, (x + y) / 2], axis=-1).astype(np.float32)


def kept(path: Path) -> Image.Exif:
    exif = Image.Exif()
    exif.load(load_image(path).exif or b"")
    return exif


# --- round trips ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("extension", "bits"), LOSSLESS)
@given(data=st.data())
@IN_FOLDER
def test_integers_survive_exactly(extension, bits, data, tmp_path):
    kind = np.uint8 if bits == 8 else np.uint16
    height, width = data.draw(array_shapes(min_dims=2, max_dims=2, max_side=9))
    pixels = data.draw(arrays(kind, (height, width, 4)))
    if not data.draw(st.booleans()):
        pixels[..., 3] = np.iinfo(kind).max
    stored = pixels / np.float32(np.iinfo(kind).max)
    path = tmp_path / f"x{extension}"
    save_image(path, stored[..., :3], alpha=stored[..., 3], bits=bits)
    again = load_image(path)
    np.testing.assert_array_equal(again.rgb, stored[..., :3])
    if stored[..., 3].min() == 1:
        assert again.alpha is None
    else:
        np.testing.assert_array_equal(again.alpha, stored[..., 3])
    assert again.bits == bits


@pytest.mark.parametrize(("extension", "bits"), LOSSLESS)
def test_floats_are_rounded_not_cut(extension, bits, tmp_path):
    path = tmp_path / f"x{extension}"
    save_image(path, PICTURE, bits=bits)
    error = np.abs(load_image(path).rgb - PICTURE) * (2**bits - 1)
    assert 0.4 < error.max() <= 0.51
    assert 0.2 < error.mean() < 0.3


def test_values_outside_are_clipped(tmp_path):
    save_image(tmp_path / "x.png", np.array([[[-1, 0.5, 7]]], np.float32))
    np.testing.assert_allclose(load_image(tmp_path / "x.png").rgb, [[[0, 0.5, 1]]], atol=0.003)


@pytest.mark.parametrize("extension", [".jpg", ".webp"])
def test_lossy_formats_stay_near(extension, tmp_path):
    path = tmp_path / f"x{extension}"
    errors = {}
    for quality in (30, 95):
        save_image(path, smooth_picture(), quality=quality)
        errors[quality] = np.abs(load_image(path).rgb - smooth_picture()).mean()
    assert errors[95] < 0.01
    assert errors[95] < errors[30]


def test_jpeg_keeps_the_colour_of_thin_lines(tmp_path):
    lines = np.zeros((16, 16, 3), np.float32)
    lines[:, ::2, 0] = 1
    save_image(tmp_path / "x.jpg", lines, quality=100)
    assert np.abs(load_image(tmp_path / "x.jpg").rgb - lines).max() < 0.05


def test_webp_keeps_alpha(tmp_path):
    save_image(tmp_path / "x.webp", smooth_picture(), alpha=smooth_picture()[..., 0])
    alpha = load_image(tmp_path / "x.webp").alpha
    assert alpha is not None
    np.testing.assert_allclose(alpha, smooth_picture()[..., 0], atol=0.5 / 255 + 1e-6)


def test_jpeg_lays_transparent_pictures_on_white(tmp_path):
    rgb = np.zeros((16, 48, 3), np.float32)
    rgb[..., 0] = 1
    alpha = np.repeat(np.array([1, 0.5, 0], np.float32), 16)[None].repeat(16, axis=0)
    save_image(tmp_path / "x.jpg", rgb, alpha=alpha, quality=100)
    result = load_image(tmp_path / "x.jpg")
    assert result.alpha is None
    columns = result.rgb[8, [8, 24, 40]]
    np.testing.assert_allclose(columns, [[1, 0, 0], [1, 0.5, 0.5], [1, 1, 1]], atol=0.03)


@pytest.mark.parametrize("extension", SUPPORTED_EXTENSIONS)
def test_one_pixel(extension, tmp_path):
    path = tmp_path / f"x{extension}"
    save_image(path, np.full((1, 1, 3), 0.5, np.float32), alpha=np.ones((1, 1)))
    np.testing.assert_allclose(load_image(path).rgb, 0.5, atol=0.02)


@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_of_many_strips(bits, tmp_path):
    tall = rng.random((1500, 130, 3), np.float32)
    save_image(tmp_path / "x.tif", tall, bits=bits, record=RECORD)
    np.testing.assert_allclose(load_image(tmp_path / "x.tif").rgb, tall, atol=0.51 / (2**bits - 1))
    with TiffImageFile(tmp_path / "x.tif") as image:
        assert len(image.tag_v2[273]) > 1


# --- what else is in the file --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extension", "bits"), [*LOSSLESS, (".jpg", 8), (".jpeg", 8), (".webp", 8), (".TIFF", 8)]
)
def test_profile_record_and_exif_are_inside(extension, bits, tmp_path):
    exif = Image.Exif()
    exif[315] = "Artist"
    exif[0x8769] = {33434: 0.01, 37510: b"of before"}
    exif[0x8825] = {1: "N"}
    path = tmp_path / f"x{extension}"
    save_image(path, PICTURE, alpha=ALPHA, bits=bits, exif=exif.tobytes(), record=RECORD)
    assert read_record(path) == RECORD
    with Image.open(path) as image:
        profile = image.info["icc_profile"]
    assert profile == srgb_profile()
    described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    assert "sRGB" in ImageCms.getProfileDescription(described)
    assert kept(path)[315] == "Artist"
    assert kept(path).get_ifd(0x8825)[1] == "N"
    assert kept(path).get_ifd(0x8769)[33434] == 0.01


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tif"])
def test_same_arguments_give_the_same_bytes(extension, tmp_path):
    paths = [tmp_path / f"{name}{extension}" for name in "ab"]
    for path in paths:
        srgb_profile.cache_clear()
        save_image(path, PICTURE, record=RECORD)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize(
    "record", ['{"path": "/Bücher/東京.jpg"}', '{"many": "' + "x" * 30000 + '"}']
)
def test_records_of_other_letters_and_sizes(extension, record, tmp_path):
    path = tmp_path / f"x{extension}"
    save_image(path, PICTURE, record=record)
    assert read_record(path) == record


def test_record_in_png_of_sixteen_bits_is_text(tmp_path):
    save_image(tmp_path / "x.png", PICTURE, bits=16, record=RECORD)
    with PngImageFile(tmp_path / "x.png") as image:
        assert image.text == {"jaxstyle": RECORD}


def test_jpeg_drops_exif_that_does_not_fit_but_keeps_the_record(tmp_path):
    exif = Image.Exif()
    exif[270] = "x" * 65000
    save_image(
        tmp_path / "x.jpg", PICTURE, exif=exif.tobytes(), record='{"a": "' + "y" * 900 + '"}'
    )
    assert "yyy" in read_record(tmp_path / "x.jpg")
    assert 270 not in kept(tmp_path / "x.jpg")


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tif"])
def test_broken_exif_does_not_cost_the_result(extension, tmp_path):
    path = tmp_path / f"x{extension}"
    save_image(path, PICTURE, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff", record=RECORD)
    assert read_record(path) == RECORD


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tif"])
def test_record_does_not_go_on_to_the_next_picture(extension, tmp_path):
    first, second = tmp_path / f"first{extension}", tmp_path / "second.jpg"
    save_image(first, PICTURE, record=RECORD)
    save_image(second, PICTURE, exif=load_image(first).exif)
    assert "has no jaxstyle record" in refusal(read_record, second)


def test_no_record(tmp_path):
    save_image(tmp_path / "x.png", PICTURE)
    assert "has no jaxstyle record" in refusal(read_record, tmp_path / "x.png")
    exif = Image.Exif()
    exif[0x8769] = {37510: b"ASCII\0\0\0my dog"}
    (tmp_path / "dog.jpg").write_bytes(odd.encoded(Image.new("RGB", (9, 9)), "JPEG", exif=exif))
    assert "has no jaxstyle record" in refusal(read_record, tmp_path / "dog.jpg")
    assert "does not exist" in refusal(read_record, tmp_path / "no.png")
    (tmp_path / "text.png").write_text("text")
    assert "it is no picture" in refusal(read_record, tmp_path / "text.png")
    refusal(read_record, tmp_path)


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [check_writable, lambda path: save_image(path, PICTURE)])
def test_places_that_cannot_be_written(call, tmp_path):
    folder = tmp_path / "folder.png"
    folder.mkdir()
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    (tmp_path / "link.png").symlink_to("/dev/null")
    (tmp_path / "file").touch()
    for path, reason in [
        (tmp_path / "x.gif", "its extension is '.gif': use one of .png .jpg"),
        (tmp_path / "x", "it has no extension: use one of"),
        (tmp_path / "no" / "x.png", f"there is no folder '{tmp_path}/no': create it first"),
        (tmp_path / "file" / "x.png", "there is no folder"),
        (folder, "it is a folder"),
        (pipe, "it is not a regular file"),
        (tmp_path / "link.png", "it is not a regular file"),
        (tmp_path / ("x" * 300 + ".png"), "too long"),
        ("a\0b.png", "null"),
    ]:
        assert reason in refusal(call, path)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "file",
        "folder.png",
        "link.png",
        "pipe.png",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        assert "Permission denied" in refusal(check_writable, tmp_path / "x.png")
        assert "Permission denied" in refusal(save_image, tmp_path / "x.png", PICTURE)
    finally:
        tmp_path.chmod(0o700)


def test_read_only_file_system(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("builtins.open", refuse)
    assert "Read-only file system" in refusal(check_writable, tmp_path / "x.png")


def test_check_writable_leaves_no_trace(tmp_path):
    check_writable(tmp_path / "x.png")
    check_writable(tmp_path / "x.JPG")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "x.png").write_bytes(b"old")
    check_writable(tmp_path / "x.png", bits=16)
    assert (tmp_path / "x.png").read_bytes() == b"old"
    assert "with 16 bits: use .png or .tif" in refusal(check_writable, tmp_path / "x.jpg", bits=16)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("x.jpg", {"bits": 16}, "with 16 bits: use .png or .tif"),
        ("x.webp", {"bits": 16}, "with 16 bits: use .png or .tif"),
        ("x.png", {"bits": 12}, "12 bits per channel: choose 8 or 16"),
        ("x.jpg", {"quality": 0}, "from 1 to 100"),
        ("x.png", {"alpha": np.ones((3, 3), np.float32)}, "does not fit"),
        ("x.png", {"rgb": np.full((2, 2, 3), np.nan)}, "NaN"),
        ("x.png", {"rgb": np.zeros((2, 2))}, "shape (2, 2) is not"),
        ("x.png", {"rgb": np.zeros((0, 2, 3))}, "shape (0, 2, 3) is not"),
        ("x.webp", {"rgb": np.zeros((1, 16384, 3))}, "16384x1 is more than the 16383 px"),
        ("x.jpg", {"rgb": np.zeros((65501, 1, 3))}, "1x65501 is more than the 65500 px"),
        ("x.jpg", {"record": "{" + "y" * 70000}, "cannot write"),
    ],
)
def test_pictures_that_cannot_be_saved_so(name, options, reason, tmp_path):
    options = {"rgb": PICTURE, **options}
    assert reason in refusal(save_image, tmp_path / name, options.pop("rgb"), **options)
    assert list(tmp_path.iterdir()) == []


# --- whole or not there --------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["os.fsync", "os.replace"])
@pytest.mark.parametrize("existing", [False, True])
def test_full_disk_leaves_what_was(function, existing, tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    if existing:
        path.write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(function, full)
    assert refusal(save_image, path, PICTURE) == f"cannot write '{path}': No space left on device"
    assert [p.name for p in tmp_path.iterdir()] == (["x.png"] if existing else [])
    assert not existing or path.read_bytes() == b"old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_disk_that_is_full_while_writing(tmp_path, monkeypatch):
    import builtins

    real = builtins.open
    monkeypatch.setattr(
        "builtins.open",
        lambda path, mode="r", *more, **_: (
            real("/dev/full", "wb") if mode == "xb" else real(path, mode)
        ),
    )
    assert "No space left on device" in refusal(save_image, tmp_path / "x.png", PICTURE)
    assert list(tmp_path.iterdir()) == []


def test_interruption_leaves_what_was(tmp_path, monkeypatch):
    (tmp_path / "x.png").write_bytes(b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_image(tmp_path / "x.png", PICTURE)
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]
    assert (tmp_path / "x.png").read_bytes() == b"old"


def test_file_has_the_usual_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        save_image(tmp_path / "x.png", PICTURE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.png").stat().st_mode) == 0o640


def test_links_are_followed_and_files_replaced(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "x.png", tmp_path / "link.png"
    real.write_bytes(b"old")
    link.symlink_to(real)
    save_image(link, PICTURE)
    assert link.is_symlink()
    assert load_image(real).size == (17, 12)
    monkeypatch.chdir(tmp_path)
    save_image("here.png", PICTURE)
    assert (tmp_path / "here.png").is_file()
