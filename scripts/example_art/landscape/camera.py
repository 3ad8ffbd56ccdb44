"""The camera of the landscape and the film that records surfaces before they are lit.

The world is in metres: x to the right, y away from the camera, z up, the lake at z = 0. The
camera looks level along y, so that a pixel is a pair of slopes: x / y and (z - camera) / y.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "count 3"]


class Camera(NamedTuple):
    """A level camera `z` metres up; sizes, focal length and horizon row in pixels.

    Below the water, at -z, it sees what the lake mirrors.
    """

    z: float
    width: int
    height: int
    focal: float
    horizon: float

    def columns(self) -> np.ndarray:
        """Slope x / y of each pixel column."""
        return ((np.arange(self.width) + 0.5 - self.width / 2) / self.focal).astype(np.float32)

    def rows(self) -> np.ndarray:
        """Slope (z - camera) / y of each pixel row, top first."""
        return ((self.horizon - np.arange(self.height) - 0.5) / self.focal).astype(np.float32)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixel coordinates (x, y) of points in front of the camera."""
        depth = np.maximum(points[..., 1], 1e-3)
        x = self.width / 2 + self.focal * points[..., 0] / depth
        return x, self.horizon - self.focal * (points[..., 2] - self.z) / depth


class Film(NamedTuple):
    """What each pixel sees: depth (y, metres), colour, normal, sky seen, light let through."""

    depth: np.ndarray
    albedo: np.ndarray
    normal: np.ndarray
    open_sky: np.ndarray
    translucent: np.ndarray


def blank(camera: Camera) -> Film:
    shape = (camera.height, camera.width)
    return Film(
        depth=np.full(shape, np.inf, np.float32),
        albedo=np.zeros((*shape, 3), np.float32),
        normal=np.zeros((*shape, 3), np.float32),
        open_sky=np.ones(shape, np.float32),
        translucent=np.zeros(shape, np.float32),
    )


class Cloud(NamedTuple):
    """Many small discs: plants are made of them. `size` is a radius in metres."""

    place: Points
    normal: Points
    albedo: Points
    open_sky: np.ndarray
    size: np.ndarray
    translucent: float


def splat(film: Film, camera: Camera, cloud: Cloud) -> None:
    """Draw the discs on the film, in place, nearest first.

    Depth and number go into one integer, so that one scattered minimum decides every pixel.
    """
    x, y = camera.project(cloud.place)
    depth = cloud.place[:, 1]
    reach = cloud.size * camera.focal / np.maximum(depth, 1)
    # Largest discs first: the far pixels of a disc concern only a leading part of the list.
    falling = np.argsort(-reach, kind="stable")
    x, y, depth, reach = x[falling], y[falling], depth[falling], reach[falling]
    seen = (depth > 2) & (x > -20) & (x < camera.width + 20) & (y > -20) & (y < camera.height + 20)
    number = falling[seen]
    x, y, depth, reach = x[seen], y[seen], depth[seen], np.maximum(reach[seen], 0.5)
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    order = (depth * 512).astype(np.int64) << 32 | number
    best = np.full(camera.height * camera.width, np.iinfo(np.int64).max)
    radius = int(np.ceil(reach.max(initial=0)))
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            far = max(np.hypot(dx, dy) - 0.71, 0)
            some = slice(0, int(np.searchsorted(-np.square(reach), 0.1 - far * far, "right")))
            px, py = column[some] + dx, row[some] + dy
            hit = (px + 0.5 - x[some]) ** 2 + (py + 0.5 - y[some]) ** 2 <= reach[some] ** 2 + 0.1
            hit &= (px >= 0) & (px < camera.width) & (py >= 0) & (py < camera.height)
            np.minimum.at(best, (py * camera.width + px)[hit], order[some][hit])
    at = np.flatnonzero(best < np.iinfo(np.int64).max)
    who = best[at] & 0xFFFFFFFF
    nearer = cloud.place[who, 1] < film.depth.ravel()[at]
    at, who = at[nearer], who[nearer]
    film.depth.ravel()[at] = cloud.place[who, 1]
    film.albedo.reshape(-1, 3)[at] = cloud.albedo[who]
    film.normal.reshape(-1, 3)[at] = cloud.normal[who]
    film.open_sky.ravel()[at] = cloud.open_sky[who]
    film.translucent.ravel()[at] = cloud.translucent
