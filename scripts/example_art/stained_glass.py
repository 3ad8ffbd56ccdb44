"""A leaded window: a sun with rays over hills, a river and tulips, in uneven glowing glass."""

from __future__ import annotations

import numpy as np

from example_art.canvas import (
    Grey,
    Picture,
    blur,
    develop,
    fbm,
    grid,
    linear,
    mix,
    nearest,
    palette,
    relief,
    shrink,
    smoothstep,
    warp,
)

ASPECT = 768 / 614
SUPERSAMPLING = 2
FRAME = 0.062
SUN_X, SUN_Y = 0.5, 0.395
RAYS = 26

GOLDS = palette("f6c52f", "f4a91c", "f9dd6a", "ef8b1a", "fbe9a0")
REDS = palette("c3152b", "e0352b", "9d0f33", "e8562a")
BLUES = palette("1d3fae", "2763cf", "123082", "3b8fd9", "6fb8e6", "27206f")
VIOLETS = palette("4b2a91", "6d3fae", "8d5ac2", "33206d")
GREENS = palette("1d7a3a", "3fa045", "0f5c46", "86b93a", "12806a", "c0cf48")
WATERS = palette("2aa6c4", "79d0dc", "1b7fb5", "c3ecef", "3fbfb7")


class Window:
    """The window while it is being cut: a label and a base colour for each pixel."""

    def __init__(self, x: Grey, y: Grey, rng: np.random.Generator) -> None:
        self.x, self.y, self.rng = x, y, rng
        self.label = np.zeros(x.shape, np.int64)
        self.colour = np.zeros((*x.shape, 3), np.float32)
        self.pieces = 0

    def lay(self, where: Grey, piece: np.ndarray, colours: np.ndarray, pick: str = "any") -> None:
        """Replace what lies `where` by panes numbered `piece`, coloured from `colours`.

        Colours are drawn at random ("any") or taken in turn ("turn") by the pane's number.
        """
        numbers, inverse = np.unique(piece[where], return_inverse=True)
        if pick == "turn":
            chosen = colours[numbers.astype(int) % len(colours)]
        else:
            chosen = colours[self.rng.integers(0, len(colours), len(numbers))]
        shift = self.rng.normal(0, 0.035, (len(numbers), 3)).astype(np.float32)
        self.label[where] = self.pieces + 1 + inverse
        self.colour[where] = np.clip(chosen + shift, 0.02, 0.98)[inverse]
        self.pieces += len(numbers)


def sky(window: Window) -> None:
    x, y, rng = window.x, window.y, window.rng
    radius = np.hypot(x - SUN_X, y - SUN_Y)
    turn = np.arctan2(y - SUN_Y, x - SUN_X) / (2 * np.pi) * RAYS + 0.05 * np.sin(radius * 30)
    sector = np.floor(turn).astype(int) % RAYS
    breaks = np.cumsum(rng.uniform(0.055, 0.098, (RAYS, 16)), 1).astype(np.float32) + 0.19
    bow = 0.03 * (turn - np.floor(turn) - 0.5) ** 2 * 4
    ring = (radius[..., None] - bow[..., None] > breaks[sector]).sum(-1)
    piece = sector * 20 + ring
    odd = sector % 2 == 1
    near, mid = ring < 3, ring < 5
    window.lay(odd & near, piece, GOLDS)
    window.lay(odd & ~near & mid, piece, np.concatenate([WATERS, BLUES[3:5]]))
    window.lay(odd & ~mid, piece, np.concatenate([BLUES, VIOLETS]))
    window.lay(~odd & near, piece, BLUES[[1, 3, 4]])
    window.lay(~odd & ~near, piece, np.concatenate([BLUES[[0, 1, 2, 5]], VIOLETS[[0, 3]]]))


def sun(window: Window) -> None:
    x, y = window.x - SUN_X, window.y - SUN_Y
    radius, angle = np.hypot(x, y), np.arctan2(y, x) / (2 * np.pi)
    outer, inner = angle * 16, angle * 8 + 0.25
    points = np.abs(outer - np.floor(outer) - 0.5) * 2
    lobes = np.abs(inner - np.floor(inner) - 0.5) * 2
    window.lay(
        radius < 0.235 - 0.07 * points, np.floor(outer).astype(int) % 16, GOLDS[[1, 0]], "turn"
    )
    window.lay(radius < 0.15, np.floor(outer + 0.5).astype(int) % 16, REDS[[0, 3, 1]], "turn")
    window.lay(
        radius < 0.128 - 0.035 * lobes**2, np.floor(inner).astype(int) % 8, GOLDS[[2, 4]], "turn"
    )
    window.lay(radius < 0.058, np.zeros(x.shape, int), GOLDS[3:4])


def land(window: Window) -> None:
    x, y = window.x, window.y
    crests = (
        0.735 + 0.050 * np.sin(x * 7.0 + 0.4),
        0.825 + 0.045 * np.sin(x * 5.5 + 3.2),
        0.915 + 0.040 * np.sin(x * 6.5 + 1.1),
        1.010 + 0.035 * np.sin(x * 5.0 + 4.5),
    )
    sets = (
        np.concatenate([VIOLETS[1:3], BLUES[3:4]]),
        GREENS[[2, 4, 0]],
        GREENS,
        GREENS[[0, 2, 1]],
    )
    for number, (crest, colours) in enumerate(zip(crests, sets, strict=True)):
        strip = np.floor((y - crest) / 0.052).astype(int)
        slant = x * 9 + (y - crest) * 7 + number * 0.4 + 0.37 * strip
        window.lay(y > crest, strip * 64 + np.floor(slant).astype(int) + 4096, colours)
    depth = y - crests[0]
    bend = 0.52 + 0.16 * np.sin(y * 13 + 0.9) * smoothstep(0.70, 1.0, y)
    half = 0.02 + 0.30 * np.maximum(depth, 0)
    across = (x - bend) / half
    piece = np.floor(across * 2).astype(int) + 8 * np.floor(y * 16 + across * 0.8).astype(int)
    window.lay((np.abs(across) < 1) & (depth > 0.0) & (y < crests[3] + 0.07), piece, WATERS)


def tulips(window: Window) -> None:
    for x, y, size, lean in (
        (0.165, 0.985, 0.070, -0.10),
        (0.335, 1.060, 0.062, 0.12),
        (0.690, 1.055, 0.066, -0.14),
        (0.850, 0.975, 0.074, 0.08),
    ):
        u = (window.x - x - lean * (window.y - y)) / size
        v = (window.y - y) / size
        for side in (-1, 1):
            bow = side * u - 0.12 - 0.55 * (v - 1.1) * 0.45
            leaf = (np.abs(bow) < 0.27 * np.sin(np.clip((v - 0.6) / 2.6, 0, 1) * np.pi)) & (v > 0.6)
            window.lay(leaf, np.floor(v).astype(int), GREENS[[3, 5, 1]])
        window.lay(
            (np.abs(u) < 0.09) & (v > 0.5) & (v < 4), np.floor(v / 2).astype(int), GREENS[1:2]
        )
        cup = (u / 0.78) ** 2 + ((v + 0.05) / 1.0) ** 2 < 1
        tips = v > -0.95 + 0.55 * np.abs(np.sin((u / 0.78 + 1) * np.pi * 1.5 + np.pi / 2))
        side = np.where(np.abs(u) < 0.42 * np.sqrt(np.clip((0.95 - v) / 1.9, 0, 1)), 0, np.sign(u))
        window.lay(cup & tips, side.astype(int) + 1, np.concatenate([REDS[[0, 3, 2]]]), "turn")


def frame(window: Window, top: float) -> None:
    x, y = window.x, window.y
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, top - y))
    along = np.where(np.minimum(x, 1 - x) < np.minimum(y, top - y), y / top * 15, x * 12)
    side = np.where(np.minimum(x, 1 - x) < np.minimum(y, top - y), x > 0.5, 2 + (y > top / 2))
    piece = np.floor(along).astype(int) + 32 * side
    window.lay(edge < FRAME, piece, np.stack([REDS[0], BLUES[0], REDS[2], GREENS[2]]), "turn")
    window.lay((edge < FRAME) & (edge > FRAME - 0.016), piece // 2, GOLDS[[4, 2]], "turn")


def cut(width: int, height: int, seed: int) -> Window:
    y, x = grid(height, width, 1 / width)
    rng = np.random.default_rng(seed)
    # Hand-cut panes: no line is quite straight.
    bent_x, bent_y = warp(x, y, seed + 1, 0.16, 0.007)
    window = Window(bent_x, bent_y, rng)
    sky(window)
    sun(window)
    land(window)
    tulips(window)
    window.x, window.y = mix(bent_x, x, 0.7), mix(bent_y, y, 0.7)
    frame(window, height / width)
    return window


def glass(window: Window, edge: Grey, unit: float, seed: int) -> Picture:
    """Light (linear) that comes through the panes."""
    height, width = edge.shape
    y, x = grid(height, width, 1 / unit)
    rng = np.random.default_rng(seed + 5)
    count = window.pieces + 1
    angle = rng.uniform(0, np.pi, count).astype(np.float32)[window.label]
    offset = rng.uniform(0, 200, count).astype(np.float32)[window.label]
    u = x * np.cos(angle) + y * np.sin(angle) + offset * 7
    v = y * np.cos(angle) - x * np.sin(angle) + offset * 3
    streaks = fbm(u / 60, v / 13, seed + 11, 4)
    hammered = fbm(x / 9 + offset, y / 9, seed + 12, 3)
    seeds = fbm(u / 7, v / 3.5, seed + 13, 1)
    thickness = 1.25 + 0.85 * streaks + 0.10 * hammered + 1.1 * np.exp(-edge / (3.6 * unit))
    thickness += rng.uniform(-0.5, 0.5, count).astype(np.float32)[window.label]
    thickness -= 0.5 * smoothstep(0.72, 0.95, seeds)
    passed = linear(window.colour) ** np.maximum(thickness, 0.15)[..., None]
    away = np.hypot((x * unit / width - SUN_X), (y * unit / width - SUN_Y))
    sky_light = (
        0.95 + 1.15 * np.exp(-((away / 0.30) ** 2)) + 0.35 * fbm(x / 210, y / 160, seed + 14, 3)
    )
    sparkle = relief(4.0 * unit * blur(0.5 * hammered + streaks, 0.9 * unit))
    return (
        passed * (np.maximum(sky_light, 0.35) * mix(1, np.clip(sparkle, 0.3, 1.9), 0.6))[..., None]
    )


def render(size: int, seed: int) -> Picture:
    """Make the window, `size` px high, in sRGB."""
    height = size * SUPERSAMPLING
    width = round(size / ASPECT) * SUPERSAMPLING
    unit = height / 768
    window = cut(width, height, seed)
    label = window.label
    rim = np.zeros(label.shape, bool)
    rim[:, 1:] |= label[:, 1:] != label[:, :-1]
    rim[1:] |= label[1:] != label[:-1]
    edge, _, _ = nearest(rim, round(30 * unit))
    corners = np.zeros(label.shape, bool)
    a, b, c, d = label[:-1, :-1], label[1:, :-1], label[:-1, 1:], label[1:, 1:]
    corners[1:, 1:] = (a != b).astype(int) + (b != d) + (d != c) + (c != a) > 2
    joint, _, _ = nearest(corners, round(12 * unit))

    y, x = grid(height, width, 1 / unit)
    half = unit * (
        2.5 + 0.5 * fbm(x / 30, y / 30, seed + 31, 2) + 1.5 * np.exp(-((joint / (5 * unit)) ** 2))
    )
    light = glass(window, edge, unit, seed)
    profile = np.sqrt(np.clip(1 - (edge / half) ** 2, 0, 1)) * half
    profile += 0.35 * unit * fbm(x / 4, y / 4, seed + 32, 3)
    metal = 0.020 * np.clip(relief(profile), 0, 3) ** 2
    lead = metal[..., None] * np.array([0.80, 0.92, 1.1], np.float32)
    covered = smoothstep(0.7 * SUPERSAMPLING, -0.7 * SUPERSAMPLING, edge - half)
    picture = mix(light, lead, covered[..., None])
    halo = 0.10 * blur(picture, 4 * unit) + 0.07 * blur(picture, 16 * unit)
    return shrink(develop(picture + halo, 1.15), SUPERSAMPLING)
