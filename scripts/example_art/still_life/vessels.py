"""Bottle, jug and bowl of the still life: solids of revolution and what they are made of."""

from __future__ import annotations

import numpy as np

from example_art.canvas import fbm, linear, mix, noise, palette, smoothstep
from example_art.still_life.forms import around, full, rotation, smooth_min
from example_art.still_life.tracing import Body, Surface, Vectors

GLAZE, COBALT, CLAY, EARTHENWARE = linear(palette("dcd9cd", "24408a", "a06a45", "9c4526"))
LABEL, GREEN_GLASS, WAX, GILT = linear(palette("ddcfa6", "1c3318", "5a1414", "cdb16c"))


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
        sheet = np.where((ink | frame)[:, None], WAX, np.where(gold[:, None], GILT, sheet))
        colour = mix(GREEN_GLASS * 0.22, WAX, capsule_[:, None])
        colour = np.where(paper[:, None], sheet, colour)
        mirror = np.where(paper, 0.012, 0.05)
        blur = np.where(paper, 0.6, 0.03 + 0.22 * capsule_)
        return Surface(colour, mirror, blur)

    stack = ((0.25, 0.26), (0.6, 0.26), (0.95, 0.26), (1.4, 0.15), (1.75, 0.1))
    balls = tuple((0, 0, z, radius) for z, radius in stack)
    place = np.array([x, y, 0], np.float32)
    return Body("bottle", place, 0.97, 1.05, distance, surface, balls, GREEN_GLASS)


def jug(x: float, y: float, seed: int) -> Body:
    """A glazed jug with a handle, painted in cobalt."""

    def rim(z: np.ndarray) -> np.ndarray:
        belly = 0.24 + 0.22 * np.maximum(np.sin(np.clip(z + 0.08, 0, 1) * np.pi), 0) ** 0.9
        neck = smoothstep(0.70, 1.0, z)
        return mix(belly, 0.215 + 0.085 * smoothstep(0.95, 1.32, z), neck) - 0.02 * smoothstep(
            0.04, 0, z
        )

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
        leaf = smoothstep(
            0.052, 0.040, np.hypot(du * 0.75 + dv * 0.3 * side, dv * 1.0 - du * 0.4 * side)
        )
        bands = np.zeros_like(z)
        for level, half in (
            (0.12, 0.022),
            (0.175, 0.008),
            (0.75, 0.020),
            (0.80, 0.008),
            (1.24, 0.025),
        ):
            bands = np.maximum(bands, smoothstep(half + 0.006, half - 0.004, np.abs(z - level)))
        paint = np.maximum.reduce([vine, leaf, bands]) * smoothstep(
            0.0, 0.02, around(p) - rim(z) + 0.03
        )
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
    """An earthenware bowl on a foot, with bands of pale slip under its glaze."""
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
        tone = fbm(turn * 2.5, z * 7, seed + 1, 4)
        throw = noise(turn * 0.6, z * 42, seed + 2)
        colour = EARTHENWARE * (1 + 0.20 * tone + 0.10 * throw)[:, None]
        ripple = z + 0.012 * np.sin(turn * 16)
        slip = smoothstep(0.022, 0.014, np.abs(ripple - 0.335))
        slip = np.maximum(slip, smoothstep(0.012, 0.006, np.abs(z - 0.275)))
        slip = np.maximum(slip, smoothstep(0.012, 0.006, np.abs(z - 0.395)))
        colour = mix(colour, GLAZE * 0.85, (0.85 * slip)[:, None])
        return Surface(colour, full(p, 0.05), 0.07 + 0.05 * np.abs(tone))

    place = np.array([x, y, 0], np.float32)
    balls = (
        (0, 0, 0.36, 0.40),
        (0.3, 0, 0.34, 0.26),
        (-0.3, 0, 0.34, 0.26),
        (0, 0.3, 0.34, 0.26),
        (0, -0.3, 0.34, 0.26),
    )
    return Body("bowl", place, 0.24, 0.74, distance, surface, balls, EARTHENWARE)
