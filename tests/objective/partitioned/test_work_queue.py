"""Tiles dealt out over eight devices: the numbers of one device, at the memory of one tile each."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import landscape, noise, random_network, waves

from jaxstyle import StylizeConfig, stylize
from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG19, VGG19_SLIM, architecture_of, stride
from jaxstyle.network.network import kernel_shapes
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned.device_mesh import parse_mesh
from jaxstyle.objective.partitioned.tile_layout import least_tile
from jaxstyle.objective.partitioned.tiled_objective import (
    TiledObjective,
    _tile_gradient,
    content_targets_tiled,
    know_style_tiled,
)
from jaxstyle.objective.partitioned.work_queue import (
    _on_each,
    _one_ahead,
    copied,
    dealt,
    devices_of,
)
from jaxstyle.objective.pytrees import Guides, Model, Targets, Weights, make_weights, model_of
from jaxstyle.objective.targets import content_targets, know_style
from jaxstyle.run.prepare import prepare
from jaxstyle.run.strategy import DIVIDED_OVERHEAD, choose, smaller, ways

SMALL = Objective(("pool1",), ("conv1_1", "pool1"), padding="reflect")


def on(mesh: str) -> Model:
    return copied(model_of(random_network()), parse_mesh(mesh))


def difference(found: Any, expected: Any) -> float:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30))


def differences(found: Any, expected: Any, most: float = 1e-5) -> dict[str, float]:
    """Those of more than ``most``, by name."""
    errors = jax.tree_util.tree_leaves_with_path(jax.tree.map(difference, found, expected))
    return {jax.tree_util.keystr(path): error for path, error in errors if not error < most}


def weights_of(objective: Objective) -> Weights:
    taps = objective.content_layers, objective.style_layers
    layers = (dict.fromkeys(names, 1.0) for names in taps)
    goals = [1.0 + 0.5 * region for region in objective.regions]
    return make_weights(1.0, 1.0, 5.0, *layers, goals=goals, temporal=2.0)


def targets_of(objective: Objective, height: int, width: int, masked: bool) -> Targets:
    """Of random numbers, and masks of them, too."""
    chance = np.random.default_rng(3)
    architecture, _ = architecture_of(kernel_shapes(random_network().params))

    def array(tap: str | None, depth: int) -> jax.Array:
        step = stride(tap) if tap else 1
        return jnp.asarray(chance.random((height // step, width // step, depth)), jnp.float32)

    style = {}
    for tap in objective.style_layers:
        rows = chance.random((20, architecture.width(tap)))
        goal = {"gram": jnp.asarray(rows.T @ rows / 20, jnp.float32)}
        style[tap] = (goal,) * len(objective.regions)
    content = {tap: array(tap, architecture.width(tap)) for tap in objective.content_layers}
    if not masked:
        return Targets(content, style)
    regions = max(objective.regions) + 1
    pixels = {"inside": 1, "free": 1, "previous": 3, "trust": 1}
    guides = Guides(
        {tap: array(tap, 1) for tap in objective.content_layers},
        {tap: array(tap, regions) for tap in objective.style_layers},
        {name: array(None, depth) for name, depth in pixels.items()},
    )
    return Targets(content, style, guides)


@settings(max_examples=3)
@given(data=st.data())
def test_loss_and_gradient_are_those_of_the_whole(data):
    layers = VGG19.layers[: VGG19.layers.index("conv2_1") + 1]
    taps = st.lists(st.sampled_from(layers), min_size=1, max_size=2, unique=True).map(tuple)
    masked = data.draw(st.booleans())
    objective = Objective(
        data.draw(taps),
        data.draw(taps),
        padding=data.draw(st.sampled_from(["zeros", "reflect", "replicate"])),
        regions=(0, 1, 1) if masked else (0,),
        regularisers=("tv", "temporal") if masked else ("tv",),
    )
    tile = least_tile(objective.taps) + data.draw(st.integers(0, 20))
    height, width = (data.draw(st.integers(8, 2 * tile + 40)) for _ in "hw")
    mesh = data.draw(st.sampled_from(["4x2", "8x1", "1x3", "2x2"]))

    picture = (landscape(height, width) + noise(height, width)) / 2
    targets = targets_of(objective, height, width, masked)
    rest = targets, weights_of(objective)
    expected = jax.jit(objective)(picture, model_of(random_network()), *rest)
    found = TiledObjective(objective, tile)(picture, on(mesh), *rest)
    assert differences(found, expected) == {}


def test_the_next_piece_is_sent_before_a_result_is_waited_for():
    told = []

    def results():
        for piece in range(3):
            told.append(("sent", piece))
            yield piece, jnp.zeros(())

    for piece, _ in _one_ahead(results()):
        told.append(("found", piece))
    sent, found = ([(what, piece) for piece in range(3)] for what in ("sent", "found"))
    assert told == [*sent[:2], found[0], sent[2], *found[1:]]


def test_the_last_round_may_have_fewer_tiles_than_there_are_devices():
    tiled, picture = TiledObjective(SMALL, 34), noise(90, 86)
    alone = model_of(random_network())
    assert len(tiled.tiling(90, 86, alone).windows) == 9
    rest = targets_of(SMALL, 90, 86, masked=True), weights_of(SMALL)
    expected, found = (tiled(picture, model, *rest) for model in (alone, on("4x2")))
    assert differences(found, expected, 1e-6) == {}
    assert found[1].devices() == {jax.devices()[0]}  # the host's memory


def test_targets_are_those_of_the_whole():
    tiled, style, alone = TiledObjective(SMALL, 34), waves(91, 77), model_of(random_network())
    mask = {"conv1_1": noise(91, 77)[..., :1], "pool1": noise(45, 38)[..., :1]}
    model = on("4x2")
    content = content_targets_tiled(tiled, model, style)
    assert differences(content, content_targets(SMALL, alone, style)) == {}
    known = know_style_tiled(tiled, model, style, mask)
    assert differences(known, know_style(SMALL, alone, style, mask)) == {}


def test_each_device_needs_the_memory_of_one_tile():
    """And they send each other nothing."""
    pieces, used = {}, {}
    picture, rest = noise(90, 86), targets_of(SMALL, 90, 86, masked=False)

    def keep(name: str, *arguments: Any) -> Any:
        if arguments[0] is _tile_gradient:
            pieces[name] = arguments
        return _on_each(*arguments)

    for name in ("1x1", "4x2"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("jaxstyle.objective.partitioned.work_queue._on_each", partial(keep, name))
            TiledObjective(SMALL, 34)(picture, on(name), rest, weights_of(SMALL))
        program: Any = _on_each.lower(*pieces[name]).compile()
        used[name] = program.memory_analysis()
    assert used["4x2"].temp_size_in_bytes <= 1.01 * used["1x1"].temp_size_in_bytes
    assert used["4x2"].argument_size_in_bytes <= 1.01 * used["1x1"].argument_size_in_bytes
    kinds = "all-|collective|reduce-scatter"
    assert re.findall(kinds, program.as_text().replace("num_partitions", "")) == []


def test_pieces_come_in_order_with_what_was_found_of_them():
    devices = devices_of(copied(jnp.zeros(()), parse_mesh("1x3")))

    def own(piece: int) -> tuple[np.ndarray]:
        return (np.full((1, 2), piece, np.float32),)

    def function(factor: float, more: jax.Array, values: jax.Array) -> jax.Array:
        return factor * values + more

    common = (jnp.ones(2),)
    found = list(dealt(function, 10.0, common, range(1, 6), own, devices, idle=0))
    assert [piece for piece, _ in found] == [1, 2, 3, 4, 5, 0]
    for place, (piece, result) in enumerate(found):
        np.testing.assert_array_equal(result, [[10.0 * piece + 1] * 2])
        assert result.devices() == {jax.devices()[place % 3]}


SETTINGS = {
    "size": 112, "levels": 2, "steps": 2, "content_layers": "pool1", "style_layers": "relu1_1",
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((72, 112, 3), np.float32), rng.random((64, 64, 3), np.float32)


def test_a_run_is_the_whole_one(pictures):
    """The first level is divided: a tile holds no less than all of it."""
    masks = [np.tile(np.linspace(0, 1, 112, dtype=np.float32), (72, 1))]
    settings = {**SETTINGS, "masks": masks}
    whole = stylize(*pictures, strategy="whole", **settings)
    shared = stylize(*pictures, mesh="4x2", strategy="tiled", tile=80, **settings)
    for ours, theirs in zip(shared.losses, whole.losses, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    np.testing.assert_allclose(shared.image, whole.image, atol=2e-3)
    config = json.loads(shared.record)["config"]
    assert (config["mesh"], config["strategy"], config["tile"]) == ("4x2", "tiled", 80)


def test_tiles_are_dealt_out_where_a_part_does_not_fit():
    config = StylizeConfig(mesh="4x2").resolved()
    found = ways(config, VGG19_SLIM, 8000, 6000)
    assert [(way.strategy, way.tile) for way in found] == [
        ("whole", 0), ("tiled", 1024), ("tiled", 512), ("tiled", 256),
    ]  # fmt: skip
    assert [way.needed for way in found] == sorted((way.needed for way in found), reverse=True)
    one = ways(StylizeConfig().resolved(), VGG19_SLIM, 8000, 6000)
    assert found[0].needed == pytest.approx(one[0].needed * DIVIDED_OVERHEAD / 8)
    # On CPU all eight devices have the memory of the host.
    told_of = ["divided 4x2", *(f"tiles of {tile} px" for tile in (1024, 512, 256))]
    for way, words in zip(found, told_of, strict=True):
        chosen, told = choose(config, VGG19_SLIM, 8000, 6000, round(8 * way.needed) + 8)
        assert (chosen.strategy, chosen.tile) == (way.strategy, way.tile or 1024)
        assert told.startswith(words) and " on each device of " in told
        assert ("dealt out over 4x2" in told) == (way.tile > 0)
    with pytest.raises(InputError, match="on each device, even tiles of 256 px dealt out over 4x2"):
        choose(config, VGG19_SLIM, 8000, 6000, 100 * 2**20)


def test_what_is_asked_for_is_taken(pictures):
    for strategy, words in (("tiled", "tiles of 80 px dealt out over 2x2"), ("whole", "divided")):
        job = prepare(*pictures, mesh="2x2", strategy=strategy, tile=80, **SETTINGS)
        assert job.config.strategy == strategy
        assert job.plan.startswith(words) and job.plan.endswith(" on each device")


def test_running_out_of_memory_goes_on_with_tiles():
    config, seen = choose(StylizeConfig(mesh="4x2").resolved(), VGG19_SLIM, 2000, 1000)[0], []
    while config is not None:
        seen.append((config.strategy, config.tile, config.mesh))
        config = smaller(config, VGG19_SLIM, 2000, 1000)
    assert seen == [
        ("whole", 1024, "4x2"), ("tiled", 1024, "4x2"), ("tiled", 512, "4x2"),
        ("tiled", 256, "4x2"),
    ]  # fmt: skip
