from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import IMAGENET, random_params

from jaxstyle.cli.commands.convert_weights.sample_pictures import dead_leaves, sample_pictures
from jaxstyle.errors import InputError
from jaxstyle.images import load_image, resize
from jaxstyle.network.architecture import VGG19, Architecture
from jaxstyle.network.network import Network
from jaxstyle.network.preprocessing import preprocessing, to_network
from jaxstyle.network.vgg import features
from jaxstyle.network.weights import load_weights
from jaxstyle.network.weights.convert import INPUTS, network_from
from jaxstyle.network.weights.fingerprints import identify
from jaxstyle.network.weights.normalise import dead_filters, filter_means, normalise
from jaxstyle.network.weights.readers.raw_weights import RawWeights

SMALL = Architecture(VGG19.depths, (4, 6, 8, 8, 8))
PICTURES = [dead_leaves(1, 64), dead_leaves(2, 64)]


@pytest.fixture(scope="module")
def network() -> Network:
    """A random network with biases, and of scales that differ."""
    params = random_params(jax.random.key(0), SMALL)
    random = np.random.default_rng(0)
    for layer in params.values():
        width = layer["bias"].shape
        layer["bias"] = jnp.asarray(0.3 * random.standard_normal(width), jnp.float32)
        layer["kernel"] = (
            layer["kernel"]
            * jnp.asarray(random.uniform(0.2, 5, width), jnp.float32)[None, None, None]
        )
    return Network(params, preprocessing(**IMAGENET), "random")


@pytest.fixture(scope="module")
def slim() -> Network:
    return load_weights("slim")


def relus(network: Network, picture: np.ndarray, pooling: str) -> dict[str, np.ndarray]:
    taps = ["relu" + layer[4:] for layer in network.params]
    seen = to_network(jnp.asarray(picture), network.preprocessing)[None]
    tapped = features(network.params, seen, taps, pooling=pooling)
    return {tap: np.asarray(activation) for tap, activation in tapped.items()}


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_normalised_filters_have_mean_activation_one(network, pooling):
    normalised, dead = normalise(network, PICTURES, pooling=pooling)
    both = [relus(normalised, picture, pooling) for picture in PICTURES]
    for tap in both[0]:
        mean = np.mean([each[tap].mean((0, 1, 2)) for each in both], axis=0)
        alive = np.ones(mean.size, bool)
        alive[dead.get("conv" + tap[4:], [])] = False
        np.testing.assert_allclose(mean[alive], 1, rtol=1e-4)
    assert normalised.normalised and normalised.preprocessing == network.preprocessing


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_normalising_changes_nothing_but_one_scale_a_filter(network, pooling):
    """With either pooling, whichever it was normalised with, on a picture not seen before."""
    normalised, _ = normalise(network, PICTURES, pooling="max")
    picture = dead_leaves(9, 48)
    before, after = relus(network, picture, pooling), relus(normalised, picture, pooling)
    scales = _scales(network, normalised)
    for tap, original in before.items():
        rescaled, scale = after[tap], scales["conv" + tap[4:]]
        assert (scale > 0).all()
        np.testing.assert_allclose(
            rescaled, original * scale, rtol=2e-4, atol=1e-5 * np.abs(rescaled).max()
        )


def _scales(network: Network, normalised: Network) -> dict[str, np.ndarray]:
    """What each filter was multiplied by, told by its bias, which nothing else scales."""
    return {
        name: np.asarray(normalised.params[name]["bias"]) / np.asarray(layer["bias"])
        for name, layer in network.params.items()
    }


def test_normalising_twice_is_normalising_once(network):
    once, _ = normalise(network, PICTURES)
    twice, _ = normalise(once, PICTURES)
    for name, layer in once.params.items():
        for part, array in layer.items():
            np.testing.assert_allclose(array, twice.params[name][part], rtol=1e-4, atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_dead_filters_stay_as_they_are_and_are_named(network, data):
    layer = data.draw(st.sampled_from(list(network.params)[:6]))
    width = network.params[layer]["bias"].shape[0]
    index = data.draw(st.integers(0, width - 1))
    params = {name: dict(parts) for name, parts in network.params.items()}
    params[layer]["bias"] = params[layer]["bias"].at[index].set(-1e6)
    normalised, dead = normalise(replace(network, params=params), PICTURES)
    assert index in dead[layer]
    assert float(normalised.params[layer]["bias"][index]) == -1e6
    for parts in normalised.params.values():
        assert all(np.isfinite(np.asarray(array)).all() for array in parts.values())


def test_nearly_dead_filters_are_not_blown_up(network):
    """One spark in one corner is no mean to divide by."""
    params = {name: dict(parts) for name, parts in network.params.items()}
    params["conv1_1"]["kernel"] = params["conv1_1"]["kernel"].at[..., 0].mul(1e-7)
    params["conv1_1"]["bias"] = params["conv1_1"]["bias"].at[0].set(0.0)
    normalised, dead = normalise(replace(network, params=params), PICTURES)
    assert dead["conv1_1"] == [0]
    kernel = np.asarray(normalised.params["conv1_1"]["kernel"])
    assert np.abs(kernel[..., 0]).max() < 1e-5


def test_means_are_those_of_the_activations(network):
    both = [relus(network, picture, "max") for picture in PICTURES]
    for name, means in filter_means(network, PICTURES).items():
        activations = np.concatenate([each["relu" + name[4:]] for each in both])
        expected = activations.mean((0, 1, 2), dtype=np.float64)
        np.testing.assert_allclose(means, expected, rtol=1e-4, atol=1e-7)
        assert dead_filters(means).tolist() == (expected <= 1e-4 * expected.mean()).tolist()


def test_pictures_count_by_their_positions(network):
    """Two halves of different size give what their sum gives, but for the borders' zeros."""
    small, large = dead_leaves(3, 32), dead_leaves(4, 64)
    each = [filter_means(network, [picture])["conv1_1"] for picture in (small, large)]
    joint = filter_means(network, [small, large])["conv1_1"]
    np.testing.assert_allclose(joint, (each[0] + 4 * each[1]) / 5, rtol=1e-5)


@pytest.mark.parametrize("pictures", [[], [np.zeros((8, 64, 3))], [np.zeros((64, 64))]])
@pytest.mark.parametrize("function", [filter_means, normalise])
def test_pictures_that_are_no_use_are_refused(network, function, pictures):
    with pytest.raises(InputError, match="at least"):
        function(network, pictures)


def test_the_embedded_network_is_normalised(slim):
    for means in filter_means(slim, [dead_leaves(seed, 160) for seed in (1, 2)]).values():
        assert 0.25 < means.mean() < 4
    assert identify(np.asarray(slim.params["conv1_1"]["kernel"])) is None


def test_rendered_pictures_are_always_the_same_and_fit():
    first, again = dead_leaves(3, 96), dead_leaves(3, 96)
    assert np.array_equal(first, again) and not np.array_equal(first, dead_leaves(4, 96))
    assert first.dtype == np.float32 and first.shape == (96, 96, 3)
    assert first.min() >= 0 and first.max() <= 1 and first.std() > 0.1


def test_sample_pictures_are_there_without_any_examples(monkeypatch, tmp_path):
    monkeypatch.setattr("jaxstyle.cli.commands.convert_weights.sample_pictures._EXAMPLES", tmp_path)
    pictures, what = sample_pictures()
    assert len(pictures) == 6 and what == "6 rendered pictures"
    with pytest.raises(InputError, match="nothing"):
        sample_pictures(["nothing.jpg"])


# The real first layers, where they are at hand.


def original_head(folder: Path) -> RawWeights:
    numbers = np.fromfile(folder / "vgg19_original_head" / "vgg19.model", "<f4")
    layers, start = {}, 0
    for name in ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"):
        _, _, inputs, outputs = VGG19.kernel_shape(name)
        kernel = numbers[start : start + 9 * inputs * outputs].reshape(outputs, inputs, 3, 3)
        start += kernel.size
        layers[name] = kernel.transpose(2, 3, 1, 0), numbers[start : start + outputs]
        start += outputs
    assert start == numbers.size
    return RawWeights(layers, "raw")


def normalised_head(folder: Path) -> RawWeights:
    layers = {}
    for name, index in zip(VGG19.convolutions, (2, 5, 9, 12, 16, 19, 22, 25), strict=False):
        _, _, inputs, outputs = VGG19.kernel_shape(name)
        place = folder / "vgg19_normalised_head"
        kernel = np.fromfile(place / f"{index}_weight", "<f4").reshape(outputs, inputs, 3, 3)
        layers[name] = kernel.transpose(2, 3, 1, 0), np.fromfile(place / f"{index}_bias", "<f4")
    return RawWeights(layers, "raw")


@pytest.fixture(scope="module")
def photographs(shared) -> list[np.ndarray]:
    names = ("tubingen.jpg", "golden_gate.jpg")
    return [resize(load_image(shared / "images" / name).rgb, 256, 192) for name in names]


@pytest.fixture(scope="module")
def heads(shared) -> dict[str, RawWeights]:
    folder = shared / "weights"
    if not (folder / "vgg19_original_head").is_dir():
        pytest.skip("the real first layers are not here")
    return {"original": original_head(folder), "normalised": normalised_head(folder)}


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_real_heads_agree_up_to_one_positive_scale_a_filter(heads, photographs, pooling):
    original = network_from(heads["original"], INPUTS["caffe"], source="")
    gatys = network_from(heads["normalised"], INPUTS["caffe"], source="").upto("conv3_1")
    for picture in photographs:
        before, after = relus(original, picture, pooling), relus(gatys, picture, pooling)
        for tap in ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1"):
            a, b = (each[tap].reshape(-1, each[tap].shape[-1]) for each in (before, after))
            scale = (a * b).sum(0) / (a * a).sum(0)
            assert (scale > 0).all()
            assert np.abs(b - a * scale).max() < 2e-4 * b.max()


def test_real_heads_are_seen_for_what_they_are(heads, photographs):
    for name, raw in heads.items():
        network = network_from(raw, INPUTS["caffe"], source="").upto("conv3_1")
        means = [means.mean() for means in filter_means(network, photographs).values()]
        low, high = (0.25, 4) if name == "normalised" else (15, 250)
        assert low < min(means) and max(means) < high
        found = identify(raw.layers["conv1_1"][0])
        assert found is not None
        assert (found.network.name, found.order) == ("simonyan-vgg19", "BGR")
        assert found.orientation == "upright" and found.rescaled == (name == "normalised")


def test_normalising_the_original_gives_what_gatys_published(heads, photographs):
    """Up to the difference between a few photographs and ImageNet."""
    original = network_from(heads["original"], INPUTS["caffe"], source="")
    ours, dead = normalise(original, photographs)
    assert not dead
    gatys = network_from(heads["normalised"], INPUTS["caffe"], source="").upto("conv3_1")
    for name in original.params:
        ratio = np.asarray(ours.params[name]["bias"]) / np.asarray(gatys.params[name]["bias"])
        assert 0.9 < np.median(ratio) < 1.25
        assert np.mean((ratio > 0.4) & (ratio < 2.5)) > 0.9
