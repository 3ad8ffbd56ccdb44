"""Networks of doubtful origin, and cutting them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from samples import IMAGENET, TINY, landscape, random_network

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG16, VGG19, Architecture
from jaxstyle.network.network import Network, WeightFileError, checked_network, kernel_shapes
from jaxstyle.network.preprocessing import preprocessing
from jaxstyle.network.vgg import features

HOW = preprocessing(**IMAGENET)
TINY16 = Architecture(VGG16.depths, TINY.widths)


def arrays_of(architecture: Architecture) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    chance = np.random.default_rng(0)
    return {
        name: (
            chance.normal(size=architecture.kernel_shape(name)),
            np.zeros(architecture.width(name)),
        )
        for name in architecture.convolutions
    }


def build(layers) -> Network:
    return checked_network(layers, HOW, source="a test")


@pytest.mark.parametrize("architecture", [TINY, TINY16], ids=["vgg19", "vgg16"])
def test_a_sound_network_is_taken_as_it_is(architecture):
    layers = arrays_of(architecture)
    network = build(dict(reversed(layers.items())))
    assert network.architecture == architecture
    assert network.complete_to == architecture.convolutions[-1]
    assert tuple(network.params) == architecture.convolutions  # in order, whatever the file's was
    for name, (kernel, bias) in layers.items():
        assert network.params[name]["kernel"].dtype == jnp.float32
        np.testing.assert_array_equal(network.params[name]["kernel"], kernel.astype(np.float32))
        np.testing.assert_array_equal(network.params[name]["bias"], bias.astype(np.float32))


def damaged(name: str, part: int, change) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    layers = arrays_of(TINY)
    kernel, bias = layers[name]
    layers[name] = (change(kernel), bias) if part == 0 else (kernel, change(bias))
    return layers


def with_one(value: float):
    def change(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array.flat[-1] = value
        return array

    return change


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({}, "no layer"),
        ({**arrays_of(TINY), "fc6": (np.zeros((4, 4)), np.zeros(4))}, "'fc6' is no layer"),
        ({**arrays_of(TINY), "conv1_3": (np.zeros((3, 3, 4, 4)), np.zeros(4))}, "conv1_3 is no"),
        ({k: v for k, v in arrays_of(TINY).items() if k != "conv2_2"}, "lacks conv2_2"),
        (damaged("conv2_1", 0, lambda k: k[:2]), r"conv2_1 .* \(2, 3, 4, 5\).*needed are"),
        (damaged("conv2_1", 0, lambda k: k[0]), "conv2_1 has a kernel of shape"),
        (damaged("conv2_1", 0, lambda k: k[..., :0, :]), "conv2_1 has a kernel of shape"),
        (damaged("conv2_1", 0, lambda k: k.transpose(0, 1, 3, 2)), "conv2_1 has a kernel of shape"),
        (damaged("conv3_3", 0, lambda k: k[:, :, :5]), "conv3_3 .* its neighbours need"),
        (damaged("conv3_3", 1, lambda b: b[:-1]), "conv3_3 .* bias of shape"),
        (damaged("conv4_1", 0, with_one(np.nan)), "conv4_1 holds NaN or infinite"),
        (damaged("conv4_1", 1, with_one(-np.inf)), "conv4_1 holds NaN or infinite"),
        (damaged("conv4_1", 0, with_one(1e200)), "conv4_1 holds NaN or infinite"),
    ],
)
def test_a_doubtful_network_is_refused(layers, message):
    with pytest.raises(WeightFileError, match=message) as caught:
        build(layers)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, InputError)  # so that the command line shows it as it is


@pytest.mark.parametrize("last", VGG19.convolutions)
def test_upto_keeps_what_is_needed_and_no_more(last):
    cut = random_network().upto(last)
    assert tuple(cut.params) == VGG19.convolutions[: VGG19.convolutions.index(last) + 1]
    assert cut.complete_to == last


def test_upto_changes_no_feature():
    network = random_network()
    x = landscape(16)[None]
    before = features(network.params, x, ("relu2_2",))["relu2_2"]
    after = features(network.upto("conv2_2").params, x, ("relu2_2",))["relu2_2"]
    np.testing.assert_array_equal(before, after)


def test_upto_keeps_where_the_network_is_from():
    network = Network(random_network().params, HOW, "a source", "ab", normalised=True, sha256="cd")
    cut = network.upto("conv1_2")
    assert (cut.source, cut.source_sha256, cut.normalised, cut.sha256) == (
        "a source",
        "ab",
        True,
        "cd",
    )
    assert cut.preprocessing is HOW


def test_upto_refuses_what_is_not_there():
    cut = random_network().upto("conv3_1")
    with pytest.raises(WeightFileError, match="at conv4_1: it has conv1_1 to conv3_1"):
        cut.upto("conv4_1")


def test_kernel_shapes():
    shapes = kernel_shapes(random_network().params)
    assert shapes == {name: TINY.kernel_shape(name) for name in TINY.convolutions}
