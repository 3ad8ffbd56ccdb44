"""Table, cloth and wall of the still life."""

from __future__ import annotations

import numpy as np

from example_art.canvas import fbm, linear, mix, noise, palette, smoothstep
from example_art.still_life.forms import full, norm
from example_art.still_life.tracing import Distance, Surface, Vectors

LINEN, STRIPE, OAK, WALL = linear(palette("d9d3c4", "3d5c80", "7b4f2c", "7d7763"))
TABLE_FRONT, TABLE_BACK = -1.62, 1.55


def cloth(p: Vectors, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How much a point of the table lies under the cloth (0 to 1), and the cloth's height there."""
    x, y, z = p.T
    drop = np.maximum(-z, 0) * (y < TABLE_FRONT + 0.15)
    lie = y - 1.0 * drop
    edge = (
        0.62
        + 0.10 * np.sin(x * 1.3 + 1)
        - 0.55 * smoothstep(-0.3, -2.2, x)
        + 0.06 * noise(x * 2, y * 0, seed)
    )
    left = x + 1.62 + 0.12 * np.sin(lie * 2.2) + 0.10 * lie
    cover = np.minimum(edge - y, left)
    drape = smoothstep(0, 0.25, drop)
    ridge = 1 - np.abs(noise(x * 0.75 + 0.55 * lie, lie * 0.5 - 0.35 * x, seed + 1))
    folds = 0.085 * smoothstep(0.72, 1.0, ridge)
    ridge = 1 - np.abs(noise(x * 1.1 - 0.8 * lie + 7, lie * 0.8 + 0.5 * x, seed + 2))
    folds += 0.050 * smoothstep(0.75, 1.0, ridge)
    quiet = smoothstep(0.55, 0.95, np.hypot(x * 0.42 - 0.05, y * 0.62 + 0.12))
    folds *= 0.12 + 0.88 * quiet
    phase = x * 6.2 + 1.1 * np.sin(x * 2.1) + 0.5 * drop
    hang = 0.075 * drape * np.sin(phase) * (0.35 + 0.9 * smoothstep(0, 0.7, drop)) + 0.06 * drape
    height = 0.014 + folds * (1 - drape) + hang + 0.003 * noise(x * 9, lie * 9, seed + 4)
    return smoothstep(-0.008, 0.012, cover), height


def table_distance(seed: int) -> Distance:
    """The table board with the cloth on it and over its front edge."""

    def distance(p: Vectors) -> np.ndarray:
        cover, height = cloth(p, seed)
        half = np.array([6.0, (TABLE_BACK - TABLE_FRONT) / 2, 0.09], np.float32)
        middle = np.array([0, (TABLE_BACK + TABLE_FRONT) / 2, -0.09], np.float32)
        away = np.abs(p - middle) - half + 0.03
        board = norm(np.maximum(away, 0)) + np.minimum(away.max(1), 0) - 0.03
        # The hanging part: a sheet before the front edge.
        sheet = np.maximum(np.abs(p[:, 1] - TABLE_FRONT + 0.005) - 0.02, p[:, 2] + 0.03)
        under = np.where(cover > 0.5, np.minimum(board, sheet), board)
        return (under - cover * height) * 0.65

    return distance


def table_surface(p: Vectors, seed: int) -> Surface:
    """Linen with stripes along its hem, on worn oak."""
    x, y, z = p.T
    cover, _ = cloth(p, seed)
    drop = np.maximum(-z, 0) * (y < TABLE_FRONT + 0.1)
    lie = y - drop
    weave = noise(x * 60, lie * 14, seed + 20) + noise(x * 14, lie * 60, seed + 21)
    tone = fbm(x * 2, lie * 2, seed + 22, 3)
    linen = LINEN * (0.90 + 0.05 * weave + 0.04 * tone)[:, None]
    left = x + 1.62 + 0.12 * np.sin(lie * 2.2) + 0.10 * lie
    stripes = np.zeros_like(x)
    for at, half in ((0.20, 0.045), (0.32, 0.018), (0.40, 0.018)):
        stripes = np.maximum(stripes, smoothstep(half + 0.008, half - 0.006, np.abs(left - at)))
    right = np.mod(x - 0.10 * lie, 1.45) - 0.6
    stripes = np.maximum(stripes, smoothstep(0.026, 0.014, np.abs(right)) * (x > -0.6) * 0.9)
    linen = mix(linen, STRIPE * (0.9 + 0.15 * weave)[:, None], (0.85 * stripes)[:, None])
    plank = np.floor((y + 4) / 0.62)
    ring = fbm(x * 0.35 + plank * 9, y * 5.5 + 0.4 * noise(x * 0.8, y, seed + 23), seed + 24, 4)
    vein = noise(x * 2.2 + plank * 3, y * 60, seed + 25)
    oak = OAK * (1 + 0.42 * ring + 0.20 * vein)[:, None]
    seam = np.abs((y + 4) / 0.62 - np.round((y + 4) / 0.62)) * 0.62
    oak = oak * (0.35 + 0.65 * smoothstep(0.002, 0.014, seam))[:, None]
    colour = mix(oak, linen, cover[:, None])
    return Surface(colour, 0.035 * (1 - cover), 0.28 + 0.5 * cover + 0.08 * np.abs(ring))


def wall_surface(p: Vectors, seed: int) -> Surface:
    """Old plaster, patched and stained."""
    x, _, z = p.T
    cloud = fbm(x * 0.6, z * 0.6, seed + 30, 5)
    scratch = fbm(x * 4 + 3 * cloud, z * 3, seed + 31, 4)
    patch = smoothstep(0.15, 0.45, fbm(x * 0.8 + 5, z * 0.9, seed + 32, 4))
    colour = WALL * (1 + 0.22 * cloud + 0.12 * scratch)[:, None]
    colour = mix(colour, linear([0.60, 0.52, 0.40]), (0.35 * patch)[:, None])
    crack = np.abs(fbm(x * 0.9 + 9, z * 0.9, seed + 33, 5))
    colour = colour * (1 - 0.45 * smoothstep(0.018, 0.004, crack) * patch)[:, None]
    return Surface(colour, np.zeros_like(x), full(p, 1.0))
