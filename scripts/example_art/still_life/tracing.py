"""Rays against signed distance functions, lit by one window and the room around it.

The world is in units of about ten centimetres: x to the right, y away, z up from the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from example_art.canvas import mix, smoothstep

Vectors = Float[np.ndarray, "count 3"]
Distance = Callable[[Vectors], np.ndarray]

# The window: a corner-free rectangle by centre, two half sides, and the light it gives off.
WINDOW_CENTRE = np.array([-4.4, -2.0, 2.9], np.float32)
WINDOW_ACROSS = np.array([0.55, -0.85, 0.0], np.float32) * 0.95
WINDOW_UP = np.array([0.0, 0.0, 1.25], np.float32)
WINDOW_LIGHT = np.array([1.0, 0.93, 0.80], np.float32) * 17.0
SUN_WAY = np.array([-5.35, -4.3, 1.25], np.float32) / 6.98
SUN_LIGHT = np.array([1.0, 0.86, 0.62], np.float32) * 2.1
ROOM_LIGHT = np.array([0.30, 0.27, 0.25], np.float32) * 0.55


class Surface(NamedTuple):
    """What a body looks like at points on it.

    `mirror` is the share of light reflected head on, `blur` the softness of reflections, and
    `wrap` how far light creeps round the terminator, as in grapes.
    """

    albedo: Vectors
    mirror: np.ndarray
    blur: np.ndarray
    wrap: float = 0.0


class Body(NamedTuple):
    """A body at `place`, within `reach` of `place` + (0, 0, `lift`).

    `balls` (x, y, z, radius) stand in for it where it shades and tints its neighbours.
    """

    name: str
    place: np.ndarray
    lift: float
    reach: float
    distance: Distance
    surface: Callable[[Vectors, Vectors], Surface]
    balls: tuple[tuple[float, float, float, float], ...]
    tint: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        return self.place + np.array([0, 0, self.lift], np.float32)


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.sqrt(dot(vectors, vectors)), 1e-9)[..., None]


def march(
    distance: Distance,
    origin: Vectors,
    toward: Vectors,
    start: np.ndarray,
    stop: np.ndarray,
    steps: int,
    touch: float,
) -> np.ndarray:
    """Length along each ray at which it meets the body, infinite where it does not."""
    length = np.full(len(toward), np.inf, np.float32)
    live = np.arange(len(toward))
    at = start.astype(np.float32)
    for _ in range(steps):
        gap = distance(origin[live] + at[live, None] * toward[live])
        met = gap < touch
        length[live[met]] = at[live[met]]
        at[live] += np.maximum(gap, touch * 0.5)
        live = live[~met & (at[live] < stop[live])]
        if not len(live):
            break
    return length


def within(
    body: Body, origin: Vectors, toward: Vectors
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rays that cross the ball round a body: their indices, and where they enter and leave."""
    offset = origin - body.middle
    along = dot(offset, toward)
    inside = along**2 - dot(offset, offset) + body.reach**2
    index = np.flatnonzero((inside > 0) & (-along + np.sqrt(np.maximum(inside, 0)) > 0))
    root = np.sqrt(inside[index])
    return index, np.maximum(-along[index] - root, 0), -along[index] + root


def normals(distance: Distance, points: Vectors, step: float = 1.5e-3) -> Vectors:
    """Outward unit normals from four samples on a tetrahedron."""
    total = np.zeros_like(points)
    for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        way = np.array(corner, np.float32)
        total += way * distance(points + way * step)[:, None]
    return unit(total)


def window_seen(points: Vectors, toward: Vectors, blur: np.ndarray | float) -> np.ndarray:
    """Share of the window's light that comes along directions: its panes, softened by `blur`."""
    facing = np.cross(WINDOW_ACROSS, WINDOW_UP)
    slope = toward @ facing
    length = dot(WINDOW_CENTRE - points, facing) / np.where(np.abs(slope) < 1e-6, 1e-6, slope)
    place = points + toward * length[:, None] - WINDOW_CENTRE
    u = place @ WINDOW_ACROSS / (WINDOW_ACROSS @ WINDOW_ACROSS)
    v = place @ WINDOW_UP / (WINDOW_UP @ WINDOW_UP)
    soft = np.maximum(blur, 0.02) * 2.2

    def band(value: np.ndarray, half: float) -> np.ndarray:
        t = np.clip((half + soft - np.abs(value)) / (2 * soft), 0, 1)
        return t * t * (3 - 2 * t)

    thin = np.clip(1 - 2.2 * soft, 0, 1)
    bars = np.maximum(band(u, 0.035), np.maximum(band(v - 0.15, 0.03), band(v + 0.52, 0.03)))
    return band(u, 1.0) * band(v, 1.0) * (1 - thin * bars) * (length > 0)


def unshaded(
    points: Vectors, way: Vectors, owner: np.ndarray, bodies: Sequence[Body], soft: np.ndarray
) -> np.ndarray:
    """1 where nothing lies along `way` from a point, else 0.

    Bodies marked `soft` are shaded by their own terminator, not by their own rays.
    """
    clear = np.ones(len(points), np.float32)
    for number, body in enumerate(bodies):
        index, enter, leave = within(body, points, way)
        keep = ~((owner[index] == number) & soft[index]) & (clear[index] > 0)
        index, enter, leave = index[keep], enter[keep], leave[keep]
        if len(index):
            local = points[index] - body.place
            met = march(body.distance, local, way[index], enter, leave, 26, 6e-3)
            clear[index[np.isfinite(met)]] = 0
    return clear


def window_lit(
    points: Vectors,
    normal: Vectors,
    owner: np.ndarray,
    bodies: Sequence[Body],
    picks: Sequence[tuple[np.ndarray, np.ndarray]],
    wrap: np.ndarray,
) -> np.ndarray:
    """Irradiance from the window over pi, from one sample of it per entry of `picks`.

    `picks` are positions on the window, each coordinate in [-1, 1]. `owner` is the number of the
    body that each point lies on, or -1.
    """
    facing = unit(np.cross(WINDOW_ACROSS, WINDOW_UP))
    area = 4 * np.linalg.norm(np.cross(WINDOW_ACROSS, WINDOW_UP))
    total = np.zeros(len(points), np.float32)
    for u, v in picks:
        target = WINDOW_CENTRE + u[:, None] * WINDOW_ACROSS + v[:, None] * WINDOW_UP
        way = target - points
        far = np.sqrt(dot(way, way))
        way /= far[:, None]
        cosine = (dot(normal, way) + wrap) / (1 + wrap)
        strength = np.maximum(cosine, 0) * np.abs(way @ facing) * area / (far**2 * np.pi)
        live = np.flatnonzero(strength > 0)
        origin = points[live] + 0.012 * normal[live]
        clear = unshaded(origin, way[live], owner[live], bodies, wrap[live] > 0)
        total[live] += strength[live] * clear
    return total / len(picks)


def sun_lit(
    points: Vectors, normal: Vectors, owner: np.ndarray, bodies: Sequence[Body], shake: Vectors
) -> np.ndarray:
    """Sunlight (cosine times visibility) that falls through the panes; `shake` blurs its edge."""
    way = unit(SUN_WAY + shake)
    strength = np.maximum(dot(normal, way), 0) * window_seen(points, way, 0.045)
    live = np.flatnonzero(strength > 1e-3)
    origin = points[live] + 0.012 * normal[live]
    soft = np.zeros(len(live), bool)
    strength[live] *= unshaded(origin, way[live], owner[live], bodies, soft)
    return strength


def room_lit(
    points: Vectors, normal: Vectors, owner: np.ndarray, bodies: Sequence[Body]
) -> Vectors:
    """Light from the room, held back and tinted by the balls that stand in for the bodies."""
    up = 0.62 + 0.38 * normal[:, 2] - 0.18 * normal[:, 0]
    light = up[:, None] * ROOM_LIGHT
    for number, body in enumerate(bodies):
        away = body.middle - points
        near = np.flatnonzero((dot(away, away) < (7 * body.reach) ** 2) & (owner != number))
        here, outward, gathered = points[near], normal[near], light[near]
        for x, y, z, radius in body.balls:
            away = body.place + np.array([x, y, z], np.float32) - here
            far2 = dot(away, away)
            cosine = dot(outward, away) / np.sqrt(far2)
            share = np.clip(cosine * 0.75 + 0.25, 0, 1) * np.minimum(radius**2 / far2, 1)
            share = share[:, None]
            gathered = gathered * (1 - 0.92 * share) + share * (1 - share) * body.tint * 0.22
        light[near] = gathered
    return light


def room_seen(points: Vectors, toward: Vectors) -> Vectors:
    """Light of the dim room along directions: table below, paler ceiling, far wall to the left."""
    up = smoothstep(-0.3, 0.9, toward[:, 2])
    left = smoothstep(0.4, -0.9, toward[:, 0])
    low = np.array([0.20, 0.15, 0.10], np.float32)
    return mix(low, [0.17, 0.16, 0.16], up[:, None]) * (0.45 + 0.9 * left)[:, None]
