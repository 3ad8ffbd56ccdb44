"""Reading and resizing: every kind of picture arrives upright, in sRGB, in [0, 1], or is refused."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import ml_dtypes
import numpy as np
import odd_pictures as odd
import pytest
from fuzzing import mutations
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxstyle.images import (
    ImageError,
    Picture,
    as_picture,
    fit_longest_side,
    load_image,
    resize,
    resize_picture,
)

rng = np.random.default_rng(0)
RGB8 = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
RGBA8 = rng.integers(0, 256, (5, 7, 4), dtype=np.uint8)
GREY8 = rng.integers(0, 256, (5, 7), dtype=np.uint8)
RGB16 = rng.integers(0, 65536, (5, 7, 3), dtype=np.uint16)
RGBA16 = rng.integers(0, 65536, (5, 7, 4), dtype=np.uint16)


def as_float(pixels: np.ndarray) -> np.ndarray:
    return pixels / np.float32(np.iinfo(pixels.dtype).max)


def grey_as_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(as_float(grey)[..., None], 3, axis=2)


def load(folder: Path, data: bytes, name: str = "x.png", **options) -> Picture:
    path = folder / name
    path.write_bytes(data)
    return load_image(path, **options)


def check(picture: Picture, rgb: np.ndarray, alpha: np.ndarray | None, bits: int) -> None:
    """The picture is as expected and keeps its promises of types and ranges."""
    np.testing.assert_array_equal(picture.rgb, rgb)
    assert picture.rgb.dtype == np.float32
    assert picture.rgb.min() >= 0
    assert picture.rgb.max() <= 1
    assert picture.size == rgb.shape[1::-1]
    assert picture.bits == bits
    if alpha is None:
        assert picture.alpha is None
    else:
        assert picture.alpha is not None
        np.testing.assert_array_equal(picture.alpha, alpha)
        assert picture.alpha.dtype == np.float32


def refusal(*arguments, read=load_image, **options) -> str:
    with pytest.raises(ImageError) as caught:
        read(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


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
    twelve = np.array([[0xFFF0, 0x0000]], np.uint16)[..., None]  # 4095 0: three bytes, packed
    data = odd.tiff(twelve, tags={258: 12, 256: 2})
    picture = load(tmp_path, data)
    assert picture.rgb.max() == 1
    assert picture.bits == 16


def test_tiff_of_separate_planes(tmp_path):
    picture = load(tmp_path, odd.tiff(RGB8, planar=True))
    check(picture, as_float(RGB8), None, 8)
    for deflate in (False, True):  # which Pillow decodes to nonsense
        (tmp_path / "x.tif").write_bytes(odd.tiff(RGB16, planar=True, deflate=deflate))
        message = refusal(tmp_path / "x.tif", name="style image")
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
        assert "they must be from 0 to" in refusal(tmp_path / "x.tif")


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
    kept.load(picture.exif)
    assert kept[271] == "Maker"
    assert 274 not in kept


@pytest.mark.parametrize("orientation", [0, 9, "x"])
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
    kept.load(load(tmp_path, odd.encoded(Image.fromarray(RGB8), "JPEG", exif=exif)).exif)
    assert kept[305] == "Camera 1.0"
    assert kept.get_ifd(0x8825)[1] == "N"
    assert kept.get_ifd(0x8769) == {33434: 0.01, 40961: 1}  # exposure, and now it is sRGB
    assert 256 not in kept


def test_exif_of_tiff_has_no_layout(tmp_path):
    picture = load(tmp_path, odd.tiff(RGB16, tags={315: "Artist"}))
    kept = Image.Exif()
    kept.load(picture.exif)
    assert dict(kept) == {315: "Artist"}
    assert load(tmp_path, odd.tiff(RGB16)).exif is None


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"rubbish" * 9])
def test_broken_exif_is_ignored(exif, tmp_path):
    picture = load(tmp_path, odd.encoded(Image.fromarray(RGB8), "PNG", exif=exif))
    check(picture, as_float(RGB8), None, 8)
    assert picture.exif is None


# --- refusals ------------------------------------------------------------------------------------


def test_no_picture_there(tmp_path):
    assert refusal(tmp_path / "no.png", name="content image") == (
        f"content image '{tmp_path}/no.png' does not exist: check the path"
    )
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "empty.png").touch()
    assert "is empty (0 bytes)" in refusal(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("not a picture at all")
    assert "is not a picture in a format" in refusal(tmp_path / "text.png")
    assert "not a regular file" in refusal("/dev/zero")
    assert "cannot be opened" in refusal("a\0b.png")
    assert "cannot be opened" in refusal(tmp_path / ("x" * 300))
    refusal(tmp_path / "two\nlines.png")


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
    message = refusal(path, name="style image")
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
    message = refusal(tmp_path / "bomb.png")
    assert "is 60000x60000, more than the 200,000,000 pixels allowed" in message
    assert before == Image.MAX_IMAGE_PIXELS


def test_limit_is_exact_and_overrides_that_of_pillow(tmp_path, monkeypatch):
    data = odd.encoded(Image.fromarray(RGB8), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert load(tmp_path, data, max_pixels=35).size == (7, 5)
    assert "is 7x5, more than the 34 pixels" in refusal(tmp_path / "x.png", max_pixels=34)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_icon_that_lies_about_its_size(tmp_path):
    inner = odd.encoded(Image.new("RGB", (300, 300)), "PNG")
    directory = bytes([0, 0, 1, 0, 1, 0]) + bytes([16, 16, 0, 0, 1, 0, 32, 0])
    data = directory + len(inner).to_bytes(4, "little") + (22).to_bytes(4, "little") + inner
    (tmp_path / "x.ico").write_bytes(data)
    assert "more than the 1,000 pixels" in refusal(tmp_path / "x.ico", max_pixels=1000)


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
        data = odd.encoded(Image.fromarray(RGB8), kind, exif=exif, icc_profile=profile)
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
    check(as_picture(Image.fromarray(RGBA8)), *map(as_float, (RGBA8[..., :3], RGBA8[..., 3])), 8)
    path = tmp_path / "x.png"
    path.write_bytes(odd.encoded(Image.fromarray(RGB8), "PNG"))
    picture = as_picture(str(path))
    check(picture, as_float(RGB8), None, 8)
    assert as_picture(picture) is picture
    with Image.open(path) as image:
        check(as_picture(image), as_float(RGB8), None, 8)
    path.write_bytes(path.read_bytes()[:-40])
    with Image.open(path) as image:
        assert refusal(image, read=as_picture, name="style image").startswith("style image cannot")


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


# --- resizing ------------------------------------------------------------------------------------


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.floats(0, 1)
)
@settings(max_examples=60, deadline=None)
def test_flat_stays_flat_at_every_size(width, height, new_width, new_height, value):
    flat = np.full((height, width, 3), value, np.float32)
    result = resize(flat, new_width, new_height)
    assert result.shape == (new_height, new_width, 3)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, value, atol=1e-6)


def test_reduction_does_not_alias():
    stripes = np.tile(np.array([0, 1], np.float32), (64, 32))
    np.testing.assert_allclose(resize(stripes, 9, 9)[:, 1:-1], 0.5, atol=0.02)


def test_reduction_keeps_means_and_enlargement_keeps_the_picture():
    y, x = np.mgrid[0:1:48j, 0:1:64j]
    smooth = np.stack([x, y, (x + y) / 2], axis=-1).astype(np.float32)
    half = resize(smooth, 32, 24)
    blocks = smooth.reshape(24, 2, 32, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(half, blocks, atol=0.01)
    back = resize(half, 64, 48)
    np.testing.assert_allclose(back[4:-4, 4:-4], smooth[4:-4, 4:-4], atol=0.01)


def test_resize_clips_ringing_and_copies():
    edge = np.repeat(np.array([0, 0, 0, 1, 1, 1], np.float32)[None], 6, axis=0)
    result = resize(edge, 60, 6)
    assert result.min() == 0
    assert result.max() == 1
    same = resize(edge, 6, 6)
    np.testing.assert_array_equal(same, edge)
    same[:] = 0.5
    assert edge.max() == 1
    with pytest.raises(ImageError, match="cannot resize to 0x5"):
        resize(edge, 0, 5)


@pytest.mark.parametrize("hidden", [0.0, 1.0])
@pytest.mark.parametrize("size", [8, 13, 64])
def test_hidden_colour_leaves_no_fringe(hidden, size):
    rgb = np.full((32, 32, 3), hidden, np.float32)
    alpha = np.zeros((32, 32), np.float32)
    rgb[8:24, 8:24], alpha[8:24, 8:24] = (0.8, 0.4, 0.2), 1
    picture = Picture(rgb, alpha, None, 8, "", "<array>")
    result = resize_picture(picture, size, size)
    assert result.alpha is not None
    seen = result.alpha > 0.01
    assert seen.any() and not seen.all()
    np.testing.assert_allclose(
        result.rgb[seen], np.tile(np.float32([0.8, 0.4, 0.2]), (seen.sum(), 1)), atol=1e-3
    )
    assert np.isfinite(result.rgb).all()
    assert result.rgb.min() >= 0
    assert result.rgb.max() <= 1


def test_resize_picture_without_alpha_is_resize():
    picture = as_picture(RGB8)
    result = resize_picture(picture, 3, 2)
    np.testing.assert_array_equal(result.rgb, resize(picture.rgb, 3, 2))
    assert result.alpha is None
    assert result.size == (3, 2)


def test_one_pixel_is_a_picture(tmp_path):
    picture = load(tmp_path, odd.encoded(Image.new("RGB", (1, 1), (255, 0, 51)), "PNG"))
    np.testing.assert_array_equal(picture.rgb, np.array([[[1, 0, 0.2]]], np.float32))
    np.testing.assert_allclose(resize(picture.rgb, 5, 4)[2, 2], (1, 0, 0.2), atol=1e-6)


@pytest.mark.parametrize(
    ("width", "height", "size", "wanted"),
    [
        (1024, 768, 512, (512, 384)),
        (768, 1024, 512, (384, 512)),
        (5, 5, 9, (9, 9)),
        (1000, 1, 10, (10, 1)),
        (4, 1, 2, (2, 1)),
        (4, 3, 6, (6, 5)),  # 4.5 goes up
    ],
)
def test_fit_longest_side(width, height, size, wanted):
    assert fit_longest_side(width, height, size) == wanted


@given(st.integers(1, 20000), st.integers(1, 20000), st.integers(1, 20000))
def test_fit_keeps_shape(width, height, size):
    new_width, new_height = fit_longest_side(width, height, size)
    assert max(new_width, new_height) == size
    assert min(new_width, new_height) >= 1
    scale = size / max(width, height)
    assert abs(new_width - width * scale) <= 0.5 or new_width == 1
    assert abs(new_height - height * scale) <= 0.5 or new_height == 1


def test_fit_refuses_nothing():
    with pytest.raises(ImageError, match="cannot fit 5x5 to 0 px"):
        fit_longest_side(5, 5, 0)


def test_development_pictures(shared):
    for path in sorted((shared / "images").glob("*.jpg")):
        picture = load_image(path)
        with Image.open(path) as image:
            np.testing.assert_array_equal(picture.rgb, np.asarray(image) / np.float32(255))
        assert picture.alpha is None
