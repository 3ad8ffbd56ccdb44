"""Trees, grass and reeds of the landscape, as clouds of small discs."""

from __future__ import annotations

import numpy as np

from example_art.canvas import linear, noise, palette, smoothstep
from example_art.landscape.camera import Cloud
from example_art.landscape.terrain import elevation, far_shore, near_shore, woodland

BROADLEAF, CONIFER, POPLAR = 0, 1, 2
LEAF_LIGHT = 0.35  # The share of sunlight that a leaf lets through.
LEAVES = linear(
    palette(
        "5f7a2e", "77893a", "47692f", "8f9440", "55703a", "b08a35", "9a5a2a", "557a3f", "6b8236"
    )
)
NEEDLES = linear(palette("2f4a30", "3a5536", "2a4038"))
BARK = linear(palette("54432f"))[0]
GRASSES = linear(palette("6e7f35", "8a9445", "b5a65c", "56702f", "c4b77a"))
FLOWERS = linear(palette("c9302a", "e8e2d4", "e2b43a", "8a6fb8"))


def join(clouds: list[Cloud]) -> Cloud:
    """One cloud of several."""
    parts = {
        name: np.concatenate([getattr(cloud, name) for cloud in clouds])
        for name in ("place", "normal", "albedo", "open_sky", "size")
    }
    return Cloud(**parts, translucent=LEAF_LIGHT)


def discs(
    place: np.ndarray,
    normal: np.ndarray,
    albedo: np.ndarray,
    open_sky: np.ndarray | float,
    size: np.ndarray | float,
) -> Cloud:
    """A cloud from arrays whose leading axes agree; numbers hold for every disc."""
    shape = place.shape[:-1]
    return Cloud(
        place=place.reshape(-1, 3).astype(np.float32),
        normal=normal.reshape(-1, 3).astype(np.float32),
        albedo=albedo.reshape(-1, 3).astype(np.float32),
        open_sky=np.broadcast_to(open_sky, shape).reshape(-1).astype(np.float32),
        size=np.broadcast_to(size, shape).reshape(-1).astype(np.float32),
        translucent=LEAF_LIGHT,
    )


def _ball(rng: np.random.Generator, count: int) -> np.ndarray:
    toward = rng.normal(size=(count, 3)).astype(np.float32)
    return toward / np.linalg.norm(toward, axis=1, keepdims=True)


def crown(
    kind: int, count: int, rng: np.random.Generator, boughs: int = 16
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leaves of a tree one high: places, normals, and how open to the sky each is."""
    if kind == CONIFER:
        up = 1 - np.sqrt(rng.uniform(0.0, 1, count)) * 0.90
        tier = (up * 9) % 1
        turn = rng.uniform(0, 2 * np.pi, count)
        reach = 0.24 * (1.02 - up) * (1.05 - 0.5 * tier) * np.sqrt(rng.uniform(0.25, 1, count))
        reach *= 1 + 0.22 * np.sin(turn * 5 + np.floor(up * 9) * 2.4)
        place = np.stack([reach * np.cos(turn), reach * np.sin(turn), up], 1)
        normal = np.stack([np.cos(turn), np.sin(turn), np.full(count, 0.55)], 1)
        open_sky = np.clip(reach / (0.24 * (1.05 - up)) * (1.15 - 0.6 * tier), 0.12, 1)
    else:
        middle = _ball(rng, boughs) * rng.uniform(0.35, 1, (boughs, 1)) ** 0.5
        if kind == BROADLEAF:
            centre = middle * (0.29, 0.29, 0.25) + (0, 0, 0.63)
            size = rng.uniform(0.09, 0.17, boughs) * (16 / boughs) ** 0.55
        else:
            centre = middle * (0.055, 0.055, 0.40) + (0, 0, 0.54)
            size = rng.uniform(0.07, 0.10, boughs)
        which = rng.integers(0, boughs, count)
        toward = _ball(rng, count)
        radius = size[which] * rng.uniform(0.55, 1.0, count) ** 0.4
        place = centre[which] + toward * radius[:, None] * (1, 1, 0.85)
        whole = place - (0, 0, 0.58)
        spread = (0.42, 0.42, 0.40) if kind == BROADLEAF else (0.14, 0.14, 0.48)
        depth = np.linalg.norm(whole / spread, axis=1)
        normal = (
            0.65 * toward + 0.5 * whole / np.maximum(np.linalg.norm(whole, axis=1), 1e-3)[:, None]
        )
        normal += 0.25 * _ball(rng, count)
        open_sky = np.clip(0.15 + 0.75 * depth**2 * (0.55 + 0.45 * toward[:, 2]), 0.08, 1)
    normal = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    return place.astype(np.float32), normal.astype(np.float32), open_sky.astype(np.float32)


def plant(
    kind: int,
    places: np.ndarray,
    heights: np.ndarray,
    leaf: float,
    count: int,
    rng: np.random.Generator,
    boughs: int = 16,
) -> Cloud:
    """Trees of one kind at `places`, each with `count` leaves of radius `leaf`."""
    shapes = [crown(kind, count, rng, boughs) for _ in range(6)]
    trees = len(places)
    pick = rng.integers(0, 6, trees)
    place, normal, open_sky = (np.stack([s[i] for s in shapes])[pick] for i in range(3))
    turn = rng.uniform(0, 2 * np.pi, trees)
    c, s = np.cos(turn), np.sin(turn)
    zero = np.zeros(trees)
    rotate = np.stack(
        [np.stack([c, s, zero], 1), np.stack([-s, c, zero], 1), np.tile([0, 0, 1.0], (trees, 1))], 1
    )
    wide = rng.uniform(0.85, 1.25, trees)
    scale = heights[:, None] * np.stack([wide, wide, np.ones(trees)], 1)
    place = (place @ rotate) * scale[:, None] + places[:, None]
    normal = normal @ rotate
    base = NEEDLES if kind == CONIFER else LEAVES
    tint = base[rng.integers(0, len(base), trees)] * rng.uniform(0.75, 1.2, (trees, 1))
    albedo = tint[:, None] * rng.uniform(0.65, 1.35, (trees, count, 1))
    return discs(place, normal, albedo, open_sky, leaf)


def trunks(places: np.ndarray, heights: np.ndarray, rng: np.random.Generator) -> Cloud:
    """Stems up to the crowns."""
    steps = 24
    up = np.tile(np.linspace(0, 0.5, steps), len(places))
    tree = np.repeat(np.arange(len(places)), steps)
    height = heights[tree]
    place = places[tree] + np.stack([0.01 * height * np.sin(up * 9 + tree), 0 * up, up * height], 1)
    normal = np.tile([-0.5, -0.8, 0.1], (len(tree), 1))
    albedo = BARK * rng.uniform(0.6, 1.3, (len(tree), 1))
    return discs(place, normal, albedo, 0.6, 0.022 * height * (1.1 - up))


def village_trees(seed: int) -> Cloud:
    """Trees along the shore, between the houses and up the slope."""
    rng = np.random.default_rng(seed + 60)
    clouds = []
    for kind, many, tall, count in (
        (BROADLEAF, 75, (4.5, 11), 1500),
        (POPLAR, 13, (12, 19), 1500),
        (CONIFER, 22, (9, 16), 1500),
        (BROADLEAF, 60, (1.6, 3.2), 500),
    ):
        x = rng.uniform(-72, 78, many)
        inland = rng.uniform(3.5, 75, many) if tall[1] > 4 else rng.uniform(1.2, 9, many)
        if kind == POPLAR:
            x, inland = (
                rng.choice([-47, -43, 66, 40], many) + rng.normal(0, 2.5, many),
                rng.uniform(3, 16, many),
            )
        y = far_shore(x) + inland
        place = np.stack([x, y, elevation(x, y, seed)], 1)
        height = rng.uniform(*tall, many)
        clouds.append(plant(kind, place, height, 0.20 if tall[1] > 4 else 0.13, count, rng))
        if tall[1] > 4:
            clouds.append(trunks(place, height, rng))
    return join(clouds)


def woods(seed: int) -> Cloud:
    """The wooded part of the hills, up to where single trees cannot be told apart."""
    rng = np.random.default_rng(seed + 61)
    clouds = []
    for kind, many, count in ((BROADLEAF, 5200, 110), (CONIFER, 3200, 90)):
        y = 178 * (1500 / 178) ** rng.uniform(0, 1, many)
        x = y * rng.uniform(-0.6, 0.6, many)
        wild = woodland(x, y, seed) - (0.25 if kind == BROADLEAF else 0.12)
        chance = smoothstep(-0.05, 0.12, wild + 0.5 * smoothstep(500, 1100, y)) * smoothstep(
            170, 230, y
        )
        chance = np.maximum(chance, 0.06)
        keep = rng.uniform(size=many) < chance
        x, y = x[keep], y[keep]
        place = np.stack([x, y, elevation(x, y, seed) - 0.5], 1)
        height = rng.uniform(9, 17, len(x)) * (1 + 0.35 * smoothstep(600, 1500, y))
        clouds.append(plant(kind, place, height, 0.75, count, rng))
    return join(clouds)


def big_tree(x: float, y: float, height: float, seed: int) -> Cloud:
    """A tree near enough to show its leaves; its crown hangs into the picture."""
    rng = np.random.default_rng(seed + 62)
    base = np.array([[x, y, elevation(np.array([x]), np.array([y]), seed)[0]]])
    crowns = [plant(BROADLEAF, base, np.array([height]), 0.045, 46_000, rng, 60)]
    crowns[0] = crowns[0]._replace(albedo=crowns[0].albedo * np.array([1.45, 1.5, 1.1], np.float32))
    steps, around = 260, 60
    up, turn = np.meshgrid(np.linspace(0, 0.62, steps), np.linspace(0, 2 * np.pi, around, False))
    up, turn = up.ravel(), turn.ravel()
    clouds = []
    for bough in range(7):
        lean = 0.0 if bough == 0 else rng.uniform(0.12, 0.30)
        heading = rng.uniform(0, 2 * np.pi)
        fork = 0.0 if bough == 0 else rng.uniform(0.22, 0.40)
        above = np.maximum(up - fork, 0)
        radius = (0.030 if bough == 0 else 0.013) * (1.05 - up / 0.7) * (1 + 0.6 * np.exp(-up * 22))
        radius = radius * (1 + 0.12 * noise(turn * 2.2, up * 30, seed + bough))
        stem_x = 0.02 * np.sin(up * 8) + lean * above * 1.6 * np.cos(heading)
        stem_y = lean * above * 1.6 * np.sin(heading)
        stem_x, stem_y = stem_x + radius * np.cos(turn), stem_y + radius * np.sin(turn)
        place = np.stack([stem_x, stem_y, up], 1) * height + base
        normal = np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1)
        ridge = smoothstep(-0.5, 0.5, noise(turn * 5, up * 40, seed + 20 + bough))
        albedo = BARK * (0.45 + 0.9 * ridge)[:, None]
        here = up >= fork
        clouds.append(discs(place[here], normal[here], albedo[here], 0.55, 0.020))
    return join(crowns + clouds)


def meadow(seed: int) -> Cloud:
    """Grass blades, flowers and reeds of the near bank."""
    rng = np.random.default_rng(seed + 63)
    many, knots = 60_000, 7
    y = 12 * (50 / 12) ** rng.uniform(0, 1, many)
    x = y * rng.uniform(-0.62, 0.62, many)
    inland = near_shore(x) - y
    ground = elevation(x, y, seed)
    keep = (inland > 0.1) & (y < 60)
    x, y, inland, ground = x[keep], y[keep], inland[keep], ground[keep]
    many = len(x)
    tuft = 0.5 + 0.6 * noise(x / 1.1, y / 1.1, seed + 64)
    tall = np.clip(0.20 + 0.30 * tuft, 0.08, 0.8) * rng.uniform(0.6, 1.4, many)
    reed = inland < 0.9
    tall = np.where(reed, rng.uniform(0.5, 1.5, many), tall)
    lean = rng.normal((0.22, 0), 0.28, (many, 2))
    up = np.linspace(0, 1, knots)
    bend = up**2
    px = x[:, None] + lean[:, :1] * tall[:, None] * bend
    py = y[:, None] + lean[:, 1:] * tall[:, None] * bend
    pz = ground[:, None] + tall[:, None] * up
    tint = GRASSES[rng.integers(0, len(GRASSES), many)] * rng.uniform(0.6, 1.25, (many, 1))
    albedo = tint[:, None] * (0.55 + 0.7 * up)[:, None]
    normal = np.array([-0.25, -0.55, 0.6]) + 0.3 * rng.normal(size=(many, 1, 3))
    normal = np.repeat(normal / np.linalg.norm(normal, axis=-1, keepdims=True), knots, 1)
    size = np.broadcast_to(0.017 * (1.15 - up), (many, knots)) * rng.uniform(0.7, 1.3, (many, 1))
    bloom = ~reed & (rng.uniform(size=many) < 0.05 * smoothstep(0.5, 0.9, tuft))
    albedo[bloom, -1] = FLOWERS[rng.integers(0, len(FLOWERS), many)][bloom]
    size[bloom, -1] = 0.040
    return discs(np.stack([px, py, pz], -1), normal, albedo, 0.25 + 0.75 * up, size)
