"""The bodies of the still life: their shapes as distances, and their surfaces."""

from __future__ import annotations

import numpy as np

from example_art.canvas import fbm, linear, mix, noise, palette, smoothstep
from example_art.still_life.tracing import Body, Distance, Surface, Vectors, unit

RED, DEEP_RED, BLUSH, LIME, LEMON, ORANGE, PEAR, RUSSET, GRAPE, BLOOM = linear(
    palette("a81f1c", "6e1218", "d9672f", "b9b04a", "ecc52e", "e07a14", "b7ad3f", "9a6a2f", "3c1c3f", "8a86a6")
)
STEM, GLAZE, COBALT, CLAY, COPPER, LABEL, GREEN_GLASS, PITH, WAX = linear(
    palette("4a3620", "dcd9cd", "24408a", "a06a45", "c26a3c", "ddcfa6", "1c3318", "f2e6c4", "5a1414")
)
LINEN, STRIPE, OAK, WALL = linear(palette("d9d3c4", "3d5c80", "7b4f2c", "7d7763"))
TABLE_FRONT, TABLE_BACK = -1.62, 1.55


def around(p: Vectors) -> np.ndarray:
    return np.hypot(p[:, 0], p[:, 1])


def smooth_min(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Minimum with a fillet (polynomial form by I. Quilez)."""
    h = np.maximum(width - np.abs(a - b), 0) / width
    return np.minimum(a, b) - h * h * width / 4


def vector(x: float, y: float, z: float) -> np.ndarray:
    return np.array([x, y, z], np.float32)


def norm(p: Vectors) -> np.ndarray:
    return np.sqrt(p[:, 0] ** 2 + p[:, 1] ** 2 + p[:, 2] ** 2)


def capsule(p: Vectors, a: tuple, b: tuple, radius: float) -> np.ndarray:
    start, way = np.array(a, np.float32), np.subtract(b, a).astype(np.float32)
    part = np.clip((p - start) @ way / (way @ way), 0, 1)
    return norm(p - start - part[:, None] * way) - radius


def turned(distance: Distance, rotate: np.ndarray) -> Distance:
    return lambda p: distance(p @ rotate)


def rotation(yaw: float, tilt: float = 0.0) -> np.ndarray:
    """Local axes as columns: tilted about y, then turned about z."""
    c, s, d, t = np.cos(yaw), np.sin(yaw), np.cos(tilt), np.sin(tilt)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    about_y = np.array([[d, 0, t], [0, 1, 0], [-t, 0, d]])
    return (about_z @ about_y).astype(np.float32)


def full(p: Vectors, value: float) -> np.ndarray:
    return np.full(len(p), value, np.float32)


def apple(x: float, y: float, z: float, size: float, seed: int, yaw: float, tilt: float, red: float) -> Body:
    rotate = rotation(yaw, tilt)

    def fruit(p: Vectors) -> np.ndarray:
        length = norm(p)
        polar = np.arccos(np.clip(p[:, 2] / np.maximum(length, 1e-6), -1, 1))
        turn = np.arctan2(p[:, 1], p[:, 0])
        rim = 1 - 0.46 * np.exp(-((polar / 0.40) ** 2)) - 0.22 * np.exp(-(((np.pi - polar) / 0.34) ** 2))
        rim *= 1 + 0.055 * np.cos(polar) + 0.02 * np.cos(5 * turn) * smoothstep(1.2, 2.8, polar)
        return (length - size * rim) * 0.62

    def stem(p: Vectors) -> np.ndarray:
        bent = capsule(p, (0, 0, 0.45 * size), (0.05 * size, 0, 0.85 * size), 0.045 * size)
        return np.minimum(bent, capsule(p, (0.05 * size, 0, 0.85 * size), (0.17 * size, 0, 1.18 * size), 0.05 * size))

    def surface(p: Vectors, n: Vectors) -> Surface:
        p = p @ rotate
        turn, up = np.arctan2(p[:, 1], p[:, 0]), p[:, 2] / size
        streak = fbm(turn * 9, up * 1.3, seed, 4)
        patch = fbm(turn * 1.1 + 2, up * 1.2, seed + 1, 3)
        ripe = smoothstep(-0.55, 0.45, patch + 0.35 * streak + red - 0.5 * smoothstep(0.45, 0.85, up))
        colour = mix(mix(LIME, BLUSH, ripe[:, None]), mix(RED, DEEP_RED, (0.5 + 0.5 * streak)[:, None]), (ripe**1.5)[:, None])
        dots = smoothstep(0.62, 0.85, noise(turn * 16, up * 15, seed + 2))
        colour = mix(colour, BLUSH * 1.3, (0.45 * dots)[:, None])
        well = smoothstep(0.30, 0.05, around(p) / size) * (up > 0)
        colour = mix(colour, RUSSET * 0.6, (0.8 * well)[:, None])
        wood = (stem(p) < fruit(p)) & (up > 0.3)
        colour = np.where(wood[:, None], STEM, colour)
        return Surface(colour, np.where(wood, 0.01, 0.045), np.where(wood, 0.6, 0.10))

    def distance(p: Vectors) -> np.ndarray:
        p = p @ rotate
        return np.minimum(fruit(p), stem(p))

    place = np.array([x, y, z + 0.86 * size], np.float32)
    return Body("apple", place, 0.0, 1.3 * size, distance, surface, ((0, 0, 0, 0.92 * size),), RED)


def pear(x: float, y: float, z: float, size: float, seed: int, lean: float) -> Body:
    rotate = rotation(0.3, lean)

    def fruit(p: Vectors) -> np.ndarray:
        low = norm(p - vector(0, 0, 0.98 * size)) - size
        high = norm(p - vector(0.05 * size, 0, 2.25 * size)) - 0.48 * size
        return smooth_min(low, high, 1.05 * size) * 0.85

    def stem(p: Vectors) -> np.ndarray:
        return capsule(p, (0.05 * size, 0, 2.6 * size), (0.30 * size, 0, 3.15 * size), 0.06 * size)

    def surface(p: Vectors, n: Vectors) -> Surface:
        p = p @ rotate
        turn, up = np.arctan2(p[:, 1], p[:, 0]), p[:, 2] / size
        mottle = fbm(p[:, 0] * 9 + p[:, 1] * 5, p[:, 2] * 9, seed, 4)
        blush = smoothstep(-0.4, 0.9, np.cos(turn - 0.4) * 0.7 + mottle * 0.5)
        colour = mix(PEAR, BLUSH * 0.9, (0.65 * blush)[:, None]) * (1 + 0.12 * mottle)[:, None]
        freckle = smoothstep(0.45, 0.8, noise(turn * 17, up * 15, seed + 3))
        top = smoothstep(2.45, 2.75, up + 0.2 * mottle)
        colour = mix(colour, RUSSET * 0.7, np.maximum(0.55 * freckle, 0.7 * top)[:, None])
        wood = stem(p) < fruit(p)
        colour = np.where(wood[:, None], STEM, colour)
        return Surface(colour, np.where(wood, 0.01, 0.032), np.where(wood, 0.6, 0.22))

    def distance(p: Vectors) -> np.ndarray:
        p = p @ rotate
        return np.minimum(fruit(p), stem(p))

    balls = ((0, 0, 0.98 * size, 0.97 * size), (0.3 * lean, 0, 2.2 * size, 0.5 * size))
    place = np.array([x, y, z], np.float32)
    return Body("pear", place, 1.5 * size, 1.95 * size, distance, surface, balls, PEAR)


def orange(x: float, y: float, z: float, size: float, seed: int) -> Body:
    def distance(p: Vectors) -> np.ndarray:
        return (norm(p * vector(1, 1, 1.06)) - size) * 0.9

    def surface(p: Vectors, n: Vectors) -> Surface:
        turn, up = np.arctan2(p[:, 1], p[:, 0]), p[:, 2] / size
        polar = np.arccos(np.clip(up, -1, 1))
        pores = noise(turn * 13 * np.sin(polar).clip(0.2), polar * 13, seed)
        tone = fbm(turn * 1.5, up * 2, seed + 1, 3)
        colour = ORANGE * (1 + 0.12 * tone - 0.16 * smoothstep(0.2, 0.6, pores))[:, None]
        navel = smoothstep(0.22, 0.05, polar)
        colour = mix(colour, LIME * 0.5, (0.8 * navel)[:, None])
        return Surface(colour, full(p, 0.045), 0.20 + 0.08 * pores)

    place = np.array([x, y, z + 0.94 * size], np.float32)
    return Body("orange", place, 0.0, 1.05 * size, distance, surface, ((0, 0, 0, size * 0.97),), ORANGE)


def cut_orange(x: float, y: float, z: float, size: float, seed: int, yaw: float) -> Body:
    """Half an orange, lying with its cut face turned to the viewer."""
    face = unit(np.array([np.sin(yaw), -np.cos(yaw), 0.55], np.float32))
    across = unit(np.cross(face, vector(0, 0, 1)))
    over_ = np.cross(across, face)

    def distance(p: Vectors) -> np.ndarray:
        ball = norm(p) - size
        return np.maximum(ball, p @ face - 0.012 * size) * 0.9

    def surface(p: Vectors, n: Vectors) -> Surface:
        u, v = p @ across / size, p @ over_ / size
        radius, turn = np.hypot(u, v), np.arctan2(v, u)
        flat = n @ face > 0.9
        part = turn / (2 * np.pi) * 10 + 0.05 * noise(u * 3, v * 3, seed)
        wall = np.abs(part - np.round(part)) * radius * 0.62
        flesh = fbm(radius * 2.5, turn * 11, seed + 1, 3)
        pulp = ORANGE * np.array([1.1, 1.0, 0.7]) * (1.0 + 0.45 * flesh)[:, None]
        pulp = mix(pulp, LEMON * 0.9, smoothstep(0.2, 0.7, flesh)[:, None] * 0.5)
        pulp = mix(PITH, pulp, smoothstep(0.012, 0.035, wall)[:, None])
        pulp = mix(PITH, pulp, smoothstep(0.07, 0.11, radius)[:, None])
        pulp = mix(pulp, PITH, smoothstep(0.82, 0.86, radius)[:, None])
        pulp = mix(pulp, ORANGE, smoothstep(0.93, 0.95, radius)[:, None])
        pores = noise(turn * 9, p @ face / size * 13, seed + 2)
        rind = ORANGE * (1 - 0.15 * smoothstep(0.2, 0.6, pores))[:, None]
        colour = np.where(flat[:, None], pulp, rind)
        return Surface(colour, np.where(flat, 0.012, 0.035), np.where(flat, 0.30 + 0.2 * flesh, 0.22))

    place = np.array([x, y, z + size * 0.99], np.float32)
    ball = (*(-0.3 * size * face), 0.72 * size)
    return Body("cut orange", place, 0.0, 1.02 * size, distance, surface, (ball,), ORANGE)


def lemon(x: float, y: float, z: float, size: float, seed: int, yaw: float) -> Body:
    rotate = rotation(yaw, 0.12)

    def distance(p: Vectors) -> np.ndarray:
        p = p @ rotate
        bulk = (norm(p * vector(1 / 1.32, 1, 1)) - size) * 0.8
        nub = capsule(p, (1.2 * size, 0, 0), (1.50 * size, 0, 0), 0.12 * size)
        bump = 0.012 * size * noise(p[:, 0] * 7 / size, np.arctan2(p[:, 1], p[:, 2]) * 5, seed)
        return smooth_min(bulk, nub, 0.4 * size) + bump

    def surface(p: Vectors, n: Vectors) -> Surface:
        p = p @ rotate
        turn = np.arctan2(p[:, 1], p[:, 2])
        pores = noise(p[:, 0] * 13 / size, turn * 10, seed + 1)
        tone = fbm(p[:, 0] * 3 / size, turn, seed + 2, 3)
        colour = LEMON * (1 + 0.10 * tone - 0.12 * smoothstep(0.2, 0.6, pores))[:, None]
        colour = mix(colour, LIME, (0.7 * smoothstep(1.15, 1.5, np.abs(p[:, 0]) / size))[:, None])
        return Surface(colour, full(p, 0.045), 0.17 + 0.08 * pores)

    place = np.array([x, y, z + 0.98 * size], np.float32)
    c, s = 0.42 * size * np.cos(yaw), 0.42 * size * np.sin(yaw)
    balls = ((c, s, 0, 0.86 * size), (-c, -s, 0, 0.86 * size))
    return Body("lemon", place, 0.0, 1.68 * size, distance, surface, balls, LEMON)


def grapes(centres: np.ndarray, radius: float, seed: int) -> Body:
    """A bunch of grapes at given centres (world), some with bloom on their skin."""
    middle = centres.mean(0)
    local = (centres - middle).astype(np.float32)
    reach = float(np.linalg.norm(local, axis=1).max() + 1.5 * radius)

    def nearest(p: Vectors) -> tuple[np.ndarray, np.ndarray]:
        best, which = np.full(len(p), np.inf, np.float32), np.zeros(len(p), int)
        for number, centre in enumerate(local):
            away = p - centre
            far = np.sqrt(away[:, 0] ** 2 + away[:, 1] ** 2 + away[:, 2] ** 2)
            which = np.where(far < best, number, which)
            best = np.minimum(best, far)
        return best - radius, which

    def surface(p: Vectors, n: Vectors) -> Surface:
        _, which = nearest(p)
        chance = np.random.default_rng(seed).uniform(size=(len(local), 1)).astype(np.float32)[which]
        bloom = smoothstep(-0.3, 0.7, fbm(p[:, 0] * 8 + 3 * chance[:, 0], p[:, 2] * 8 + p[:, 1] * 5, seed, 3))
        base = mix(GRAPE, linear([0.45, 0.10, 0.18]), 0.6 * chance)
        colour = mix(base, BLOOM, (0.30 * bloom)[:, None])
        return Surface(colour, 0.045 - 0.02 * bloom, 0.06 + 0.25 * bloom, 0.12)

    balls = tuple((*centre, radius * 1.6) for centre in local[::6])
    place = middle.astype(np.float32)
    return Body("grapes", place, 0.0, reach, lambda p: nearest(p)[0], surface, balls, GRAPE)


def _lathe(p: Vectors, rim: np.ndarray, low: float, high: float) -> np.ndarray:
    """Distance, about, to a solid of revolution with radius `rim` at the height of each point."""
    return np.maximum((around(p) - rim) * 0.75, np.maximum(low - p[:, 2], p[:, 2] - high))


def bottle(x: float, y: float, seed: int) -> Body:
    def rim(z: np.ndarray) -> np.ndarray:
        body = 0.27 - 0.18 * smoothstep(1.10, 1.52, z)
        return body + 0.022 * smoothstep(1.80, 1.815, z) - 0.05 * smoothstep(0.05, 0.0, z)

    def distance(p: Vectors) -> np.ndarray:
        return _lathe(p, rim(p[:, 2]), 0.0, 1.92)

    def surface(p: Vectors, n: Vectors) -> Surface:
        turn = np.arctan2(p[:, 0], -p[:, 1])
        z = p[:, 2]
        capsule_ = smoothstep(1.50, 1.51, z)
        paper = (np.abs(turn - 0.15) < 0.95) & (z > 0.34) & (z < 0.92) & (around(p) > 0.25)
        u = (turn - 0.15) / 0.95
        ink = (np.abs(z - 0.76) < 0.035) & (np.abs(u) < 0.55) & (noise(u * 16, z * 5, seed) > -0.15)
        ink |= (np.abs(z - 0.66) < 0.016) & (np.abs(u) < 0.42) & (noise(u * 30, z, seed + 1) > -0.1)
        ink |= (np.abs(z - 0.42) < 0.012) & (np.abs(u) < 0.6) & (noise(u * 30, z, seed + 2) > -0.1)
        crest = np.hypot(u * 0.9, (z - 0.54) * 3.4)
        gold = (crest < 0.26) & (np.sin(np.arctan2(z - 0.54, u) * 8) * 0.05 + crest < 0.24)
        frame = (np.maximum(np.abs(u) / 0.93, np.abs(z - 0.63) / 0.265) > 0.95) & (
            np.maximum(np.abs(u) / 0.93, np.abs(z - 0.63) / 0.265) < 1.0
        )
        stain = fbm(u * 2, z * 4, seed + 3, 4)
        sheet = LABEL * (1 + 0.10 * stain)[:, None]
        sheet = np.where((ink | frame)[:, None], WAX, np.where(gold[:, None], linear([0.62, 0.45, 0.15]), sheet))
        colour = mix(GREEN_GLASS * 0.22, WAX, capsule_[:, None])
        colour = np.where(paper[:, None], sheet, colour)
        mirror = np.where(paper, 0.012, 0.05)
        blur = np.where(paper, 0.6, 0.03 + 0.22 * capsule_)
        return Surface(colour, mirror, blur)

    balls = tuple((0, 0, z, 0.26) for z in (0.25, 0.6, 0.95)) + ((0, 0, 1.4, 0.15), (0, 0, 1.75, 0.1))
    place = np.array([x, y, 0], np.float32)
    return Body("bottle", place, 0.97, 1.05, distance, surface, balls, GREEN_GLASS)


def jug(x: float, y: float, seed: int) -> Body:
    """A glazed jug with a handle, painted in cobalt."""

    def rim(z: np.ndarray) -> np.ndarray:
        belly = 0.24 + 0.22 * np.maximum(np.sin(np.clip(z + 0.08, 0, 1) * np.pi), 0) ** 0.9
        neck = smoothstep(0.70, 1.0, z)
        return mix(belly, 0.215 + 0.085 * smoothstep(0.95, 1.32, z), neck) - 0.02 * smoothstep(0.04, 0, z)

    def pot(p: Vectors) -> np.ndarray:
        r = rim(p[:, 2])
        solid = _lathe(p, r, 0.0, 1.30)
        hollow = np.maximum((around(p) - r + 0.035) * 0.75, 0.75 - p[:, 2])
        return np.maximum(solid, -hollow)

    def handle(p: Vectors) -> np.ndarray:
        q = p @ rotation(-0.35)
        ring = np.hypot((q[:, 0] - 0.33), (q[:, 2] - 0.82) * 0.78)
        return (np.hypot(ring - 0.27, q[:, 1] * 0.8) - 0.045) * 0.8

    def distance(p: Vectors) -> np.ndarray:
        outside = around(p) - rim(p[:, 2]) + 0.02
        return smooth_min(pot(p), np.maximum(handle(p), -outside), 0.05)

    def surface(p: Vectors, n: Vectors) -> Surface:
        turn, z = np.arctan2(p[:, 0], -p[:, 1]), p[:, 2]
        wave = np.abs(z - 0.47 - 0.085 * np.sin(turn * 5))
        vine = smoothstep(0.020, 0.010, wave)
        leaf_turn = turn * 10 / (2 * np.pi)
        side = np.where(np.floor(leaf_turn) % 2 == 0, 1, -1)
        du = (leaf_turn - np.floor(leaf_turn) - 0.5) * 0.22
        dv = z - 0.47 - side * 0.015
        leaf = smoothstep(0.052, 0.040, np.hypot(du * 0.75 + dv * 0.3 * side, dv * 1.0 - du * 0.4 * side))
        bands = np.zeros_like(z)
        for level, half in ((0.12, 0.022), (0.175, 0.008), (0.75, 0.020), (0.80, 0.008), (1.24, 0.025)):
            bands = np.maximum(bands, smoothstep(half + 0.006, half - 0.004, np.abs(z - level)))
        paint = np.maximum.reduce([vine, leaf, bands]) * smoothstep(0.0, 0.02, around(p) - rim(z) + 0.03)
        brush = 0.75 + 0.25 * noise(turn * 14, z * 30, seed)
        crackle = fbm(turn * 5, z * 6, seed + 1, 4)
        base = GLAZE * (1 + 0.06 * crackle)[:, None]
        base = mix(base, CLAY, smoothstep(0.03, 0.0, z)[:, None])
        colour = mix(base, COBALT, (paint * brush)[:, None])
        return Surface(colour, full(p, 0.05), full(p, 0.035))

    balls = ((0, 0, 0.25, 0.36), (0, 0, 0.5, 0.44), (0, 0, 0.85, 0.27), (0, 0, 1.15, 0.25))
    place = np.array([x, y, 0], np.float32)
    return Body("jug", place, 0.66, 0.92, distance, surface, balls, GLAZE)


def bowl(x: float, y: float, seed: int) -> Body:
    """A hammered copper bowl on a foot."""
    radius, high = 0.66, 0.43

    def distance(p: Vectors) -> np.ndarray:
        r, z = around(p), p[:, 2]
        shell = np.abs(np.hypot(r, z - radius - 0.05) - radius) - 0.018
        cup = np.maximum(shell, z - high)
        lip = np.hypot(r - 0.618, z - high) - 0.03
        foot = np.maximum(np.abs(r - 0.24) - 0.05, np.abs(z - 0.045) - 0.045)
        return np.minimum(smooth_min(cup, lip, 0.02), foot) * 0.85

    def surface(p: Vectors, n: Vectors) -> Surface:
        turn, z = np.arctan2(p[:, 1], p[:, 0]), p[:, 2]
        dents = noise(turn * 11, z * 18, seed)
        stain = fbm(turn * 2.5, z * 7, seed + 1, 4)
        colour = COPPER * (0.50 + 0.12 * dents)[:, None]
        colour = mix(colour, linear([0.22, 0.16, 0.12]), (0.7 * smoothstep(0.0, 0.8, stain))[:, None])
        return Surface(colour, 0.32 + 0.10 * dents, 0.16 + 0.06 * np.abs(stain))

    place = np.array([x, y, 0], np.float32)
    balls = ((0, 0, 0.36, 0.40), (0.3, 0, 0.34, 0.26), (-0.3, 0, 0.34, 0.26), (0, 0.3, 0.34, 0.26), (0, -0.3, 0.34, 0.26))
    return Body("bowl", place, 0.24, 0.74, distance, surface, balls, COPPER)


def cloth(p: Vectors, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How much a point of the table lies under the cloth (0 to 1), and the cloth's height there."""
    x, y, z = p.T
    drop = np.maximum(-z, 0) * (y < TABLE_FRONT + 0.15)
    lie = y - 1.0 * drop
    edge = 0.62 + 0.10 * np.sin(x * 1.3 + 1) - 0.55 * smoothstep(-0.3, -2.2, x) + 0.06 * noise(x * 2, y * 0, seed)
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
