"""Weights that are known by their first filters, whatever their file is called."""

from __future__ import annotations

import numpy as np
import pytest
from hdf5_files import write_keras_named
from weight_files import Layers, random_layers, torch_file

from jaxstyle.network.architecture import VGG19
from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.convert import convert
from jaxstyle.network.weights.fingerprints import NETWORKS, identify


def named(layers: Layers) -> dict[str, np.ndarray]:
    """``conv1_1.weight`` as (out, in, height, width), and ``conv1_1.bias``."""
    return {
        f"{name}.{part}": array
        for name, (kernel, bias) in layers.items()
        for part, array in (
            ("weight", np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))),
            ("bias", bias),
        )
    }


def simonyan(order: str = "BGR", scale: float = 1.0) -> Layers:
    """A network whose first filters are Simonyan's."""
    layers = random_layers(VGG19)
    kernel = layers["conv1_1"][0]
    for index, published in NETWORKS[0].filters.items():
        rgb = published.transpose(1, 2, 0)
        kernel[..., index] = scale * (rgb if order == "RGB" else rgb[..., ::-1])
    return dict(list(layers.items())[:1])


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_weights_that_are_known_by_their_first_filters_need_no_word(tmp_path, order):
    """Whatever the file is called, and whichever way its channels are."""
    path = tmp_path / "vgg.pth"
    path.write_bytes(torch_file(named(simonyan(order)), legacy=True))
    conversion = convert(path)
    assert conversion.told_by == "its first filters"
    found = identify(np.asarray(conversion.network.params["conv1_1"]["kernel"]))
    assert found and (found.network.name, found.order) == ("simonyan-vgg19", "RGB")
    assert conversion.network.preprocessing.mean.tolist() == pytest.approx(
        [123.68, 116.779, 103.939]
    )
    assert conversion.network.source == "Simonyan's VGG-19 from vgg.pth"
    assert not conversion.network.normalised


def test_rescaled_filters_are_known_and_told_from_the_original(tmp_path):
    path = tmp_path / "vgg.pth"
    path.write_bytes(torch_file(named(simonyan(scale=0.05)), legacy=True))
    assert convert(path).network.normalised


def test_a_file_that_contradicts_its_own_weights_is_not_believed(tmp_path):
    """Keras' layout promises BGR; these kernels were flipped to RGB before."""
    write_keras_named(tmp_path / "w.h5", simonyan("RGB"), "new")
    conversion = convert(tmp_path / "w.h5")
    assert conversion.told_by == "its first filters"
    found = identify(np.asarray(conversion.network.params["conv1_1"]["kernel"]))
    assert found and found.order == "RGB"


def test_turned_kernels_are_refused(tmp_path):
    layers = simonyan()
    kernel, bias = layers["conv1_1"]
    path = tmp_path / "vgg.pth"
    for turned, word in (
        (kernel.transpose(1, 0, 2, 3), "transposed"),
        (kernel[::-1, ::-1], "rota"),
    ):
        path.write_bytes(torch_file(named({"conv1_1": (turned, bias)}), legacy=True))
        with pytest.raises(WeightFileError, match=f"with its kernels {word}"):
            convert(path)


@pytest.mark.parametrize("network", NETWORKS, ids=[network.name for network in NETWORKS])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_published_networks_are_known_however_scaled_and_ordered(network, dtype):
    random = np.random.default_rng(0)
    kernel = random.standard_normal((3, 3, 3, 64)).astype(np.float32)
    for index, published in network.filters.items():
        filled = np.where(np.isnan(published), 0.1, published)
        kernel[..., index] = filled.transpose(1, 2, 0)
    for scale in (1, 0.02, 7):
        for step, order in ((1, "RGB"), (-1, "BGR")):
            found = identify((kernel * scale).astype(dtype).astype(np.float32)[:, :, ::step])
            assert found is not None
            assert (found.network.name, found.order) == (network.name, order)
            assert found.orientation == "upright" and found.rescaled == (scale != 1)


def test_other_networks_are_not_mistaken_for_published_ones():
    random = np.random.default_rng(0)
    for _ in range(50):
        assert identify(random.standard_normal((3, 3, 3, 64))) is None
    assert identify(np.zeros((3, 3, 3, 64))) is None
    assert identify(random.standard_normal((3, 3, 3, 2))) is None
