"""Safetensors files: as timm has them, and damaged."""

from __future__ import annotations

import json
import struct

import ml_dtypes
import numpy as np
import pytest
from fuzzing import CASES, assert_only_refusals, bounded
from safetensors.numpy import save, save_file
from weight_files import TINY, assert_same_layers, random_layers, rounded, torchvision_names

from jaxstyle.network.architecture import VGG19
from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.readers.safetensors_file import read_safetensors

LAYERS = random_layers(TINY)
TENSORS = torchvision_names(LAYERS, TINY)


def test_round_trip(tmp_path):
    layers = random_layers(VGG19)
    tensors = torchvision_names(layers, VGG19)
    tensors["pre_logits.fc1.weight"] = np.ones((2, 2), np.int8)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    found = read_safetensors(tmp_path / "model.safetensors")
    assert_same_layers(found.layers, layers)
    assert found.layout == "safetensors"
    assert found.input is None


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_types_of_float_become_float32(tmp_path, dtype):
    tensors = {name: tensor.astype(dtype) for name, tensor in TENSORS.items()}
    save_file(tensors, tmp_path / "w.safetensors")
    assert_same_layers(read_safetensors(tmp_path / "w.safetensors").layers, rounded(LAYERS, dtype))


def test_the_classifier_is_not_loaded(tmp_path):
    large = {**TENSORS, "head.fc.weight": np.zeros((4096, 4096), np.float32)}
    save_file(large, tmp_path / "w.safetensors")
    # The library maps the whole file, which counts here though it takes no memory.
    with bounded(5, 4 * 4096 * 4096 + 2**24):
        found = read_safetensors(tmp_path / "w.safetensors")
    assert_same_layers(found.layers, LAYERS)


def write(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(dtype="F32", shape=(2, 3, 3, 3), offsets=(0, 216)):
    return {"features.0.weight": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (entry(), 215),
        (entry(), 217),
        (entry(offsets=(0, 2**62)), 216),
        (entry(offsets=(216, 0)), 216),
        (entry(shape=(2**40, 2**40)), 216),
        (entry(shape=(-2, -3, 3, 3)), 216),
        (entry(dtype="F99"), 216),
        (entry(dtype="F8_E4M3", offsets=(0, 54)), 54),
        (entry(dtype="I32"), 216),
        ({**entry(), "features.0.bias": entry(shape=(2,), offsets=(0, 8)).popitem()[1]}, 216),
        (b"[" * 100_000, 0),
        (b"{}" + b" " * 2**21, 0),
        (b"{}", 0),
        (b"", 0),
    ],
    ids=range(14),
)
def test_absurd_headers_are_refused(tmp_path, header, size):
    path = write(tmp_path / "w.safetensors", header, bytes(size))
    with bounded(1, 2**26), pytest.raises(WeightFileError) as caught:
        read_safetensors(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_header_of_2_to_the_63_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    with bounded(1, 2**24), pytest.raises(WeightFileError, match="header"):
        read_safetensors(path)


def test_float8_is_refused_by_name(tmp_path):
    layers = random_layers(TINY)
    tensors = torchvision_names({"conv1_1": layers["conv1_1"]}, TINY)
    data = save(tensors).replace(b'"F32"', b'"I32"')
    (tmp_path / "w.safetensors").write_bytes(data)
    with pytest.raises(WeightFileError, match="holds I32; needed are floating-point"):
        read_safetensors(tmp_path / "w.safetensors")


def test_no_file(tmp_path):
    with pytest.raises(WeightFileError, match="there is no weight file"):
        read_safetensors(tmp_path / "w.safetensors")


def test_damaged_files_are_refused_or_read(tmp_path):
    names = ("features.0.weight", "features.0.bias", "features.2.weight", "features.2.bias")
    data = save({**{name: TENSORS[name] for name in names}, "x": np.ones(3, np.int16)})
    refused = assert_only_refusals(read_safetensors, data, tmp_path / "w.safetensors", seed=4)
    assert refused > CASES // 3
