"""Colour profiles: whatever a file is in, sRGB comes out.

Little CMS (through Pillow) does it for 8 bits. It has no 16-bit RGB there, so profiles made of
three curves and a matrix, as those of all RGB working spaces are, are also evaluated here in
floating point (ICC.1:2022, 10.6, 10.18 and F.3). Colours outside sRGB are clipped. A profile that
is broken or does not fit the picture is ignored.
"""

from __future__ import annotations

import io
import re
import struct
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageCms

_SPACE_OF_MODE = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_CANNOT = (ImageCms.PyCMSError, OSError, ValueError, struct.error)
_BROKEN = (*_CANNOT, KeyError, IndexError, ArithmeticError, np.linalg.LinAlgError)
_DATE = slice(24, 36)  # of a profile's header
_TABLE = 128  # where the list of tags begins: their number, then 12 bytes for each
_MOST_TAGS = 200
_MOST_BYTES = 2**24


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """The sRGB profile that is embedded in results; always the same bytes."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Little CMS writes the time of day into it; the same run must give the same file.
    return profile[: _DATE.start] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[_DATE.stop :]


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An 8-bit picture of mode RGB, L, CMYK or LAB as sRGB in mode RGB."""
    try:
        if image.mode == "LAB":
            return _transformed(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
        if not profile:
            return image.convert("RGB")
        source = _opened(profile)
        space = _space_of(source)
        if image.mode == "L" and space == "RGB":
            image = image.convert("RGB")
        if space != _SPACE_OF_MODE[image.mode] or (space == "RGB" and _is_srgb(source)):
            return image.convert("RGB")
        if image.mode == "L":
            # Little CMS's shortcut for whole pictures errs by ten levels in dark greys.
            levels = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
            table = np.asarray(_transformed(levels, source, ImageCms.Flags.NOOPTIMIZE))[0]
            return Image.fromarray(table[np.asarray(image)])
        return _transformed(image, source)
    except _CANNOT:
        return image.convert("RGB")


def deep_to_srgb(
    pixels: Float[np.ndarray, "height width channels"], profile: bytes | None
) -> Float[np.ndarray, "height width 3"]:
    """Grey or RGB values in [0, 1] as sRGB, in floating point wherever the profile allows it."""
    grey = pixels.shape[2] == 1
    rgb = np.repeat(pixels, 3, axis=2) if grey else pixels
    if not profile:
        return rgb
    try:
        source = _opened(profile)
        space = _space_of(source)
        fits = (space == "GRAY" and grey) or (space == "RGB" and not _is_srgb(source))
        if not fits:
            return rgb
    except _BROKEN:
        return rgb
    try:
        return _evaluated(rgb, profile, space)
    except _BROKEN:
        if space == "GRAY":
            return rgb
        # One made of look-up tables: better the right colours in 8 bits.
        shallow = Image.fromarray(np.rint(rgb * 255).astype(np.uint8))
        return np.asarray(to_srgb(shallow, profile), np.float32) / 255


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    """A profile for Little CMS, in which chains of steps without end are not found.

    The tags D2B0 to B2D3 may name any number of steps, the same again and again. What they describe
    is there a second time, in tables or as a matrix (ICC.1:2022, 8.2).
    """
    if len(profile) > _MOST_BYTES:
        raise ValueError("no profile is so large")
    table = slice(_TABLE, _TABLE + 4 + 12 * min(_tag_count(profile), _MOST_TAGS))
    plain = re.sub(rb"(D2B|B2D)([0-3])", rb"off\2", profile[table])
    data = profile[: table.start] + plain + profile[table.stop :]
    return ImageCms.ImageCmsProfile(io.BytesIO(data))


def _tag_count(profile: bytes) -> int:
    return struct.unpack_from(">I", profile, _TABLE)[0]


def _space_of(profile: ImageCms.ImageCmsProfile) -> str:
    assert isinstance(profile.profile, ImageCms.core.CmsProfile)
    return profile.profile.xcolor_space.strip()


def _transformed(
    image: Image.Image,
    source: ImageCms.ImageCmsProfile,
    flags: ImageCms.Flags = ImageCms.Flags.NONE,
) -> Image.Image:
    # Relative colorimetric keeps white white; black point compensation keeps shadows apart.
    transform = ImageCms.buildTransform(
        source,
        ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
        image.mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags | ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None
    return converted


def _is_srgb(source: ImageCms.ImageCmsProfile) -> bool:
    """Whether it moves no colour by more than the rounding of 8 bits: then nothing is touched."""
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    probe = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(81, 9, 3)
    moved = np.asarray(_transformed(Image.fromarray(probe), source))
    return int(np.abs(moved.astype(int) - probe).max()) <= 1


def _evaluated(rgb: np.ndarray, profile: bytes, space: str) -> np.ndarray:
    """Values in [0, 1] as sRGB, by a profile made of one curve for grey, or three and a matrix."""
    tags = _tags(profile)
    if space == "RGB" and tags.keys() & {b"A2B0", b"A2B1"}:
        raise ValueError("the profile's tables take precedence over its matrix")
    with np.errstate(all="ignore"):
        if space == "GRAY":
            light = _linear(tags[b"kTRC"], rgb)
        else:
            curves = [tags[name] for name in (b"rTRC", b"gTRC", b"bTRC")]
            light = np.stack([_linear(c, rgb[..., i]) for i, c in enumerate(curves)], axis=-1)
            to_linear_srgb = np.linalg.inv(_colorants(_tags(srgb_profile()))) @ _colorants(tags)
            light = light @ to_linear_srgb.T.astype(np.float32)
        converted = srgb_encoded(light)
    if not np.isfinite(converted).all():
        raise ValueError("the profile's curves run to infinity")
    return converted


def _tags(profile: bytes) -> dict[bytes, memoryview]:
    """The tags by their names, which may share their bytes: nothing is copied."""
    tags, data = {}, memoryview(profile)
    for index in range(min(_tag_count(profile), _MOST_TAGS)):
        name, offset, size = struct.unpack_from(">4sII", data, _TABLE + 4 + 12 * index)
        tags[name] = data[offset : offset + size]
    return tags


def _colorants(tags: dict[bytes, memoryview]) -> np.ndarray:
    columns = [struct.unpack_from(">3i", tags[name], 8) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    return np.array(columns).T / 65536


def _linear(curve: memoryview, x: np.ndarray) -> np.ndarray:
    """A tone curve, of type ``curv`` or ``para``, applied to values in [0, 1]."""
    if curve[:4] == b"curv":
        (count,) = struct.unpack_from(">I", curve, 8)
        if count == 0:
            return x
        numbers = np.frombuffer(curve, ">u2", count, 12)
        if count == 1:
            return x ** np.float32(numbers[0] / 256)
        return np.interp(x, np.linspace(0, 1, count), numbers / 65535).astype(np.float32)
    if curve[:4] != b"para":
        raise ValueError("unknown type of curve")
    kind = struct.unpack_from(">H", curve, 8)[0]
    count = (1, 3, 4, 5, 7)[kind]
    given = [number / 65536 for number in struct.unpack_from(f">{count}i", curve, 12)]
    # Every kind is a case of the last: (a x + b)^g + e from d on, and c x + f below.
    g, a, b, c, d, e, f = (given + [0.0] * 7)[:7]
    if kind == 0:
        a = 1.0
    elif kind in (1, 2):
        c, d, e, f = 0.0, -b / a, given[-1] * (kind == 2), given[-1] * (kind == 2)
    power = np.maximum(a * x + b, 0) ** np.float32(g) + e
    return np.where(x >= d, power, c * x + f).astype(np.float32)


def srgb_encoded(light: np.ndarray) -> np.ndarray:
    """The sRGB codes of linear light, both clipped to [0, 1] (IEC 61966-2-1)."""
    light = np.clip(light, 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return encoded.astype(np.float32)


def srgb_decoded(codes: np.ndarray) -> np.ndarray:
    """The inverse of ``srgb_encoded``."""
    codes = np.clip(codes, 0, 1)
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
