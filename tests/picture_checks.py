"""What tests of pictures have in common: samples, comparisons, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jaxstyle.images import ImageError, Picture, load_image

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


def refusal(call: Callable, *arguments, **options) -> str:
    """The message with which ``call`` refuses; it is one line."""
    with pytest.raises(ImageError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500  # with a path in it
    return message
