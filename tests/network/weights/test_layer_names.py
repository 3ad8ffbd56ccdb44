"""Which tensor is which layer: every way in which people name them."""

from __future__ import annotations

import numpy as np
import pytest
from weight_files import TINY, assert_same_layers, random_layers, torchvision_names

from jaxstyle.network.architecture import VGG16, Architecture
from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.readers.layer_names import Stored, convolutions_of

LAYERS = random_layers(TINY)
TINY_16 = Architecture(VGG16.depths, TINY.widths)
TORCHVISION = torchvision_names(LAYERS, TINY)


def stored(tensors):
    return {
        name: Stored(tensor.shape, lambda tensor=tensor: tensor) for name, tensor in tensors.items()
    }


def renamed(pattern, weight="weight", bias="bias"):
    """HWIO tensors named by a pattern of block, depth and part."""
    tensors = {}
    for name, parts in LAYERS.items():
        for part, tensor in zip((weight, bias), parts, strict=True):
            tensors[pattern.format(b=name[4], d=name[6], part=part)] = tensor
    return tensors


@pytest.mark.parametrize(
    "tensors",
    [
        renamed("conv{b}_{d}.{part}"),
        renamed("features.conv{b}_{d}.{part}"),
        renamed("module.conv{b}_{d}.{part}"),
        renamed("conv{b}_{d}/{part}", "kernel"),
        renamed("conv{b}_{d}_{part}", "W", "b"),
        renamed("vgg_19/conv{b}/conv{b}_{d}/{part}", "weights", "biases"),
        renamed("conv{b}_{d}/{part}:0", "filter", "biases"),
        renamed("block{b}_conv{d}/{part}", "kernel"),
        renamed("block{b}_conv{d}/block{b}_conv{d}/{part}:0", "kernel"),
    ],
    ids=lambda tensors: next(iter(tensors)),
)
def test_spellings_of_layers_by_name(tensors):
    others = {"classifier.0.weight": np.ones((2, 2)), "fc6.weight": np.ones((2, 2))}
    assert_same_layers(convolutions_of(stored({**others, **tensors}), "HWIO"), LAYERS)


@pytest.mark.parametrize(
    "form", ["features.{}", "module.features.{}", "features.module.{}", "model.features.{}", "{}"]
)
def test_spellings_of_layers_by_index(form):
    tensors = {
        form.format(name.removeprefix("features.")): tensor for name, tensor in TORCHVISION.items()
    }
    assert_same_layers(convolutions_of(stored(tensors), "OIHW"), LAYERS)


@pytest.mark.parametrize("architecture", [TINY, TINY_16], ids=["vgg19", "vgg16"])
@pytest.mark.parametrize("count", range(1, 17))
def test_networks_cut_anywhere_are_recognised(architecture, count):
    names = architecture.convolutions[:count]
    whole = random_layers(architecture)
    layers = {name: whole[name] for name in names}
    tensors = torchvision_names(layers, architecture)
    assert_same_layers(convolutions_of(stored(tensors), "OIHW"), layers)


def test_the_order_of_axes_is_told_by_the_kernels():
    by_name = {
        f"conv{n[4:]}.{part}": t
        for n, pair in LAYERS.items()
        for part, t in zip(("weight", "bias"), pair, strict=True)
    }
    assert_same_layers(convolutions_of(stored(by_name), None), LAYERS)
    assert_same_layers(convolutions_of(stored(TORCHVISION), None), LAYERS)
    three = random_layers(Architecture((1, 0, 0, 0, 0), (3, 0, 0, 0, 0)))
    by_name = dict(zip(("conv1_1.weight", "conv1_1.bias"), three["conv1_1"], strict=True))
    assert_same_layers(convolutions_of(stored(by_name), None), three)


def test_nothing_but_the_convolutions_is_read():
    def explode():
        raise AssertionError("the classifier was read")

    tensors = stored(TORCHVISION)
    for name in ("classifier.0.weight", "fc6.weight", "pre_logits.fc1.weight", "features.weight"):
        tensors[name] = Stored((4096, 25088), explode)
    assert list(convolutions_of(tensors, "OIHW")) == list(LAYERS)


@pytest.mark.parametrize("depths", [(2, 2, 4, 4, 4), (2, 2, 3, 3, 3), (2,) * 5, (1, 1, 2, 2, 2)])
def test_batch_normalisation_is_refused_by_name(depths):
    architecture = Architecture(depths, TINY.widths)
    tensors, index = {}, 0
    for layer in architecture.layers:
        if layer.startswith("conv"):
            tensors[f"features.{index}.weight"] = np.ones(
                architecture.kernel_shape(layer)[::-1], np.float32
            )
            tensors[f"features.{index + 1}.running_mean"] = np.ones(2, np.float32)
            index += 1
        index += 1
    expected = {16: "vgg19_bn", 13: "vgg16_bn", 10: "vgg13_bn", 8: "vgg11_bn"}[sum(depths)]
    with pytest.raises(WeightFileError, match=f"^{expected} is not supported: use plain VGG-19"):
        convolutions_of(stored(tensors), "OIHW")


@pytest.mark.parametrize(("depths", "name"), [((2,) * 5, "vgg13"), ((1, 1, 2, 2, 2), "vgg11")])
def test_other_vggs_are_refused_by_name(depths, name):
    architecture = Architecture(depths, TINY.widths)
    tensors = torchvision_names(random_layers(architecture), architecture)
    with pytest.raises(WeightFileError, match=f"^{name} is not supported"):
        convolutions_of(stored(tensors), "OIHW")


def changed(**tensors):
    """The torchvision tensors with some replaced, or dropped if None."""
    new = {**TORCHVISION, **{name.replace("__", "."): t for name, t in tensors.items()}}
    return {name: tensor for name, tensor in new.items() if tensor is not None}


ONES = np.ones((2, 3, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "no layer of a VGG network but no tensor"),
        ({"a": ONES, "b": ONES}, "no layer of a VGG network but a, b"),
        (changed(features__0__bias=None), "conv1_1 has a weight but no bias"),
        (changed(features__5__weight=None), "conv2_1 has a bias but no weight"),
        (
            changed(features__5__weight=None, features__5__bias=None),
            r"features\.5 \(conv2_1\) is missing",
        ),
        (
            {n: t for n, t in renamed("conv{b}_{d}.{part}").items() if not n.startswith("conv3_2")},
            "the network lacks conv3_2, though it has conv5_4",
        ),
        (changed(features__0__weight=np.ones((2, 27))), r"conv1_1 \(features.0.weight\) has a ker"),
        (changed(features__0__weight=np.ones((2, 3, 5, 5))), r"shape \(2, 3, 5, 5\); needed is"),
        (changed(features__0__weight=np.ones((2, 4, 3, 3))), r"conv1_1 has a kernel of shape"),
        (changed(features__2__weight=np.ones((2, 0, 3, 3))), r"conv1_2 .*has a kernel of shape"),
        (changed(features__34__weight=np.ones((513, 2, 3, 3))), "conv5_4 .*at most 512 filters"),
        (changed(features__0__bias=np.ones(3)), r"conv1_1 has a bias of shape \(3,\); needed is"),
        (changed(features__0__bias=np.ones((2, 1))), "conv1_1 has a bias of shape"),
        (changed(features__0__bias=np.ones(2, np.int32)), "conv1_1 holds int32"),
        (changed(features__0__bias=np.ones(2, np.complex64)), "conv1_1 holds complex64"),
        (changed(features__1__weight=np.ones(2)), r"features\.1 is no convolution of VGG-19"),
        (changed(features__999__weight=np.ones(2)), r"features\.999 is no convolution"),
        (changed(conv1_1__weight=ONES), r"conv1_1\.weight and features\.0\.weight are one weight"),
        (changed(x__features__0__weight=ONES), "and x.features.0.weight are one weight"),
        ({"conv1_1.weight": ONES, "conv1_1.bias": ONES[:, 0, 0, 0], "conv1_3.bias": ONES}, "conv1"),
        ({"conv6_1.weight": ONES, "conv6_1.bias": ONES}, "conv6_1 is no layer of VGG-19"),
    ],
)
def test_refusals_name_the_layer(tensors, message):
    with pytest.raises(WeightFileError, match=message) as caught:
        convolutions_of(stored(tensors), "HWIO" if "conv3_3.weight" in tensors else "OIHW")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [1e300, np.inf, np.nan])
def test_numbers_that_are_not_finite_in_float32_are_refused_without_a_warning(number):
    with pytest.raises(WeightFileError, match="conv1_1 holds NaN or infinite weights"):
        convolutions_of(stored(changed(features__0__bias=np.full(2, number))), "OIHW")
