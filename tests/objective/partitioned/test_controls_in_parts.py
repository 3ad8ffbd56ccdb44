"""Masks, transparency, statistics and regularisers: in tiles and on devices as in one piece."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import landscape, noise, random_network, waves

from jaxstyle.errors import InputError
from jaxstyle.objective.guides import guides
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned.device_mesh import (
    content_targets_sharded,
    evaluation_sharded,
    know_style_sharded,
)
from jaxstyle.objective.partitioned.device_mesh import parse_mesh as mesh_of
from jaxstyle.objective.partitioned.tile_layout import least_tile
from jaxstyle.objective.partitioned.tiled_objective import (
    TiledObjective,
    content_targets_tiled,
    know_style_tiled,
)
from jaxstyle.objective.pytrees import Guides, Model, Targets, Weights, make_weights, model_of
from jaxstyle.objective.regularisers import REGULARISERS
from jaxstyle.objective.statistics import STATISTICS, additive
from jaxstyle.objective.targets import content_targets, know_style, targets_of_styles

HEIGHT, WIDTH = 61, 46
SMALL = Objective(("relu1_2",), ("relu1_1", "relu2_1"))
SUMS = [name for name in STATISTICS if additive((name,))]


class Problem(NamedTuple):
    objective: Objective
    picture: jax.Array
    model: Model
    targets: Targets
    weights: Weights


def soft_masks(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Three that share the picture, with borders of some width, at no line of any grid."""
    y, x = np.mgrid[0:height, 0:width]
    sky = 1 / (1 + np.exp((y - 0.4 * height + 0.1 * x) / 2))
    left = 1 / (1 + np.exp((x - 0.45 * width) / 3))
    return np.stack([sky, (1 - sky) * left, (1 - sky) * (1 - left)]).astype(np.float32)


def alpha() -> np.ndarray:
    """A disc with a soft edge; 0 in the corners."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    away = np.hypot(y - 29.5, x - 22.0)
    return np.clip((27 - away) / 4, 0, 1).astype(np.float32)


def guides_of(objective: Objective, masks: Any = None, opaque: Any = None, **pixels: Any) -> Guides:
    """As ``levels.guides_at`` has them."""
    content, style = {}, {}
    if opaque is not None:
        found = guides(opaque[None], objective.content_layers)
        content = {tap: jnp.asarray(np.moveaxis(guide, 0, -1)) for tap, guide in found.items()}
        masks = (masks if masks is not None else np.ones_like(opaque)[None]) * opaque
        pixels["inside"] = opaque[..., None]
    if masks is not None:
        found = guides(masks, objective.style_layers)
        style = {tap: jnp.asarray(np.moveaxis(guide, 0, -1)) for tap, guide in found.items()}
    return Guides(content, style, {name: jnp.asarray(array) for name, array in pixels.items()})


@cache
def model() -> Model:
    return model_of(random_network())


def problem(objective: Objective, guided: Guides, **weights: Any) -> Problem:
    """Every goal has a style, and every term its say."""
    styles = (waves(40, 52), noise(36, 36, seed=5), 1 - landscape(44, 30), waves(30)[:, ::-1])
    known = [know_style(objective, model(), styles[i]) for i in range(len(objective.regions))]
    targets = Targets(
        content_targets(objective, model(), landscape(HEIGHT, WIDTH)),
        targets_of_styles(objective, known, jnp.float32(-0.5)),
        guided,
    )
    style = {tap: 1.0 - 0.3 * i for i, tap in enumerate(objective.style_layers)}
    layers = dict.fromkeys(objective.content_layers, 1.0), style
    terms = {"wavelet": 3.0, "range": 5.0, "temporal": 2.0, "tv_power": 1.5, **weights}
    picture = 0.7 * landscape(HEIGHT, WIDTH) + 0.8 * noise(HEIGHT, WIDTH) - 0.2
    return Problem(
        objective, picture, model(), targets, make_weights(1.0, 1.0, 5.0, *layers, **terms)
    )


def difference(found: Any, expected: Any) -> float:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30))


def whole(given: Problem) -> Any:
    return jax.jit(given.objective)(*given[1:])


def in_tiles(given: Problem) -> Any:
    tile = least_tile(given.objective.taps) + 4
    tiled = TiledObjective(given.objective, tile)
    assert len(tiled.tiling(HEIGHT, WIDTH, given.model).windows) > 3
    return tiled(*given[1:])


def on_devices(given: Problem) -> Any:
    evaluate, picture, arguments = evaluation_sharded(
        given.objective, given.picture, given[2:], mesh_of("4x2")
    )
    found, gradient = jax.jit(evaluate)(picture, *arguments)
    assert not np.any(gradient[HEIGHT:]) and not np.any(gradient[:, WIDTH:])
    return found, gradient[:HEIGHT, :WIDTH]


def assert_all_the_same(given: Problem, most: float = 1e-5) -> Any:
    expected = whole(given)
    for parted in (in_tiles, on_devices):
        found = jax.tree.map(difference, parted(given), expected)
        worst = {
            jax.tree_util.keystr(path): error
            for path, error in jax.tree_util.tree_leaves_with_path(found)
            if not error < most
        }
        assert worst == {}, parted.__name__
    return expected


def test_all_controls_at_once():
    """Regions, two goals for one of them, transparency, a freeze mask, clips, all regularisers."""
    objective = replace(SMALL, regions=(0, 1, 1, 2), regularisers=REGULARISERS, tv="power")
    free = np.ones((HEIGHT, WIDTH, 1), np.float32)
    free[20:41, 10:33] = 0
    pixels = {
        "free": free,
        "previous": waves(HEIGHT, WIDTH),
        "trust": noise(HEIGHT, WIDTH)[..., :1],
    }
    guided = guides_of(objective, soft_masks(), alpha(), **pixels)
    given = problem(
        objective, guided, goals=(1.0, 0.5, 0.25, 2.0), content_clip=0.1, style_clip=0.3
    )
    (_, terms), gradient = assert_all_the_same(given)
    assert min(float(term) for term in jax.tree.leaves(terms)) > 1e-3
    assert not gradient[20:41, 10:33].any() and np.asarray(gradient)[42:50, 15:30].any()


def test_every_statistic_of_sums_with_two_regions():
    """Errors are relative, so that each has its say."""
    objective = replace(
        SMALL, content_layers=(), statistics=tuple(SUMS), regions=(0, 2), padding="reflect"
    )
    assert len(SUMS) == 5
    assert_all_the_same(problem(objective, guides_of(objective, soft_masks()), goals=(1.0, 0.5)))


def test_regularisers_of_the_whole_picture():
    objective = Objective((), ("relu1_1",), regularisers=("tv", "wavelet", "range"), tv="l1")
    assert_all_the_same(problem(objective, guides_of(objective)))


def test_every_control_makes_a_difference():
    """What is said above is of something."""
    objective = replace(SMALL, regions=(0, 1, 2), regularisers=REGULARISERS)
    pixels = {"previous": waves(HEIGHT, WIDTH), "trust": noise(HEIGHT, WIDTH)[..., :1]}
    guided = guides_of(objective, soft_masks(), alpha(), **pixels)
    full = problem(objective, guided, goals=(1.0, 1.0, 1.0))
    (loss, _), _ = whole(full)

    def other(**changes: Any) -> float:
        targets = full.targets._replace(guides=guided._replace(**changes))
        return float(whole(full._replace(targets=targets))[0][0])

    ones = jax.tree.map(jnp.ones_like, guided)
    assert abs(other(content=ones.content) / loss - 1) > 1e-3
    assert abs(other(style=ones.style) / loss - 1) > 1e-2
    for name in ("inside", "trust"):
        assert abs(other(pixels={**guided.pixels, name: ones.pixels[name]}) / loss - 1) > 1e-3


def test_masks_that_share_the_picture_are_its_style_loss_in_shares():
    """Three regions with one style: areas add up to 1, and so does what each region has of it."""
    objective = replace(SMALL, content_layers=(), regions=(0,))
    plain = problem(objective, guides_of(objective))
    full = guides_of(objective, np.ones((1, HEIGHT, WIDTH), np.float32))
    one = plain._replace(targets=plain.targets._replace(guides=full))
    for found, expected in zip(
        jax.tree.leaves(whole(one)), jax.tree.leaves(whole(plain)), strict=True
    ):
        assert difference(found, expected) < 1e-5
    # A tiled picture has the same moments in each half, so that halves are the whole.
    left = np.zeros((2, 48, 48), np.float32)
    left[0, :, :24], left[1, :, 24:] = 1, 1
    tile = jnp.tile(noise(48, 24), (1, 2, 1))
    picked = replace(SMALL, content_layers=(), padding="circular")
    halves = replace(picked, regions=(0, 1))
    known = know_style(picked, model(), waves(40))
    values = []
    for objective, masks in ((picked, None), (halves, left)):
        goals = [known] * len(objective.regions)
        targets = Targets(
            {}, targets_of_styles(objective, goals, jnp.float32(0)), guides_of(objective, masks)
        )
        weights = plain.weights._replace(goals=jnp.ones(len(goals)), tv=jnp.float32(0))
        values.append(objective.loss(tile, model(), targets, weights)[0])
    assert values[1] == pytest.approx(float(values[0]), rel=1e-5)


def test_a_style_with_a_mask_is_known_the_same_in_parts():
    objective = replace(SMALL, content_layers=("relu2_1",))
    style, mask = waves(HEIGHT, WIDTH), soft_masks()[:1]
    found = guides(mask, objective.style_layers)
    at = {tap: jnp.asarray(guide[0][..., None]) for tap, guide in found.items()}
    host = {tap: np.asarray(guide) for tap, guide in at.items()}
    tiled, mesh = TiledObjective(objective, least_tile(objective.taps) + 4), mesh_of("4x2")
    expected = know_style(objective, model(), style, at)
    assert difference(
        know_style(objective, model(), style).moments["relu2_1"].products,
        expected.moments["relu2_1"].products,
    ) > 1e-2  # fmt: skip
    for known in (
        know_style_tiled(tiled, model(), style, at),
        know_style_sharded(objective, model(), np.asarray(style), mesh, host),
    ):
        errors = jax.tree.map(difference, known, expected)
        assert max(jax.tree.leaves(errors)) < 1e-5
    content = content_targets(objective, model(), style)["relu2_1"]
    in_tiles = content_targets_tiled(tiled, model(), style)["relu2_1"]
    shared = content_targets_sharded(objective, model(), np.asarray(style), mesh)["relu2_1"]
    assert difference(in_tiles, content) < 1e-5
    assert difference(shared[: content.shape[0], : content.shape[1]], content) < 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"statistics": ("gram", "histogram")}, "style statistic histogram ranks the values of th"),
        ({"unit_gradients": True}, "normalised gradients need the gradient of the whole picture"),
    ],
)
def test_what_no_part_can_know_is_refused(changes, message):
    objective = replace(SMALL, **changes)
    picture = landscape(HEIGHT, WIDTH)
    tiled, mesh = TiledObjective(objective, 60), mesh_of("4x2")
    for call in (
        lambda: tiled(picture, model(), Targets({}, {}), make_weights(1, 1, 1, {}, {})),
        lambda: know_style_tiled(tiled, model(), picture),
        lambda: know_style_sharded(objective, model(), picture, mesh),
        lambda: content_targets_sharded(objective, model(), picture, mesh),
    ):
        with pytest.raises(InputError, match=message) as caught:
            call()
        assert "use --strategy whole and no --mesh" in str(caught.value)
