"""From a file, a ``PIL.Image`` or an array to a ``Picture``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BufferedReader
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from jaxstyle.errors import ImageError, quoted, reason_of
from jaxstyle.images.color_profiles import deep_to_srgb, to_srgb
from jaxstyle.images.cost import check_cost
from jaxstyle.images.exif import kept_exif, orientation_of
from jaxstyle.images.picture import Picture
from jaxstyle.images.pillow import MAX_PIXELS, open_image, pillow_settings
from jaxstyle.images.sixteen_bit import deep_grey, deep_pixels, deep_raw_mode
from jaxstyle.images.stated_colours import stated_profile
from jaxstyle.runtime.atomic_files import at_home
from jaxstyle.runtime.foreign_files import opened

ARRAY = "<array>"
_BYTES_PER_PIXEL = 10
"""Of a file, at most: 16 bits of colour and alpha take 8."""
_MOST_BESIDES = 2**26
"""Bytes of a file for all that is not pixels."""
_TOLERANCE = 1e-4  # by which floats may leave [0, 1], as they do after arithmetic


def load_image(
    path: str | os.PathLike[str], *, name: str = "image", max_pixels: int = MAX_PIXELS
) -> Picture:
    """Read a picture in a format of ``pillow.open_image``; of an animation its first frame.

    The EXIF orientation is applied, and colours are converted to sRGB, by the embedded profile or
    what else the file says of them; where it says nothing they are sRGB. PNG and TIFF keep 16 bits.

    Args:
        name: what to call the picture in messages, for example "content image".
        max_pixels: larger pictures are refused before memory is spent on them.

    Raises:
        ImageError: there is no such file, or it is no picture, damaged, or too large.
    """
    path, where = at_home(path), f"{name} {quoted(path)}"
    with _opened(path, where, max_pixels) as file, _decoding(where, max_pixels):
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with pillow_settings():
            image = open_image(file)
        if image.width * image.height > max_pixels:
            raise ImageError(f"is {image.width}x{image.height}, {_too_large(max_pixels)}")
        check_cost(image, file)
        with pillow_settings(max_pixels):
            picture = _from_file(image, file)
    return replace(picture, sha256=sha256, source=path)


def image_size(path: str | os.PathLike[str], *, name: str = "image") -> tuple[int, int]:
    """Width and height of the picture that ``load_image`` gives, from how its file begins.

    Args:
        name: as there.

    Raises:
        ImageError: there is no such file, or it is no picture, or damaged where it begins.
    """
    where = f"{name} {quoted(path)}"
    with _opened(path, where) as file:
        try:
            with pillow_settings(MAX_PIXELS), open_image(file) as image:
                if image.format == "TIFF":
                    image.load()  # see _upright
                turned = image.format != "TIFF" and orientation_of(image) >= 5
                width, height = image.size
        except ImageError as error:
            raise ImageError(f"{where} {error}") from None
        except Exception as error:  # as in _decoding
            raise ImageError(
                f"{where} cannot be read ({reason_of(error)}): it is no picture, or damaged: get "
                "it again, or remove it"
            ) from None
    return (height, width) if turned else (width, height)


def as_picture(value: Any, *, name: str = "image") -> Picture:
    """Take a picture in whatever form: a path, a ``PIL.Image``, a ``Picture``, or an array.

    Args:
        value: arrays are (height, width), or (height, width, channels) with 1, 3 or 4 channels,
            the fourth being alpha; floats in [0, 1], uint8 or uint16. They are taken as sRGB.
        name: what to call the picture in messages.

    Raises:
        ImageError: as ``load_image``, or an array of another shape, type or range.
    """
    if isinstance(value, Picture):
        return value
    if isinstance(value, str | os.PathLike):
        return load_image(value, name=name)
    if not isinstance(value, Image.Image):
        return _from_array(value, name)
    if 0 in value.size:
        raise ImageError(f"{name} has no pixels: it is {value.width}x{value.height}")
    with _decoding(name), pillow_settings():
        value.load()
        return _from_image(value)


@contextmanager
def _opened(
    path: str | os.PathLike[str], where: str, max_pixels: int = MAX_PIXELS
) -> Iterator[BufferedReader]:
    most = _MOST_BESIDES + _BYTES_PER_PIXEL * max_pixels
    with opened(path, where, kind="picture", most=most) as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise ImageError(f"{where} is empty (0 bytes): get it again")
        yield file


@contextmanager
def _decoding(where: str, max_pixels: int = MAX_PIXELS) -> Iterator[None]:
    """Whatever goes wrong within the block as an ``ImageError`` that begins with ``where``."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{where} {error}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"{where} {_too_large(max_pixels)}") from None
    except UnidentifiedImageError:
        raise ImageError(
            f"{where} is not a picture in a format that can be read: "
            "convert it to PNG, JPEG, WebP or TIFF"
        ) from None
    except MemoryError:
        raise ImageError(f"{where} does not fit in memory: make it smaller first") from None
    except Exception as error:  # a dozen decoders raise anything there is on damaged files
        raise ImageError(
            f"{where} cannot be decoded ({reason_of(error)}): "
            "the file is damaged or cut short: get it again"
        ) from None


def _too_large(max_pixels: int) -> str:
    return f"more than the {max_pixels:,} pixels allowed: make it smaller first"


def _from_file(image: ImageFile.ImageFile, file: IO[bytes]) -> Picture:
    raw_mode = deep_raw_mode(image)
    image.load()
    if raw_mode is None:
        return _from_image(image)
    pixels = deep_pixels(file, raw_mode)
    transparent = image.info.get("transparency")
    alpha = pixels[..., -1] / np.float32(65535) if pixels.shape[2] in (2, 4) else None
    if alpha is None and transparent is not None:
        alpha = (pixels != np.asarray(transparent)).any(axis=2).astype(np.float32)
    colour = (pixels[..., :3] if pixels.shape[2] > 2 else pixels[..., :1]) / np.float32(65535)
    if alpha is not None and "a" in raw_mode:
        colour = np.clip(colour / np.maximum(alpha, 1 / 65535)[..., None], 0, 1)
    return _upright(image, deep_to_srgb(colour, stated_profile(image)), alpha, 16)


def _from_image(image: Image.Image) -> Picture:
    """A ``Picture`` of a loaded image."""
    profile = stated_profile(image)
    if image.mode.startswith("I") or image.mode == "F":
        grey, alpha, bits = _single_band(image)
        return _upright(image, deep_to_srgb(grey[..., None], profile), alpha, bits)
    alpha = None
    if image.has_transparency_data:
        full = image.convert("RGBA")
        alpha = np.asarray(full.getchannel("A"), np.float32) / 255
        colour = image.getchannel("L") if image.mode == "LA" else full.convert("RGB")
    elif image.mode in ("CMYK", "LAB", "L"):
        colour = image
    else:
        colour = image.convert("L" if image.mode == "1" else "RGB")
    rgb = np.asarray(to_srgb(colour, profile), np.float32) / 255
    return _upright(image, rgb, alpha, 8)


def _single_band(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Grey in [0, 1], alpha and depth of a picture in Pillow's modes I;16, I and F."""
    values = np.asarray(image)
    if image.mode == "F":
        if not (values.min() >= -_TOLERANCE and values.max() <= 1 + _TOLERANCE):
            raise ImageError(
                f"holds floating-point values from {values.min():g} to {values.max():g}; "
                "they must be from 0 to 1: rescale them"
            )
        return np.clip(values, 0, 1).astype(np.float32), None, 16
    if image.mode == "I":
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(
                f"holds integers from {values.min()} to {values.max()}; they must be from 0 to "
                "65535: save it with 16 bits"
            )
        deep = values
    else:
        deep = deep_grey(image)
    transparent = image.info.get("transparency")
    alpha = None if transparent is None else (deep != transparent).astype(np.float32)
    return deep / np.float32(65535), alpha, 16


def _upright(image: Image.Image, rgb: np.ndarray, alpha: np.ndarray | None, bits: int) -> Picture:
    # Pillow turns TIFF files itself, and forgets their orientation as it does so.
    orientation = orientation_of(image)
    return _picture(
        _turned(rgb, orientation),
        None if alpha is None else _turned(alpha, orientation),
        kept_exif(image),
        bits,
    )


def _picture(rgb: np.ndarray, alpha: np.ndarray | None, exif: bytes | None, bits: int) -> Picture:
    if alpha is not None and alpha.min() >= 1:
        alpha = None
    return Picture(
        np.ascontiguousarray(rgb, np.float32),
        None if alpha is None else np.ascontiguousarray(alpha, np.float32),
        exif,
        bits,
        sha256="",
        source=ARRAY,
    )


def _turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation: where row 0 and column 0 of the stored picture belong."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _from_array(value: Any, name: str) -> Picture:
    try:
        array = np.asarray(value)
    except Exception as error:  # whatever the object's own conversion raises
        raise ImageError(f"{name} is no array: {reason_of(error)}") from None
    _check_shape(array, name)
    if array.dtype in (np.uint8, np.uint16):
        most = np.iinfo(array.dtype).max
        scaled, bits = array / np.float32(most), 8 * array.dtype.itemsize
    else:
        scaled, bits = _checked_floats(array, name), 8
    if scaled.ndim == 2:
        scaled = scaled[..., None]
    rgb = np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled[..., :3]
    return _picture(rgb, scaled[..., 3] if scaled.shape[2] == 4 else None, None, bits)


def _check_shape(array: np.ndarray, name: str) -> None:
    shape = array.shape
    if array.ndim in (2, 3) and 0 in shape:
        raise ImageError(f"{name} has no pixels: its shape is {shape}")
    if array.ndim == 2 or (array.ndim == 3 and shape[2] in (1, 3, 4)):
        return
    advice = "give one picture of 1, 3 or 4 channels"
    if array.ndim == 3 and shape[0] in (1, 3, 4):
        advice = "put the channels last, array.transpose(1, 2, 0)"
    elif array.ndim == 4 and shape[0] == 1:
        advice = "drop the first axis, array[0]"
    raise ImageError(
        f"{name} has shape {shape}; (height, width) or (height, width, channels) is needed: "
        f"{advice}"
    )


def _checked_floats(array: np.ndarray, name: str) -> np.ndarray:
    # bfloat16 is no kind of float to NumPy.
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        raise ImageError(
            f"{name} is an array of {array.dtype}; give floats in [0, 1], uint8 or uint16"
        )
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ImageError(f"{name} has NaN or infinite values; they must be in [0, 1]: remove them")
    least, most = float(array.min()), float(array.max())
    if least >= -_TOLERANCE and most <= 1 + _TOLERANCE:
        return np.clip(array, 0, 1)
    reach, advice = f"reach {most:g}", "divide by their maximum or pass uint16"
    if least < 0:
        reach, advice = f"reach down to {least:g}", "rescale or clip them"
    elif most <= 255:
        advice = "divide by 255 or pass uint8"
    raise ImageError(f"{name}: values {reach}, but floats must be in [0, 1]: {advice}")
