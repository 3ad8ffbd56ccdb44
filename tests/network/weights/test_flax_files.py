"""Weights of Flax: flaxmodels' HDF5 and what ``flax.serialization`` writes."""

from __future__ import annotations

import flax.serialization
import h5py
import jax.numpy as jnp
import ml_dtypes
import msgpack
import numpy as np
import pytest
from fuzzing import CASES, assert_only_refusals, bounded
from hdf5_files import fuzz_apart, write_flaxmodels
from weight_files import TINY, assert_same_layers, random_layers

from jaxstyle.network.architecture import VGG16, VGG19, Architecture
from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.readers.flax_files import read_flaxmodels, read_msgpack
from jaxstyle.network.weights.readers.raw_weights import TORCHVISION_INPUT

TINY16 = Architecture(VGG16.depths, TINY.widths)
LAYERS = random_layers(TINY)


def tree(layers, dtype=np.float32):
    return {
        name: {"kernel": kernel.astype(dtype), "bias": bias.astype(dtype)}
        for name, (kernel, bias) in layers.items()
    }


def refused(read, path, reason):
    with pytest.raises(WeightFileError, match=reason) as refusal, bounded():
        read(path)
    assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("architecture", [VGG19, TINY16], ids=["vgg19", "vgg16"])
def test_flaxmodels(tmp_path, architecture):
    layers = random_layers(architecture)
    write_flaxmodels(tmp_path / "a.h5", layers)
    found = read_flaxmodels(tmp_path / "a.h5")
    assert_same_layers(found.layers, layers)
    assert found.layout == "flaxmodels-h5" and found.input == TORCHVISION_INPUT


def test_flaxmodels_with_a_link_is_refused(tmp_path):
    write_flaxmodels(tmp_path / "a.h5", LAYERS)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["conv6_1"] = h5py.ExternalLink("other.h5", "/")
    refused(read_flaxmodels, tmp_path / "a.h5", "refusing conv6_1")


def test_flaxmodels_without_a_layer_is_refused(tmp_path):
    write_flaxmodels(tmp_path / "a.h5", LAYERS)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["conv4_3"]
    refused(read_flaxmodels, tmp_path / "a.h5", "lacks conv4_3")


def test_damaged_flaxmodels_is_refused(tmp_path):
    write_flaxmodels(tmp_path / "a.h5", dict(list(LAYERS.items())[:4]))
    (tmp_path / "damaged").mkdir()
    reader = "jaxstyle.network.weights.readers.flax_files:read_flaxmodels"
    count = fuzz_apart(reader, tmp_path / "a.h5", tmp_path / "damaged", count=CASES)
    assert count > CASES / 4


@pytest.mark.parametrize("architecture", [VGG19, VGG16], ids=["vgg19", "vgg16"])
def test_msgpack_full_size(tmp_path, architecture):
    layers = random_layers(architecture)
    classifier = {"fc6": {"kernel": np.zeros((512 * 49, 512), np.float32)}}
    data = flax.serialization.to_bytes({"params": tree(layers) | classifier})
    (tmp_path / "a.msgpack").write_bytes(data)
    found = read_msgpack(tmp_path / "a.msgpack")
    assert_same_layers(found.layers, layers)
    assert found.layout == "flax-msgpack" and found.input is None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda params: params,
        lambda params: {"params": params},
        lambda params: {"model": {"params": {"VGG_0": params}}, "step": 3, "note": "x"},
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.float64])
def test_msgpack_as_flax_writes_it(tmp_path, wrap, dtype):
    written = wrap(tree(LAYERS, dtype))
    (tmp_path / "a.msgpack").write_bytes(flax.serialization.to_bytes(written))
    expected = {
        name: (kernel.astype(dtype).astype(np.float32), bias.astype(dtype).astype(np.float32))
        for name, (kernel, bias) in LAYERS.items()
    }
    assert_same_layers(read_msgpack(tmp_path / "a.msgpack").layers, expected)


def test_msgpack_of_jax_arrays_and_scalars(tmp_path):
    params = {
        name: {part: jnp.asarray(array) for part, array in layer.items()}
        for name, layer in tree(LAYERS).items()
    }
    state = {"params": params, "loss": np.float32(1.5), "phase": 1 + 2j, "count": jnp.int32(3)}
    (tmp_path / "a.msgpack").write_bytes(flax.serialization.to_bytes(state))
    assert_same_layers(read_msgpack(tmp_path / "a.msgpack").layers, LAYERS)


def with_bias(value) -> dict:
    params = tree(LAYERS)
    params["conv3_2"]["bias"] = value
    return params


def array(shape, dtype, data) -> msgpack.ExtType:
    """As ``flax.serialization`` writes arrays, without its honesty."""
    return msgpack.ExtType(1, msgpack.packb((shape, dtype, data)))


def packed(value) -> bytes:
    def convert(item):
        return array(item.shape, item.dtype.name, item.tobytes())

    return bytes(msgpack.packb(value, default=convert) or b"")


def long_names() -> dict:
    """Trees within trees, whose names sum up to a hundred times of the file."""
    tree: dict = {}
    for _ in range(200):
        tree = {"n" * 500: tree, "leaf": array((1,), "float32", bytes(4))}
    return tree


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\x00", "holds a int"),
        (packed([1, 2]), "holds a list"),
        (packed({}), "no layer of a VGG"),
        (packed({"conv1_1": {"kernel": 3}}), "no layer of a VGG"),
        (packed(tree(LAYERS))[:-100], "cannot read weights"),
        (packed(tree(LAYERS)) + b"\x00", "cannot read weights"),
        (packed(with_bias(np.zeros(3, np.float32))), "conv3_2 has a bias of shape"),
        (packed(with_bias(np.zeros(2, np.int32))), "int32.*needed are floating-point"),
        (packed(with_bias(array((2,), "float32", bytes(4)))), "has 4 bytes, not"),
        (packed(with_bias(array((2**40,), "float32", bytes(4)))), "has 4 bytes, not"),
        (packed(with_bias(array((-2,), "float32", bytes(8)))), "damaged"),
        (packed(with_bias(array((2.0,), "float32", bytes(8)))), "damaged"),
        (packed(with_bias(array((2,), "float32", [1, 2]))), "damaged"),
        (packed(with_bias(array((2,), "O", bytes(16)))), "holds.*needed are floating-point"),
        (packed(with_bias(msgpack.ExtType(1, b"\x93"))), "cannot read weights"),
        (packed({"a": [1] * 10_000}), "cannot read weights"),
        (packed(long_names()), "is absurdly long for the name of a layer"),
        (b"\x81\xa1a" + b"\x91" * 100_000, "cannot read weights"),
        (b"\xdf\xff\xff\xff\xff", "cannot read weights"),
        (b"\xc9\xff\xff\xff\xff\x01", "cannot read weights"),
    ],
)
def test_odd_msgpack_is_refused(tmp_path, data, reason):
    (tmp_path / "a.msgpack").write_bytes(data)
    refused(read_msgpack, tmp_path / "a.msgpack", reason)


def test_damaged_msgpack_is_refused(tmp_path):
    data = flax.serialization.to_bytes({"params": tree(LAYERS)})
    refusals = assert_only_refusals(read_msgpack, data, tmp_path / "a.msgpack")
    assert refusals > CASES / 4
