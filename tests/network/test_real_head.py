"""The first layers of the real VGG-19, original and normalised, agree on a photograph.

This holds preprocessing, the fold from BGR to RGB, the order of a kernel's axes and Gatys'
normalisation to account at once. The layers are not in the repository: see the README of
``shared/weights``.

Run with ``-s`` to see scales and correlations.
"""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from samples import CAFFE

from jaxstyle.network.architecture import VGG19
from jaxstyle.network.network import Network, checked_network
from jaxstyle.network.preprocessing import preprocessing, to_network
from jaxstyle.network.vgg import features
from jaxstyle.network.weights.fingerprints import identify

SHARED = Path(__file__).resolve().parents[3] / "shared"
ORIGINAL = SHARED / "weights" / "vgg19_original_head" / "vgg19.model"
NORMALISED = SHARED / "weights" / "vgg19_normalised_head"
PHOTOGRAPH = SHARED / "images" / "tubingen.jpg"

pytestmark = pytest.mark.skipif(
    not (ORIGINAL.is_file() and NORMALISED.is_dir() and PHOTOGRAPH.is_file()),
    reason="the real layers are not here",
)

CONVOLUTIONS = VGG19.convolutions[: VGG19.convolutions.index("conv3_1") + 1]
NUMBERS = {"conv1_1": 2, "conv1_2": 5, "conv2_1": 9, "conv2_2": 12, "conv3_1": 16}


def ordered(weight: np.ndarray) -> np.ndarray:
    """(out, in, height, width) -> (height, width, in, out)."""
    return weight.transpose(2, 3, 1, 0)


def original_head():
    numbers = np.fromfile(ORIGINAL, "<f4")
    layers, start = {}, 0
    for name in CONVOLUTIONS:
        height, width, inputs, outputs = VGG19.kernel_shape(name)
        middle = start + height * width * inputs * outputs
        weight = numbers[start:middle].reshape(outputs, inputs, height, width)
        layers[name] = ordered(weight), numbers[middle : middle + outputs]
        start = middle + outputs
    assert start == numbers.size
    return layers


def normalised_head():
    layers = {}
    for name, number in NUMBERS.items():
        height, width, inputs, outputs = VGG19.kernel_shape(name)
        weight = np.fromfile(NORMALISED / f"{number}_weight", "<f4")
        bias = np.fromfile(NORMALISED / f"{number}_bias", "<f4")
        layers[name] = ordered(weight.reshape(outputs, inputs, height, width)), bias
    return layers


HEADS = {"original": original_head, "normalised": normalised_head}


def network(layers, *, flip: bool = True) -> Network:
    """The layers with conv1_1 turned from BGR to RGB, as conversion does."""
    kernel, bias = layers["conv1_1"]
    layers = layers | {"conv1_1": (kernel[:, :, ::-1], bias)} if flip else layers
    return checked_network(layers, preprocessing(**CAFFE), source="real first layers")


def photograph() -> jnp.ndarray:
    picture = Image.open(PHOTOGRAPH).convert("RGB")
    picture.thumbnail((256, 256), Image.Resampling.LANCZOS)
    return jnp.asarray(np.asarray(picture, np.float32) / 255)[None]


def activations(found: Network, pooling: str = "max") -> dict[str, np.ndarray]:
    """relu1_1 to relu3_1 of the photograph as (position, channel)."""
    seen = to_network(photograph(), found.preprocessing)
    taps = [name.replace("conv", "relu") for name in CONVOLUTIONS]
    found_features = features(found.params, seen, taps, pooling=pooling)
    return {
        tap: np.asarray(x, np.float64).reshape(-1, x.shape[-1]) for tap, x in found_features.items()
    }


def scales(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each channel the best factor from ours to theirs, and the relative error left."""
    energy = (ours**2).sum(0)
    factor = (ours * theirs).sum(0) / np.maximum(energy, 1e-30)
    left = np.sqrt(((theirs - factor * ours) ** 2).sum(0) / np.maximum((theirs**2).sum(0), 1e-30))
    alive = energy > 0
    return factor[alive], left[alive]


@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_normalised_and_original_agree_up_to_a_scale(pooling):
    """With either pooling: both commute with positive factors."""
    original, normalised = (activations(network(head()), pooling) for head in HEADS.values())
    for tap, ours in original.items():
        factor, left = scales(ours, normalised[tap])
        correlation = np.corrcoef(ours.ravel(), normalised[tap].ravel())[0, 1]
        print(
            f"\n{pooling} {tap}: {factor.size} live channels of {ours.shape[1]}, scale "
            f"{factor.min():.3g} to {factor.max():.3g} (median {np.median(factor):.3g}), relative "
            f"error left {left.max():.1e}, correlation {correlation:.3f}, mean activation "
            f"{ours.mean():.3g} and {normalised[tap].mean():.3g}"
        )
        assert factor.size > 0.9 * ours.shape[1]
        assert factor.min() > 0 and left.max() < 1e-4


def test_the_normalised_head_was_normalised_with_max_pooling():
    means = {
        pooling: activations(network(normalised_head()), pooling)["relu3_1"].mean()
        for pooling in ("max", "avg")
    }
    print(f"\nmean activation of relu3_1: {means}")
    assert abs(means["max"] - 1) < 0.25 < abs(means["avg"] - 1)


def test_the_fold_agrees_with_the_heads_own_first_layer():
    """The normalised head has a 1x1 convolution from RGB in [0, 1] to what its conv1_1 expects."""
    weight = np.fromfile(NORMALISED / "0_weight", "<f4").reshape(3, 3)
    bias = np.fromfile(NORMALISED / "0_bias", "<f4")
    folded = network(normalised_head())
    unfolded = network(normalised_head(), flip=False)
    seen = photograph()
    taps = ["conv1_1", "conv3_1"]
    ours = features(folded.params, to_network(seen, folded.preprocessing), taps, pooling="max")
    theirs = features(
        unfolded.params, seen @ weight.T + bias.reshape(1, 1, 1, 3), taps, pooling="max"
    )
    for tap in taps:
        expected = np.asarray(theirs[tap])
        error = np.abs(np.asarray(ours[tap]) - expected).max() / np.abs(expected).max()
        print(f"\n{tap}: relative difference {error:.1e}")
        assert error < 1e-5


@pytest.mark.parametrize("head", HEADS)
def test_both_heads_are_recognised(head):
    kernel, _ = HEADS[head]()["conv1_1"]
    folded = np.asarray(network(HEADS[head]()).params["conv1_1"]["kernel"])
    for seen, order, orientation in (
        (kernel, "BGR", "upright"),
        (folded, "RGB", "upright"),
        (kernel.transpose(1, 0, 2, 3), "BGR", "transposed"),
    ):
        found = identify(seen)
        assert found and found.network.name == "simonyan-vgg19"
        assert (found.order, found.orientation) == (order, orientation)
        assert found.rescaled == (head == "normalised")
