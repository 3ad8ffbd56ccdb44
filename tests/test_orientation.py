"""Which axis is the height: told from signs of conv1_1, and from how smooth deep kernels are."""

from __future__ import annotations

import numpy as np
import pytest
from weight_files import TINY, random_layers

from jaxstyle.formats import load_weights
from jaxstyle.formats.orientation import (
    _ANTIDIAGONAL,
    _COLOURS,
    _DIAGONAL,
    Orientation,
    kernel_orientation,
    smoothness_along_width,
)
from jaxstyle.layers import VGG19, Architecture


def recognisable_layers(seed: int = 0):
    """A random VGG-19 that has the signs of Simonyan's, as BGR."""
    layers = random_layers(Architecture(VGG19.depths, (64, 2, 2, 2, 2)), seed)
    kernel, _ = layers["conv1_1"]
    for place in range(64):
        for known, corner, opposite in (
            (_DIAGONAL, (0, 0), (2, 2)),
            (_ANTIDIAGONAL, (0, 2), (2, 0)),
        ):
            larger, smaller = (corner, opposite) if known >> place & 1 else (opposite, corner)
            kernel[(*larger, slice(None), place)] += 3
            kernel[(*smaller, slice(None), place)] -= 3
        kernel[1, 1, :, place] += (9, 0, -9) if _COLOURS >> place & 1 else (-9, 0, 9)
    return layers


def changed(layers, change):
    return {name: (change(kernel), bias) for name, (kernel, bias) in layers.items()}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda kernel: kernel, "height, width"),
        (lambda kernel: kernel.transpose(1, 0, 2, 3), "width, height"),
        (lambda kernel: kernel[::-1, ::-1], "rotated"),
        (lambda kernel: kernel * np.linspace(0.1, 9, kernel.shape[3]), "height, width"),
        (lambda kernel: kernel.astype(np.float16), "height, width"),
    ],
)
def test_the_fingerprint_tells_the_axes(change, expected):
    found = kernel_orientation(changed(recognisable_layers(), change))
    assert found == Orientation(expected, "BGR", "fingerprint")


def test_the_fingerprint_tells_the_colours():
    layers = recognisable_layers()
    layers["conv1_1"] = layers["conv1_1"][0][:, :, ::-1], layers["conv1_1"][1]
    assert kernel_orientation(layers) == Orientation("height, width", "RGB", "fingerprint")


@pytest.mark.parametrize("seed", range(20))
def test_random_weights_have_no_fingerprint(seed):
    layers = {"conv1_1": random_layers(VGG19, seed)["conv1_1"]} if seed < 3 else None
    layers = layers or random_layers(TINY, seed)
    assert kernel_orientation(layers).evidence != "fingerprint"


def test_a_trained_network_is_smoother_along_the_width():
    """vgg19-slim was trained on pictures and their mirror images, as VGG-19 was."""
    params = load_weights("slim").params
    layers = {
        name: (np.asarray(layer["kernel"]), np.asarray(layer["bias"]))
        for name, layer in params.items()
    }
    each = {
        name: smoothness_along_width({name: pair})
        for name, pair in layers.items()
        if name >= "conv4_1"
    }
    assert len(each) == 8 and min(each.values()) > 0.25
    transposed = changed(layers, lambda kernel: kernel.transpose(1, 0, 2, 3))
    np.testing.assert_allclose(
        smoothness_along_width(transposed), -smoothness_along_width(layers), rtol=1e-5
    )
    assert kernel_orientation(layers) == Orientation("height, width", "unknown", "smoothness")
    assert kernel_orientation(transposed) == Orientation("width, height", "unknown", "smoothness")


def test_shallow_random_weights_tell_nothing():
    layers = {"conv1_1": random_layers(VGG19)["conv1_1"]}
    assert kernel_orientation(layers) == Orientation("unknown", "unknown", "none")
