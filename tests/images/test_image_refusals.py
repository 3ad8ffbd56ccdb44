"""Whatever is no picture, or a bad one, is refused in one line and costs nothing."""

from __future__ import annotations

import threading

import ml_dtypes
import numpy as np
import odd_pictures as odd
import pytest
from conftest import ROOT
from fuzzing import mutations
from picture_checks import GREY8, RGB8, RGB16, RGBA8, as_float, check, grey_as_rgb, load, refusal
from PIL import Image, features

from jaxstyle.images import ImageError, as_picture, image_size, load_image, read_record

rng = np.random.default_rng(0)

# --- refusals ------------------------------------------------------------------------------------


def test_no_picture_there(tmp_path):
    assert refusal(load_image, tmp_path / "no.png", name="content image") == (
        f"content image '{tmp_path}/no.png' does not exist: check the path"
    )
    assert "is a folder" in refusal(load_image, tmp_path)
    (tmp_path / "empty.png").touch()
    assert "is empty (0 bytes)" in refusal(load_image, tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("not a picture at all")
    assert "is not a picture in a format" in refusal(load_image, tmp_path / "text.png")
    assert "not a regular file" in refusal(load_image, "/dev/zero")
    assert "cannot be opened" in refusal(load_image, "a\0b.png")
    assert "cannot be opened" in refusal(load_image, tmp_path / ("x" * 300))
    refusal(load_image, tmp_path / "two\nlines.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PNG16"])
@pytest.mark.parametrize("fraction", [0.02, 0.5, 0.9])
def test_cut_short(kind, fraction, tmp_path):
    noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    if kind == "PNG16":
        data = odd.png16(noise.astype(np.uint16) * 257)
    else:
        data = odd.encoded(Image.fromarray(noise), kind)
    path = tmp_path / "cut.img"
    path.write_bytes(data[: int(len(data) * fraction)])
    message = refusal(load_image, path, name="style image")
    assert message.startswith(f"style image '{path}' ")


def test_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    def explode(*_):
        raise AssertionError("decoded")

    header = np.array([60000, 60000], ">u4").tobytes() + bytes([8, 2, 0, 0, 0])
    data = b"\x89PNG\r\n\x1a\n" + odd.chunk(b"IHDR", header)
    data += odd.chunk(b"IDAT", b"x") + odd.chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(data)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", explode)
    before = Image.MAX_IMAGE_PIXELS
    message = refusal(load_image, tmp_path / "bomb.png")
    assert "is 60000x60000, more than the 200,000,000 pixels allowed" in message
    assert before == Image.MAX_IMAGE_PIXELS


def test_limit_is_exact_and_overrides_that_of_pillow(tmp_path, monkeypatch):
    data = odd.encoded(Image.fromarray(RGB8), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert load(tmp_path, data, max_pixels=35).size == (7, 5)
    assert "is 7x5, more than the 34 pixels" in refusal(
        load_image, tmp_path / "x.png", max_pixels=34
    )
    assert Image.MAX_IMAGE_PIXELS == 10


def test_icon_that_lies_about_its_size(tmp_path):
    inner = odd.encoded(Image.new("RGB", (300, 300)), "PNG")
    directory = bytes([0, 0, 1, 0, 1, 0]) + bytes([16, 16, 0, 0, 1, 0, 32, 0])
    data = directory + len(inner).to_bytes(4, "little") + (22).to_bytes(4, "little") + inner
    (tmp_path / "x.ico").write_bytes(data)
    assert "more than the 1,000 pixels" in refusal(load_image, tmp_path / "x.ico", max_pixels=1000)


def test_threads_leave_the_limit_of_pillow_alone(tmp_path):
    (tmp_path / "x.png").write_bytes(odd.encoded(Image.new("RGB", (200, 200)), "PNG"))
    before = Image.MAX_IMAGE_PIXELS
    limits = (10**6, 10**4)
    results: list[object] = []

    def work(limit):
        for _ in range(20):
            try:
                results.append(load_image(tmp_path / "x.png", max_pixels=limit).size)
            except ImageError:
                results.append(None)

    threads = [threading.Thread(target=work, args=(limit,)) for limit in limits * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert before == Image.MAX_IMAGE_PIXELS
    assert results.count((200, 200)) == 40
    assert results.count(None) == 40


@pytest.mark.parametrize("kind", ["PNG", "PNG16", "JPEG", "TIFF", "TIFF16", "WEBP", "GIF"])
def test_damaged_files_are_read_or_refused(kind, tmp_path):
    exif = Image.Exif()
    exif[274], exif[0x8769] = 6, {37510: b"x" * 20}
    profile = odd.matrix_profile(odd.ADOBE_RGB_PRIMARIES, odd.gamma(2))
    if kind == "PNG16":
        data = odd.png16(RGB16, odd.iccp(profile))
    elif kind == "TIFF16":
        data = odd.tiff(RGB16, tags={274: 6, 34675: profile})
    else:
        options = {"exif": exif.tobytes(), "icc_profile": profile}
        data = odd.encoded(Image.fromarray(RGB8), kind, **options)
    path = tmp_path / "damaged"
    refused = 0
    for damaged in mutations(data, seed=0, count=100):
        path.write_bytes(damaged)
        try:
            picture = load_image(path, max_pixels=10**6)
        except ImageError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            assert np.isfinite(picture.rgb).all()
    assert 0 < refused < 100


# --- as_picture ----------------------------------------------------------------------------------


def test_arrays():
    check(as_picture(RGB8), as_float(RGB8), None, 8)
    check(as_picture(RGB16), as_float(RGB16), None, 16)
    check(as_picture(RGBA8), as_float(RGBA8[..., :3]), as_float(RGBA8[..., 3]), 8)
    check(as_picture(GREY8), grey_as_rgb(GREY8), None, 8)
    check(as_picture(GREY8[..., None]), grey_as_rgb(GREY8), None, 8)
    floats = rng.random((4, 6, 3))
    check(as_picture(floats), floats.astype(np.float32), None, 8)
    half = floats.astype(ml_dtypes.bfloat16)
    check(as_picture(half), half.astype(np.float32), None, 8)
    assert as_picture(floats).source == "<array>"
    assert as_picture(floats).sha256 == ""
    assert as_picture(floats.tolist()).size == (6, 4)


def test_arrays_are_copied():
    array = np.full((2, 2, 3), 0.5, np.float32)
    picture = as_picture(array)
    array[:] = 0
    assert picture.rgb.min() == 0.5


def test_pillow_images_and_paths_and_pictures(tmp_path):
    colour, alpha = as_float(RGBA8[..., :3]), as_float(RGBA8[..., 3])
    check(as_picture(Image.fromarray(RGBA8)), colour, alpha, 8)
    path = tmp_path / "x.png"
    path.write_bytes(odd.encoded(Image.fromarray(RGB8), "PNG"))
    picture = as_picture(str(path))
    check(picture, as_float(RGB8), None, 8)
    assert as_picture(picture) is picture
    with Image.open(path) as image:
        check(as_picture(image), as_float(RGB8), None, 8)
    path.write_bytes(path.read_bytes()[:-40])
    with Image.open(path) as image:
        assert refusal(as_picture, image, name="style image").startswith("style image cannot")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.full((2, 2, 3), 255.0), "values reach 255, but .*: divide by 255 or pass uint8"),
        (np.full((2, 2, 3), 60000.0), "values reach 60000, .* pass uint16"),
        (np.full((2, 2, 3), -0.5), "values reach down to -0.5, .*: rescale or clip them"),
        (np.full((2, 2, 3), np.nan), "has NaN or infinite values"),
        (np.full((2, 2, 3), np.inf), "has NaN or infinite values"),
        (np.zeros((2, 2, 3), np.int64), "is an array of int64; give floats"),
        (np.zeros((3, 8, 9)), r"has shape \(3, 8, 9\).*channels last"),
        (np.zeros((1, 8, 9, 3)), r"has shape .*drop the first axis"),
        (np.zeros((8, 9, 2)), r"has shape \(8, 9, 2\)"),
        (np.zeros(5), r"has shape \(5,\)"),
        (np.zeros((0, 5, 3)), "has no pixels"),
        (Image.new("RGB", (0, 5)), "has no pixels"),
        (object(), "has shape|array of object"),
        (None, "has shape|array of object"),
    ],
)
def test_arrays_that_are_refused(value, message):
    with pytest.raises(ImageError, match=f"^content image:? {message}"):
        as_picture(value, name="content image")


def test_a_hair_outside_the_range_is_arithmetic():
    picture = as_picture(np.array([[-1e-6, 1 + 1e-6]], np.float32))
    assert picture.rgb.min() == 0
    assert picture.rgb.max() == 1


# --- formats -------------------------------------------------------------------------------------

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(/tmp/x) (w) file\n" * 2


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (EPS[:116], "PostScript"),
        (b"\xc5\xd0\xd3\xc6" + bytes(8) + EPS, "PostScript"),
        (b"%PDF-1.7\n" + bytes(200), "PDF"),
        (b"\xd7\xcd\xc6\x9a" + bytes(200), "WMF"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    ],
)
@pytest.mark.parametrize("read", [load_image, image_size])
def test_drawings_are_not_drawn(read, data, kind, tmp_path, monkeypatch):
    def explode(*_, **__):
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen.__init__", explode)
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", explode)
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    message = f"image '{path}' is {kind}, a drawing without pixels: convert it to PNG first"
    assert refusal(read, path) == message
    assert "it is no picture" in refusal(read_record, path)


@pytest.mark.parametrize(
    "kind", ["PNG", "JPEG", "MPO", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "JPEG2000", "TGA", "PPM"]
)
def test_what_people_bring_is_read_whatever_its_name(kind, tmp_path):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    grey = Image.new("RGB", (32, 24), (128, 128, 128))
    path = tmp_path / "name.eps"
    path.write_bytes(odd.encoded(grey, kind))
    np.testing.assert_allclose(load_image(path).rgb, 128 / 255, atol=0.02)
    assert image_size(path) == (32, 24)


@pytest.mark.parametrize("kind", ["PCX", "SGI", "DDS"])
def test_what_hardly_anyone_brings_is_not_decoded(kind, tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(odd.encoded(Image.new("RGB", (32, 24)), kind))
    assert "is not a picture in a format" in refusal(load_image, path)


def test_pillow_opens_files_in_one_place_alone():
    users = {
        path.name for path in (ROOT / "jaxstyle").rglob("*.py") if "Image.open(" in path.read_text()
    }
    assert users == {"pillow.py"}
