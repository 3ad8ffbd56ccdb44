"""The ground of the landscape: shores, village slope, wooded hills and mountains."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from example_art.canvas import fbm, linear, mix, noise, palette, ridged, sample, smoothstep
from example_art.landscape.camera import Camera, Film

NEAREST, FARTHEST, STEPS = 7.0, 11_000.0, 1100
SUN = np.array([-0.78, -0.38, 0.42], np.float32)
SUN /= np.linalg.norm(SUN)

GRASS, STRAW, MEADOW, FOREST, EARTH, SAND, ROCK, SNOW = linear(
    palette("6f7d3a", "b3a35a", "86934a", "35492b", "6b5238", "a4906a", "80776f", "eef0f2")
)


def far_shore(x: np.ndarray) -> np.ndarray:
    """Where the lake ends (y) on the village side."""
    return 110 + 5 * np.sin(x / 23 + 0.5) + 3 * np.sin(x / 9.7) - 0.0035 * (x - 10) ** 2


def near_shore(x: np.ndarray) -> np.ndarray:
    """Where the lake begins (y) on the camera's side."""
    return 23.5 - 0.95 * x + 1.6 * np.sin(x / 2.9) + 0.8 * np.sin(x / 1.3)


def elevation(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Height of the ground in metres; negative in the lake."""
    x, y = np.broadcast_arrays(np.asarray(x, np.float32), np.asarray(y, np.float32))
    z = np.full(x.shape, -2, np.float32)
    bank = y < 70
    inland = near_shore(x[bank]) - y[bank]
    rough = 0.35 * fbm(x[bank] / 3.1, y[bank] / 3.1, seed, 3)
    z[bank] = np.maximum(
        np.minimum(0.17 * inland, 0.5 + 0.10 * inland) + rough * smoothstep(0, 4, inland), -2
    )
    far = y >= 70
    inland = np.minimum(y[far] - far_shore(x[far]), 260)
    bumps = 1.5 * fbm(x[far] / 45, y[far] / 45, seed + 1, 3) * smoothstep(0, 40, inland)
    z[far] = np.maximum(np.minimum(0.35 * inland, 0.9 + 0.075 * inland) + bumps, -2)
    hill = y >= 170
    rise = smoothstep(170, 900, y[hill])
    lumps = 0.62 + 0.75 * fbm(x[hill] / 380, y[hill] / 380, seed + 2, 4)
    valley = smoothstep(30, 380, np.abs(x[hill] + 0.16 * y[hill] - 60))
    z[hill] += rise * lumps * (42 + 120 * valley)
    alp = y >= 1100
    rise = smoothstep(1300, 7500, y[alp])
    crag = ridged(x[alp] / 2500 + 0.35, y[alp] / 2500, seed + 3, 8)
    mass = 0.55 + 0.6 * fbm(x[alp] / 5200, y[alp] / 5200, seed + 4, 2)
    z[alp] += rise * (crag * 3300 + 250) * np.maximum(mass, 0.2)
    return z


class Ground(NamedTuple):
    """Elevation on a fan of rays: rows go away from the camera, columns across the view."""

    distance: np.ndarray
    slope: np.ndarray
    z: np.ndarray
    slope_x: np.ndarray
    slope_y: np.ndarray
    sunlit: np.ndarray


def survey(camera: Camera, seed: int) -> Ground:
    """Measure the ground that the camera can see, and where mountains shade it."""
    distance = np.geomspace(NEAREST, FARTHEST, STEPS).astype(np.float32)
    slope = camera.columns()
    z = elevation(distance[:, None] * slope, distance[:, None] + 0 * slope, seed)
    across = np.gradient(z, slope, axis=1)
    slope_x = across / distance[:, None]
    slope_y = np.gradient(z, distance, axis=0) - slope_x * slope
    return Ground(distance, slope, z, slope_x, slope_y, _sunlit(distance, slope, z))


def _sunlit(distance: np.ndarray, slope: np.ndarray, z: np.ndarray) -> np.ndarray:
    """1 where the sun reaches the ground, 0 behind higher ground, on every fourth ray."""
    coarse, thin = distance[::2], slope[::4]
    x, y = coarse[:, None] * thin, coarse[:, None] + 0 * thin
    ground = z[::2, ::4]
    clear = np.ones_like(ground)
    scale = (STEPS - 1) / np.log(FARTHEST / NEAREST)
    for step in np.geomspace(0.004, 0.7, 22):
        far = step * y
        px, py = x + SUN[0] * far, np.maximum(y + SUN[1] * far, NEAREST)
        row = np.clip(np.log(py / NEAREST) * scale, 0, STEPS - 1).astype(np.int32)
        column = (px / py - slope[0]) / (slope[1] - slope[0])
        column = np.clip(column, 0, len(slope) - 1).astype(np.int32)
        gap = (ground + SUN[2] * far - z[row, column]) / far
        clear = np.minimum(clear, smoothstep(-0.05, 0.03, gap))
    return clear


def draw(film: Film, camera: Camera, ground: Ground, seed: int) -> np.ndarray:
    """Record the ground on the film; returns the sunlight that reaches each pixel over ridges.

    The running maximum of the slopes along a ray is what hides what; its crossing with a pixel's
    slope is what the pixel sees.
    """
    # From below the water only the far side counts: the near bank would fill the view.
    skip = 0 if camera.z > 0 else int(np.searchsorted(ground.distance, 80))
    rise = (np.maximum(ground.z, 0 if camera.z < 0 else -2) - camera.z) / ground.distance[:, None]
    rise[:skip] = -9
    rise = np.maximum.accumulate(rise, 0)
    rows = camera.rows()
    place = np.empty((camera.height, camera.width), np.float32)
    for column in range(camera.width):
        line = rise[:, column]
        after = np.clip(np.searchsorted(line, rows), 1, STEPS - 1)
        low, high = line[after - 1], line[after]
        place[:, column] = after - np.clip((high - rows) / np.maximum(high - low, 1e-9), 0, 1)
    hit = (rows[:, None] < rise[-1]) & (rows[:, None] > rise[0])
    # The bed of the lake lies under its surface: nothing to see.
    hit &= camera.z + rows[:, None] * _distance(ground, place) > -0.3
    row, column = np.nonzero(hit)
    at = place[hit]
    index = at.astype(np.int32)
    part = at - index
    after = np.minimum(index + 1, STEPS - 1)

    def value(layer: np.ndarray) -> np.ndarray:
        return layer[index, column] * (1 - part) + layer[after, column] * part

    y = ground.distance[index] * (1 - part) + ground.distance[after] * part
    x, z = y * ground.slope[column], camera.z + y * rows[row]
    slope_x, slope_y = value(ground.slope_x), value(ground.slope_y)
    normal = np.stack([-slope_x, -slope_y, np.ones_like(slope_x)], -1)
    steep = np.hypot(slope_x, slope_y)
    grit = np.clip(y / 60, 0.4, 60)
    normal[:, 0] += 0.10 * noise(x / grit, y / grit, seed + 8)
    normal[:, 1] += 0.10 * noise(x / grit + 50, y / grit, seed + 9)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)

    film.depth[hit] = y
    film.normal[hit] = normal
    film.albedo[hit] = _cover(x, y, z, steep, seed)
    lit = np.ones(film.depth.shape, np.float32)
    lit[hit] = sample(ground.sunlit, at / 2 + 0.5, column / 4 + 0.5)
    return lit


def _distance(ground: Ground, place: np.ndarray) -> np.ndarray:
    index = np.minimum(place.astype(np.int32), STEPS - 2)
    return mix(ground.distance[index], ground.distance[index + 1], place - index)


def _cover(x: np.ndarray, y: np.ndarray, z: np.ndarray, steep: np.ndarray, seed: int) -> np.ndarray:
    """Colour (linear) of the ground: sand, meadows, fields, woods, rock, snow."""
    patch = fbm(x / 26, y / 26, seed + 11, 4)
    fine = fbm(x / 2.2, y / 2.2, seed + 12, 3)
    colour = mix(GRASS, STRAW, smoothstep(-0.3, 0.9, patch + 0.5 * fine)[:, None])
    far = y > 150
    colour[far] = _hillside(colour[far], x[far], y[far], patch[far], seed)
    alp = y > 900
    colour[alp] = _heights(colour[alp], x[alp], y[alp], z[alp], steep[alp], seed)
    shore = smoothstep(0.75, 0.2, z + 0.25 * fine) * (y < 200)
    colour = mix(colour, mix(SAND, EARTH, smoothstep(-0.5, 0.6, fine)[:, None]), shore[:, None])
    return colour * np.clip(1 + 0.16 * fine, 0.3, 2)[:, None]


def _hillside(
    colour: np.ndarray, x: np.ndarray, y: np.ndarray, patch: np.ndarray, seed: int
) -> np.ndarray:
    """Fields and woods."""
    field = smoothstep(150, 260, y) * smoothstep(-0.1, 0.1, fbm(x / 90, y / 140, seed + 13, 2))
    colour = mix(colour, mix(STRAW, MEADOW, smoothstep(-0.4, 0.5, patch)[:, None]), field[:, None])
    wood = smoothstep(0.05, 0.2, woodland(x, y, seed)) * smoothstep(250, 420, y)
    wood = np.maximum(wood, smoothstep(1100, 1700, y))
    leaves = FOREST * (1 + 0.55 * fbm(x / 24, y / 24, seed + 14, 4))[:, None]
    return mix(colour, leaves, wood[:, None])


def _heights(
    colour: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    steep: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Bare rock and snow."""
    bare = smoothstep(420, 700, z + 160 * fbm(x / 260, y / 260, seed + 15, 3))
    bare = np.maximum(bare, smoothstep(0.75, 1.15, steep) * smoothstep(900, 1500, y))
    strata = 1 + 0.40 * fbm(x / 420, z / 60, seed + 16, 4)
    colour = mix(colour, ROCK * strata[:, None], bare[:, None])
    level = z + 190 * fbm(x / 420, y / 420, seed + 17, 4) - 330 * steep + 200
    white = smoothstep(760, 940, level) * smoothstep(1500, 3000, y)
    return mix(colour, SNOW, white[:, None])


def woodland(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Positive where the hills carry a wood."""
    return fbm(x / 130, y / 170, seed + 18, 3) + 0.32
