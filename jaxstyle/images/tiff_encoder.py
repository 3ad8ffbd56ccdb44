"""TIFF with 8 or 16 bits a channel; Pillow writes colour with 8 only.

Pillow still lays out the directory, EXIF included.
"""

from __future__ import annotations

import io
import zlib
from itertools import accumulate

import numpy as np
from jaxtyping import UInt
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

_STRIP = 1 << 18  # bytes before compression, about
_LONG = 4
_DEFLATE, _RGB, _CHUNKY, _DIFFERENCES, _UNASSOCIATED_ALPHA = 8, 2, 1, 2, 2


def encode_tiff(
    pixels: UInt[np.ndarray, "height width channels"],
    *,
    icc_profile: bytes,
    exif: bytes | None = None,
) -> bytes:
    """Encode RGB or RGBA, uint8 or uint16, as TIFF 6.0 with Deflate (Adobe's code 8)."""
    height, width, channels = pixels.shape
    bits = 8 * pixels.dtype.itemsize
    rows = max(1, _STRIP // (width * channels * pixels.dtype.itemsize))
    stored = pixels.dtype.newbyteorder("<")
    strips = []
    for top in range(0, height, rows):
        differences = np.diff(pixels[top : top + rows], axis=1, prepend=pixels.dtype.type(0))
        strips.append(zlib.compress(differences.astype(stored).tobytes(), 6))
    sizes = [len(strip) for strip in strips]
    directory = ImageFileDirectory_v2()
    kept = Image.Exif()
    if exif is not None:
        kept.load(exif)
    for tag, value in kept.items():
        inner = tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
        directory[tag] = kept.get_ifd(tag) if inner else value
    layout = {
        "ImageWidth": width,
        "ImageLength": height,
        "BitsPerSample": (bits,) * channels,
        "Compression": _DEFLATE,
        "PhotometricInterpretation": _RGB,
        "StripOffsets": (0, *accumulate(sizes[:-1])),
        "SamplesPerPixel": channels,
        "RowsPerStrip": rows,
        "StripByteCounts": tuple(sizes),
        "PlanarConfiguration": _CHUNKY,
        "Predictor": _DIFFERENCES,
    }
    for name, value in layout.items():
        directory[ExifTags.Base[name]] = value
    if channels == 4:
        directory[ExifTags.Base.ExtraSamples] = _UNASSOCIATED_ALPHA
    directory[ExifTags.Base.InterColorProfile] = icc_profile
    # Pillow adds the directory's size to offsets without looking whether they still fit.
    directory.tagtype[ExifTags.Base.StripOffsets] = _LONG
    directory.tagtype[ExifTags.Base.StripByteCounts] = _LONG
    file = io.BytesIO()
    directory.save(file)
    return file.getvalue() + b"".join(strips)
