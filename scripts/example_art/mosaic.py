"""A Roman-looking mosaic: two fish in a roundel, small tiles laid along the lines of the motif.

Tiles are the cells of a centroidal Voronoi diagram under the maximum norm, turned to the nearest
edge of the motif: A. Hausner, "Simulating decorative mosaics", SIGGRAPH 2001.
"""

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
    nearest,
    over,
    palette,
    relief,
    shrink,
    smoothstep,
)

SUPERSAMPLING = 2
TILE = 0.0150
ROUNDS = 14

IVORY, CREAM, SAND, OCHRE, GOLD, CORAL, RUST, BRICK, WINE = palette(
    "efe6cf", "dfcfa8", "c9a86a", "c58a2c", "e2b23c", "dd8a5f", "b4502a", "8c3022", "4d1a1c"
)
BLACK, NAVY, TEAL, AQUA, PALE, OLIVE, MOSS = palette(
    "24211f", "1d3d5f", "1f6f7c", "63a9a6", "bcd8ca", "7b8240", "44562f"
)
GROUT = palette("a39a86")[0]


class Motif(NamedTuple):
    """The cartoon under the tiles: numbered regions and the colour wanted at each pixel."""

    region: np.ndarray
    colour: Picture


class Tiles(NamedTuple):
    """Tile centres (x, y) in pixels and the cosine and sine of the turn of each."""

    centre: np.ndarray
    cosine: np.ndarray
    sine: np.ndarray


class Cartoon:
    """A motif while it is being drawn: later shapes cover earlier ones."""

    def __init__(self, height: int, width: int) -> None:
        self.region = np.zeros((height, width), np.int32)
        self.colour = np.broadcast_to(IVORY, (height, width, 3)).copy()
        self.shapes = 0

    def draw(self, where: Grey, colour: np.ndarray, part: np.ndarray | int = 0) -> None:
        """Cover the pixels `where`; `part` numbers pieces that get an edge between them."""
        self.shapes += 1
        part = np.broadcast_to(np.asarray(part, np.int32), where.shape)
        self.region[where] = self.shapes * 1000 + part[where]
        self.colour = np.where(where[..., None], colour, self.colour).astype(np.float32)


def shade(value: Grey, *colours: np.ndarray) -> Picture:
    """A ramp through `colours` as `value` goes from 0 to 1."""
    place = np.clip(value, 0, 1) * (len(colours) - 1)
    out = np.broadcast_to(colours[0], (*value.shape, 3)).astype(np.float32)
    for number, colour in enumerate(colours[1:]):
        out = mix(out, colour, np.clip(place - number, 0, 1)[..., None])
    return out


def stripes(number: np.ndarray, first: np.ndarray, second: np.ndarray) -> Picture:
    """Two colours in turn."""
    return np.where(number[..., None] % 2 == 0, first, second).astype(np.float32)


def hump(value: Grey, low: float, high: float, power: float) -> Grey:
    """A bow that is 0 outside `low`..`high` and 1 in between."""
    return np.maximum(np.sin(np.pi * np.clip((value - low) / (high - low), 0, 1)), 0) ** power


def fish(cartoon: Cartoon, radius: Grey, angle: Grey, colours: tuple[np.ndarray, ...]) -> None:
    """A fish bent along a circle, nose at angle 0; four colours from back to belly, two of fins."""
    *flank, dark, bright = colours
    s = (np.mod(angle + 0.6, 2 * np.pi) - 0.6) / 2.15
    v = radius - 0.245 - 0.012 * np.sin(s * 5)
    body = 0.078 * hump(np.clip(s, 0, 1) ** 0.72, 0, 1, 0.85) + 0.012 * smoothstep(0.6, 0.9, s)
    depth = body - np.abs(v)
    inside = (s > 0) & (s < 1)

    for rise, low, high, side in (
        (0.046, 0.28, 0.74, 1),
        (0.040, 0.36, 0.60, -1),
        (0.032, 0.68, 0.88, -1),
    ):
        ray = np.floor((s - low) / 0.055 - (np.abs(v) - body) * 9).astype(int)
        fin = (s > low) & (s < high) & (v * side > 0) & (-depth < rise * hump(s, low, high, 0.5))
        cartoon.draw(fin, stripes(ray, dark, bright), ray + 50)
    open_ = smoothstep(0.93, 1.24, s)
    end = 1.25 - 0.13 * (1 - np.clip(np.abs(v) / 0.07, 0, 1))
    tail = (s > 0.93) & (s < end) & (np.abs(v) < 0.014 + 0.068 * open_)
    ray = np.floor(v / (0.006 + 0.022 * open_) + 0.5).astype(int)
    cartoon.draw(tail, stripes(ray, dark, bright), ray + 50)

    cartoon.draw(inside & (depth > 0), BLACK)
    inner = inside & (depth > TILE * 0.95)
    row = np.floor(s * 0.53 / (TILE * 1.9)).astype(int)
    tone = 0.5 - v / 0.14 + np.where(row % 2 == 0, 0.13, -0.13)
    cartoon.draw(inner, shade(tone, *flank), row + 500)
    gill = s + 11 * v * v
    cartoon.draw(inner & (np.abs(v + 0.004) < TILE * 0.5) & (s < 0.93), dark)
    cartoon.draw(inner & (gill < 0.285), BLACK)
    cartoon.draw(inner & (gill < 0.250), shade(0.5 - v / 0.13, flank[1], flank[2], flank[3]))
    eye = np.hypot((s - 0.135) * 0.53, v - 0.016)
    cartoon.draw(eye < TILE * 1.6, IVORY)
    cartoon.draw(eye < TILE * 0.62, BLACK)


def sea(cartoon: Cartoon, radius: Grey, angle: Grey) -> None:
    """Spiral bands of water with a foam crest."""
    spiral = angle / (2 * np.pi) * 5 + radius / 0.072 + 0.16 * np.sin(angle * 10 + radius * 60)
    band = np.floor(spiral)
    part = spiral - band
    colour = shade(part, PALE, AQUA, TEAL, NAVY)
    crest = part < 0.27
    part_number = np.mod(band, 7).astype(int) * 2 + crest
    cartoon.draw(np.ones_like(crest), np.where(crest[..., None], IVORY, colour), part_number)


def rosette(cartoon: Cartoon, radius: Grey, angle: Grey) -> None:
    petal = angle / (2 * np.pi) * 8
    lobe = np.abs(petal - np.floor(petal) - 0.5) * 2
    number = np.floor(petal).astype(int) % 8
    cartoon.draw(radius < 0.118, BLACK)
    cartoon.draw(radius < 0.104, IVORY)
    cartoon.draw(
        radius < 0.098 - 0.03 * lobe**2, shade(radius / 0.09, WINE, BRICK, RUST, GOLD), number
    )
    cartoon.draw(radius < 0.034, GOLD)
    cartoon.draw(radius < 0.012, WINE)


def guilloche(cartoon: Cartoon, radius: Grey, angle: Grey) -> None:
    """A braid of two strands between two dark rings."""
    cartoon.draw((radius > 0.372), BLACK)
    cartoon.draw((radius > 0.386), CREAM)
    cartoon.draw((radius > 0.392), NAVY)
    middle, swing, knots = 0.4225, 0.0165, 18
    for strand, crossing in ((0, False), (1, False), (0, True)):
        phase = angle * knots / 2 + strand * np.pi
        offset = radius - middle - swing * np.sin(phase)
        width = 0.0125
        where = np.abs(offset) < width
        if crossing:  # Every second crossing, the first strand passes over.
            where &= np.cos(phase) > 0
        tones = (BRICK, RUST, GOLD) if strand == 0 else (TEAL, AQUA, IVORY)
        cartoon.draw(
            where, shade(0.5 + offset / (2 * width), *tones), np.sign(offset).astype(int) + 2
        )
    cartoon.draw(radius > 0.453, CREAM)
    cartoon.draw(radius > 0.459, BLACK)


def corners(cartoon: Cartoon, x: Grey, y: Grey, radius: Grey) -> None:
    outside = radius > 0.474
    fold_x, fold_y = np.minimum(x, 1 - x), np.minimum(y, 1 - y)
    cartoon.draw(outside, shade(smoothstep(0.47, 0.70, radius), CREAM, IVORY))
    reach = np.hypot(fold_x - 0.035, fold_y - 0.035)
    fan = np.arctan2(fold_y - 0.035, fold_x - 0.035) / (np.pi / 2) * 7
    number = np.floor(fan).astype(int)
    lobe = np.abs(fan - np.floor(fan) - 0.5) * 2
    warm, cool = shade(reach / 0.16, WINE, BRICK, RUST), shade(reach / 0.16, MOSS, OLIVE, SAND)
    ray = stripes(number, warm, cool)
    cartoon.draw(outside & (reach < 0.170 - 0.02 * lobe**2), BLACK)
    cartoon.draw(outside & (reach < 0.155 - 0.02 * lobe**2), ray, number + 10)
    cartoon.draw(outside & (reach < 0.045), GOLD)
    edge = np.minimum(fold_x, fold_y)
    cartoon.draw(edge < 0.046, BLACK)
    cartoon.draw(edge < 0.031, IVORY)
    along = np.where(fold_x < fold_y, y, x) * 26
    check = np.floor(along).astype(int)
    cartoon.draw(edge < 0.0165, stripes(check, BRICK, NAVY), check)


def draw_motif(size: int) -> Motif:
    y, x = grid(size, size, 1 / size)
    radius, angle = np.hypot(x - 0.5, y - 0.5), np.arctan2(y - 0.5, x - 0.5)
    cartoon = Cartoon(size, size)
    sea(cartoon, radius, angle)
    fish(cartoon, radius, angle + 0.25, (BRICK, RUST, GOLD, CREAM, RUST, GOLD))
    fish(cartoon, radius, angle + 0.25 + np.pi, (WINE, BRICK, CORAL, IVORY, WINE, CORAL))
    rosette(cartoon, radius, angle)
    guilloche(cartoon, radius, angle)
    corners(cartoon, x, y, radius)
    return Motif(cartoon.region, cartoon.colour)


def edges(region: np.ndarray) -> Grey:
    rim = np.zeros(region.shape, bool)
    rim[:, 1:] |= region[:, 1:] != region[:, :-1]
    rim[1:] |= region[1:] != region[:-1]
    rim[0], rim[-1], rim[:, 0], rim[:, -1] = True, True, True, True
    return rim


def owners(tiles: Tiles, size: int, window: int) -> tuple[np.ndarray, Grey, Grey]:
    """Nearest tile of each pixel, the distance to it, and to the next nearest (maximum norm)."""
    count = len(tiles.centre)
    row, column = np.mgrid[-window : window + 1, -window : window + 1].astype(np.int32)
    best = np.full(size * size, np.iinfo(np.int64).max)
    second = best.copy()
    parts = []
    for low in range(0, count, 2000):
        pick = slice(low, low + 2000)
        centre = tiles.centre[pick]
        px = np.floor(centre[:, 0]).astype(np.int32)[:, None] + column.ravel()
        py = np.floor(centre[:, 1]).astype(np.int32)[:, None] + row.ravel()
        dx, dy = px + np.float32(0.5) - centre[:, :1], py + np.float32(0.5) - centre[:, 1:]
        c, s = tiles.cosine[pick, None], tiles.sine[pick, None]
        distance = np.maximum(np.abs(dx * c + dy * s), np.abs(dy * c - dx * s))
        valid = (px >= 0) & (px < size) & (py >= 0) & (py < size) & (distance < window)
        # Distance and number in one integer: its minimum finds both.
        number = np.arange(low, low + len(centre), dtype=np.int64)[:, None]
        key = (distance * 4096).astype(np.int64) << 20 | number
        flat, key = (py * size + px)[valid], key[valid]
        np.minimum.at(best, flat, key)
        parts.append((flat, key))
    for flat, key in parts:
        other = key != best[flat]
        np.minimum.at(second, flat[other], key[other])
    owner = np.where(best == np.iinfo(np.int64).max, -1, best & ((1 << 20) - 1))
    distances = [np.minimum(k >> 20, 1 << 24).astype(np.float32) / 4096 for k in (best, second)]
    shape = (size, size)
    return owner.reshape(shape), distances[0].reshape(shape), distances[1].reshape(shape)


def lay(motif: Motif, tile: float, seed: int) -> Tiles:
    """Spread tiles `tile` px wide over the motif and settle them along its edges."""
    size = len(motif.region)
    rng = np.random.default_rng(seed)
    away, row, column = nearest(edges(motif.region), size // 8)
    y, x = np.mgrid[0:size, 0:size]
    # A square looks the same after a quarter turn: average four times the angle.
    angle = 4 * np.arctan2(row - y, column - x)
    weight = np.minimum(away, 3) / 3
    cosine, sine = blur(np.cos(angle) * weight, tile / 3), blur(np.sin(angle) * weight, tile / 3)
    turn = np.arctan2(sine, cosine) / 4
    # Little weight near an edge keeps tiles from straddling it.
    mass = smoothstep(0, 0.5 * tile, away).ravel() + np.float32(1e-3)

    count = round(1.04 * (size / tile) ** 2)
    centre = (np.arange(count)[:, None] * (0.7548777, 0.5698403) + rng.uniform(size=2)) % 1
    centre = (centre * size).astype(np.float32)
    pixel_y, pixel_x = grid(size, size)

    def turned(centre: np.ndarray) -> Tiles:
        at = np.clip(centre.astype(int), 0, size - 1)
        theta = turn[at[:, 1], at[:, 0]]
        return Tiles(centre, np.cos(theta), np.sin(theta))

    for _ in range(ROUNDS):
        owner = owners(turned(centre), size, max(3, round(1.3 * tile)))[0].ravel()
        has = owner >= 0
        who, heavy = owner[has], mass[has]
        total = np.bincount(who, heavy, count)
        moved_x = np.bincount(who, heavy * pixel_x.ravel()[has], count)
        moved_y = np.bincount(who, heavy * pixel_y.ravel()[has], count)
        settled = np.stack([moved_x, moved_y], 1) / np.maximum(total, 1e-6)[:, None]
        centre = np.where(total[:, None] > 0, settled, centre).astype(np.float32)
    return turned(centre)


def render(size: int, seed: int) -> Picture:
    """Lay the mosaic, `size` px square, in sRGB."""
    rng = np.random.default_rng(seed + 1)
    motif = draw_motif(size)
    tile = TILE * size
    tiles = lay(motif, tile, seed)
    count = len(tiles.centre)
    fine = size * SUPERSAMPLING
    unit = fine / 768
    large = Tiles(tiles.centre * SUPERSAMPLING, tiles.cosine, tiles.sine)
    owner, first, second = owners(large, fine, round(1.2 * tile * SUPERSAMPLING))
    at = np.clip(tiles.centre.astype(int), 0, size - 1)
    wanted = motif.colour[at[:, 1], at[:, 0]]
    value = 1 + 0.13 * rng.normal(size=(count, 1))
    stone = np.clip(wanted * value + 0.022 * rng.normal(size=(count, 3)), 0.02, 0.97)
    stone = stone.astype(np.float32)

    y, x = grid(fine, fine, 1 / unit)
    largest = 0.60 * tile * SUPERSAMPLING * rng.uniform(0.88, 1.06, count).astype(np.float32)
    inset = np.minimum((second - first) / 2, largest[owner] - first)
    chip = 0.45 * fbm(x / 5, y / 5, seed + 3, 2)
    rise = inset / unit - 0.75 + chip * 0.6
    covered = smoothstep(-0.35, 0.35, rise) * (owner >= 0)
    offset = rng.uniform(0, 500, count).astype(np.float32)[owner]
    grain = fbm(x / 7 + offset, y / 7 - offset, seed + 4, 4)
    speckle = fbm(x / 1.6 + offset, y / 1.6, seed + 5, 2)
    face = stone[owner] * (1 + 0.15 * grain + 0.05 * speckle)[..., None]
    tilt = 0.13 * rng.normal(size=(2, count)).astype(np.float32)
    dx, dy = x - large.centre[owner, 0] / unit, y - large.centre[owner, 1] / unit
    height = 1.7 * smoothstep(-0.3, 3.0, rise) + covered * (
        tilt[0][owner] * dx + tilt[1][owner] * dy
    )
    height += 0.22 * grain * covered + 0.3 * fbm(x / 2.5, y / 2.5, seed + 6, 3) * (1 - covered)
    light = relief(blur(height, 0.5 * unit) * unit)
    sand = GROUT * (0.82 + 0.22 * fbm(x / 2, y / 2, seed + 7, 3))[..., None]
    sand = sand * (0.55 + 0.45 * smoothstep(0.3, -1.6, rise))[..., None]
    picture = over(sand, face, covered)
    room = 0.97 + 0.10 * fbm(x / 300, y / 300, seed + 8, 2)
    lit = picture * (room * mix(1, np.clip(light, 0.45, 1.5), 0.65))[..., None]
    gloss = 0.10 * smoothstep(1.12, 1.5, light) * covered
    return np.clip(shrink(over(lit, 1.0, gloss), SUPERSAMPLING), 0, 1)
