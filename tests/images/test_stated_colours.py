"""Colours that files state without a profile: one known colour, coded in many ways."""

from __future__ import annotations

import struct

import numpy as np
import odd_pictures as odd
import pytest
from picture_checks import load
from PIL import Image, features

WANTED = np.array([60, 200, 60]) / 255
LIGHT = np.where(WANTED <= 0.04045, WANTED / 12.92, ((WANTED + 0.055) / 1.055) ** 2.4)
BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
ADOBE_GAMMA = 563 / 256


def coded(primaries, encode) -> np.ndarray:
    """The colour in another space, as 16 bits."""
    to = np.linalg.inv(odd.rgb_to_xyz(primaries)) @ odd.rgb_to_xyz(odd.SRGB_PRIMARIES)
    return np.rint(encode(to @ LIGHT).clip(0, 1) * 65535).astype(np.uint16)


def png(codes: np.ndarray, *chunks: bytes) -> bytes:
    return odd.png16(np.broadcast_to(codes, (4, 5, 3)), b"".join(chunks))


def gama(value: float) -> bytes:
    return odd.chunk(b"gAMA", struct.pack(">I", round(value * 1e5)))


def chrm(primaries, white=odd.D65) -> bytes:
    numbers = [round(number * 1e5) for xy in (white, *primaries) for number in xy]
    return odd.chunk(b"cHRM", struct.pack(">8I", *numbers))


def cicp(*numbers: int) -> bytes:
    return odd.chunk(b"cICP", bytes(numbers))


def pq(light: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084, of light where 1 is 203 cd/m2."""
    power = (light * 203 / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(light: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100, of light where 1 is 203 cd/m2 on a screen of 1,000."""
    scene = (light * 0.203) ** (1 / 1.2)
    upper = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), upper)


def power(exponent: float):
    return lambda light: light ** (1 / exponent)


SRGB = coded(odd.SRGB_PRIMARIES, odd.srgb_encoded)
ADOBE = coded(odd.ADOBE_RGB_PRIMARIES, power(ADOBE_GAMMA))
LINEAR = coded(odd.SRGB_PRIMARIES, power(1))
P3 = coded(odd.DISPLAY_P3_PRIMARIES, odd.srgb_encoded)
ADOBE_PROFILE = odd.iccp(odd.matrix_profile(odd.ADOBE_RGB_PRIMARIES, odd.gamma(ADOBE_GAMMA)))
SAYS_SRGB = odd.chunk(b"sRGB", b"\0")

STATED = {
    "nothing": (SRGB, []),
    "sRGB": (SRGB, [SAYS_SRGB]),
    "gAMA as of sRGB": (SRGB, [gama(0.45455)]),
    "cHRM as of sRGB": (SRGB, [chrm(odd.SRGB_PRIMARIES)]),
    "linear": (LINEAR, [gama(1.0)]),
    "gamma 1.8": (coded(odd.SRGB_PRIMARIES, power(1.8)), [gama(1 / 1.8)]),
    "Adobe RGB": (ADOBE, [gama(1 / ADOBE_GAMMA), chrm(odd.ADOBE_RGB_PRIMARIES)]),
    "cHRM alone": (P3, [chrm(odd.DISPLAY_P3_PRIMARIES)]),
    "profile over gAMA": (ADOBE, [ADOBE_PROFILE, gama(1.0)]),
    "profile over sRGB": (ADOBE, [ADOBE_PROFILE, SAYS_SRGB]),
    "sRGB over gAMA": (SRGB, [gama(1.0), chrm(BT2020), SAYS_SRGB]),
    "cICP over all": (P3, [gama(1.0), ADOBE_PROFILE, cicp(12, 13, 0, 1)]),
    "cICP sRGB over all": (SRGB, [gama(1.0), ADOBE_PROFILE, cicp(1, 13, 0, 1)]),
    "unknown cICP": (ADOBE, [cicp(99, 99, 0, 1), ADOBE_PROFILE]),
    "cICP of YCbCr": (ADOBE, [cicp(1, 13, 5, 1), ADOBE_PROFILE]),
    "cICP linear": (LINEAR, [cicp(1, 8, 0, 1)]),
    "PQ": (coded(BT2020, pq), [cicp(9, 16, 0, 1)]),
    "HLG": (coded(BT2020, hlg), [cicp(9, 18, 0, 1)]),
    "narrow range": (
        np.rint(65535 * (16 + 219 * WANTED) / 255).astype(np.uint16),
        [cicp(1, 13, 0, 0)],
    ),
    "gAMA of nothing": (SRGB, [gama(0)]),
    "cHRM of nothing": (SRGB, [gama(1.0), odd.chunk(b"cHRM", bytes(32))]),
    "cHRM on a line": (SRGB, [gama(1.0), chrm(((0.3, 0.3),) * 3)]),
}


@pytest.mark.parametrize("name", STATED)
def test_the_colour_stays_what_it_is(name, tmp_path):
    codes, chunks = STATED[name]
    deep = load(tmp_path, png(codes, *chunks)).rgb
    np.testing.assert_allclose(deep, np.broadcast_to(WANTED, deep.shape), atol=2e-3)
    # The same in 8 bits, which Little CMS converts.
    shallow = png(np.rint(codes / 257).astype(np.uint16) * 257, *chunks)
    eight = odd.encoded(
        Image.fromarray(np.broadcast_to(np.rint(codes / 257).astype(np.uint8), (4, 5, 3)).copy()),
        "PNG",
    )
    at, header = eight.index(b"IDAT") - 4, shallow
    data = eight[:at] + b"".join(chunks) + eight[at:]
    np.testing.assert_allclose(load(tmp_path, data).rgb, load(tmp_path, header).rgb, atol=2.1 / 255)


def test_palettes_greys_and_alpha_have_colours_too(tmp_path):
    level = np.full((3, 4), round(255 * 0.5), np.uint8)
    wanted = odd.srgb_encoded(np.array(level / 255))[0, 0]
    alpha = np.dstack([level, level, level, np.full_like(level, 99)])
    for image in (
        Image.fromarray(level),
        Image.fromarray(level).convert("P"),
        Image.fromarray(alpha),
        Image.fromarray(alpha).convert("LA"),
    ):
        data = odd.encoded(image, "PNG")
        at = data.index(b"PLTE") - 4 if b"PLTE" in data else data.index(b"IDAT") - 4
        rgb = load(tmp_path, data[:at] + gama(1.0) + data[at:]).rgb
        np.testing.assert_allclose(rgb, wanted, atol=2 / 255)


def exif_of(space: int | None, index: str | None) -> bytes:
    exif = Image.Exif()
    photo: dict = {} if space is None else {0xA001: space}
    if index is not None:
        photo[0xA005] = {1: index, 2: b"0100"}
    exif[0x8769] = photo
    return exif.tobytes()


ADOBE8 = Image.fromarray(np.broadcast_to(np.rint(ADOBE / 257).astype(np.uint8), (16, 16, 3)).copy())
SRGB8 = Image.fromarray(np.broadcast_to(np.rint(SRGB / 257).astype(np.uint8), (16, 16, 3)).copy())


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize(
    ("space", "index", "image"),
    [
        (0xFFFF, "R03", ADOBE8),
        (None, "R03", ADOBE8),
        (2, None, ADOBE8),
        (0xFFFF, "R98", SRGB8),
        (1, "R03", SRGB8),
        (0xFFFF, None, SRGB8),
    ],
)
def test_photographs_say_adobe_rgb(kind, space, index, image, tmp_path):
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    data = odd.encoded(image, kind, exif=exif_of(space, index), **options)
    rgb = load(tmp_path, data).rgb
    np.testing.assert_allclose(rgb, np.broadcast_to(WANTED, rgb.shape), atol=4 / 255)


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
@pytest.mark.parametrize("profile", [False, True])
def test_avif_states_its_colours_by_numbers(profile, tmp_path):
    codes = Image.fromarray(np.broadcast_to(np.rint(P3 / 257).astype(np.uint8), (32, 32, 3)).copy())
    display_p3 = odd.matrix_profile(odd.DISPLAY_P3_PRIMARIES, odd.SRGB_CURVE)
    options = {"icc_profile": display_p3} if profile else {}
    data = odd.encoded(codes, "AVIF", quality=100, **options)
    said, others = (
        struct.pack(">HH", 1, 13),
        struct.pack(">HH", *((9, 16) if profile else (12, 13))),
    )
    rgb = load(tmp_path, data.replace(b"colrnclx" + said, b"colrnclx" + others)).rgb
    np.testing.assert_allclose(rgb, np.broadcast_to(WANTED, rgb.shape), atol=4 / 255)


def test_a_profile_goes_over_exif(tmp_path):
    profile = odd.matrix_profile(odd.SRGB_PRIMARIES, odd.SRGB_CURVE)
    data = odd.encoded(SRGB8, "JPEG", quality=100, exif=exif_of(0xFFFF, "R03"), icc_profile=profile)
    rgb = load(tmp_path, data).rgb
    np.testing.assert_allclose(rgb, np.broadcast_to(WANTED, rgb.shape), atol=2 / 255)
