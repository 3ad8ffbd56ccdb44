"""Reading: every kind of picture arrives upright, in sRGB and with all its bits."""

from __future__ import annotations

import hashlib

import numpy as np
import odd_pictures as odd
import pytest
from picture_checks import (
    GREY8,
    RGB8,
    RGB16,
    RGBA8,
    RGBA16,
    as_float,
    check,
    grey_as_rgb,
    load,
    refusal,
)
from PIL import Image

from jaxstyle.images import load_image, resize

rng = np.random.default_rng(0)


# --- modes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM", "TGA", "GIF"])
def test_formats_without_loss(kind, tmp_path):
    if kind == "GIF":
        picture = load(tmp_path, odd.encoded(Image.fromarray(GREY8), kind))
        check(picture, grey_as_rgb(GREY8), None, 8)
    else:
        picture = load(tmp_path, odd.encoded(Image.fromarray(RGB8), kind))
        check(picture, as_float(RGB8), None, 8)


def test_where_it_came_from(tmp_path):
    data = odd.encoded(Image.fromarray(RGB8), "PNG")
    picture = load(tmp_path, data)
    assert picture.source == str(tmp_path / "x.png")
    assert picture.sha256 == hashlib.sha256(data).hexdigest()


def test_modes_of_eight_bits(tmp_path):
    black_and_white = GREY8 > 127
    image = Image.fromarray(black_and_white)
    assert image.mode == "1"
    check(
        load(tmp_path, odd.encoded(image, "PNG")),
        grey_as_rgb(black_and_white.astype(np.uint8) * 255),
        None,
        8,
    )
    check(load(tmp_path, odd.encoded(Image.fromarray(GREY8), "PNG")), grey_as_rgb(GREY8), None, 8)
    check(
        load(tmp_path, odd.encoded(Image.fromarray(RGBA8), "PNG")),
        as_float(RGBA8[..., :3]),
        as_float(RGBA8[..., 3]),
        8,
    )
    la = Image.merge("LA", [Image.fromarray(GREY8), Image.fromarray(RGBA8[..., 3])])
    check(
        load(tmp_path, odd.encoded(la, "PNG")),
        grey_as_rgb(GREY8),
        as_float(RGBA8[..., 3]),
        8,
    )


def test_full_alpha_is_no_alpha(tmp_path):
    opaque = RGBA8.copy()
    opaque[..., 3] = 255
    check(
        load(tmp_path, odd.encoded(Image.fromarray(opaque), "PNG")),
        as_float(opaque[..., :3]),
        None,
        8,
    )


@pytest.mark.parametrize("transparency", [None, 2, bytes([255, 128, 0])])
def test_palette(transparency, tmp_path):
    indices = rng.integers(0, 3, (5, 7), dtype=np.uint8)
    palette = np.array([[255, 0, 0], [0, 128, 255], [9, 8, 7]], np.uint8)
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    assert image.mode == "P"
    options = {} if transparency is None else {"transparency": transparency}
    picture = load(tmp_path, odd.encoded(image, "PNG", **options))
    alphas = {None: None, 2: [255, 255, 0]}.get(transparency, [255, 128, 0])
    alpha = None if alphas is None else as_float(np.array(alphas, np.uint8)[indices])
    check(picture, as_float(palette[indices]), alpha, 8)


def test_transparent_colour(tmp_path):
    pixels = RGB8.copy()
    pixels[1, 2] = (1, 2, 3)
    alpha = np.ones((5, 7), np.float32)
    alpha[1, 2] = 0
    picture = load(tmp_path, odd.encoded(Image.fromarray(pixels), "PNG", transparency=(1, 2, 3)))
    check(picture, as_float(pixels), alpha, 8)


def test_transparent_colour_of_sixteen_bits(tmp_path):
    # Only the low bytes tell the neighbour from the transparent colour.
    pixels = RGB16.copy()
    pixels[1, 2], pixels[1, 3] = (258, 515, 772), (259, 515, 772)
    alpha = np.ones((5, 7), np.float32)
    alpha[1, 2] = 0
    chunk = odd.chunk(b"tRNS", np.array([258, 515, 772], ">u2").tobytes())
    check(load(tmp_path, odd.png16(pixels, chunk)), as_float(pixels), alpha, 16)
    grey = pixels[..., :1]
    chunk = odd.chunk(b"tRNS", np.array([258], ">u2").tobytes())
    check(load(tmp_path, odd.png16(grey, chunk)), grey_as_rgb(grey[..., 0]), alpha, 16)


def test_cmyk_without_profile(tmp_path):
    inks = [Image.new("L", (8, 8), ink) for ink in (255, 0, 0, 0)]
    image = Image.merge("CMYK", inks)
    for kind in ("TIFF", "JPEG"):  # Adobe's JPEG inverts the inks, TIFF does not
        data = odd.encoded(image, kind, quality=100)
        assert (b"Adobe" in data) == (kind == "JPEG")
        np.testing.assert_allclose(load(tmp_path, data).rgb[4, 4], (0, 1, 1), atol=0.02)
    paper = Image.new("CMYK", (8, 8), (0, 0, 0, 0))
    np.testing.assert_allclose(load(tmp_path, odd.encoded(paper, "JPEG")).rgb, 1, atol=0.02)


# --- sixteen bits --------------------------------------------------------------------------------


def test_png_of_sixteen_bits(tmp_path):
    check(load(tmp_path, odd.png16(RGB16)), as_float(RGB16), None, 16)
    alpha = as_float(RGBA16[..., 3])
    check(load(tmp_path, odd.png16(RGBA16)), as_float(RGBA16[..., :3]), alpha, 16)
    grey = RGB16[..., :1]
    check(load(tmp_path, odd.png16(grey)), grey_as_rgb(grey[..., 0]), None, 16)
    check(
        load(tmp_path, odd.png16(RGBA16[..., 2:])),
        grey_as_rgb(RGBA16[..., 2]),
        as_float(RGBA16[..., 3]),
        16,
    )


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("deflate", [False, True])
def test_tiff_of_sixteen_bits(big_endian, deflate, tmp_path):
    options = {"big_endian": big_endian, "deflate": deflate}
    check(load(tmp_path, odd.tiff(RGB16, **options)), as_float(RGB16), None, 16)
    extra_samples = 338
    colour, alpha = as_float(RGBA16[..., :3]), as_float(RGBA16[..., 3])
    unassociated = odd.tiff(RGBA16, **options, tags={extra_samples: 2})
    check(load(tmp_path, unassociated), colour, alpha, 16)
    ignored = odd.tiff(RGBA16, **options, tags={extra_samples: 0})
    check(load(tmp_path, ignored), colour, None, 16)
    grey = RGB16[..., :1]
    check(load(tmp_path, odd.tiff(grey, **options)), grey_as_rgb(grey[..., 0]), None, 16)


def test_premultiplied_tiff_of_sixteen_bits(tmp_path):
    alpha = np.array([[65535, 32768, 1000, 0]], np.uint16)
    colour = np.array([0.25, 0.5, 1.0])
    premultiplied = np.rint(colour * alpha[..., None]).astype(np.uint16)
    pixels = np.concatenate([premultiplied, alpha[..., None]], axis=2)
    picture = load(tmp_path, odd.tiff(pixels, tags={338: 1}))
    np.testing.assert_allclose(picture.rgb[0, :3], np.tile(colour, (3, 1)), atol=1e-3)
    np.testing.assert_array_equal(picture.alpha, as_float(alpha))


def test_tiff_where_white_is_zero_and_with_twelve_bits(tmp_path):
    grey = RGB16[..., :1]
    inverted = odd.tiff(grey, tags={262: 0})
    check(load(tmp_path, inverted), grey_as_rgb(65535 - grey[..., 0]), None, 16)
    twelve = np.array([[[0xFF], [0xF8], [0x00]]], np.uint8)  # 4095 and 2048 in three bytes
    picture = load(tmp_path, odd.tiff(twelve, tags={256: 2, 258: 12}))
    np.testing.assert_allclose(picture.rgb[0, :, 0], [1, 2048 / 4095], atol=1e-5)
    assert picture.bits == 16


def test_tiff_of_separate_planes(tmp_path):
    picture = load(tmp_path, odd.tiff(RGB8, planar=True))
    check(picture, as_float(RGB8), None, 8)
    for deflate in (False, True):  # which Pillow decodes to nonsense
        (tmp_path / "x.tif").write_bytes(odd.tiff(RGB16, planar=True, deflate=deflate))
        message = refusal(load_image, tmp_path / "x.tif", name="style image")
        assert message.startswith(f"style image '{tmp_path}/x.tif' stores 16-bit channels")


def test_wide_single_band_pictures(tmp_path):
    integers = np.arange(35, dtype=np.int32).reshape(5, 7) * 1800
    picture = load(tmp_path, odd.encoded(Image.fromarray(integers), "TIFF"))
    check(picture, grey_as_rgb(integers.astype(np.uint16)), None, 16)
    floats = rng.random((5, 7), np.float32)
    picture = load(tmp_path, odd.encoded(Image.fromarray(floats), "TIFF"))
    check(picture, np.repeat(floats[..., None], 3, axis=2), None, 16)
    for bad in (integers * 100, -integers, floats * 255, floats * np.float32("nan")):
        (tmp_path / "x.tif").write_bytes(odd.encoded(Image.fromarray(bad), "TIFF"))
        assert "they must be from 0 to" in refusal(load_image, tmp_path / "x.tif")


# --- orientation and EXIF ------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "PNG16", "TIFF16"])
def test_orientation_is_applied_once(orientation, kind, tmp_path):
    exif = Image.Exif()
    exif[274] = orientation
    exif[271] = "Maker"
    deep = kind.endswith("16")
    upright = RGBA16 if deep else RGBA8
    stored = np.ascontiguousarray(odd.as_stored(upright, orientation))
    if kind == "PNG16":
        data = odd.png16(stored, odd.chunk(b"eXIf", exif.tobytes()[6:]))
    elif kind == "TIFF16":
        data = odd.tiff(stored, tags={338: 2, 274: orientation, 271: "Maker"})
    else:
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        data = odd.encoded(Image.fromarray(stored), kind, exif=exif, **options)
    picture = load(tmp_path, data)
    colour, alpha = as_float(upright[..., :3]), as_float(upright[..., 3])
    check(picture, colour, alpha, 16 if deep else 8)
    kept = Image.Exif()
    kept.load(picture.exif or b"")
    assert kept[271] == "Maker"
    assert 274 not in kept


@pytest.mark.parametrize("orientation", [0, 9, 60000])
def test_orientation_that_makes_no_sense(orientation, tmp_path):
    exif = Image.Exif()
    exif[274] = orientation
    check(
        load(tmp_path, odd.encoded(Image.fromarray(RGB8), "PNG", exif=exif)),
        as_float(RGB8),
        None,
        8,
    )


def test_exif_keeps_what_stays_true(tmp_path):
    exif = Image.Exif()
    exif[305], exif[256] = "Camera 1.0", 4000
    photo = {33434: 0.01, 37500: b"maker's notes", 40962: 4000, 40961: 65535, 37510: b"mine"}
    exif[0x8769] = photo
    exif[0x8825] = {1: "N", 2: (48.0, 31.0, 0.0)}
    kept = Image.Exif()
    picture = load(tmp_path, odd.encoded(Image.fromarray(RGB8), "JPEG", exif=exif))
    kept.load(picture.exif or b"")
    assert kept[305] == "Camera 1.0"
    assert kept.get_ifd(0x8825)[1] == "N"
    assert kept.get_ifd(0x8769) == {33434: 0.01, 40961: 1}  # exposure, and now it is sRGB
    assert 256 not in kept


def test_exif_of_tiff_has_no_layout(tmp_path):
    picture = load(tmp_path, odd.tiff(RGB16, tags={315: "Artist"}))
    kept = Image.Exif()
    kept.load(picture.exif or b"")
    assert dict(kept) == {315: "Artist"}
    assert load(tmp_path, odd.tiff(RGB16)).exif is None


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"rubbish" * 9])
def test_broken_exif_is_ignored(exif, tmp_path):
    picture = load(tmp_path, odd.encoded(Image.fromarray(RGB8), "PNG", exif=exif))
    check(picture, as_float(RGB8), None, 8)
    assert picture.exif is None


def test_one_pixel_is_a_picture(tmp_path):
    picture = load(tmp_path, odd.encoded(Image.new("RGB", (1, 1), (255, 0, 51)), "PNG"))
    np.testing.assert_array_equal(picture.rgb, np.array([[[1, 0, 0.2]]], np.float32))
    np.testing.assert_allclose(resize(picture.rgb, 5, 4)[2, 2], (1, 0, 0.2), atol=1e-6)


def test_development_pictures(shared):
    for path in sorted((shared / "images").glob("*.jpg")):
        picture = load_image(path)
        with Image.open(path) as image:
            np.testing.assert_array_equal(picture.rgb, np.asarray(image) / np.float32(255))
        assert picture.alpha is None
