"""A picture evaluated in tiles, against the same picture evaluated whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import compilations, in_float64, landscape, noise, random_network, waves

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG16, VGG19, Architecture, architecture_of, stride
from jaxstyle.network.network import Network, kernel_shapes
from jaxstyle.network.winograd import wide_layers, with_transformed_kernels
from jaxstyle.objective.conventions import CONVENTIONS
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned import tile_layout, tiled_objective, work_queue
from jaxstyle.objective.partitioned.tile_layout import aligned_zeros, least_tile
from jaxstyle.objective.partitioned.tiled_objective import (
    TiledObjective,
    content_targets_tiled,
    know_style_tiled,
)
from jaxstyle.objective.pytrees import Guides, Model, Targets, Weights, make_weights, model_of
from jaxstyle.objective.targets import content_targets, style_targets, targets_of_styles

SHALLOW = Objective(("relu2_1",), ("relu1_1", "relu2_1"))
DEEP = Objective()


def least(objective: Objective) -> int:
    return least_tile(objective.content_layers + objective.style_layers)


def weights_of(objective: Objective) -> Weights:
    """Of another number for everything, and so balanced that every term has its say."""
    convention = CONVENTIONS[objective.convention]
    content = {tap: 1.0 + 0.3 * i for i, tap in enumerate(objective.content_layers)}
    style = {tap: 1.0 + 0.2 * i for i, tap in enumerate(objective.style_layers)}
    return make_weights(
        convention.content_weight,
        convention.style_weight,
        5.0,
        content,
        style,
        goals=[1.0 + 0.5 * region for region in objective.regions],
        wavelet=1.0,
        range=1.0,
        temporal=2.0,
    )


def relative(a, b) -> float:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-30))


def targets_of(objective: Objective, model: Model, height: int, width: int) -> Targets:
    """Of random numbers: features would do no better, and take long to compile."""
    chance = np.random.default_rng(3)
    architecture, _ = architecture_of(kernel_shapes(model.params))
    content, style = {}, {}
    for tap in objective.content_layers:
        shape = height // stride(tap), width // stride(tap), architecture.width(tap)
        content[tap] = jnp.asarray(chance.random(shape), jnp.float32)
    for tap in objective.style_layers:
        rows = chance.random((20, architecture.width(tap)))
        goal = {"gram": jnp.asarray(rows.T @ rows / 20, jnp.float32)}
        style[tap] = (goal,) * len(objective.regions)
    if len(objective.regions) == 1:
        return Targets(content, style)

    def anywhere(tap: str | None, depth: int) -> Any:
        step = stride(tap) if tap else 1
        return jnp.asarray(chance.random((height // step, width // step, depth)), jnp.float32)

    guides = Guides(
        {tap: anywhere(tap, 1) for tap in objective.content_layers},
        {tap: anywhere(tap, max(objective.regions) + 1) for tap in objective.style_layers},
        {
            name: anywhere(None, depth)
            for name, depth in (("inside", 1), ("free", 1), ("previous", 3), ("trust", 1))
        },
    )
    return Targets(content, style, guides)


def known_tiled(tiled: TiledObjective, model: Model, style: Any) -> dict[str, Any]:
    """``Targets.style`` from tiles."""
    known = know_style_tiled(tiled, model, style)
    return targets_of_styles(tiled.objective, (known,), jnp.zeros(()))


def differences(
    objective: Objective,
    height: int,
    width: int,
    tile: int,
    *,
    network: Network | None = None,
    wide: bool = False,
) -> dict[str, float]:
    """Relative differences of tiled from whole results, by name."""
    model, weights = model_of(network or random_network()), weights_of(objective)
    picture = (landscape(height, width) + noise(height, width)) / 2
    targets = targets_of(objective, model, height, width)
    if wide:
        picture, model, targets, weights = in_float64((picture, model, targets, weights))
    whole = jax.jit(objective)(picture, model, targets, weights)
    tiled = TiledObjective(objective, tile)(picture, model, targets, weights)
    assert [leaf.dtype for leaf in jax.tree.leaves(tiled)] == [
        leaf.dtype for leaf in jax.tree.leaves(whole)
    ]
    return by_name(jax.tree.map(relative, tiled, whole))


def by_name(errors: Any) -> dict[str, float]:
    return {
        jax.tree_util.keystr(path): error
        for path, error in jax.tree_util.tree_leaves_with_path(errors)
    }


def assert_equal(objective: Objective, height: int, width: int, tile: int, **options) -> None:
    most = options.pop("most", 1e-5)
    found = differences(objective, height, width, tile, **options)
    assert {name: error for name, error in found.items() if not error < most} == {}


@pytest.mark.parametrize(
    ("objective", "height", "width", "tile"),
    [
        (DEEP, 208, 196, 181),  # the smallest tile, a multiple of 16 and an odd one
        (Objective(("pool5",), ()), 310, 40, 309),
        (Objective(("conv3_1",), ("pool2", "relu2_2"), padding="replicate", tv="l1"), 61, 90, 54),
        (Objective((), ("conv1_1",), tv="l1"), 37, 23, 9),
        (Objective(("relu2_2",), ()), 61, 47, 30),
        (Objective(("pool1",), ("conv1_2",)), 30, 21, 64),  # smaller than the tile
        (Objective((), ()), 33, 20, 8),  # total variation alone
    ],
    ids=lambda case: (
        "-".join(case.content_layers + case.style_layers) if isinstance(case, Objective) else None
    ),
)
def test_tiles_give_the_value_and_gradient_of_the_whole(objective, height, width, tile):
    assert_equal(objective, height, width, tile)


@st.composite
def objectives(draw: Any) -> Objective:
    """Any taps as deep as one drawn, any pooling, padding, total variation; masked or not."""
    deepest = draw(st.sampled_from(["conv1_1", "pool1", "conv2_2", "pool2", "conv3_1"]))
    layers = VGG19.layers[: VGG19.layers.index(deepest) + 1]
    taps = st.lists(st.sampled_from(layers), max_size=3, unique=True).map(tuple)
    masked = draw(st.booleans())
    return Objective(
        draw(taps),
        draw(taps),
        pooling=draw(st.sampled_from(["avg", "max"])),
        padding=draw(st.sampled_from(["zeros", "reflect", "replicate"])),
        tv=draw(st.sampled_from(["l1", "l2", "power"])),
        regions=(0, 1, 1) if masked else (0,),
        regularisers=("tv", "wavelet", "range", "temporal") if masked else ("tv",),
    )


@settings(max_examples=8)
@given(data=st.data(), objective=objectives())
def test_tiles_of_any_picture_and_taps_give_the_value_and_gradient_of_the_whole(data, objective):
    tile = least(objective) + data.draw(st.integers(0, 20))
    height, width = (data.draw(st.integers(16, 2 * tile + 30)) for _ in "hw")
    assert_equal(objective, height, width, tile)


def test_wide_layers_by_winograds_way_round_otherwise_in_a_tile():
    """Their squares of 4x4 lie elsewhere; where a feature is all but 0 the ReLU magnifies that."""
    wide = Architecture(VGG19.depths, (4, 128, 256, 8, 8))
    network = random_network(wide)
    objective = Objective(("relu3_1",), ("relu2_2", "relu3_1"))
    quick = with_transformed_kernels(network.params, wide_layers(network.params))
    assert len(wide_layers(network.params)) > 1
    found = differences(objective, 70, 91, 64, network=replace(network, params=quick))
    assert max(found.values()) < 1e-3


@pytest.mark.parametrize("objective", [SHALLOW, replace(SHALLOW, padding="reflect")])
def test_features_of_content_pictures_can_be_computed_for_every_tile(objective):
    tiled, model, weights = (
        TiledObjective(objective, 40),
        model_of(random_network()),
        weights_of(objective),
    )
    picture, first, second = noise(70, 91), landscape(70, 91), waves(70, 91)
    style = targets_of(objective, model, 70, 91).style
    shares = jnp.float32(0.3), jnp.float32(0.7)
    mean = jax.tree.map(
        lambda one, other: shares[0] * one + shares[1] * other,
        content_targets(objective, model, first),
        content_targets(objective, model, second),
    )
    expected = tiled(picture, model, Targets(mean, style), weights)
    seen = (first, shares[0]), (np.asarray(second), shares[1])
    targets = Targets({}, style, seen=seen)
    found = tiled(picture, model, targets, weights)
    assert {
        n: e for n, e in by_name(jax.tree.map(relative, found, expected)).items() if e > 1e-5
    } == {}
    other = targets._replace(seen=((first, jnp.float32(1)),))
    assert relative(tiled(picture, model, other, weights)[1], expected[1]) > 1e-3
    with pytest.raises(InputError, match="use a content image of its size"):
        tiled(picture, model, targets._replace(seen=((first[1:], shares[0]),)), weights)


def test_the_value_alone_is_that_of_a_call():
    tiled, model, weights = (
        TiledObjective(SHALLOW, 40),
        model_of(random_network()),
        weights_of(SHALLOW),
    )
    targets = targets_of(SHALLOW, model, 60, 80)
    found, _ = tiled(landscape(60, 80), model, targets, weights)
    assert jax.tree.map(float, tiled.value(landscape(60, 80), model, targets, weights)) == (
        jax.tree.map(float, found)
    )


@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_targets_are_those_of_the_whole(padding):
    objective = Objective(("relu3_1", "pool2"), ("relu1_1", "conv3_1"), padding=padding)
    tiled, model, picture = TiledObjective(objective, 50), model_of(random_network()), noise(91, 77)
    assert len(tiled.tiling(91, 77, model).windows) > 4
    errors = (
        jax.tree.map(
            relative,
            content_targets_tiled(tiled, model, picture),
            content_targets(objective, model, picture),
        ),
        jax.tree.map(
            relative,
            known_tiled(tiled, model, picture),
            style_targets(objective, model, picture),
        ),
    )
    assert {name: error for name, error in by_name(errors).items() if not error < 1e-6} == {}


def test_in_float64_they_agree_to_its_last_digits():
    """What is left in float32 is thus rounding."""
    objective = Objective(("conv2_1",), ("pool1",), padding="reflect", pooling="max")
    with jax.enable_x64(True):
        assert_equal(objective, 51, 45, least(objective), wide=True, most=1e-12)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention(convention):
    objective = Objective(("conv1_1",), ("conv1_1", "relu1_1"), convention=convention)
    assert_equal(objective, 53, 70, 32)


def test_a_network_of_fewer_layers():
    network = random_network(Architecture(VGG16.depths, (4, 5, 6, 7, 8)))
    objective = Objective(("relu4_1",), ())
    assert tile_layout.reach_of(("relu4_1",), VGG16) < tile_layout.reach_of(("relu4_1",))
    tile = least_tile(("relu4_1",), VGG16)
    assert_equal(objective, tile + 2, 60, tile, network=network)


def test_without_the_halo_they_differ(monkeypatch):
    """The tests above can fail."""
    objective = Objective(("relu3_1",), ("relu3_1",))
    monkeypatch.setattr(tile_layout, "reach_of", lambda *_: 1)
    found = differences(objective, 90, 70, 60)
    assert found.pop("[0][1].tv") < 1e-5  # total variation needs no more
    assert found.pop("[0][1].other") == 0  # there is none
    assert min(found.values()) > 1e-3


def test_one_program_serves_all_tiles_pictures_targets_and_weights():
    objective = replace(SHALLOW, style_layers=("relu1_2", "relu2_1"))
    tiled = TiledObjective(objective, 40)
    model, style = model_of(random_network()), waves(70, 50)
    targets = Targets(
        content_targets_tiled(tiled, model, landscape(101, 83)),
        known_tiled(tiled, model, style),
    )
    assert len(tiled.tiling(101, 83, model).windows) > 9
    programs = work_queue._on_each, tiled_objective.loss_and_slope
    before = [compilations(program) for program in programs]
    tiled(landscape(101, 83), model, targets, weights_of(objective))
    other = Targets(
        content_targets_tiled(tiled, model, noise(101, 83)),
        known_tiled(tiled, model, style[::-1]),
    )
    weights = weights_of(objective)._replace(content=jnp.float32(7))
    tiled(np.asarray(noise(101, 83)), model, other, weights)
    after = [compilations(program) for program in programs]
    assert after == [before[0] + 2, before[1] + 1]  # sums and gradient of a tile; the loss


@pytest.mark.parametrize("offload", [True, False])
def test_pictures_stay_on_the_host_or_beside_the_network(offload):
    """The second of the CPU's devices stands for an accelerator."""
    host, device = jax.devices()[:2]
    tiled = TiledObjective(SHALLOW, 40, offload)
    model = jax.device_put(model_of(random_network()), device)
    content = landscape(60, 80)
    targets = Targets(
        content_targets_tiled(tiled, model, content),
        known_tiled(tiled, model, waves(50)),
    )
    _, gradient = tiled(np.asarray(content), model, targets, weights_of(SHALLOW))
    home = host if offload else device
    assert gradient.devices() == targets.content["relu2_1"].devices() == {home}
    beside = targets._replace(content=jax.device_put(targets.content, device))
    _, expected = jax.jit(SHALLOW)(
        jax.device_put(content, device), model, beside, weights_of(SHALLOW)
    )
    assert relative(gradient, expected) < 1e-5


def test_memory_that_is_aligned_is_not_copied():
    array = aligned_zeros((50, 30, 3), np.dtype(np.float32))
    assert array.shape == (50, 30, 3) and not array.any()
    assert jax.device_put(array).unsafe_buffer_pointer() == array.ctypes.data


def test_the_pictures_given_are_left_alone():
    tiled, model = TiledObjective(SHALLOW, 40), model_of(random_network())
    picture = np.array(landscape(60, 80))
    targets = Targets(
        content_targets_tiled(tiled, model, picture), known_tiled(tiled, model, waves(50))
    )
    for given_picture in (picture, jnp.asarray(picture)):
        tiled(given_picture, model, targets, weights_of(SHALLOW))
        np.testing.assert_array_equal(given_picture, landscape(60, 80))


def test_bfloat16_differs_by_no_more_than_its_own_rounding():
    objective = Objective(("relu1_1",), ("conv1_1",), dtype="bfloat16")
    assert_equal(objective, 53, 70, 32, most=1e-2)


@pytest.mark.parametrize(
    ("objective", "tile", "size", "message"),
    [
        (DEEP, 180, (300, 300), "the tile is 180 px; conv5_1 needs at least 181"),
        (DEEP, 512, (15, 300), "the picture is 300x15; conv5_1 needs at least 16 px on each side"),
        (Objective(("conv9_9",)), 512, (99, 99), "unknown layer 'conv9_9'"),
        (replace(DEEP, padding="circular"), 512, (99, 99), "circular padding joins opposite"),
    ],
)
def test_what_cannot_be_tiled_is_refused(objective, tile, size, message):
    model, picture = model_of(random_network()), landscape(*size)
    targets = Targets({}, {})
    with pytest.raises(InputError, match=message):
        TiledObjective(objective, tile)(picture, model, targets, weights_of(objective))


def test_content_targets_of_another_size_are_refused():
    tiled, model = TiledObjective(SHALLOW, 40), model_of(random_network())
    targets = Targets(
        content_targets_tiled(tiled, model, landscape(60, 70)),
        known_tiled(tiled, model, waves(50)),
    )
    with pytest.raises(InputError, match=r"relu2_1 has shape \(30, 35, 5\); a picture of 80x60"):
        tiled(landscape(60, 80), model, targets, weights_of(SHALLOW))


def test_the_network_that_comes_with_jaxstyle(shared):
    from jaxstyle.network.weights import default_weights, load_weights

    objective = Objective(("relu4_2",), tuple(f"relu{block}_1" for block in range(1, 6)))
    assert_equal(objective, 187, 96, 181, network=load_weights(default_weights()))
