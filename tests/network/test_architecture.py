"""The VGG tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import (
    VGG16,
    VGG19,
    VGG19_SLIM,
    Architecture,
    architecture_of,
    is_layer_name,
    least_side,
    order_taps,
    parse_layers,
    stride,
)

TAPS = st.sets(st.sampled_from(VGG19.layers), min_size=1)


def shapes_of(architecture: Architecture, upto: str = "conv5_4") -> dict[str, tuple[int, ...]]:
    names = [name for name in architecture.convolutions if name <= upto]
    return {name: architecture.kernel_shape(name) for name in names}


def test_vgg19_is_the_published_network():
    assert len(VGG19.convolutions) == 16
    assert len(VGG16.convolutions) == 13
    assert len(VGG19.layers) == 16 + 16 + 5
    assert VGG19.layers[:5] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1")
    assert VGG19.layers[-1] == "pool5"
    # 20,024,384 parameters without the fully connected layers, as every publication of it has.
    kernels = [VGG19.kernel_shape(name) for name in VGG19.convolutions]
    assert sum(h * w * i * o + o for h, w, i, o in kernels) == 20_024_384


def test_a_quarter_of_the_width_gives_the_slim_network():
    assert VGG19_SLIM.depths == VGG19.depths
    assert VGG19_SLIM.widths == tuple(width // 4 for width in VGG19.widths)
    kernels = [VGG19_SLIM.kernel_shape(name) for name in VGG19_SLIM.convolutions]
    assert sum(h * w * i * o + o for h, w, i, o in kernels) == 1_252_880  # as its card says


def test_kernels_follow_each_other():
    for before, after in zip(VGG19.convolutions, VGG19.convolutions[1:], strict=False):
        assert VGG19.kernel_shape(after)[2] == VGG19.width(before)
    assert VGG19.kernel_shape("conv1_1") == (3, 3, 3, 64)
    assert VGG19.kernel_shape("conv4_1") == (3, 3, 256, 512)


@pytest.mark.parametrize("name", ["conv4_2", "relu5_4", "pool1"])
def test_layer_names(name):
    assert is_layer_name(name)


@pytest.mark.parametrize(
    "name", ["conv6_1", "conv0_1", "conv1_5", "pool6", "pool1_1", "conv4_2 ", ""]
)
def test_what_is_no_layer_name(name):
    assert not is_layer_name(name)


@given(TAPS)
def test_taps_come_in_the_order_of_the_network(taps):
    ordered = order_taps([*taps, *taps])
    assert set(ordered) == taps
    assert list(ordered) == sorted(taps, key=VGG19.layers.index)


def test_an_unknown_tap_is_refused_with_what_there_is():
    with pytest.raises(InputError, match=r"unknown layer 'conv4_9'.*conv5_4"):
        order_taps(["relu1_1", "conv4_9"])
    with pytest.raises(InputError, match=r"unknown layer 'relu3_4'.*conv5_3"):
        order_taps(["relu3_4"], VGG16)


@pytest.mark.parametrize(
    ("layer", "pixels"),
    [("conv1_1", 1), ("relu1_2", 1), ("pool1", 2), ("conv2_1", 2), ("conv5_1", 16), ("pool5", 32)],
)
def test_stride(layer, pixels):
    assert stride(layer) == pixels


@given(TAPS)
def test_the_deepest_tap_says_how_small_a_picture_may_be(taps):
    assert least_side(taps) == stride(order_taps(taps)[-1])


def test_reflection_needs_two_positions_in_each_convolution():
    assert least_side(["relu5_1"], "reflect") == 32
    assert least_side(["pool4"], "reflect") == 16  # 16 px leave conv4_4 two positions, pool4 one
    assert least_side(["conv1_1"], "reflect") == 2
    assert least_side(["relu5_1"], "replicate") == least_side(["relu5_1"]) == 16


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("conv4_2", {"conv4_2": 1.0}),
        ("conv1_1,conv3_1:0.5", {"conv1_1": 1.0, "conv3_1": 0.5}),
        (" pool1:2 , relu5_4:1e-3, ", {"pool1": 2.0, "relu5_4": 1e-3}),
        ("conv1_1:0", {"conv1_1": 0.0}),
        ("", {}),
    ],
)
def test_layers_are_read_from_text(text, weights):
    assert parse_layers(text) == weights


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv9_1", "unknown layer 'conv9_1': layers are conv1_1"),
        ("conv1_1 conv2_1", "unknown layer 'conv1_1 conv2_1'"),
        ("conv1_1:", "layer weight 'conv1_1:' needs a number"),
        ("conv1_1:heavy", "layer weight 'conv1_1:heavy' needs a number"),
        ("conv1_1:-1", "needs a number of at least 0"),
        ("conv1_1:nan", "needs a number of at least 0"),
        ("conv1_1:inf", "needs a number of at least 0"),
        ("conv1_1,conv1_1:2", "layer conv1_1 is listed twice"),
    ],
)
def test_layers_that_cannot_be_read(text, message):
    with pytest.raises(InputError, match=message):
        parse_layers(text)


@given(st.dictionaries(st.sampled_from(VGG19.layers), st.floats(0, 1e30)))
def test_layers_survive_being_written_and_read(weights):
    assert parse_layers(",".join(f"{name}:{weight}" for name, weight in weights.items())) == weights


@pytest.mark.parametrize("architecture", [VGG19, VGG16, VGG19_SLIM])
def test_whole_networks_are_recognised(architecture):
    assert architecture_of(shapes_of(architecture)) == (architecture, architecture.convolutions[-1])


@pytest.mark.parametrize("last", VGG19.convolutions)
def test_a_network_cut_short_is_recognised(last):
    found, deepest = architecture_of(shapes_of(VGG19, last))
    assert deepest == last
    assert found == VGG19


@pytest.mark.parametrize("last", ["conv4_1", "conv4_3", "conv5_1", "conv5_3"])
def test_a_vgg16_cut_short_is_recognised_once_it_differs(last):
    assert architecture_of(shapes_of(VGG16, last)) == (VGG16, last)


def test_blocks_that_are_missing_count_as_those_of_vgg19():
    found, _ = architecture_of(shapes_of(VGG19_SLIM, "conv3_2"))
    assert found.widths == (16, 32, 64, 512, 512)


@pytest.mark.parametrize("gone", VGG19.convolutions[:-1])
def test_a_gap_is_named(gone):
    shapes = shapes_of(VGG19)
    del shapes[gone]
    with pytest.raises(ValueError, match=f"lacks {gone}, though it has conv5_4"):
        architecture_of(shapes)


@pytest.mark.parametrize("gone", [name for name in VGG16.convolutions if name != "conv5_3"])
def test_a_gap_in_a_vgg16_is_not_taken_for_one_of_a_vgg19(gone):
    shapes = shapes_of(VGG16)
    del shapes[gone]
    with pytest.raises(ValueError, match=f"lacks {gone}, though it has conv5_3"):
        architecture_of(shapes)


def test_a_convolution_too_many_is_refused():
    with pytest.raises(ValueError, match="conv1_3 is no layer"):
        architecture_of({**shapes_of(VGG19), "conv1_3": (3, 3, 64, 64)})


def test_shapes_that_do_not_fit_together_are_refused():
    shapes = {**shapes_of(VGG19), "conv3_2": (3, 3, 100, 256)}
    with pytest.raises(ValueError, match=r"conv3_2 has .*\(3, 3, 100, 256\).*\(3, 3, 256, 256\)"):
        architecture_of(shapes)


def test_an_empty_network_is_refused():
    with pytest.raises(ValueError, match="no layer"):
        architecture_of({})
