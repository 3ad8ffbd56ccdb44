"""Colours that a file states otherwise than by a profile, as a profile.

In a PNG (third edition, 4.3) cICP goes before iCCP, that before sRGB, and that before gAMA and
cHRM. An AVIF or HEIC has the numbers of cICP, but a profile goes before them. In all formats EXIF
may say Adobe RGB (DCF 2.0, the interoperability index R03).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import ExifTags, Image

from jaxstyle.images.color_profiles import srgb_decoded, srgb_profile

Chromaticities = tuple[float, ...]
"""x and y of white, red, green and blue, as PNG's cHRM has them."""

_D65 = (0.3127, 0.3290)
_SRGB = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_ADOBE_RGB = (*_D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
_ADOBE_GAMMA = 563 / 256
_PRIMARIES = {  # of ITU-T H.273, table 2
    1: _SRGB,
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_LIKE_SRGB = (0.45, 0.46)  # gAMA of writers who mean sRGB
_REFERENCE_WHITE = 203  # cd/m2, of pictures with a high dynamic range (ITU-R BT.2408)

_D50 = np.array([0.9642, 1.0, 0.8249])
_CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_CODES = np.linspace(0, 1, 4096)


def stated_profile(image: Image.Image) -> bytes | None:
    """The profile that is embedded in a picture, or one of what it states; None for sRGB."""
    info = image.info
    code_points, embedded = info.get("cicp"), info.get("icc_profile")
    if embedded and image.format in ("AVIF", "HEIF"):
        return embedded
    if code_points and (profile := _of_code_points(*code_points)):
        return profile
    if embedded:
        return embedded
    if "srgb" in info:
        return None
    if "gamma" in info or "chromaticity" in info:
        return _of_gamma(info.get("gamma"), info.get("chromaticity", _SRGB))
    return _of_gamma(1 / _ADOBE_GAMMA, _ADOBE_RGB) if _is_adobe_rgb(image) else None


def _is_adobe_rgb(image: Image.Image) -> bool:
    try:
        exif = image.getexif()
        space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
        index = exif.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex)
    except Exception:  # Pillow raises a dozen kinds on a broken EXIF block
        return False
    # 2 is of no standard, and some cameras' own.
    return space == 2 or (space != 1 and str(index).startswith("R03"))


@lru_cache(maxsize=8)
def _of_gamma(gamma: float | None, chromaticities: Chromaticities) -> bytes | None:
    """The profile of a PNG's gAMA and cHRM; None where they make no sense."""
    if gamma is not None and not 0.01 <= gamma <= 10:
        return None
    is_srgb = np.allclose(chromaticities, _SRGB, atol=2e-3)
    if gamma is None or (is_srgb and _LIKE_SRGB[0] <= gamma <= _LIKE_SRGB[1]):
        return None if is_srgb else _profile(srgb_decoded(_CODES), chromaticities)
    return _profile(_CODES ** (1 / gamma), chromaticities)


@lru_cache(maxsize=8)
def _of_code_points(primaries: int, transfer: int, matrix: int, full_range: int) -> bytes | None:
    """The profile of a PNG's cICP (ITU-T H.273); None where it is unknown."""
    light = _LIGHT.get(transfer)
    if light is None or primaries not in _PRIMARIES or matrix != 0:
        return None
    codes = _CODES if full_range else np.clip((255 * _CODES - 16) / 219, 0, 1)
    if (primaries, light, full_range) == (1, srgb_decoded, 1):
        return srgb_profile()
    return _profile(np.clip(light(codes), 0, 1), _PRIMARIES[primaries])


def _pq(codes: np.ndarray) -> np.ndarray:
    """Light over reference white, of which 10,000 cd/m2 are the most (SMPTE ST 2084)."""
    power = codes ** (1 / 78.84375)
    light = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return light ** (1 / 0.1593017578125) * 10000 / _REFERENCE_WHITE


def _hlg(codes: np.ndarray) -> np.ndarray:
    """Light over reference white on a screen of 1,000 cd/m2 (ITU-R BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12)
    return scene**1.2 * 1000 / _REFERENCE_WHITE


_LIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # of H.273, table 3
    # What is coded for a television looks the same beside sRGB.
    **dict.fromkeys((1, 6, 13, 14, 15), srgb_decoded),
    4: lambda codes: codes**2.2,
    5: lambda codes: codes**2.8,
    8: lambda codes: codes,
    16: _pq,
    18: _hlg,
}


def _profile(light: np.ndarray, chromaticities: Chromaticities) -> bytes | None:
    """An ICC profile of a curve and a matrix (ICC.1:2001-04); None where the matrix has none."""
    columns = np.array(chromaticities).reshape(4, 2)
    if columns.min() < 0 or columns[:, 1].min() <= 0.001 or columns.max() > 1:
        return None
    xyz = np.stack([columns[:, 0], columns[:, 1], 1 - columns.sum(axis=1)]) / columns[:, 1]
    white, primaries = xyz[:, 0], xyz[:, 1:]
    try:
        to_xyz = primaries * np.linalg.solve(primaries, white)
    except np.linalg.LinAlgError:
        return None
    # To the white of profiles, by the response of the eye's cones (Bradford).
    adapted = np.linalg.solve(_CONES, (_CONES @ _D50 / (_CONES @ white))[:, None] * _CONES)
    curve = b"curv\0\0\0\0" + struct.pack(">I", len(light))
    curve += np.rint(light * 65535).astype(">u2").tobytes()
    tags = {b"wtpt": _numbers(_D50)}
    for name, column in zip((b"r", b"g", b"b"), (adapted @ to_xyz).T, strict=True):
        tags |= {name + b"XYZ": _numbers(column), name + b"TRC": curve}
    return _assembled(tags)


def _numbers(values: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *np.rint(values * 65536).astype(int))


def _assembled(tags: dict[bytes, bytes]) -> bytes:
    """The bytes of a display profile of an RGB space."""
    position, directory = 132 + 12 * len(tags), struct.pack(">I", len(tags))
    for name, data in tags.items():
        directory += name + struct.pack(">II", position, len(data))
        position += len(data)
    header = struct.pack(">I4sI4s4s4s", position, b"", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s28x", 2000, 1, 1, 0, 0, 0, b"acsp")
    header += struct.pack(">3i48x", *np.rint(_D50 * 65536).astype(int))
    return header + directory + b"".join(tags.values())
