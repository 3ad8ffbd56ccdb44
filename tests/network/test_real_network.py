"""The real VGG-19, fetched and converted by the command as a user does, and what it does.

``JAXSTYLE_REAL_WEIGHTS`` names a file that has been converted already.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT

from jaxstyle import stylize
from jaxstyle.images import load_image, resize
from jaxstyle.network.architecture import VGG19
from jaxstyle.network.network import Network
from jaxstyle.network.preprocessing import to_network
from jaxstyle.network.vgg import features
from jaxstyle.network.weights import read_native
from jaxstyle.network.weights.fingerprints import identify
from jaxstyle.network.weights.normalise import filter_means

pytestmark = pytest.mark.real

STYLE_TAPS = tuple(f"relu{block}_1" for block in range(1, 6))
CODEBOOK = 0.013  # largest relative difference of a kernel that an 8-bit codebook makes


@pytest.fixture(scope="session")
def real(tmp_path_factory) -> Network:
    if given := os.environ.get("JAXSTYLE_REAL_WEIGHTS"):
        return read_native(given)
    folder = tmp_path_factory.mktemp("real")
    done = subprocess.run(
        [sys.executable, "-m", "jaxstyle", "convert-weights"],
        capture_output=True,
        text=True,
        env={**os.environ, "JAXSTYLE_WEIGHTS": str(folder)},
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        pytest.skip(f"the real VGG-19 cannot be had here: {last}")
    network = read_native(folder / "vgg19.h5")
    for file in folder.rglob("*.*"):
        if file.is_file():
            file.unlink()
    return network


def photograph(name: str, width: int, height: int) -> np.ndarray:
    return resize(load_image(ROOT / "examples" / name).rgb, width, height)


def off(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def in_file_order(network: Network, layer: str) -> np.ndarray:
    """The kernel as (out, in, height, width) for BGR, as Caffe has it."""
    kernel = np.asarray(network.params[layer]["kernel"])
    return (kernel[:, :, ::-1] if layer == "conv1_1" else kernel).transpose(3, 2, 0, 1)


def test_it_says_what_it_is(real):
    assert real.source.startswith("Simonyan's VGG-19 from ")
    assert "K. Simonyan and A. Zisserman, CC BY 4.0" in real.attribution
    if "(pypi)" in real.source:
        assert real.source.endswith("kernels within 1 % of the original, biases exact")
    assert (real.architecture, real.complete_to, real.normalised) == (VGG19, "conv5_4", False)
    assert real.preprocessing.mean.tolist() == pytest.approx([123.68, 116.779, 103.939])
    identity = identify(np.asarray(real.params["conv1_1"]["kernel"]))
    assert identity and identity.network.name == "simonyan-vgg19"
    assert (identity.order, identity.orientation, identity.rescaled) == ("RGB", "upright", False)


def test_its_first_layers_are_the_original_ones(real, shared):
    path = shared / "weights" / "vgg19_original_head" / "vgg19.model"
    if not path.is_file():
        pytest.skip("the real first layers are not here")
    numbers, start = np.fromfile(path, "<f4"), 0
    for layer in VGG19.convolutions[:5]:
        kernel = in_file_order(real, layer)
        bias = np.asarray(real.params[layer]["bias"])
        middle = start + kernel.size
        assert off(kernel, numbers[start:middle].reshape(kernel.shape)) < CODEBOOK
        start = middle + bias.size
        assert np.array_equal(bias, numbers[middle:start])
    assert start == numbers.size


def test_its_layers_are_the_normalised_ones_up_to_one_scale_a_filter(real, shared):
    folder: Path = shared / "weights" / "vgg19_normalised_head"
    if not folder.is_dir():
        pytest.skip("the real normalised layers are not here")
    for layer, index in zip(VGG19.convolutions, (2, 5, 9, 12, 16, 19, 22, 25), strict=False):
        kernel = in_file_order(real, layer)
        theirs = np.fromfile(folder / f"{index}_weight", "<f4").reshape(kernel.shape)
        if layer == "conv1_1":
            before = np.ones(3)
        theirs = theirs * before[None, :, None, None]  # undo what the layer before was scaled by
        scale = (kernel * theirs).sum((1, 2, 3)) / (kernel**2).sum((1, 2, 3))
        assert (scale > 0).all()
        assert off(theirs / scale[:, None, None, None], kernel) < CODEBOOK
        before = scale


def test_its_layer_means_are_those_of_the_original(real):
    pictures = [photograph(name, 256, 192) for name in ("content.jpg", "still_life.jpg")]
    means = {layer: filters.mean() for layer, filters in filter_means(real, pictures).items()}
    upto_conv5_1 = [mean for layer, mean in means.items() if layer < "conv5_2"]
    assert 10 < min(upto_conv5_1) and max(upto_conv5_1) < 2000, means
    assert max(means, key=lambda layer: means[layer]) in ("conv3_3", "conv3_4", "conv4_1"), means
    assert 0.1 < means["conv5_4"] < min(upto_conv5_1), means


def judged(network: Network, picture: np.ndarray) -> dict[str, np.ndarray]:
    """Mean Gram matrices of the style layers and the features of relu4_2, with max pooling."""
    seen = to_network(jnp.asarray(picture, jnp.float32), network.preprocessing)[None]
    tapped = features(network.params, seen, (*STYLE_TAPS, "relu4_2"), pooling="max")
    flat = {tap: np.asarray(x).reshape(-1, x.shape[-1]) for tap, x in tapped.items()}
    return {tap: x if tap == "relu4_2" else x.T @ x / len(x) for tap, x in flat.items()}


def test_a_small_picture_takes_on_the_style_and_keeps_the_content(real):
    content, style = photograph("content.jpg", 96, 72), photograph("style.jpg", 96, 72)
    result = stylize(content, style, network=real, size=96, steps=60)
    wanted, kept, ours = (judged(real, each) for each in (style, content, result.image))
    errors = {
        name: np.mean([off(picture[tap], wanted[tap]) ** 2 for tap in STYLE_TAPS])
        for name, picture in (("before", kept), ("after", ours))
    }
    content_error = off(ours["relu4_2"], kept["relu4_2"]) ** 2
    first = result.losses[0][0]
    print(f"\nloss {first:.4g} -> {result.loss:.4g}, style {errors}, content {content_error:.3f}")
    assert result.loss < 0.25 * first
    assert errors["after"] < 0.25 * errors["before"]
    assert content_error < 1.2
