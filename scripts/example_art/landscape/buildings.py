"""The village of the landscape: flat faces with procedural walls, windows and roofs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from example_art.canvas import fbm, linear, mix, noise, palette, smoothstep
from example_art.landscape.camera import Camera, Film

PLASTERS = linear(palette("e6d9bd", "d9b889", "cf9a78", "ece6d8", "b9c2c4", "dcc48f", "c98a6b"))
ROOFS = linear(palette("a8492c", "b65a35", "97402b", "8d5138", "7a4a3c"))
SHUTTERS = linear(palette("3f6b58", "35566f", "7a3b2c", "5d6b3a"))
STONE, SLATE, COPPER, TIMBER, GLASS, TRIM, SAIL, HULL, GILT = linear(
    palette(
        "b5a78f", "4d5560", "5f8f7f", "6a5440", "232b33", "e9e4d6", "efe8da", "7c2f26", "d7a93c"
    )
)


class Face(NamedTuple):
    """A convex flat shape: corners `outline` in metres along unit vectors `u` and `v`."""

    origin: np.ndarray
    u: np.ndarray
    v: np.ndarray
    outline: np.ndarray
    kind: str
    tint: np.ndarray
    seed: int

    @property
    def corners(self) -> np.ndarray:
        return self.origin + self.outline[:, :1] * self.u + self.outline[:, 1:] * self.v

    @property
    def normal(self) -> np.ndarray:
        return np.cross(self.u, self.v)


def face(corners: list[tuple[float, float, float]], kind: str, tint: np.ndarray, seed: int) -> Face:
    """A face through corners; u runs along its first side."""
    points = np.array(corners, np.float32)
    u = points[1] - points[0]
    u /= np.linalg.norm(u)
    normal = np.cross(u, points[2] - points[0])
    v = np.cross(normal / np.linalg.norm(normal), u)
    outline = np.stack([(points - points[0]) @ u, (points - points[0]) @ v], 1)
    return Face(points[0], u, v, outline, kind, tint, seed)


def placed(faces: list[Face], x: float, y: float, z: float, turn: float) -> list[Face]:
    """Faces turned by `turn` radians about z and moved."""
    c, s = np.cos(turn), np.sin(turn)
    rotate = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32)
    shift = np.array([x, y, z], np.float32)
    return [
        f._replace(origin=f.origin @ rotate + shift, u=f.u @ rotate, v=f.v @ rotate) for f in faces
    ]


def box(
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    kind: str,
    tint: np.ndarray,
    seed: int,
) -> list[Face]:
    """The four sides and the top of an upright box."""
    (a, b, c), (d, e, f) = low, high
    sides = [((a, b), (d, b)), ((d, b), (d, e)), ((d, e), (a, e)), ((a, e), (a, b))]
    faces = [
        face([(*p, c), (*q, c), (*q, f), (*p, f)], kind, tint, seed + n)
        for n, (p, q) in enumerate(sides)
    ]
    return [*faces, face([(a, b, f), (d, b, f), (d, e, f), (a, e, f)], "plain", tint, seed)]


def house(width: float, length: float, wall: float, roof: float, seed: int) -> list[Face]:
    """A gabled house, its ridge along x, its front towards -y."""
    rng = np.random.default_rng(seed)
    plaster = PLASTERS[rng.integers(len(PLASTERS))]
    tiles = ROOFS[rng.integers(len(ROOFS))]
    a, b, over_ = width / 2, length / 2, 0.55
    faces = box((-a, -b, 0), (a, b, wall), "wall", plaster, seed)[:4]
    for side in (-1, 1):
        gable = [
            (side * a, -b * side, wall),
            (side * a, b * side, wall),
            (side * a, 0, wall + roof),
        ]
        faces.append(face(gable, "gable", plaster, seed + 9))
        drop = over_ * roof / b
        eave = (b + over_) * side
        faces.append(
            face(
                [
                    (-a - over_, eave, wall - drop),
                    (a + over_, eave, wall - drop),
                    (a + over_, 0, wall + roof),
                    (-a - over_, 0, wall + roof),
                ],
                "tiles",
                tiles,
                seed + 20,
            )
        )
    at = rng.uniform(-0.6, 0.6) * a
    stack = box(
        (at - 0.5, 0.3, wall + 0.3 * roof), (at + 0.5, 1.3, wall + roof + 1.1), "stone", STONE, seed
    )
    return faces + stack


def church(seed: int) -> list[Face]:
    """A nave with a slate roof and a tower with a copper spire."""
    faces = [
        f._replace(tint=SLATE if f.kind == "tiles" else PLASTERS[3])
        for f in house(19, 10, 7.5, 6, seed)
    ]
    a, top, tip = 2.9, 21.0, 35.0
    faces += placed(box((-a, -a, 0), (a, a, top), "tower", PLASTERS[3], seed), -11.5, -1, 0, 0)
    rim = a + 0.45
    for p, q in (((-1, -1), (1, -1)), ((1, -1), (1, 1)), ((1, 1), (-1, 1)), ((-1, 1), (-1, -1))):
        corners = [(p[0] * rim, p[1] * rim, top), (q[0] * rim, q[1] * rim, top), (0, 0, tip)]
        faces += placed([face(corners, "copper", COPPER, seed + 3)], -11.5, -1, 0, 0)
    ball = box((-0.28, -0.28, tip - 0.6), (0.28, 0.28, tip + 0.3), "plain", GILT, seed)
    cross = box((-0.07, -0.07, tip), (0.07, 0.07, tip + 2.0), "plain", GILT, seed)
    return faces + placed(ball + cross, -11.5, -1, 0, 0)


def sailboat(seed: int) -> list[Face]:
    """A small boat with two sails; the water is at z = 0."""
    hull = [(-2.9, 0, 0.75), (-2.2, 0, -0.1), (2.0, 0, -0.1), (3.1, 0, 0.95)]
    return [
        face([*hull[1:], hull[0]], "plain", HULL, seed),
        face([(-2.6, 0.05, 1.3), (0.2, 0.05, 1.3), (0.25, 0.05, 8.2)], "sail", SAIL, seed),
        face(
            [(0.55, 0.02, 1.2), (2.9, 0.02, 1.05), (0.45, 0.02, 6.8)], "sail", SAIL * 0.93, seed + 1
        ),
        face([(0.3, 0, 0.7), (0.42, 0, 0.7), (0.42, 0, 8.5), (0.3, 0, 8.5)], "plain", TIMBER, seed),
    ]


def fence(points: list[tuple[float, float, float]], seed: int) -> list[Face]:
    """Posts at points on the ground and two rails between them."""
    rng = np.random.default_rng(seed)
    faces = []
    for n, (x, y, z) in enumerate(points):
        lean = rng.normal(0, 0.03)
        post = box(
            (-0.07, -0.07, -0.3), (0.07, 0.07, 1.15 + rng.normal(0, 0.05)), "wood", TIMBER, seed + n
        )
        faces += placed(post, x + lean, y, z, rng.uniform(0, 1.5))
        if n:
            px, py, pz = points[n - 1]
            for level in (0.42, 0.86):
                sag = rng.normal(0, 0.04, 2)
                low, high = pz + level + sag[0], z + level + sag[1]
                rail = [
                    (px, py - 0.09, low),
                    (x, y - 0.09, high),
                    (x, y - 0.09, high + 0.13),
                    (px, py - 0.09, low + 0.13),
                ]
                faces.append(face(rail, "wood", TIMBER * 1.15, seed + 50 + n))
    return faces


def village(ground, seed: int) -> list[Face]:
    """Houses, church and boats; `ground(x, y)` gives the elevation."""
    rng = np.random.default_rng(seed + 40)
    places = (
        (-37, 116.5, 0.10), (-25.5, 119, -0.12), (-13.5, 117, 0.05), (-2.5, 119.5, 0.22),
        (9.5, 118, -0.08), (22, 117.5, 0.12), (33.5, 117, -0.15), (46, 112.5, 0.10),
        (57, 110, -0.2), (-31, 134, 0.4), (-18, 135, -0.3), (-6, 137, 0.15),
        (5, 139, 0.9), (33, 133, -0.4), (45, 131, 0.35), (-44, 140, 0.2),
        (57, 134, 0.15), (-24, 153, 0.25), (-9, 158, -0.3), (42, 150, 0.5),
        (-38, 162, 0.1), (30, 165, -0.2), (8, 168, 0.2), (54, 160, -0.35),
    )  # fmt: skip
    faces = []
    for number, (x, y, turn) in enumerate(places):
        size = (
            rng.uniform(7.5, 11),
            rng.uniform(6.5, 8.5),
            rng.choice([3.4, 5.9, 5.9, 6.3]),
            rng.uniform(2.6, 3.6),
        )
        quarter = np.pi / 2 if number % 4 == 2 else 0
        faces += placed(
            house(*size, seed + 100 * number), x, y, float(ground(x, y)) - 0.3, turn + quarter
        )
    faces += placed(church(seed + 7), 21, 141, float(ground(18, 140)) - 0.5, 0.22)
    faces += placed(sailboat(seed), 13.5, 62, 0, -0.6)
    faces += placed(sailboat(seed + 5), -15, 92, 0, 2.6)
    jetty = [(-5.5, 100.5, 0.75), (-4.0, 100.5, 0.75), (-3.2, 113, 0.85), (-4.9, 113, 0.85)]
    faces.append(face(jetty, "wood", TIMBER, seed))
    for n in range(5):
        faces += box(
            (-5.45 + 0.12 * n, 100.6 + 2.6 * n, -1),
            (-5.2 + 0.12 * n, 100.85 + 2.6 * n, 1.5),
            "plain",
            TIMBER,
            n,
        )
    return faces


def inside_outline(outline: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Whether points lie inside a convex outline, whichever way round it runs."""
    ring = np.roll(outline, -1, 0)
    sides = [
        (x1 - x0) * (v - y0) - (y1 - y0) * (u - x0)
        for (x0, y0), (x1, y1) in zip(outline, ring, strict=True)
    ]
    return (np.minimum.reduce(sides) >= 0) | (np.maximum.reduce(sides) <= 0)


def draw(film: Film, camera: Camera, faces: list[Face]) -> None:
    """Record faces on the film, in place, where they are nearer than what is there."""
    columns, rows = camera.columns(), camera.rows()
    for item in faces:
        px, py = camera.project(item.corners)
        left, right = int(max(px.min() - 1, 0)), int(min(px.max() + 2, camera.width))
        top, bottom = int(max(py.min() - 1, 0)), int(min(py.max() + 2, camera.height))
        if left >= right or top >= bottom or item.corners[:, 1].min() < 1:
            continue
        normal = item.normal
        eye = np.array([0, 0, camera.z], np.float32)
        a, s = np.meshgrid(columns[left:right], rows[top:bottom])
        facing = normal[0] * a + normal[1] + normal[2] * s
        facing = np.where(np.abs(facing) < 1e-6, 1e-6, facing)
        depth = float(normal @ (item.origin - eye)) / facing
        place = depth[..., None] * np.stack([a, np.ones_like(a), s], -1) + eye - item.origin
        u, v = place @ item.u, place @ item.v
        inside = (depth > 1) & inside_outline(item.outline, u, v)
        view = (slice(top, bottom), slice(left, right))
        inside &= depth < film.depth[view]
        if not inside.any():
            continue
        film.depth[view][inside] = depth[inside]
        toward = -normal if float(normal @ (item.origin - eye)) > 0 else normal
        film.normal[view][inside] = toward
        albedo, open_sky = _material(item, u[inside], v[inside])
        film.albedo[view][inside] = albedo
        film.open_sky[view][inside] = open_sky
        film.translucent[view][inside] = 0.5 if item.kind == "sail" else 0.0


def points(faces: list[Face], spacing: float) -> np.ndarray:
    """Points spread over faces: what casts their shadow."""
    found = []
    for item in faces:
        low, high = item.outline.min(0), item.outline.max(0)
        u, v = np.meshgrid(np.arange(low[0], high[0], spacing), np.arange(low[1], high[1], spacing))
        inside = inside_outline(item.outline, u, v)
        found.append(item.origin + u[inside][:, None] * item.u + v[inside][:, None] * item.v)
    return np.concatenate(found).astype(np.float32)


def _material(item: Face, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour (linear) and openness to the sky of points on a face."""
    grain = fbm(u * 1.3 + item.seed, v * 1.3, item.seed, 4)
    fine = noise(u * 6, v * 6, item.seed + 1)
    colour = item.tint * (1 + 0.10 * grain + 0.05 * fine)[:, None]
    open_sky = np.ones_like(u)
    width, height = item.outline.max(0)
    if item.kind in ("tiles", "copper"):
        row = np.floor(v / 0.42)
        cell = np.floor(u / 0.34 + 0.5 * (row % 2))
        chance = np.sin(cell * 127.1 + row * 311.7 + item.seed) * 43758.5
        chance = chance - np.floor(chance)
        spread = 0.55 if item.kind == "tiles" else 0.25
        colour = colour * (1 - spread / 2 + spread * chance)[:, None]
        colour = colour * (1 - 0.30 * smoothstep(0.75, 1.0, v / 0.42 - row))[:, None]
        stain = smoothstep(0.1, 0.8, fbm(u / 1.8, v / 4, item.seed + 2, 3))
        colour = mix(colour, linear([0.30, 0.28, 0.22]), (0.45 * stain)[:, None])
    elif item.kind == "wood":
        colour = colour * (1 + 0.35 * noise(u * 1.2, v * 30, item.seed + 3))[:, None]
    elif item.kind in ("wall", "tower"):
        colour, open_sky = _openings(item, u, v, width, height, colour)
    elif item.kind == "gable":
        hole = (np.abs(u - width / 2) < 0.4) & (v > 0.5) & (v < 1.5)
        rim = (np.abs(u - width / 2) < 0.55) & (v > 0.35) & (v < 1.65)
        colour = np.where(hole[:, None], GLASS, np.where(rim[:, None], TRIM, colour))
    return np.clip(colour, 0.003, 1).astype(np.float32), open_sky.astype(np.float32)


def _openings(
    item: Face, u: np.ndarray, v: np.ndarray, width: float, height: float, colour: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A plastered wall with a plinth, stains, a door and rows of shuttered windows."""
    streak = smoothstep(0.0, 0.9, fbm(u * 1.1, v / 5, item.seed + 5, 3))
    colour = colour * (1 - 0.22 * streak * smoothstep(0.2, 1.0, v / height))[:, None]
    plinth = v < 0.75 + 0.05 * noise(u * 2, v * 2, item.seed + 6)
    colour = np.where(
        plinth[:, None], STONE * (0.75 + 0.2 * noise(u * 2.5, v * 3.5, item.seed))[:, None], colour
    )
    open_sky = 1 - 0.55 * smoothstep(height - 1.1, height - 0.1, v) - 0.30 * smoothstep(1.0, 0, v)
    tower = item.kind == "tower"
    across = 1 if tower else max(2, round(width / 2.7))
    pitch = width / across
    cell = np.floor(u / pitch)
    du = u - (cell + 0.5) * pitch
    rises = (6.0, 11.5, 16.2) if tower else tuple(np.arange(1.15, height - 1.6, 2.75))
    half, tall = (0.62, 2.5) if tower else (0.50, 1.45)
    shutter = SHUTTERS[item.seed // 100 % len(SHUTTERS)]
    chance = np.sin(cell * 91.7 + item.seed) * 4375.5
    chance = chance - np.floor(chance)
    for level, sill in enumerate(rises):
        dv = v - sill
        arch = tall - (du**2) * 1.4 if tower else tall
        hole = (np.abs(du) < half) & (dv > 0) & (dv < arch)
        rim = (np.abs(du) < half + 0.16) & (dv > -0.18) & (dv < arch + 0.16)
        leaf = (np.abs(du) < half * 2.0 + 0.1) & (dv > -0.02) & (dv < tall) & ~rim
        if not tower:
            slat = 0.8 + 0.2 * np.sign(np.sin(dv * 40))
            colour = np.where(leaf[:, None], shutter * slat[:, None], colour)
        colour = np.where(rim[:, None], TRIM * 0.9, colour)
        pane = (
            GLASS * (0.6 + 1.6 * smoothstep(0, tall, dv) * ((chance + level * 0.37) % 1))[:, None]
        )
        bar = (np.abs(du) < 0.05) | (np.abs(dv - tall * 0.55) < 0.05)
        pane = np.where((bar & (not tower))[:, None], TRIM * 0.8, pane)
        colour = np.where(hole[:, None], pane, colour)
    if tower:
        clock = np.hypot(du, v - 14.6)
        colour = np.where((clock < 1.15)[:, None], TRIM, colour)
        dark = (np.abs(clock - 1.1) < 0.12) | ((np.abs(du) < 0.09) & (v > 14.6) & (clock < 0.95))
        colour = np.where(dark[:, None], GLASS, colour)
        band = np.abs(((v + 0.4) % 5.3) - 0.4) < 0.16
        colour = np.where(band[:, None], STONE, colour)
        return colour, open_sky
    door = (np.abs(du) < 0.62) & (v < 2.35) & (cell == across // 2) & (item.seed % 100 == 0)
    return np.where(door[:, None], TIMBER * 0.7, colour), open_sky
