"""Oil paint: thousands of bristly strokes that follow swirls over a field."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from example_art.canvas import (
    Grey,
    Picture,
    blur,
    fbm,
    grid,
    mix,
    palette,
    relief,
    sample,
    shrink,
    smoothstep,
)

ASPECT = 19 / 24
SUPERSAMPLING = 2

NIGHT, NAVY, ULTRAMARINE, CERULEAN, MIST, WHITE = palette(
    "0b1533", "14265c", "23489b", "4d86bd", "a9c8cf", "f3efdc"
)
UMBER, SIENNA, OCHRE, GOLD, STRAW, PINE, OLIVE = palette(
    "2e2117", "8a4a1c", "c8892a", "e6b53f", "f3dc8f", "16302b", "5d6b2c"
)


class Vortex(NamedTuple):
    """A swirl of the sky; lengths in picture widths, a negative turn runs clockwise."""

    x: float
    y: float
    radius: float
    turn: float
    glow: float


VORTICES = (
    Vortex(0.345, 0.235, 0.155, 1.0, 1.0),
    Vortex(0.60, 0.315, 0.105, -1.0, 0.75),
    Vortex(0.865, 0.135, 0.115, 1.0, 1.25),
    Vortex(0.105, 0.115, 0.070, -1.0, 0.9),
    Vortex(0.60, 0.085, 0.055, 1.0, 0.8),
    Vortex(0.075, 0.395, 0.050, 1.0, 0.7),
    Vortex(0.86, 0.40, 0.055, -1.0, 0.75),
)


class Layer(NamedTuple):
    """One pass of the brush: sizes in thousandths of the width, `cover` in canvas areas."""

    width: float
    length: float
    cover: float
    jitter: float


LAYERS = (
    Layer(width=34, length=190, cover=2.6, jitter=0.10),
    Layer(width=20, length=130, cover=1.7, jitter=0.13),
    Layer(width=13, length=88, cover=1.3, jitter=0.16),
    Layer(width=8.5, length=58, cover=0.75, jitter=0.20),
    Layer(width=5.5, length=36, cover=0.22, jitter=0.24),
)


class Guide(NamedTuple):
    """What the painter looks at: colours, stroke directions, and where detail is wanted."""

    colour: Picture
    along_x: Grey
    along_y: Grey
    detail: Grey


def horizon(x: np.ndarray, seed: int) -> np.ndarray:
    """Height of the skyline at `x`: rolling hills."""
    return 0.575 + 0.035 * np.sin(x * 7.5 + 0.6) + 0.02 * fbm(x * 5, x * 0, seed + 3, 3)


def make_guide(height: int, width: int, seed: int) -> Guide:
    y, x = grid(height, width, 1 / width)
    skyline = horizon(x, seed)
    stream = fbm(x * 2.2, y * 3.0, seed, 3) * 0.16
    drift_y, drift_x = np.gradient(stream, 1 / width)
    along_x, along_y = 1 + drift_y, -drift_x + 0.25 * np.sin(x * 9)
    band = y * 9 + stream * 9
    glow = np.zeros_like(x)
    ring = np.zeros_like(x)
    for vortex in VORTICES:
        dx, dy = x - vortex.x, (y - vortex.y) * 1.06
        distance = np.hypot(dx, dy) / vortex.radius
        weight = 9 * np.exp(-((distance / 0.95) ** 2))
        turn = weight * vortex.turn / np.maximum(distance * vortex.radius, 1e-4)
        along_x += -dy * turn - 0.10 * dx * np.abs(turn)
        along_y += dx * turn - 0.10 * dy * np.abs(turn)
        near = np.exp(-((distance / 1.15) ** 4))
        ring += near * (0.75 + 0.25 * np.cos(distance * 9.5 - vortex.turn * np.arctan2(dy, dx)))
        band = mix(band, distance * 2.2 + vortex.turn * np.arctan2(dy, dx) / 6.283, near)
        glow += vortex.glow * np.exp(-((distance / 0.42) ** 2))

    wave = 0.5 + 0.5 * np.sin(6.283 * band + 2.5 * fbm(x * 6, y * 6, seed + 9, 3))
    sky = mix(NIGHT, NAVY, smoothstep(0, 0.3, wave)[..., None])
    sky = mix(sky, ULTRAMARINE, smoothstep(0.2, 0.6, wave)[..., None])
    sky = mix(sky, CERULEAN, smoothstep(0.58, 0.9, wave)[..., None])
    sky = mix(sky, MIST, smoothstep(0.9, 1.0, wave)[..., None] * 0.9)
    low = smoothstep(0.20, 0.0, skyline - y)
    dawn = mix(CERULEAN, mix(STRAW, WHITE, 0.3), smoothstep(0.25, 0.75, wave)[..., None])
    sky = mix(sky, dawn, (low * (0.55 + 0.35 * wave))[..., None])
    sky = mix(sky, mix(MIST, WHITE, 0.35), (0.75 * smoothstep(0.55, 1.05, ring))[..., None])
    sky = mix(sky, OCHRE, smoothstep(0.16, 0.42, glow)[..., None])
    sky = mix(sky, GOLD, smoothstep(0.38, 0.62, glow)[..., None])
    sky = mix(sky, WHITE, smoothstep(0.62, 0.95, glow)[..., None])

    depth = (y - skyline) / (height / width - skyline)
    furrow = (x - 0.42) / (0.10 + np.maximum(depth, 0)) + 0.35 * fbm(x * 4, y * 4, seed + 21, 3)
    stripe = 0.5 + 0.5 * np.sin(furrow * 7)
    field = mix(SIENNA, OCHRE, smoothstep(0.05, 0.45, stripe)[..., None])
    field = mix(field, GOLD, smoothstep(0.45, 0.8, stripe)[..., None])
    field = mix(field, STRAW, (smoothstep(0.8, 1, stripe) * 0.9)[..., None])
    shade = smoothstep(0.35, -0.25, fbm(x * 3, depth * 3, seed + 33, 3))
    field = mix(field, mix(UMBER, OLIVE, stripe[..., None]), (0.8 * shade)[..., None])
    hill = smoothstep(0.30, 0.22, depth + 0.06 * np.sin(x * 11 + 1))
    ridge = 0.5 + 0.5 * np.sin(depth * 40 + x * 9)
    hills = mix(mix(PINE, NAVY, 0.5), CERULEAN, (0.75 * ridge * (x * 0.5 + 0.5))[..., None])
    field = mix(field, hills, hill[..., None])
    land = smoothstep(-0.003, 0.003, y - skyline)
    colour = mix(sky, field, land[..., None])

    slope = np.gradient(skyline, 1 / width, axis=1)
    gust = 0.55 * fbm(x * 5, y * 7, seed + 41, 2) - 0.25
    furrow_x = (x - 0.42) * 0.9 + gust * (0.15 + np.maximum(depth, 0))
    furrow_y = 0.10 + np.maximum(depth, 0) * 0.75
    norm = np.hypot(furrow_x, furrow_y)
    field_x, field_y = mix(furrow_x / norm, 1.0, hill), mix(furrow_y / norm, slope, hill)
    sky_norm = np.hypot(along_x, along_y) + 1e-6
    hug = smoothstep(0.05, 0.0, skyline - y)
    along_x, along_y = mix(along_x / sky_norm, 1.0, hug), mix(along_y / sky_norm, slope, hug)
    along_x, along_y = mix(along_x, field_x, land), mix(along_y, field_y, land)
    norm = np.hypot(along_x, along_y) + 1e-6
    grey = colour.mean(-1)
    detail = np.abs(grey - blur(grey, width / 60))
    detail = smoothstep(0.02, 0.12, blur(detail, width / 120))
    return Guide(colour.astype(np.float32), along_x / norm, along_y / norm, detail)


def bristle_texture(seed: int) -> Grey:
    """Streaks of a brush in [0, 1]: rows run across it (2 texels a hair), columns along it."""
    y, x = grid(512, 1024)
    streaks = fbm(x / 220, y / 5.0, seed, 3) + 0.5 * fbm(x / 60, y / 2.6, seed + 1, 2)
    return smoothstep(-0.8, 0.8, streaks).astype(np.float32)


def trace(guide: Guide, start: np.ndarray, length: np.ndarray, points: int) -> np.ndarray:
    """Centre lines (stroke, point, xy) of given lengths along the flow, `start` in the middle."""
    halves = []
    for sign in (-1, 1):
        at = start.copy()
        line = []
        for _ in range(points // 2):
            step = np.stack(
                [
                    sample(guide.along_x, at[:, 1], at[:, 0]),
                    sample(guide.along_y, at[:, 1], at[:, 0]),
                ],
                -1,
            )
            at = at + sign * step * (length / points)[:, None]
            line.append(at)
        halves.append(line)
    return np.stack([*halves[0][::-1], start, *halves[1]], 1)


def paint(
    canvas: Picture,
    thickness: Grey,
    guide: Guide,
    layer: Layer,
    bristles: Grey,
    rng: np.random.Generator,
) -> None:
    """Lay one layer of strokes on `canvas` and `thickness`, in place, later over earlier."""
    height, width = canvas.shape[:2]
    unit = width / 1000
    brush, reach = layer.width * unit, layer.length * unit
    count = max(1, round(layer.cover * height * width / (brush * reach)))
    # The R2 sequence of M. Roberts leaves no bare spots, where independent draws would.
    start = (np.arange(count)[:, None] * (0.7548777, 0.5698403) + rng.uniform(size=2)) % 1
    start = (start * (width, height)).astype(np.float32)
    if layer.width < 9:
        wanted = sample(guide.detail, start[:, 1], start[:, 0])
        start = start[rng.uniform(size=count) < 0.25 + wanted]
        count = len(start)
    length = reach * rng.uniform(0.55, 1.15, count).astype(np.float32)
    half = 0.5 * brush * rng.uniform(0.65, 1.15, count).astype(np.float32)
    line = trace(guide, start, length, 14)

    seen = sample(guide.colour, start[:, 1], start[:, 0])
    value = 1 + layer.jitter * rng.normal(size=(count, 1)).astype(np.float32).clip(-1.6, 2)
    tint = layer.jitter * 0.22 * rng.normal(size=(count, 3)).astype(np.float32)
    first = seen * value + tint * (0.3 + seen)
    second = first * (1 + 0.22 * rng.normal(size=(count, 1)).astype(np.float32))
    texel_row = rng.integers(0, 512, count)
    texel_column = rng.integers(0, 1024, count)
    dryness = rng.uniform(0.1, 0.75, count).astype(np.float32)
    load = rng.uniform(0.6, 1.2, count).astype(np.float32)

    along = max(8, int(reach * 1.15 / 0.62))
    across = max(5, int(brush * 1.15 / 0.62))
    s = np.linspace(0, 1, along, dtype=np.float32)
    t = np.linspace(-1, 1, across, dtype=np.float32)
    place = s * (line.shape[1] - 1)
    knot = np.minimum(place.astype(np.int32), line.shape[1] - 2)
    part = (place - knot)[None, :, None]
    column = (s * reach / unit / 2).astype(np.int32)
    row = ((t + 1) * layer.width).astype(np.int32)
    chunk = max(1, 1_500_000 // (along * across))
    for low in range(0, count, chunk):
        pick = slice(low, low + chunk)
        knots = line[pick]
        centre = mix(knots[:, knot], knots[:, knot + 1], part)
        ahead = np.gradient(centre, axis=1)
        ahead /= np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-6)
        reach_out = (half[pick, None] * np.sqrt(smoothstep(-0.02, 0.10, s)))[..., None] * t
        px = (centre[..., 0, None] - ahead[..., 1, None] * reach_out).astype(np.int32)
        py = (centre[..., 1, None] + ahead[..., 0, None] * reach_out).astype(np.int32)
        hair = bristles[
            (texel_row[pick, None, None] + row) % 512,
            (texel_column[pick, None, None] + column[:, None]) % 1024,
        ]
        # Hairs at the rim and near the end of the stroke run out of paint first.
        worn = smoothstep(0.35, 1.05, s)[None, :, None] * dryness[pick, None, None]
        keep = hair > worn + 0.75 * smoothstep(0.72, 1.06, np.abs(t))
        keep &= (px >= 0) & (px < width) & (py >= 0) & (py < height)
        which, i, j = np.nonzero(keep)
        hair = hair[keep]
        flat = py[keep] * width + px[keep]
        blend = (0.5 + 0.5 * t[j])[:, None]
        ink = first[pick][which] * (1 - blend) + second[pick][which] * blend
        canvas.reshape(-1, 3)[flat] = ink * (0.86 + 0.28 * hair)[:, None]
        ridge = 1 - np.abs(t[j]) ** 6 + 0.35 * smoothstep(0.5, 0.8, np.abs(t[j]))
        rise = (0.45 + 0.9 * hair) * ridge * load[pick][which] * (1 - 0.4 * s[i])
        thickness.reshape(-1)[flat] = rise * np.float32(0.6 + 0.02 * layer.width)


def render(size: int, seed: int) -> Picture:
    """Paint the picture, `size` px wide, in sRGB."""
    width = size * SUPERSAMPLING
    height = round(size * ASPECT) * SUPERSAMPLING
    rng = np.random.default_rng(seed)
    guide = make_guide(height, width, seed)
    canvas = guide.colour * 0.6
    thickness = np.zeros((height, width), np.float32)
    bristles = bristle_texture(seed + 50)
    for layer in LAYERS:
        paint(canvas, thickness, guide, layer, bristles, rng)
    depth = 2.1 * blur(thickness, 0.7) + 1.5 * blur(thickness, 1.6)
    shade = relief(depth)
    lit = canvas * mix(1, np.clip(shade, 0.45, 1.6), 0.75)[..., None]
    gloss = smoothstep(1.18, 1.55, shade)[..., None] * 0.22
    return np.clip(shrink(lit + gloss * (1 - lit), SUPERSAMPLING), 0, 1)
