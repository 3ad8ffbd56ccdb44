"""Colours come out as sRGB: against chromaticities, against Little CMS, against known tables."""

from __future__ import annotations

import numpy as np
import odd_pictures as odd
import pytest
from PIL import Image, ImageCms

from jaxstyle.images import load_image
from jaxstyle.images.color_profiles import deep_to_srgb, srgb_profile, to_srgb

rng = np.random.default_rng(0)
COLOURS = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
SPACES = {
    "adobe-rgb": (odd.ADOBE_RGB_PRIMARIES, odd.gamma(2.19921875), lambda x: x**2.19921875),
    "display-p3": (
        odd.DISPLAY_P3_PRIMARIES,
        odd.SRGB_CURVE,
        lambda x: np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4),
    ),
    "linear": (odd.SRGB_PRIMARIES, odd.table(np.array([])), lambda x: x),
    "swapped": (odd.SRGB_PRIMARIES[::-1], odd.gamma(2), lambda x: x**2),
}


def in_srgb(x, primaries, linearise):
    """The conversion from published chromaticities, in float64."""
    to_srgb = np.linalg.inv(odd.rgb_to_xyz(odd.SRGB_PRIMARIES)) @ odd.rgb_to_xyz(primaries)
    return odd.srgb_encoded(linearise(x) @ to_srgb.T)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("bits", [8, 16])
def test_embedded_rgb_space_is_converted(tmp_path, name, bits):
    primaries, curve, linearise = SPACES[name]
    profile = odd.matrix_profile(primaries, curve)
    path = tmp_path / "x.png"
    if bits == 8:
        path.write_bytes(odd.encoded(Image.fromarray(COLOURS), "PNG", icc_profile=profile))
        x, tolerance = COLOURS / 255, 1.5 / 255
    else:
        deep = rng.integers(0, 65536, (40, 50, 3), dtype=np.uint16)
        path.write_bytes(odd.png16(deep, odd.iccp(profile)))
        # s15Fixed16 numbers in the profile leave errors that the steepest part of sRGB multiplies.
        x, tolerance = deep / 65535, 6e-4
    wanted = in_srgb(x, primaries, linearise)
    assert np.abs(wanted - x).max() > 0.1
    rgb = load_image(path).rgb
    assert np.abs(rgb - wanted).max() <= tolerance
    assert np.abs(rgb - wanted).mean() <= tolerance / 4


@pytest.mark.parametrize(
    "curve",
    [
        odd.table(np.array([])),
        odd.gamma(1.8),
        odd.table(np.linspace(0, 1, 1024) ** 2.2),
        odd.parametric(0, 2.2),
        odd.parametric(1, 2.0, 1.1, -0.1),
        odd.parametric(2, 2.0, 0.90499, 0.1, -0.01),
        odd.SRGB_CURVE,
        odd.parametric(4, 2.0, 0.90499, 0.1, 0.3448, 0.2, -0.01, 0.0),
    ],
    ids=["linear", "gamma", "table", *(f"parametric{kind}" for kind in range(5))],
)
def test_deep_conversion_agrees_with_little_cms(curve):
    profile = odd.matrix_profile(odd.DISPLAY_P3_PRIMARIES, curve)
    shallow = np.asarray(to_srgb(Image.fromarray(COLOURS), profile)) / 255
    deep = deep_to_srgb(COLOURS / np.float32(255), profile)
    difference = np.abs(deep - shallow)
    # Little CMS in 8 bits rounds dark colours of steep curves to the wrong level now and then.
    assert np.quantile(difference, 0.99) <= 1.01 / 255
    assert difference.mean() <= 0.5 / 255


@pytest.mark.parametrize("curve", [odd.gamma(1.0), odd.gamma(2.2)], ids=["linear", "2.2"])
def test_grey_profile(curve, tmp_path):
    exponent = 1.0 if curve == odd.gamma(1.0) else round(2.2 * 256) / 256
    ramp = np.arange(256, dtype=np.uint8)[None]
    wanted = odd.srgb_encoded((ramp / 255) ** exponent)
    shallow, deep, with_alpha = tmp_path / "8.png", tmp_path / "16.png", tmp_path / "la.png"
    profile = odd.grey_profile(curve)
    shallow.write_bytes(odd.encoded(Image.fromarray(ramp), "PNG", icc_profile=profile))
    deep.write_bytes(odd.png16(ramp[..., None].astype(np.uint16) * 257, odd.iccp(profile)))
    la = Image.merge("LA", [Image.fromarray(ramp), Image.fromarray(255 - ramp)])
    with_alpha.write_bytes(odd.encoded(la, "PNG", icc_profile=profile))
    np.testing.assert_allclose(load_image(deep).rgb[..., 1], wanted, atol=1e-5)
    for path in (shallow, with_alpha):
        rgb = load_image(path).rgb
        assert np.abs(rgb[..., 0] - wanted).max() <= 1.5 / 255
        assert np.ptp(rgb, axis=2).max() <= 1.01 / 255


@pytest.mark.parametrize("source", ["ours", "by chromaticities"])
@pytest.mark.parametrize("bits", [8, 16])
def test_srgb_pictures_are_not_touched(source, bits, tmp_path):
    by_hand = odd.matrix_profile(odd.SRGB_PRIMARIES, odd.SRGB_CURVE)
    profile = srgb_profile() if source == "ours" else by_hand
    deep = rng.integers(0, 65536, (9, 9, 3), dtype=np.uint16)
    if bits == 8:
        data = odd.encoded(Image.fromarray(COLOURS), "PNG", icc_profile=profile)
    else:
        data = odd.png16(deep, odd.iccp(profile))
    (tmp_path / "x.png").write_bytes(data)
    rgb = load_image(tmp_path / "x.png").rgb
    wanted = COLOURS / np.float32(255) if bits == 8 else deep / np.float32(65535)
    np.testing.assert_array_equal(rgb, wanted)


def test_cmyk_profile_decides_what_inks_look_like(tmp_path):
    red, green, white = (53.2, 80.1, 67.2), (87.7, -86.2, 83.2), (100, 0, 0)

    def lab(c, m, y, k):
        return (0, 0, 0) if k else red if c else green if m else white

    inks = np.zeros((8, 24, 4), np.uint8)
    inks[:, :8, 0] = 255
    inks[:, 8:16, 1] = 255
    options = {"icc_profile": odd.cmyk_profile(lab), "quality": 100}
    image = cmyk(inks)
    for kind in ("JPEG", "TIFF"):
        path = tmp_path / f"x.{kind.lower()}"
        path.write_bytes(odd.encoded(image, kind, **options))
        rgb = load_image(path).rgb
        for column, wanted in ((4, (1, 0, 0)), (12, (0, 1, 0)), (20, (1, 1, 1))):
            np.testing.assert_allclose(rgb[4, column], wanted, atol=0.06)


def cmyk(inks):
    return Image.merge("CMYK", [Image.fromarray(inks[..., i]) for i in range(4)])


def test_rgb_profile_of_tables_is_used_at_both_depths(tmp_path):
    # Lab of the sRGB corners with red and blue exchanged.
    def lab(r, g, b):
        return {
            (0, 0, 0): (0, 0, 0),
            (1, 1, 1): (100, 0, 0),
            (0, 0, 1): (54.3, 80.8, 69.9),
            (1, 0, 0): (29.6, 68.3, -112.0),
        }.get((r, g, b), (50, 0, 0))

    profile = odd.rgb_table_profile(lab)
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[..., 0] = 255
    (tmp_path / "8.png").write_bytes(
        odd.encoded(Image.fromarray(pixels), "PNG", icc_profile=profile)
    )
    (tmp_path / "16.png").write_bytes(odd.png16(pixels.astype(np.uint16) * 257, odd.iccp(profile)))
    shallow, deep = load_image(tmp_path / "8.png").rgb, load_image(tmp_path / "16.png").rgb
    np.testing.assert_array_equal(shallow, deep)
    np.testing.assert_allclose(shallow[0, 0], (0, 0, 1), atol=0.1)


def test_lab_pictures(tmp_path):
    lab = ImageCms.createProfile("LAB")
    forth = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    colours = COLOURS // 2 + 64
    image = ImageCms.applyTransform(Image.fromarray(colours), forth)
    assert image is not None
    (tmp_path / "x.tif").write_bytes(odd.encoded(image, "TIFF"))
    with Image.open(tmp_path / "x.tif") as reopened:
        assert reopened.mode == "LAB"
    # Lab in 8 bits is coarse: a step of it is up to a dozen levels of a saturated colour.
    difference = np.abs(load_image(tmp_path / "x.tif").rgb * 255 - colours)
    assert difference.mean() < 2
    assert difference.max() < 20


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile",
        odd.matrix_profile(odd.ADOBE_RGB_PRIMARIES, odd.gamma(2))[:200],
        odd.grey_profile(odd.gamma(1)),
        odd.cmyk_profile(lambda *_: (50, 0, 0)),
        odd.profile(b"RGB ", b"XYZ ", {}),
    ],
    ids=["text", "cut", "grey", "cmyk", "no tags"],
)
@pytest.mark.parametrize("bits", [8, 16])
def test_broken_or_unfitting_profile_is_ignored(profile, bits, tmp_path):
    if bits == 8:
        data = odd.encoded(Image.fromarray(COLOURS), "PNG", icc_profile=profile)
    else:
        data = odd.png16(COLOURS.astype(np.uint16) * 257, odd.iccp(profile))
    (tmp_path / "x.png").write_bytes(data)
    np.testing.assert_array_equal(load_image(tmp_path / "x.png").rgb, COLOURS / np.float32(255))


def test_grey_picture_with_rgb_profile(tmp_path):
    profile = odd.matrix_profile(odd.SRGB_PRIMARIES, odd.gamma(1))
    ramp = np.arange(256, dtype=np.uint8)[None]
    (tmp_path / "x.png").write_bytes(odd.encoded(Image.fromarray(ramp), "PNG", icc_profile=profile))
    rgb = load_image(tmp_path / "x.png").rgb
    assert np.abs(rgb - odd.srgb_encoded(ramp / 255)[..., None]).max() <= 1.5 / 255


@pytest.mark.parametrize(
    "curve",
    [odd.parametric(1, -3, 0, 0), odd.parametric(3, 30000, 30000, 0, 0, 0), b"para" + b"\0" * 4],
    ids=["division by zero", "infinite", "cut"],
)
def test_curve_that_makes_no_sense_leaves_numbers(curve):
    profile = odd.matrix_profile(odd.DISPLAY_P3_PRIMARIES, curve)
    assert np.isfinite(deep_to_srgb(COLOURS / np.float32(255), profile)).all()


def test_srgb_profile_has_no_time_of_making():
    profile = srgb_profile()
    srgb_profile.cache_clear()
    assert srgb_profile() == profile
    assert profile[24:36] == bytes.fromhex("07d0 0001 0001 0000 0000 0000")
    image = Image.fromarray(COLOURS)
    np.testing.assert_array_equal(np.asarray(to_srgb(image, profile)), COLOURS)
