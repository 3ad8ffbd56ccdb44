"""Weights of Keras in every layout that its versions wrote."""

from __future__ import annotations

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
from fuzzing import CASES, assert_only_refusals, bounded
from hdf5_files import (
    architecture_names,
    fuzz_apart,
    keras_zip,
    write_keras_named,
    write_keras_numbered,
)
from weight_files import TINY, assert_same_layers, random_layers

from jaxstyle.network.architecture import VGG16, VGG19, Architecture
from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.readers.keras import read_keras
from jaxstyle.network.weights.readers.raw_weights import CAFFE_INPUT

TINY16 = Architecture(VGG16.depths, TINY.widths)
LAYERS = random_layers(TINY)
NAMES = architecture_names(TINY)


def refused(path, reason):
    with pytest.raises(WeightFileError, match=reason) as refusal, bounded():
        read_keras(path)
    assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("style", ["old", "new"])
def test_full_size(tmp_path, style):
    layers = random_layers(VGG19)
    write_keras_named(tmp_path / "a.h5", layers, style)
    found = read_keras(tmp_path / "a.h5")
    assert_same_layers(found.layers, layers)
    assert found.layout == "keras-h5" and found.input == CAFFE_INPUT


def test_full_size_numbered(tmp_path):
    layers = random_layers(VGG19)
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        write_keras_numbered(file, layers)
    found = read_keras(tmp_path / "a.weights.h5")
    assert_same_layers(found.layers, layers)
    assert found.layout == "keras-weights-h5" and found.input == CAFFE_INPUT


def test_full_size_zip(tmp_path):
    layers = random_layers(VGG16)
    (tmp_path / "a.keras").write_bytes(keras_zip(layers, architecture_names(VGG16)))
    found = read_keras(tmp_path / "a.keras")
    assert_same_layers(found.layers, layers)
    assert found.layout == "keras-zip" and found.input == CAFFE_INPUT


@pytest.mark.parametrize("architecture", [TINY, TINY16], ids=["vgg19", "vgg16"])
@pytest.mark.parametrize("style", ["old", "new", "numbered", "model", "nested"])
def test_layouts_with_names(tmp_path, architecture, style):
    layers = random_layers(architecture)
    write_keras_named(tmp_path / "a.h5", layers, style)
    assert_same_layers(read_keras(tmp_path / "a.h5").layers, layers)


@pytest.mark.parametrize("architecture", [TINY, TINY16], ids=["vgg19", "vgg16"])
@pytest.mark.parametrize("prefix", ["layers", "layers/functional/layers"])
def test_layouts_with_numbers(tmp_path, architecture, prefix):
    layers = random_layers(architecture)
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        write_keras_numbered(file, layers, prefix)
    assert_same_layers(read_keras(tmp_path / "a.weights.h5").layers, layers)


def test_a_convolution_on_top_of_the_network_is_left_out(tmp_path):
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        write_keras_numbered(file, LAYERS, "layers/functional/layers")
        file["layers/conv2d/vars/0"] = np.zeros((3, 3, 512, 3), np.float32)
        file["layers/conv2d/vars/1"] = np.zeros(3, np.float32)
    assert_same_layers(read_keras(tmp_path / "a.weights.h5").layers, LAYERS)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("names", [NAMES, [f"conv2d_{number}" for number in range(16)]])
def test_zip(tmp_path, inner, method, names):
    (tmp_path / "a.keras").write_bytes(keras_zip(LAYERS, names, inner=inner, method=method))
    assert_same_layers(read_keras(tmp_path / "a.keras").layers, LAYERS)


@pytest.mark.parametrize("inner", [False, True])
def test_zip_whose_layers_come_in_another_order_is_refused(tmp_path, inner):
    swapped = [NAMES[1], NAMES[0], *NAMES[2:]]
    (tmp_path / "a.keras").write_bytes(keras_zip(LAYERS, swapped, inner=inner))
    refused(tmp_path / "a.keras", "layers are block1_conv2, block1_conv1.*no VGG")


def rewritten_zip(changes: dict[str, bytes | None]) -> bytes:
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(keras_zip(LAYERS, NAMES))) as before,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for name in before.namelist():
            data = changes.get(name, before.read(name))
            if data is not None:
                after.writestr(name, data)
    return target.getvalue()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"config.json": None}, "has no config.json"),
        ({"model.weights.h5": None}, "has no model.weights.h5"),
        ({"config.json": b"{"}, "cannot read weights"),
        ({"config.json": b"[" * 100_000}, "cannot read weights"),
        ({"config.json": b"0" * 2**23}, "config.json has 8388608 bytes"),
        ({"model.weights.h5": b"no HDF5"}, "cannot read weights"),
        ({"model.weights.h5": bytes(2**27)}, "model.weights.h5 has 134217728 bytes"),
    ],
    ids=["no config", "no weights", "no json", "deep json", "long config", "no hdf5", "bomb"],
)
def test_odd_zips_are_refused(tmp_path, changes, reason):
    (tmp_path / "a.keras").write_bytes(rewritten_zip(changes))
    refused(tmp_path / "a.keras", reason)


def test_models_within_models_may_not_have_endless_names(tmp_path):
    config: dict = {"class_name": "Conv2D", "config": {"name": "x"}}
    for _ in range(300):
        layers = [config, {"class_name": "Conv2D", "config": {"name": "x"}}]
        config = {"class_name": "N" * 60, "config": {"layers": layers}}
    path = tmp_path / "a.keras"
    path.write_bytes(rewritten_zip({"config.json": json.dumps(config).encode()}))
    refused(path, "is absurdly long for the name of a layer")


@pytest.mark.parametrize(
    "config",
    [[], 3, {"config": 3}, {"config": {"layers": 3}}, {"config": {"layers": [3, {"config": []}]}}],
)
def test_a_config_that_says_nothing_does_no_harm(tmp_path, config):
    data = rewritten_zip({"config.json": json.dumps(config).encode()})
    (tmp_path / "a.keras").write_bytes(data)
    assert_same_layers(read_keras(tmp_path / "a.keras").layers, LAYERS)


def lost(file):
    del file["block3_conv2"]


def lost_bias(file):
    del file["block3_conv2/block3_conv2/bias:0"]


def twice(file):
    file["block3_conv2/block3_conv2_1/bias:0"] = np.zeros(2, np.float32)


def other_shape(file):
    del file["block3_conv2/block3_conv2/kernel:0"]
    file["block3_conv2/block3_conv2/kernel:0"] = np.zeros((3, 3, 2, 5), np.float32)


def too_large(file):
    del file["block1_conv1/block1_conv1/kernel:0"]
    file.create_dataset("block1_conv1/block1_conv1/kernel:0", (3, 3, 2**20, 2**20), np.float32)


def integers(file):
    del file["block3_conv2/block3_conv2/bias:0"]
    file["block3_conv2/block3_conv2/bias:0"] = np.zeros(2, np.int64)


def link(file):
    file["block9_conv9"] = h5py.ExternalLink("other.h5", "/")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lost, "lacks conv3_2"),
        (lost_bias, "conv3_2 has a weight but no bias"),
        (twice, "are both conv3_2/bias"),
        (other_shape, "conv3_2 has a|conv3_2.*bias of shape"),
        (too_large, "conv1_1.* has a kernel of shape"),
        (integers, "block3_conv2/block3_conv2/bias:0 holds int64"),
        (link, "refusing block9_conv9"),
        (lambda file: file.clear(), "no Keras VGG"),
    ],
)
def test_odd_contents_are_refused(tmp_path, damage, reason):
    write_keras_named(tmp_path / "a.h5", LAYERS, "new")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        damage(file)
    refused(tmp_path / "a.h5", reason)


@pytest.mark.parametrize("count", [10, 15, 17])
def test_another_number_of_layers_is_refused(tmp_path, count):
    layers = dict(list((LAYERS | {"extra": LAYERS["conv5_4"]}).items())[:count])
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        write_keras_numbered(file, layers)
    refused(tmp_path / "a.weights.h5", f"has {count} convolutions.*VGG-19 has 16")


def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path / "a.keras", "there is no weight file")


def test_damaged_hdf5_is_refused(tmp_path):
    write_keras_named(tmp_path / "a.h5", LAYERS, "new")
    (tmp_path / "damaged").mkdir()
    reader = "jaxstyle.network.weights.readers.keras:read_keras"
    count = fuzz_apart(reader, tmp_path / "a.h5", tmp_path / "damaged", count=CASES)
    assert count > CASES / 4


def test_damaged_zips_are_refused(tmp_path):
    data = keras_zip(LAYERS, NAMES, method=zipfile.ZIP_DEFLATED)
    # The checksum of the zip keeps nearly all damage from the HDF5 library.
    assert assert_only_refusals(read_keras, data, tmp_path / "a.keras") > CASES / 2
