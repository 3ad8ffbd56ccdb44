"""The landscape: a village on a lake under mountains, in the light of a late afternoon."""

from __future__ import annotations

import numpy as np

from example_art.canvas import Picture, develop, fbm, mix, noise, sample, shrink, smoothstep
from example_art.landscape import buildings, plants, sky, terrain
from example_art.landscape.camera import Camera, Cloud, Film, blank, splat
from example_art.landscape.terrain import SUN

ASPECT = 512 / 768
SUPERSAMPLING = 2
EYE = 7.5
SKY_LIGHT = np.array([0.36, 0.50, 0.78], np.float32) * 0.62
GROUND_LIGHT = np.array([0.30, 0.26, 0.18], np.float32) * 0.30
# Distances (m) over which air scatters a share 1 - 1/e of red, green and blue light.
CLEARNESS = np.array([9500.0, 7400.0, 5400.0], np.float32)
SHADOW_CELL = 0.22


class Shadows:
    """A view from the sun of everything near the village: what is lower than it is in shade."""

    def __init__(self, points: np.ndarray) -> None:
        self.right = np.array([SUN[1], -SUN[0], 0], np.float32)
        self.right /= np.linalg.norm(self.right)
        self.up = np.cross(SUN, self.right)
        u, v = points @ self.right / SHADOW_CELL, points @ self.up / SHADOW_CELL
        self.corner = np.array([u.min(), v.min()])
        column, row = (u - self.corner[0]).astype(np.int64), (v - self.corner[1]).astype(np.int64)
        self.map = np.full((row.max() + 2, column.max() + 2), -1e9, np.float32)
        np.maximum.at(self.map, (row, column), points @ SUN)

    def lit(self, points: np.ndarray, slack: float) -> np.ndarray:
        """Share of sunlight, softened over 3 x 3 cells; `slack` metres count as the surface."""
        column = points @ self.right / SHADOW_CELL - self.corner[0]
        row = points @ self.up / SHADOW_CELL - self.corner[1]
        height = points @ SUN
        total = np.zeros(len(points), np.float32)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                r = np.clip((row + dy).astype(np.int64), 0, self.map.shape[0] - 1)
                c = np.clip((column + dx).astype(np.int64), 0, self.map.shape[1] - 1)
                total += self.map[r, c] < height + slack
        return total / 9


def expose(
    film: Film, camera: Camera, over_ridges: np.ndarray, shadows: Shadows, air: np.ndarray
) -> Picture:
    """Light that reaches the camera from the surfaces on the film, through the air."""
    hit = np.isfinite(film.depth)
    y = film.depth[hit]
    columns = np.broadcast_to(camera.columns(), film.depth.shape)[hit]
    rows = np.broadcast_to(camera.rows()[:, None], film.depth.shape)[hit]
    place = np.stack([columns * y, y, camera.z + rows * y], -1)
    normal, albedo = film.normal[hit], film.albedo[hit]
    sun = over_ridges[hit]
    near = np.flatnonzero(y < 330)
    sun[near] *= shadows.lit(place[near] + 0.25 * normal[near], 0.30)
    facing = normal @ SUN
    through = film.translucent[hit]
    direct = (
        np.maximum(facing, 0) * (1 - 0.4 * through)
        + through * np.maximum(-facing, 0) * 0.8
        + 0.18 * through
    )
    dome = film.open_sky[hit] * (0.55 + 0.45 * normal[:, 2])
    light = (sun * direct)[:, None] * sky.SUN_COLOUR + dome[:, None] * SKY_LIGHT
    light = light + (0.5 - 0.5 * normal[:, 2])[:, None] * GROUND_LIGHT * film.open_sky[hit][:, None]
    lit = albedo * light
    clear = np.exp(-y[:, None] / CLEARNESS)
    haze = mix(
        np.array([0.42, 0.55, 0.78], np.float32),
        [0.80, 0.76, 0.74],
        smoothstep(0.4, -0.6, columns)[:, None],
    )
    picture = air.copy()
    picture[hit] = lit * clear + haze * (1 - clear)
    return picture


def mirror_on_water(camera: Camera, mirror: Picture, seed: int) -> tuple[Picture, np.ndarray]:
    """The lake's surface in the rows below the horizon, and its distance there."""
    top = int(np.ceil(camera.horizon))
    slope = np.minimum(camera.rows()[top:], -1e-4)[:, None]
    y = -camera.z / slope
    x = y * camera.columns()
    y = np.broadcast_to(y, x.shape)
    calm = smoothstep(-0.25, 0.45, fbm(x / 26, y / 60, seed + 70, 3))
    strength = (0.35 + 1.0 * calm) * smoothstep(0, 30, y) * camera.focal
    row = np.broadcast_to(np.arange(top, camera.height)[:, None] + 0.5, x.shape)
    column = np.broadcast_to(np.arange(camera.width) + 0.5, x.shape)
    wave = fbm(x / 1.9, y / 1.3, seed + 71, 3) + 0.6 * noise(x / 7, y / 3.4, seed + 72)
    swing = noise(x / 1.1, y / 0.7, seed + 73)
    total = np.zeros((*x.shape, 3), np.float32)
    taps = 5
    for tap in range(taps):
        # Several slopes within a pixel: reflections smear along columns, as on real water.
        spread = (tap + 0.5) / taps * 2 - 1
        shift = (0.0085 * wave + 0.0050 * spread) * strength
        flipped = 2 * camera.horizon - row + shift
        total += sample(
            mirror, np.minimum(flipped, camera.horizon - 1), column + 0.0022 * swing * strength
        )
    glancing = np.clip(camera.z / np.sqrt(y * y + x * x) + 0.030 * wave + 0.035 * calm, 0.01, 1)
    fresnel = (0.02 + 0.98 * (1 - glancing) ** 5)[..., None]
    deep = np.array([0.020, 0.052, 0.055], np.float32)
    return total / taps * fresnel * 0.94 + deep * (1 - fresnel), y


def render(size: int, seed: int) -> Picture:
    """Take the picture, `size` px wide, in sRGB."""
    width, height = size * SUPERSAMPLING, round(size * ASPECT) * SUPERSAMPLING
    camera = Camera(EYE, width, height, 0.95 * width, 0.495 * height)

    def elevation(x: float, y: float) -> float:
        return float(terrain.elevation(np.array([x]), np.array([y]), seed)[0])

    faces = buildings.village(elevation, seed)
    rail = [(x, 21 - 0.95 * x + 2.4 * np.sin(x / 3)) for x in np.linspace(-13, 3.5, 11)]
    rail = [(x, y - 5.5) for x, y in rail]
    near_faces = buildings.fence([(x, y, elevation(x, y)) for x, y in rail], seed + 5)
    trees, woods = plants.village_trees(seed), plants.woods(seed)
    tree, grass = plants.big_tree(-9.6, 20.5, 15.5, seed), plants.meadow(seed)

    shape = [buildings.points(faces + near_faces, 0.16), trees.place, tree.place, grass.place[::3]]
    near_woods = woods.place[woods.place[:, 1] < 330]
    shadows = Shadows(np.concatenate([*shape, near_woods]))

    up = camera.rows()[: int(camera.horizon) + 1]
    air = np.zeros((height, width, 3), np.float32)
    air[: len(up)] = sky.paint(camera.columns(), up, seed + 80)
    air[len(up) :] = air[len(up) - 1]
    ground = terrain.survey(camera, seed)

    def view(
        eye: Camera, solids: list[buildings.Face], clouds: list[Cloud]
    ) -> tuple[Film, Picture]:
        film = blank(eye)
        over_ridges = terrain.draw(film, eye, ground, seed)
        buildings.draw(film, eye, solids)
        for cloud in clouds:
            splat(film, eye, cloud)
        return film, expose(film, eye, over_ridges, shadows, air)

    _, mirror = view(camera._replace(z=-EYE), faces, [trees, woods])
    film, picture = view(camera, faces + near_faces, [trees, woods, tree, grass])
    water, distance = mirror_on_water(camera, mirror, seed)
    top = height - len(water)
    wet = film.depth[top:] > distance
    picture[top:][wet] = water[wet]
    grain = 0.012 * np.random.default_rng(seed + 90).normal(size=(height, width, 1)).astype(
        np.float32
    )
    toned = develop(picture, 0.92) + grain
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    corner = 1 - 0.13 * smoothstep(0.7, 1.6, np.hypot(x, y * 0.9))
    return np.clip(shrink((toned * corner[..., None]).astype(np.float32), SUPERSAMPLING), 0, 1)
