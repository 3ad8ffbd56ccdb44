"""From arrays to files that are either whole or not there."""

from __future__ import annotations

import io
import os

import numpy as np
from jaxtyping import Float, UInt
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from jaxstyle.errors import ImageError, quoted, reason_of
from jaxstyle.images.color_profiles import srgb_profile
from jaxstyle.images.exif import record_in, with_record
from jaxstyle.images.pillow import MAX_PIXELS, open_image, pillow_settings
from jaxstyle.images.png_encoder import encode_png16
from jaxstyle.images.tiff_encoder import encode_tiff
from jaxstyle.images.transparency import on_white
from jaxstyle.runtime.atomic_files import (
    cannot_write,
    check_extension,
    check_file,
    target_of,
    write_bytes,
)
from jaxstyle.runtime.foreign_files import opened

_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WebP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
SUPPORTED_EXTENSIONS = tuple(_FORMATS)
_DEEP = ("PNG", "TIFF")
_MOST_PIXELS = {"JPEG": 65500, "WebP": 16383}  # on a side
_MOST_EXIF = 65533  # bytes in a JPEG segment
KEYWORD = "jaxstyle"
"""Of the PNG text chunk that holds the record."""


def save_image(
    path: str | os.PathLike[str],
    rgb: Float[np.ndarray, "height width 3"],
    *,
    alpha: Float[np.ndarray, "height width"] | None = None,
    bits: int = 8,
    quality: int = 95,
    exif: bytes | None = None,
    record: str | None = None,
) -> None:
    """Write a picture in the format that the path's extension names, with an sRGB profile.

    The same arguments give the same bytes. A file of that name is replaced, once the new one is
    complete; on failure it stays as it was and nothing else is left.

    Args:
        rgb: sRGB; values outside [0, 1] are clipped.
        alpha: JPEG has none: there the picture is laid on white.
        bits: 8, or 16 for PNG and TIFF.
        quality: of JPEG and WebP, 1 to 100.
        exif: of ``Picture.exif``.
        record: JSON text; goes into PNG as text chunk "jaxstyle", else into EXIF as UserComment.

    Raises:
        ImageError: the picture cannot be put in such a file, or the file cannot be written.
    """
    kind = _kind(path, bits)
    if not 1 <= quality <= 100:
        raise ImageError(f"quality is {quality}: give a number from 1 to 100")
    pixels = _integers(path, kind, rgb, alpha, bits)
    try:
        data = _encoded(pixels, kind, quality, exif, record)
    except Exception as error:  # Pillow's encoders raise several kinds
        raise cannot_write(path, error) from None
    write_bytes(path, data)


def check_writable(path: str | os.PathLike[str], *, bits: int = 8) -> None:
    """See before a long run whether ``save_image`` will be able to write there.

    Raises:
        ImageError: unknown extension, an extension that cannot hold ``bits``, no such folder, no
            right to write into it, or something other than a file has that name.
    """
    _kind(path, bits)
    check_file(path)


def read_record(path: str | os.PathLike[str]) -> str:
    """The JSON text that ``save_image`` put into a picture.

    Raises:
        ImageError: there is no such file, it is no picture, or it has no record.
    """
    where = f"cannot read a record from {quoted(path)}: it"
    with opened(path, where, kind="picture") as file:
        try:
            with pillow_settings(MAX_PIXELS), open_image(file) as image:
                record = image.info.get(KEYWORD) if image.format == "PNG" else None
                if record is None:
                    record = record_in(image.getexif())
        except (UnidentifiedImageError, ImageError):
            raise ImageError(f"{where} is no picture") from None
        except Exception as error:  # whatever broken metadata make Pillow say
            raise ImageError(f"{where} is damaged: {reason_of(error)}") from None
    if record is None:
        raise ImageError(
            f"{quoted(path)} has no jaxstyle record: it was not made by jaxstyle, or another "
            "program has rewritten it"
        )
    return str(record)


def _kind(path: str | os.PathLike[str], bits: int) -> str:
    """The format that a path's extension names; the path can be written to."""
    kind = _FORMATS[check_extension(path, SUPPORTED_EXTENSIONS)]
    if bits not in (8, 16):
        raise ImageError(f"cannot write {bits} bits per channel: choose 8 or 16")
    if bits == 16 and kind not in _DEEP:
        raise ImageError(f"cannot write {quoted(path)} with 16 bits: use .png or .tif, or 8 bits")
    target_of(path)
    return kind


def _integers(
    path: str | os.PathLike[str],
    kind: str,
    rgb: np.ndarray,
    alpha: np.ndarray | None,
    bits: int,
) -> UInt[np.ndarray, "height width channels"]:
    """The picture as the file is to hold it, with or without alpha, rounded to integers."""
    rgb = np.asarray(rgb, np.float32)
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise ImageError(
            f"cannot write {quoted(path)}: shape {rgb.shape} is not (height, width, 3)"
        )
    most = _MOST_PIXELS.get(kind)
    if most is not None and max(rgb.shape) > most:
        raise ImageError(
            f"cannot write {quoted(path)}: {rgb.shape[1]}x{rgb.shape[0]} is more than the "
            f"{most} px on a side that {kind} allows: use .png or .tif"
        )
    if alpha is not None:
        alpha = np.asarray(alpha, np.float32)
        if alpha.shape != rgb.shape[:2]:
            raise ImageError(
                f"cannot write {quoted(path)}: alpha of shape {alpha.shape} does not fit "
                f"a picture of shape {rgb.shape}"
            )
        if kind == "JPEG":
            rgb = on_white(rgb, alpha)
        else:
            rgb = np.concatenate([rgb, alpha[..., None]], axis=2)
    if np.isnan(rgb).any():
        raise ImageError(f"cannot write {quoted(path)}: the picture has values that are NaN")
    scale = 2**bits - 1
    return np.rint(np.clip(rgb, 0, 1) * scale).astype(np.uint8 if bits == 8 else np.uint16)


def _encoded(
    pixels: np.ndarray, kind: str, quality: int, exif: bytes | None, record: str | None
) -> bytes:
    icc_profile = srgb_profile()
    if kind == "PNG":
        exif = with_record(exif, None)
        if pixels.dtype == np.uint16:
            text = None if record is None else (KEYWORD, record)
            return encode_png16(pixels, icc_profile=icc_profile, exif=exif, text=text)
        info = PngInfo()
        if record is not None:
            info.add_itxt(KEYWORD, record)
        return _by_pillow(pixels, "PNG", icc_profile, exif, pnginfo=info)
    merged = with_record(exif, record)
    if kind == "TIFF":
        return encode_tiff(pixels, icc_profile=icc_profile, exif=merged)
    if kind == "WebP":
        return _by_pillow(pixels, "WEBP", icc_profile, merged, quality=quality, exact=True)
    if merged is not None and len(merged) > _MOST_EXIF:
        merged = with_record(None, record)  # the record is what cannot be had again
    return _by_pillow(pixels, "JPEG", icc_profile, merged, quality=quality, subsampling=0)


def _by_pillow(
    pixels: np.ndarray, kind: str, icc_profile: bytes, exif: bytes | None, **options: object
) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, icc_profile=icc_profile, exif=exif or b"", **options)
    return file.getvalue()
