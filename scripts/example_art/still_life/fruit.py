"""Fruit of the still life: shapes as distances, and skins."""

from __future__ import annotations

import numpy as np

from example_art.canvas import fbm, linear, mix, noise, palette, smoothstep
from example_art.still_life.forms import around, capsule, full, norm, rotation, smooth_min, vector
from example_art.still_life.tracing import Body, Surface, Vectors, unit

RED, DEEP_RED, BLUSH, LIME = linear(palette("a81f1c", "6e1218", "d9672f", "b9b04a"))
LEMON, ORANGE, PITH, PEAR = linear(palette("ecc52e", "e07a14", "f2e6c4", "b7ad3f"))
RUSSET, STEM, GRAPE, BLOOM = linear(palette("9a6a2f", "4a3620", "3c1c3f", "8a86a6"))


def apple(
    x: float, y: float, z: float, size: float, seed: int, yaw: float, tilt: float, red: float
) -> Body:
    rotate = rotation(yaw, tilt)

    def fruit(p: Vectors) -> np.ndarray:
        length = norm(p)
        polar = np.arccos(np.clip(p[:, 2] / np.maximum(length, 1e-6), -1, 1))
        turn = np.arctan2(p[:, 1], p[:, 0])
        rim = (
            1
            - 0.46 * np.exp(-((polar / 0.40) ** 2))
            - 0.22 * np.exp(-(((np.pi - polar) / 0.34) ** 2))
        )
        rim *= 1 + 0.055 * np.cos(polar) + 0.02 * np.cos(5 * turn) * smoothstep(1.2, 2.8, polar)
        return (length - size * rim) * 0.62

    def stem(p: Vectors) -> np.ndarray:
        bent = capsule(p, (0, 0, 0.45 * size), (0.05 * size, 0, 0.85 * size), 0.045 * size)
        return np.minimum(
            bent,
            capsule(p, (0.05 * size, 0, 0.85 * size), (0.17 * size, 0, 1.18 * size), 0.05 * size),
        )

    def surface(p: Vectors, n: Vectors) -> Surface:
        p = p @ rotate
        turn, up = np.arctan2(p[:, 1], p[:, 0]), p[:, 2] / size
        streak = fbm(turn * 9, up * 1.3, seed, 4)
        patch = fbm(turn * 1.1 + 2, up * 1.2, seed + 1, 3)
        ripe = smoothstep(
            -0.55, 0.45, patch + 0.35 * streak + red - 0.5 * smoothstep(0.45, 0.85, up)
        )
        colour = mix(
            mix(LIME, BLUSH, ripe[:, None]),
            mix(RED, DEEP_RED, (0.5 + 0.5 * streak)[:, None]),
            (ripe**1.5)[:, None],
        )
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
    return Body(
        "orange", place, 0.0, 1.05 * size, distance, surface, ((0, 0, 0, size * 0.97),), ORANGE
    )


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
        return Surface(
            colour, np.where(flat, 0.012, 0.035), np.where(flat, 0.30 + 0.2 * flesh, 0.22)
        )

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
        bloom = smoothstep(
            -0.3, 0.7, fbm(p[:, 0] * 8 + 3 * chance[:, 0], p[:, 2] * 8 + p[:, 1] * 5, seed, 3)
        )
        base = mix(GRAPE, linear([0.45, 0.10, 0.18]), 0.6 * chance)
        colour = mix(base, BLOOM, (0.30 * bloom)[:, None])
        return Surface(colour, 0.045 - 0.02 * bloom, 0.06 + 0.25 * bloom, 0.12)

    balls = tuple((*centre, radius * 1.6) for centre in local[::6])
    place = middle.astype(np.float32)
    return Body("grapes", place, 0.0, reach, lambda p: nearest(p)[0], surface, balls, GRAPE)
