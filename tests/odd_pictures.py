"""Picture files and colour profiles that Pillow reads but does not write, built by hand."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

D50 = np.array([0.9642, 1.0, 0.8249])
D65 = (0.3127, 0.3290)
SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE_RGB_PRIMARIES = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
DISPLAY_P3_PRIMARIES = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    """The bytes of a file that Pillow writes."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(pixels: np.ndarray, extra: bytes = b"") -> bytes:
    """A PNG file of uint16 (h, w, channels) without filters, ``extra`` being further chunks."""
    height, width, channels = pixels.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def iccp(profile: bytes) -> bytes:
    """The PNG chunk of a colour profile."""
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))


def tiff(
    pixels: np.ndarray,
    *,
    big_endian: bool = False,
    deflate: bool = False,
    planar: bool = False,
    tags: dict[int, object] | None = None,
) -> bytes:
    """A TIFF file of (h, w, channels), one strip a plane; ``tags`` add to the usual or replace."""
    height, width, channels = pixels.shape
    directory = ImageFileDirectory_v2(b"MM\0*\0\0\0\0" if big_endian else b"II*\0\0\0\0\0")
    data = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    planes = [data[..., i] for i in range(channels)] if planar else [data]
    strips = [plane.tobytes() for plane in planes]
    if deflate:
        strips = [zlib.compress(strip) for strip in strips]
    starts = np.cumsum([0, *map(len, strips[:-1])])
    usual = {
        256: width,
        257: height,
        258: (8 * pixels.dtype.itemsize,) * channels,
        259: 8 if deflate else 1,
        262: 2 if channels > 2 else 1,
        273: tuple(int(start) for start in starts),
        277: channels,
        278: height,
        279: tuple(map(len, strips)),
        284: 2 if planar else 1,
    }
    for tag, value in {**usual, **(tags or {})}.items():
        directory[tag] = value
    file = io.BytesIO()
    directory.save(file)
    return file.getvalue() + b"".join(strips)


def matrix_profile(
    primaries: tuple[tuple[float, float], ...],
    curve: bytes,
    white: tuple[float, float] = D65,
) -> bytes:
    """An ICC profile of an RGB space from chromaticities and a tone curve."""
    to_xyz = rgb_to_xyz(primaries, white)
    source_white = to_xyz @ np.ones(3)
    cones = np.diag((BRADFORD @ D50) / (BRADFORD @ source_white))
    adapted = np.linalg.inv(BRADFORD) @ cones @ BRADFORD @ to_xyz
    tags = {name: xyz(adapted[:, i]) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return profile(b"RGB ", b"XYZ ", {**tags, b"wtpt": xyz(D50)})


def grey_profile(curve: bytes) -> bytes:
    """An ICC profile of a grey scale."""
    return profile(b"GRAY", b"XYZ ", {b"kTRC": curve, b"wtpt": xyz(D50)})


def cmyk_profile(lab_of_corner) -> bytes:
    """An ICC profile whose look-up table gives each of the 16 full-ink corners a Lab colour.

    Args:
        lab_of_corner: (c, m, y, k), each 0 or 1 -> (L, a, b).
    """
    return _table_profile(b"CMYK", 4, lab_of_corner)


def rgb_table_profile(lab_of_corner) -> bytes:
    """As ``cmyk_profile``, of an RGB space: it has no matrix."""
    return _table_profile(b"RGB ", 3, lab_of_corner)


def _table_profile(space: bytes, channels: int, lab_of_corner) -> bytes:
    corners = np.indices((2,) * channels).reshape(channels, -1).T
    labs = np.array([lab_of_corner(*corner) for corner in corners])
    table = np.rint(labs * [2.55, 1, 1] + [0, 128, 128]).clip(0, 255).astype(np.uint8)
    identity = struct.pack(">9i", *(np.eye(3, dtype=int).ravel() * 65536))
    ramp = bytes(range(256))
    lut = (
        b"mft1\0\0\0\0"
        + bytes([channels, 3, 2, 0])
        + identity
        + ramp * channels
        + table.tobytes()
        + ramp * 3
    )
    return profile(space, b"Lab ", {b"A2B0": lut, b"A2B1": lut, b"wtpt": xyz(D50)})


def profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile, version 2.4 (4.0 where a tag needs it does not matter to readers)."""
    position = 132 + 12 * len(tags)
    directory, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        directory += name + struct.pack(">II", position + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s6H4s",
        position + len(body),
        b"test",
        0x02400000,
        b"prtr" if space == b"CMYK" else b"mntr",
        space,
        connection,
        *(2000, 1, 1, 0, 0, 0),
        b"acsp",
    )
    header += b"\0" * (68 - len(header)) + struct.pack(">3i", *np.rint(D50 * 65536).astype(int))
    return header + b"\0" * (128 - len(header)) + directory + body


def gamma(exponent: float) -> bytes:
    """A tone curve that is a power."""
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256))


def table(values: np.ndarray) -> bytes:
    """A tone curve by its values at even distances."""
    numbers = np.rint(np.asarray(values) * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(numbers)) + numbers.tobytes()


def parametric(kind: int, *numbers: float) -> bytes:
    """A tone curve of ICC's parametric kinds 0 to 4."""
    fixed = [round(number * 65536) for number in numbers]
    return b"para\0\0\0\0" + struct.pack(f">HH{len(fixed)}i", kind, 0, *fixed)


SRGB_CURVE = parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def xyz(values: np.ndarray) -> bytes:
    """An ICC tag with three numbers."""
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *np.rint(np.asarray(values) * 65536).astype(int))


def rgb_to_xyz(
    primaries: tuple[tuple[float, float], ...], white: tuple[float, float] = D65
) -> np.ndarray:
    """The matrix from linear RGB to XYZ, relative to the space's own white."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    x, y = white
    amounts = np.linalg.solve(columns, np.array([x / y, 1, (1 - x - y) / y]))
    return columns * amounts


def srgb_encoded(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """How a camera stores a picture under an EXIF orientation (CIPA DC-008, 4.6.4)."""
    return {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
