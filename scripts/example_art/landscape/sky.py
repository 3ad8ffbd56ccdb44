"""The sky of the landscape: clear air and heaped clouds marched through along each ray."""

from __future__ import annotations

import numpy as np

from example_art.canvas import mix, sample, smoothstep
from example_art.landscape.terrain import SUN

SUN_COLOUR = np.array([1.0, 0.80, 0.55], np.float32) * 3.6
ZENITH = np.array([0.115, 0.27, 0.62], np.float32)
MIDDLE = np.array([0.36, 0.56, 0.86], np.float32)
LOW = np.array([0.92, 0.82, 0.70], np.float32)
BASE, TOP = 1300.0, 2500.0
STEPS = 44
_CELLS = 64


def air(across: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Light of the clear sky for slopes `across` and `up`; warmer towards the sun's side."""
    warm = smoothstep(0.7, -0.7, across)[..., None]
    colour = mix(MIDDLE, ZENITH, smoothstep(0.02, 0.55, up)[..., None])
    glow = np.exp(-np.maximum(up, 0) / 0.085)[..., None]
    return mix(colour, LOW * (0.80 + 0.30 * warm), glow * (0.62 + 0.30 * warm))


def _volume(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, _CELLS**3).astype(np.float32)


def _noise3(volume: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Value noise in space, repeating after 64 cells."""
    cells, parts = [], []
    for value in (x, y, z):
        low = np.floor(value)
        part = value - low
        parts.append(part * part * (3 - 2 * part))
        cell = low.astype(np.int32)
        cells.append((cell & (_CELLS - 1), (cell + 1) & (_CELLS - 1)))
    total = np.zeros_like(x)
    for k in (0, 1):
        for j in (0, 1):
            base = (cells[2][k] * _CELLS + cells[1][j]) * _CELLS
            left, right = volume.take(base + cells[0][0]), volume.take(base + cells[0][1])
            weight = (parts[2] if k else 1 - parts[2]) * (parts[1] if j else 1 - parts[1])
            total += weight * (left + parts[0] * (right - left))
    return total


def _density(
    volume: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray, octaves: int
) -> np.ndarray:
    """Cloud water at points in metres: flat bases, billowing tops."""
    u, v, w = x / 1500, y / 1500, z / 1150
    total, weight = np.zeros_like(x), 1.0
    for _ in range(octaves):
        total += weight * _noise3(volume, u, v, w)
        weight *= 0.5
        u, v, w = 2.11 * u + 3.7, 2.11 * v + 9.2, 2.11 * w + 1.3
    level = (z - BASE) / (TOP - BASE)
    shape = smoothstep(0, 0.10, level) * (1 - smoothstep(0.25, 1.0, level))
    return np.maximum(total * 0.9 + 0.60 * shape - 0.86, 0) * (level > 0) * (level < 1)


def paint(across: np.ndarray, up: np.ndarray, seed: int) -> np.ndarray:
    """Light of the sky for each pair of slopes (columns `across`, rows `up`, top first).

    Clouds are marched on a grid half as fine: they are soft.
    """
    clear = air(across[None, :], up[:, None])
    thin_x, thin_y = across[1::3], up[1::3]
    a, s = np.meshgrid(thin_x, thin_y)
    light = np.zeros((*a.shape, 3), np.float32)
    through = np.ones(a.shape, np.float32)
    rays = s > 0.035
    a, s = a[rays], s[rays]
    volume = _volume(seed)
    length = np.sqrt(1 + a * a + s * s)
    start, stop = BASE / s, np.minimum(TOP / s, BASE / s + 9000)
    step = (stop - start) / STEPS
    shake = np.random.default_rng(seed + 1).uniform(0, 1, a.shape).astype(np.float32)
    left, gathered = np.ones_like(a), np.zeros((len(a), 3), np.float32)
    mass = np.zeros_like(a)
    ambient = np.array([0.42, 0.50, 0.66], np.float32)
    for number in range(STEPS):
        y = start + (number + shake) * step
        x, z = y * a, y * s
        thick = _density(volume, x, y, z, 5)
        live = np.flatnonzero((thick > 0) & (left > 0.02))
        if not len(live):
            continue
        lx, ly, lz, here = x[live], y[live], z[live], thick[live]
        toward = np.zeros_like(here)
        for reach in (60.0, 170.0, 380.0):
            ahead = [p + reach * d for p, d in zip((lx, ly, lz), SUN, strict=True)]
            toward += _density(volume, *ahead, octaves=3) * reach * 0.9
        level = (lz - BASE) / (TOP - BASE)
        bright = np.exp(-toward * 0.012) * 0.85 + np.exp(-toward * 0.003) * 0.18
        glow = bright[:, None] * SUN_COLOUR * 0.52 + ambient * (0.34 + 0.75 * level[:, None])
        alpha = 1 - np.exp(-here * (step * length)[live] * 0.017)
        gathered[live] += (left[live] * alpha)[:, None] * glow
        mass[live] += left[live] * alpha * ly
        left[live] *= 1 - alpha
    covered = np.maximum(1 - left, 1e-4)
    haze = 1 - np.exp(-np.maximum(mass / covered - 3000, 0) / 14_000)
    distant = air(a, s) * covered[:, None]
    gathered = mix(gathered, distant, haze[:, None])
    fade = smoothstep(0.035, 0.09, s)
    light[rays] = gathered * fade[:, None]
    through[rays] = 1 - (1 - left) * fade
    row = (np.arange(len(up)) + 0.5) / 3
    column = (np.arange(len(across)) + 0.5) / 3
    y, x = np.meshgrid(row, column, indexing="ij")
    return clear * sample(through, y, x)[..., None] + sample(light, y, x)
