"""A colour woodcut: sun over mountains and a lake, cut in lines that follow the forms."""

from __future__ import annotations

import numpy as np

from example_art.canvas import (
    Grey,
    Picture,
    fbm,
    grid,
    mix,
    noise,
    over,
    palette,
    shrink,
    smoothstep,
    warp,
)

ASPECT = 592 / 768
SUPERSAMPLING = 2
MARGIN = 24
SUN_X, SUN_Y, SUN_RADIUS = 520.0, 168.0, 64.0
SHORE, BANK = 372.0, 446.0

PAPER, INK, VERMILION, BLUE, YELLOW = palette("efe3c6", "1c1815", "d2462a", "5b8f9e", "dfae4c")


class Block:
    """The key block while it is being cut: how much ink each pixel carries, 0 to 1.

    Lengths are in px of a picture 768 px wide; `pixel` is the length of one canvas pixel.
    `tremble` is added to the darkness of hatching.
    """

    def __init__(self, x: Grey, y: Grey, ink: Grey, tremble: Grey, pixel: float, seed: int) -> None:
        self.x, self.y, self.ink, self.tremble = x, y, ink, tremble
        self.pixel, self.seed = pixel, seed

    def window(self, left: float, top: float, right: float, bottom: float) -> Block:
        """The part of the block inside a rectangle; what is cut there is cut here."""
        rows = slice(max(0, int(top / self.pixel)), max(1, int(bottom / self.pixel)))
        columns = slice(max(0, int(left / self.pixel)), max(1, int(right / self.pixel)))
        x, y, ink = self.x[rows, columns], self.y[rows, columns], self.ink[rows, columns]
        return Block(x, y, ink, self.tremble[rows, columns], self.pixel, self.seed)

    def inside(self, depth: Grey) -> Grey:
        """Coverage of a shape, given the distance to its rim (positive inside)."""
        return smoothstep(-0.6 * self.pixel, 0.6 * self.pixel, depth)

    def lay(self, depth: Grey, ink: Grey | float, halo: float = 0.0) -> None:
        """Cut a shape, with a bare rim of width `halo` round it."""
        if halo:
            self.ink[...] = mix(self.ink, 0.0, self.inside(depth + halo))
        self.ink[...] = mix(self.ink, ink, self.inside(depth))

    def hatch(self, phase: Grey, darkness: Grey, spacing: float) -> Grey:
        """Lines along the level sets of `phase`, about `spacing` apart, as thick as it is dark.

        Where the level sets spread, lines are put in between, thin at first.
        """
        slope_y, slope_x = np.gradient(phase, self.pixel)
        rate = np.clip(np.hypot(slope_x, slope_y), 1e-4, 3 / spacing)
        level = np.clip(-np.log2(rate * spacing), -6, 8)
        octave = np.floor(level)
        fine = phase * 2 ** (octave + 1)
        rate = rate * 2 ** (octave + 1)
        new = level - octave
        darkness = darkness + self.tremble * smoothstep(0, 0.2, darkness) * smoothstep(
            1, 0.8, darkness
        )
        old_distance = np.abs(fine / 2 - np.round(fine / 2)) * 2
        new_distance = 1 - old_distance
        old_depth = darkness * (1 - 0.5 * new) - old_distance
        new_depth = darkness * 0.5 * new - new_distance
        lines = self.inside(np.maximum(old_depth, new_depth) / rate)
        lines = np.where(darkness < 0.06, 0, lines)
        return np.where(darkness > 0.97, 1, lines).astype(np.float32)


def skyline(x: np.ndarray, peaks: tuple[tuple[float, float, float], ...], seed: int) -> np.ndarray:
    """Height of a range (y of its rim): the highest of the peaks (x, y, slope), roughened."""
    rough = 16 * fbm(x / 90, x * 0 + 0.5, seed, 5)
    rims = [top + slope * np.abs(x - at) ** 0.94 for at, top, slope in peaks]
    return np.minimum.reduce(rims) + rough


def sky(block: Block) -> None:
    x, y = block.x, block.y
    dx, dy = x - SUN_X, y - SUN_Y
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    beams = np.sin(angle * 14 + 0.5 * np.sin(angle * 3))
    dark = (
        0.20 + 0.16 * beams + 0.40 * smoothstep(120, 560, radius) - 0.10 * smoothstep(150, 370, y)
    )
    dark = dark * smoothstep(SUN_RADIUS + 4, SUN_RADIUS + 70, radius)
    phase = angle / (2 * np.pi) * 128
    block.lay(np.full_like(x, 9), block.hatch(phase, np.clip(dark, 0, 0.92), 8.5))
    block.lay(3.2 - np.abs(radius - SUN_RADIUS), 1.0)
    crescent = smoothstep(10, 60, np.hypot(dx + 22, dy + 20)) * smoothstep(30, 62, radius)
    rings = block.hatch((np.hypot(dx + 30, dy + 28)) / 8, 0.55 * crescent, 8)
    block.lay(SUN_RADIUS - 6 - radius, rings)


def clouds(block: Block) -> Grey:
    """Banks of cloud; returns their depth for the colour blocks."""
    rng = np.random.default_rng(block.seed + 60)
    x, y = block.x, block.y
    every = np.full_like(x, -99)
    for cx, cy, length in (
        (150, 96, 130),
        (330, 190, 78),
        (690, 92, 92),
        (655, 262, 88),
        (60, 226, 90),
    ):
        bank = np.full_like(x, -99)
        count = max(5, round(length / 13))
        for number in np.argsort(rng.uniform(size=count)):
            part = number / (count - 1) * 2 - 1
            puff = (0.36 - 0.20 * part**2) * length * rng.uniform(0.65, 0.95)
            px, py = cx + part * length * 0.88, cy - 0.35 * puff
            distance = np.hypot(x - px, (y - py) * 1.15)
            depth = puff - distance
            bank = np.maximum(bank, depth)
        base = cy + 0.10 * length + 3 * np.sin(x / 21)
        bank = np.minimum(bank, base - y)
        roll = 7 * np.sin(x / 19 + cy) + 5 * np.sin(x / 8.3)
        shade = 0.75 * smoothstep(cy - 0.30 * length, cy + 0.14 * length, y + roll)
        block.lay(bank, 1.0, halo=3.5)
        block.lay(bank - 2.4, block.hatch((y + 0.5 * roll) / 6.5, shade, 6.5))
        every = np.maximum(every, bank)
    return every


def mountains(block: Block) -> tuple[Grey, Grey]:
    """Three ranges, far to near; returns the depth inside them and inside the snow."""
    x, y, seed = block.x, block.y, block.seed
    ranges = (
        (((40, 268, 0.62), (390, 250, 0.70), (640, 288, 0.55), (750, 262, 0.6)), 0.30, 8.0),
        (((232, 116, 1.02), (110, 232, 0.85), (335, 236, 0.95), (455, 290, 0.7)), 0.52, 8.5),
        (((700, 262, 0.62), (560, 322, 0.5), (30, 318, 0.55)), 0.50, 8.5),
    )
    land = np.full_like(x, -99)
    snow = np.full_like(x, -99)
    for number, (peaks, tone, spacing) in enumerate(ranges):
        rim = skyline(x, peaks, seed + 20 + number)
        depth = np.minimum((y - rim) * 0.75, SHORE + 4 - y)
        shape_x = x + 10 * fbm(x / 60, y / 45, seed + 30 + number, 3)
        tops = [top + slope * np.abs(shape_x - at) ** 0.94 for at, top, slope in peaks]
        owner = np.argmin(np.stack(tops), 0)
        at = np.array([p[0] for p in peaks], np.float32)[owner]
        top = np.array([p[1] for p in peaks], np.float32)[owner]
        fall = y - top
        crest = (
            at + 0.22 * fall * np.sin(fall / 38 + owner * 2.1) + 9 * fbm(y / 26, at, seed + 41, 3)
        )
        side = x - crest
        # Spurs: folds that run down and away from the crest.
        spur = np.sin((np.abs(side) - fall * 0.55) / 13 + 2.2 * fbm(x / 60, y / 60, seed + 50, 3))
        lit = smoothstep(-5, 7, side) * (0.62 + 0.38 * smoothstep(-0.3, 0.9, spur))
        lit = np.maximum(lit, 0.40 * smoothstep(0.35, 1.0, spur))
        dark = tone * (1.45 - 1.35 * lit) + 0.10 * smoothstep(40, 190, fall)
        lean = np.where(side > 0, 1.0, -1.0)
        phase = (fall - lean * side * 0.85 + 5 * noise(x / 34, y / 34, seed + 55)) / spacing
        if number == 1:
            line = 96 + 26 * np.sin(side / 17) + 18 * fbm(x / 22, y / 22, seed + 58, 2)
            cap = smoothstep(14, -14, fall - line) * (owner == 0)
            dark = dark * (1 - cap * (0.55 + 0.40 * (side > 0)))
            snow = np.where(owner == 0, np.minimum(depth, line - fall), snow)
        snow = np.where((number > 1) & (depth > 0), -99, snow)
        block.lay(depth, 1.0, halo=3.5)
        block.lay(depth - 2.2, block.hatch(phase, np.clip(dark, 0.0, 0.96), spacing))
        land = np.maximum(land, depth)
    return land, snow


def lake(block: Block, mirror: Grey) -> None:
    """Water with the picture above it, upside down, and a track of light."""
    x, y = block.x, block.y
    depth = np.minimum(y - SHORE, BANK + 40 - y)
    below = y - SHORE
    track = np.exp(-(((x - SUN_X) / (16 + 0.55 * below)) ** 2))
    glitter = smoothstep(0.0, 0.7, noise(x / 22, y / 4.5, block.seed + 70) + 1.5 * track - 0.55)
    dark = 0.30 + 0.50 * mirror + 0.10 * noise(x / 50, y / 6, block.seed + 71)
    dark = np.clip(dark, 0.12, 0.9) * (1 - 0.95 * glitter * smoothstep(0.05, 0.35, track))
    ripple = 2.2 * noise(x / 34, y / 15, block.seed + 72) + 1.1 * np.sin(x / 17 + y / 5)
    phase = 26 * np.log(np.maximum(below + ripple * (0.35 + below / 90) + 60, 1) / 60)
    block.lay(depth, block.hatch(phase, dark, 5.5))
    block.lay(1.4 - np.abs(below), 1.0)


def bank(block: Block) -> Grey:
    """The near bank: a field whose furrows bend over the hill; returns its depth."""
    x, y = block.x, block.y
    rim = (
        BANK
        + 22 * np.sin(x / 150 + 2.6)
        + 10 * np.sin(x / 61 + 1.0)
        + 3 * fbm(x / 25, x * 0, block.seed + 80, 3)
    )
    depth = y - rim
    vanish_x = 470.0
    bow = (x - vanish_x) / (depth + 46) + 0.05 * noise(x / 60, y / 60, block.seed + 81)
    swell = 0.5 + 0.5 * np.sin(bow * 5.2 + 0.8)
    dark = 0.16 + 0.50 * swell**2 + 0.12 * smoothstep(20, 140, depth)
    dark = dark * smoothstep(-1, 14, depth) + 0.08 * noise(x / 45, y / 12, block.seed + 82)
    block.lay(depth, 1.0, halo=4)
    block.lay(depth - 2.6, block.hatch(bow * 9, np.clip(dark, 0.08, 0.9), 8.5))
    return depth


def pine(block: Block, x: float, base: float, height: float, tiers: int) -> None:
    """A conifer, black, with the light side cut open along its drooping branches."""
    half = 0.3 * height + 8
    block = block.window(x - half, base - 1.08 * height - 8, x + half, base + 12)
    if min(block.ink.shape) < 2:
        return
    up = (base - block.y) / height
    across = (block.x - x - 3 * np.sin(up * 7 + x)) / height
    step = up * tiers
    droop = step + np.abs(across) * tiers * 0.55
    tooth = 1 - (droop - np.floor(droop))
    comb = 0.018 * noise(block.x / 3.2, block.y / 4.5, block.seed + 90)
    reach = 0.235 * np.maximum(1 - up, 0) ** 0.85 * (0.50 + 0.50 * tooth) + comb
    crown = np.where((up > 0.10) & (up < 1.02), reach - np.abs(across), -9) * height * 0.8
    trunk = np.where((up > -0.02) & (up < 0.5), 0.020 - np.abs(across), -9) * height
    block.lay(np.maximum(crown, trunk), 1.0, halo=2.4 if height > 60 else 1.2)
    light = smoothstep(-0.02, 0.11, across) * smoothstep(0.05, 0.6, tooth) + 0.22 * (tooth > 0.72)
    if height < 60:  # Too small for the knife.
        return
    phase = (block.y + 26 * (across * 9) ** 2 - across * height * 0.35) / 5.5
    cuts = block.hatch(phase, np.clip(1.0 - 0.62 * light, 0, 1), 5.5)
    block.lay(crown - 1.8, cuts)


def cabin(block: Block, x: float, base: float, size: float) -> tuple[Grey, Grey]:
    """A house with a plank wall and a hatched roof; returns the depth of roof and of window."""
    u, v = (block.x - x) / size, (base - block.y) / size
    front = np.minimum.reduce([0.5 - np.abs(u), v, 0.62 - v]) * size
    gable = np.minimum(v - 0.60, 1.12 - v - np.abs(u) * 0.92) * size
    flank = np.minimum.reduce([u - 0.5, 1.75 - u, v, 0.62 - v]) * size
    slope = (v - 0.56) / 0.58
    roof = (
        np.minimum.reduce([v - 0.56, 1.14 - v, u - 0.60 + slope * 0.58, 1.86 - slope * 0.42 - u])
        * size
    )
    chimney = np.minimum.reduce([u - 1.15, 1.35 - u, v - 0.9, 1.42 - v]) * size
    whole = np.maximum.reduce([front, gable, flank, roof, chimney])
    block.lay(whole, 1.0, halo=4)
    planks = block.hatch(block.x / 6.0 + 0.2 * noise(block.x / 9, block.y / 30, 5), 0.5 + 0 * u, 6)
    logs = block.hatch(block.y / 6.0 + 0.2 * noise(block.x / 30, block.y / 9, 6), 0.32 + 0 * u, 6)
    block.lay(np.maximum(front, gable) - 1.6, planks)
    block.lay(flank - 1.6, logs)
    block.lay(chimney - 1.8, logs)
    tiles = block.hatch(v * 0.9 * size / 5.5, 0.45 + 0.25 * slope, 5.5)
    block.lay(roof - 1.6, tiles)
    glow = np.full_like(u, -99)
    for at, across, low, high in (
        (0.0, 0.14, 0.18, 0.48),
        (0.98, 0.12, 0.22, 0.46),
        (1.42, 0.12, 0.22, 0.46),
    ):
        pane = np.minimum(across - np.abs(u - at), np.minimum(v - low, high - v)) * size
        block.lay(pane, 1.0)
        bars = np.minimum(np.abs(u - at), np.abs(v - (low + high) / 2)) * size - 0.9
        block.lay(np.minimum(pane - 1.8, bars), 0.0)
        glow = np.maximum(glow, pane)
    return roof, glow


def render(size: int, seed: int) -> Picture:
    """Cut and print the picture, `size` px wide, in sRGB."""
    width, height = size * SUPERSAMPLING, round(size * ASPECT) * SUPERSAMPLING
    pixel = 768 / width
    y, x = grid(height, width, pixel)
    # The knife trembles and the wood tears: every rim is a little rough.
    bent_x, bent_y = warp(x, y, seed + 1, 40, 1.1)
    bent_x, bent_y = warp(bent_x, bent_y, seed + 2, 3.5, 0.42)
    tremble = 0.16 * noise(x / 23, y / 23, seed + 3) + 0.10 * noise(x / 7, y / 7, seed + 4)
    block = Block(bent_x, bent_y, np.zeros_like(x), tremble, pixel, seed)
    sky(block)
    cloud = clouds(block)
    land, snow = mountains(block)

    sky_line = np.clip(((2 * SHORE - bent_y) / pixel).astype(int), 0, height - 1)
    column = np.clip(((bent_x + 2 * np.sin(bent_y / 2.5)) / pixel).astype(int), 0, width - 1)
    mirror = (land[sky_line, column] > 0) * np.where(snow[sky_line, column] > 0, 0.25, 0.9)
    lake(block, mirror.astype(np.float32))
    for number in range(26):
        jitter = 9 * np.sin(number * 12.9898)
        at = 4 + number * 11.5 + jitter + (430 if number > 13 else 0)
        pine(block, at, SHORE + 7 + 3 * np.sin(number * 4.1), 34 + 13 * np.sin(number * 7.7), 6)
    field = bank(block)
    roof, window = cabin(block, 560, 497, 58)
    for at, base, tall, tiers in ((690, 505, 150, 9), (742, 520, 190, 10), (520, 498, 74, 8)):
        pine(block, at, base, tall, tiers)
    for at, base, tall, tiers in ((172, 520, 215, 11), (40, 548, 330, 14), (112, 566, 400, 16)):
        pine(block, at, base, tall, tiers)

    edge = np.minimum.reduce([x, 768 - x, y, y.max() - y]) - MARGIN
    edge = edge + 1.6 * fbm(x / 40, y / 40, seed + 95, 4)
    frame = block.inside(edge)
    key = np.maximum(block.ink, block.inside(3.4 - np.abs(edge - 3.4))) * frame

    grain = fbm(x / 130, y / 2.6 + 2.5 * noise(x / 180, y / 60, seed + 96), seed + 97, 4)
    fibre = fbm(x / 5, y / 5, seed + 98, 3)
    tint_x, tint_y = 2.2, -1.6  # The colour blocks are never quite in register.

    def tint(picture: Picture, colour: np.ndarray, depth: Grey, strength: Grey | float) -> Picture:
        moved = np.roll(depth, (round(tint_y / pixel), round(tint_x / pixel)), (0, 1))
        cover = block.inside(moved) * frame * strength
        return over(picture, colour, cover * np.clip(0.88 + 0.24 * grain + 0.10 * fibre, 0, 1))

    radius = np.hypot(bent_x - SUN_X, bent_y - SUN_Y)
    paper = PAPER * (1 + 0.025 * fibre + 0.02 * fbm(x / 70, y / 70, seed + 99, 3))[..., None]
    sky_shape = np.minimum.reduce([SHORE - bent_y, radius - SUN_RADIUS - 5, -cloud])
    fade = smoothstep(330, 40, y) * smoothstep(SUN_RADIUS, 260, radius)
    picture = tint(paper, BLUE, np.minimum(sky_shape, -land), 0.95 * fade)
    picture = tint(picture, YELLOW, np.minimum(sky_shape, -land), 0.85 * (1 - fade))
    picture = tint(picture, BLUE, np.minimum(land, -snow), 0.72)
    picture = tint(picture, BLUE, np.minimum(bent_y - SHORE, -field), 0.9)
    picture = tint(picture, YELLOW, field, 0.95)
    picture = tint(picture, VERMILION, SUN_RADIUS - radius, 1.0)
    picture = tint(picture, VERMILION, roof, 1.0)
    picture = tint(picture, YELLOW, window, 1.0)
    worn = np.clip(
        0.97 + 0.10 * grain + 0.05 * fibre - 0.35 * smoothstep(0.9, 1.3, grain + fibre), 0, 1
    )
    picture = over(picture, INK, key * worn)
    return np.clip(shrink(picture, SUPERSAMPLING), 0, 1)
