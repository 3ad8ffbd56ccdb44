"""Shared tools of the example pictures: noise, ramps, compositing, blurring, tone, saving.

Pictures are HWC float32. Positions are in pixels of the canvas, y down, unless a module says
otherwise. Every random choice comes from a seed that the caller gives.
"""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from PIL import Image

Grey = Float[np.ndarray, "height width"]
Picture = Float[np.ndarray, "height width 3"]

_LATTICE = 256


def smoothstep(low: float, high: float, value: ArrayLike) -> np.ndarray:
    """Ramp from 0 at `low` to 1 at `high` (which may be smaller) with flat ends."""
    t = np.clip((np.asarray(value, np.float32) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(first: ArrayLike, second: ArrayLike, amount: ArrayLike) -> np.ndarray:
    """Blend linearly: `first` where `amount` is 0, `second` where it is 1."""
    first = np.asarray(first, np.float32)
    return first + (np.asarray(second, np.float32) - first) * np.asarray(amount, np.float32)


def over(picture: Picture, colour: ArrayLike, alpha: Grey) -> Picture:
    """Composite a colour (or a picture) with coverage `alpha` over `picture`."""
    return mix(picture, colour, alpha[..., None])


def palette(*codes: str) -> Float[np.ndarray, "count 3"]:
    """Colours in [0, 1] from six-digit hexadecimal sRGB codes."""
    return np.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in codes], np.float32) / 255


def linear(srgb: ArrayLike) -> np.ndarray:
    """Linear light of sRGB values (the power 2.2 approximation)."""
    return np.asarray(srgb, np.float32) ** 2.2


def develop(light: Picture, exposure: float = 1.0) -> Picture:
    """Display values of linear light, through a filmic curve that keeps bright areas.

    The curve is the rational fit of the ACES response by K. Narkowicz (2015).
    """
    x = np.maximum(light, 0) * exposure
    toned = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    return (np.clip(toned, 0, 1) ** (1 / 2.2)).astype(np.float32)


def grid(height: int, width: int, step: float = 1.0) -> tuple[Grey, Grey]:
    """Coordinates (y, x) of the pixel centres, each pixel being `step` long."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return (y + 0.5) * np.float32(step), (x + 0.5) * np.float32(step)


@functools.cache
def _slopes() -> tuple[np.ndarray, np.ndarray]:
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, _LATTICE * _LATTICE)
    return (1.5 * np.cos(angle)).astype(np.float32), (1.5 * np.sin(angle)).astype(np.float32)


def noise(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Gradient noise of unit wavelength, about in [-1, 1] (Perlin, 2002)."""
    slope_x, slope_y = _slopes()
    left, top = np.floor(x), np.floor(y)
    u, v = (x - left).astype(np.float32), (y - top).astype(np.float32)
    # A seed is a far jump on the one lattice; the multipliers are coprime to its period.
    column = left.astype(np.int32) + 97 * seed % _LATTICE
    row = top.astype(np.int32) + 61 * (seed // 7) % _LATTICE
    columns = column & (_LATTICE - 1), (column + 1) & (_LATTICE - 1)
    rows = (row & (_LATTICE - 1)) * _LATTICE, ((row + 1) & (_LATTICE - 1)) * _LATTICE

    def corner(i: int, j: int) -> np.ndarray:
        at = rows[j] + columns[i]
        return slope_x.take(at) * (u - i) + slope_y.take(at) * (v - j)

    along = u * u * u * (u * (u * 6 - 15) + 10)
    down = v * v * v * (v * (v * 6 - 15) + 10)
    upper, lower = corner(0, 0), corner(0, 1)
    upper += along * (corner(1, 0) - upper)
    lower += along * (corner(1, 1) - lower)
    return upper + down * (lower - upper)


def fbm(x: np.ndarray, y: np.ndarray, seed: int, octaves: int = 5, gain: float = 0.5) -> np.ndarray:
    """Fractal sum of `octaves` of noise, the first of unit wavelength, about in [-1, 1]."""
    total = np.zeros(np.broadcast(x, y).shape, np.float32)
    weight, norm = 1.0, 0.0
    for octave in range(octaves):
        # A turn between octaves hides the lattice directions.
        x, y = 0.8 * x - 0.6 * y + 17.3, 0.6 * x + 0.8 * y + 5.9
        total += weight * noise(x, y, seed + 101 * octave)
        norm += weight
        weight *= gain
        x, y = 2.03 * x, 2.03 * y
    return total / np.float32(norm**0.75)


def ridged(x: np.ndarray, y: np.ndarray, seed: int, octaves: int = 6) -> np.ndarray:
    """Ridged fractal noise in [0, 1]: sharp crests, round valleys (Musgrave)."""
    total = np.zeros(np.broadcast(x, y).shape, np.float32)
    weight, norm, carry = 1.0, 0.0, np.float32(1)
    for octave in range(octaves):
        x, y = 0.8 * x - 0.6 * y + 3.7, 0.6 * x + 0.8 * y + 11.1
        crest = (1 - np.minimum(np.abs(noise(x, y, seed + 57 * octave)), 1)) ** 2
        total += weight * crest * carry
        carry = np.clip(crest * 1.6, 0, 1)
        norm += weight
        weight *= 0.5
        x, y = 2.03 * x, 2.03 * y
    return total / np.float32(norm)


def warp(
    x: np.ndarray, y: np.ndarray, seed: int, wavelength: float, amount: float, octaves: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Positions moved by up to about `amount` along a smooth random field."""
    u, v = x / wavelength, y / wavelength
    return (
        x + amount * fbm(u, v, seed, octaves),
        y + amount * fbm(u + 31.4, v - 12.7, seed + 7, octaves),
    )


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Near-Gaussian blur over the first two axes, edges repeated: three box blurs an axis."""
    size = max(1, round((4 * sigma * sigma + 1) ** 0.5))
    size += 1 - size % 2
    out = np.asarray(image, np.float64)
    for axis in (0, 1):
        for _ in range(3 if size > 1 else 0):
            pad = [(0, 0)] * out.ndim
            pad[axis] = (size // 2 + 1, size // 2)
            total = np.cumsum(np.pad(out, pad, mode="edge"), axis=axis)
            count = out.shape[axis]
            ahead = np.take(total, np.arange(size, size + count), axis=axis)
            out = (ahead - np.take(total, np.arange(count), axis=axis)) / size
    return out.astype(np.float32)


def sample(image: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values of `image` at positions in pixels (centres at .5), bilinear, edges repeated."""
    height, width = image.shape[:2]
    y = np.clip(y - 0.5, 0, height - 1.001)
    x = np.clip(x - 0.5, 0, width - 1.001)
    row, column = y.astype(np.int32), x.astype(np.int32)
    below, right = np.minimum(row + 1, height - 1), np.minimum(column + 1, width - 1)
    shape = y.shape + (1,) * (image.ndim - 2)
    v, u = (y - row).reshape(shape), (x - column).reshape(shape)
    upper = mix(image[row, column], image[row, right], u)
    return mix(upper, mix(image[below, column], image[below, right], u), v)


def shrink(image: np.ndarray, factor: int) -> np.ndarray:
    """Average `factor` x `factor` blocks: the last step of a supersampled picture."""
    height, width = image.shape[0] // factor, image.shape[1] // factor
    blocks = image.reshape(height, factor, width, factor, *image.shape[2:])
    return blocks.mean((1, 3), dtype=np.float32)


def relief(height_map: Grey, light: tuple[float, float, float] = (-0.55, -0.65, 0.52)) -> Grey:
    """Lambert shading of a surface given by its height, 1 where it is flat.

    `light` points to the light as (x, y, up) and need not be a unit vector.
    """
    slope_y, slope_x = np.gradient(height_map)
    direction = np.array(light, np.float32) / np.linalg.norm(light)
    lit = (direction[2] - direction[0] * slope_x - direction[1] * slope_y) / np.sqrt(
        1 + slope_x**2 + slope_y**2
    )
    return np.maximum(lit / direction[2], 0).astype(np.float32)


def nearest(marked: Grey, reach: int) -> tuple[Grey, np.ndarray, np.ndarray]:
    """Distance to, and row and column of, the nearest marked pixel, by jump flooding.

    Where no marked pixel lies within about 2 `reach` px the distance is very large. Rong and
    Tan, "Jump flooding in GPU with applications to Voronoi diagram and distance transform", 2006.
    """
    height, width = marked.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.int32)
    far = np.int32(-20_000)
    row, column = np.where(marked, y, far), np.where(marked, x, far)
    step = 1 << max(0, reach - 1).bit_length()
    while step:
        for shift_y in (-step, 0, step):
            for shift_x in (-step, 0, step):
                if shift_y == 0 and shift_x == 0:
                    continue
                here, there = _overlap(height, shift_y), _overlap(height, -shift_y)
                across, source = _overlap(width, shift_x), _overlap(width, -shift_x)
                r, c = row[there, source], column[there, source]
                at_y, at_x = y[here, across], x[here, across]
                mine = (row[here, across] - at_y) ** 2 + (column[here, across] - at_x) ** 2
                closer = (r - at_y) ** 2 + (c - at_x) ** 2 < mine
                row[here, across] = np.where(closer, r, row[here, across])
                column[here, across] = np.where(closer, c, column[here, across])
        step //= 2
    distance = np.hypot((row - y).astype(np.float32), (column - x).astype(np.float32))
    return distance, row, column


def _overlap(length: int, shift: int) -> slice:
    return slice(max(0, shift), length + min(0, shift))


def save_jpeg(path: Path, picture: Picture, quality: int) -> None:
    """Write a picture in [0, 1] as a JPEG file, whole or not at all."""
    pixels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            Image.fromarray(pixels).save(file, "JPEG", quality=quality, optimize=True)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
