"""The still life: camera, arrangement and light."""

from __future__ import annotations

import numpy as np

from example_art.canvas import Picture, develop, mix, shrink, smoothstep
from example_art.still_life import fruit, table, vessels
from example_art.still_life.tracing import (
    SUN_LIGHT,
    WINDOW_LIGHT,
    Body,
    Surface,
    Vectors,
    dot,
    march,
    normals,
    room_lit,
    room_seen,
    sun_lit,
    unit,
    window_lit,
    window_seen,
    within,
)

ASPECT = 544 / 768
SUPERSAMPLING = 2
EYE = np.array([0.0, -6.6, 2.25], np.float32)
TARGET = np.array([0.05, 0.0, 0.56], np.float32)
FOCAL = 1.56
WALL_Y = 2.3
TABLE, WALL = -1, -2


def arrangement(seed: int) -> list[Body]:
    rng = np.random.default_rng(seed)
    bunch = []
    for level, count in enumerate((4, 7, 8, 7, 5, 3, 2)):
        for _ in range(count):
            along = level / 6
            middle = np.array(
                [-0.50 - 0.34 * along, -0.02 - 0.62 * along, 0.58 - 0.47 * along**0.8]
            )
            bunch.append(middle + rng.normal(0, 1, 3) * (0.15, 0.12, 0.05) * (1.1 - 0.5 * along))
    centres = _settle(np.array(bunch), 0.095)
    return [
        vessels.bottle(-1.22, 0.62, seed + 1),
        vessels.jug(1.22, 0.42, seed + 2),
        vessels.bowl(0.02, 0.30, seed + 3),
        fruit.apple(0.02, 0.02, 0.27, 0.30, seed + 4, 0.6, 0.35, 0.35),
        fruit.orange(0.38, 0.34, 0.30, 0.27, seed + 5),
        fruit.apple(-0.24, 0.50, 0.30, 0.29, seed + 6, 2.2, 0.2, -0.25),
        fruit.orange(0.16, 0.66, 0.34, 0.26, seed + 7),
        fruit.grapes(centres, 0.095, seed + 8),
        fruit.pear(0.66, -0.60, 0.015, 0.265, seed + 9, 0.16),
        fruit.lemon(1.42, -0.62, 0.02, 0.215, seed + 10, 0.5),
        fruit.apple(-1.42, -0.42, 0.02, 0.30, seed + 11, 1.2, 0.25, 0.15),
        fruit.cut_orange(0.06, -0.98, 0.02, 0.25, seed + 12, -0.62),
    ]


def _settle(centres: np.ndarray, radius: float) -> np.ndarray:
    """Push grapes apart until none overlap much, above the table."""
    for _ in range(60):
        away = centres[:, None] - centres[None]
        far = np.linalg.norm(away, axis=-1) + np.eye(len(centres)) * 9
        push = np.clip(1.86 * radius - far, 0, None)[..., None] * away / far[..., None]
        centres = centres + 0.35 * push.sum(1)
        centres[:, 2] = np.maximum(centres[:, 2], radius + 0.02)
    return centres


def shoot(width: int, height: int) -> Vectors:
    """Unit directions through the pixels, row by row."""
    ahead = unit(TARGET - EYE)
    right = unit(np.cross(ahead, [0, 0, 1]).astype(np.float32))
    up = np.cross(right, ahead)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = (x + 0.5 - width / 2) / width, (height / 2 - y - 0.5) / width
    return unit(FOCAL * ahead + u[..., None] * right + v[..., None] * up).reshape(-1, 3)


def meet(toward: Vectors, bodies: list[Body], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Length of each ray from the eye and the number of what it meets."""
    origin = np.broadcast_to(EYE, toward.shape)
    length = (WALL_Y - EYE[1]) / toward[:, 1]
    owner = np.full(len(toward), WALL)
    enter = (0.24 - EYE[2]) / np.minimum(toward[:, 2], -1e-6)
    low = np.flatnonzero((toward[:, 2] < 0) & (enter < length))
    # Below the board's edge rays may pass a long way before they meet the hanging cloth.
    met = march(
        table.table_distance(seed), origin[low], toward[low], enter[low], length[low], 90, 1.5e-3
    )
    found = np.isfinite(met)
    length[low[found]], owner[low[found]] = met[found], TABLE
    for number, body in enumerate(bodies):
        index, start, stop = within(body, origin, toward)
        local = origin[index] - body.place
        met = march(
            body.distance, local, toward[index], start, np.minimum(stop, length[index]), 90, 8e-4
        )
        found = met < length[index]
        length[index[found]], owner[index[found]] = met[found], number
    return length.astype(np.float32), owner


def look(
    points: Vectors, owner: np.ndarray, bodies: list[Body], seed: int
) -> tuple[Vectors, Surface, np.ndarray]:
    """Normals and surfaces at points, each on the body that it belongs to."""
    normal = np.zeros_like(points)
    albedo = np.zeros_like(points)
    mirror, blur, wrap = (np.zeros(len(points), np.float32) for _ in range(3))
    for number in np.unique(owner):
        at = np.flatnonzero(owner == number)
        local = points[at]
        if number == WALL:
            normal[at] = (0, -1, 0)
            surface = table.wall_surface(local, seed)
        elif number == TABLE:
            normal[at] = normals(table.table_distance(seed), local, 4e-3)
            surface = table.table_surface(local, seed)
        else:
            body = bodies[number]
            local = local - body.place
            normal[at] = normals(body.distance, local)
            surface = body.surface(local, normal[at])
        albedo[at], mirror[at], blur[at], wrap[at] = surface[0], surface[1], surface[2], surface[3]
    return normal, Surface(albedo, mirror, blur), wrap


def render(size: int, seed: int) -> Picture:
    """Take the picture, `size` px wide, in sRGB."""
    width, height = size * SUPERSAMPLING, round(size * ASPECT) * SUPERSAMPLING
    rng = np.random.default_rng(seed + 1)
    bodies = arrangement(seed)
    toward = shoot(width, height)
    length, owner = meet(toward, bodies, seed)
    points = EYE + length[:, None] * toward
    normal, surface, wrap = look(points, owner, bodies, seed)

    # Every pixel's four rays share out a 4 x 4 grid of places on the window.
    y, x = np.divmod(np.arange(len(toward)), width)
    turn = (y % 2) * 2 + x % 2
    picks = []
    for pick in range(4):
        cell = (turn + pick * 5) % 4 + 4 * pick
        u, v = rng.uniform(size=(2, len(toward))).astype(np.float32)
        cell_u, cell_v = (cell % 4).astype(np.float32), (cell // 4).astype(np.float32)
        picks.append(((cell_u + 0.2 + 0.6 * u) / 2 - 1, (cell_v + 0.2 + 0.6 * v) / 2 - 1))
    direct = window_lit(points, normal, owner, bodies, picks, wrap)
    spread = rng.uniform(-0.2, 0.2, points.shape).astype(np.float32)
    spread[:, 0] += turn % 2 - 0.5
    spread[:, 2] += turn // 2 - 0.5
    shake = 0.0065 * spread
    sun = sun_lit(points, normal, owner, bodies, shake)
    light = direct[:, None] * WINDOW_LIGHT + sun[:, None] * SUN_LIGHT
    light = light + room_lit(points, normal, owner, bodies)
    picture = surface.albedo * light

    facing = np.maximum(-dot(normal, toward), 0)
    bounce = unit(toward + 2 * facing[:, None] * normal)
    fresnel = surface.mirror + (1 - surface.mirror) * (1 - facing) ** 5 * np.clip(
        1 - surface.blur * 1.6, 0, 1
    )
    glare = window_seen(points, bounce, surface.blur) / (1 + 7 * surface.blur)
    own = smoothstep(0, 0.06, direct) * 0.85 + 0.15
    seen = glare[:, None] * own[:, None] * WINDOW_LIGHT * 0.62 + room_seen(points, bounce)
    picture = picture + fresnel[:, None] * seen * (surface.mirror > 0)[:, None]

    glass = owner == next(n for n, b in enumerate(bodies) if b.name == "bottle")
    glass &= (surface.mirror == np.float32(0.05)) & (surface.blur < 0.035)
    # Light that went in on the window's side comes out opposite, in a bright band.
    side = normal[glass, 0]
    band = np.exp(-(((side - 0.66) / 0.17) ** 2)) + 0.35 * np.exp(-(((side + 0.80) / 0.10) ** 2))
    height_on_glass = points[glass, 2]
    wine = smoothstep(1.26, 1.22, height_on_glass)
    through = 0.028 + band * (0.10 + 0.10 * (1 - wine)) + 0.05 * (1 - wine)
    picture[glass] += through[:, None] * mix([0.62, 0.85, 0.30], [0.42, 0.55, 0.12], wine[:, None])

    picture = picture.reshape(height, width, 3)
    grain = 0.010 * rng.normal(size=(height, width, 1)).astype(np.float32)
    toned = develop(picture, 1.3) + grain
    v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    corner = mix(1, 0.80, smoothstep(0.75, 1.6, np.hypot(u, v)))
    return np.clip(shrink((toned * corner[..., None]).astype(np.float32), SUPERSAMPLING), 0, 1)
