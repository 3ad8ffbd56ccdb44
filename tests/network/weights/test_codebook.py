"""Kernels as indices into tables, alone and in a wheel."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from fuzzing import CASES, assert_only_refusals
from weight_files import (
    TINY,
    assert_same_layers,
    codebook,
    random_layers,
    torch_file,
    wheel,
)

from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.convert import convert
from jaxstyle.network.weights.detect_format import read_any
from jaxstyle.network.weights.readers.pytorch import read_torch, read_wheel
from jaxstyle.network.weights.readers.raw_weights import CAFFE_INPUT, RawWeights

TENSORS, LAYERS = codebook(random_layers(TINY))


def changed(**tensors: np.ndarray | None) -> dict[str, np.ndarray]:
    """The tensors with some replaced, added, or left out (None)."""
    new = TENSORS | {name: array for name, array in tensors.items() if array is not None}
    return {name: array for name, array in new.items() if tensors.get(name, array) is not None}


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("within", ["file", "wheel"])
def test_a_kernel_is_what_its_table_says_at_its_indices(tmp_path, legacy, within):
    path = tmp_path / "weights"
    data = torch_file(TENSORS, legacy=legacy) if within == "file" else wheel(TENSORS, legacy=legacy)
    path.write_bytes(data)
    read = read_any(path)
    assert isinstance(read, RawWeights)
    assert (read.layout, read.input) == ("torch-codebook", CAFFE_INPUT)
    assert_same_layers(read.layers, LAYERS)


def test_short_tables_and_half_precision_are_read_too(tmp_path):
    tensors, layers = codebook(random_layers(TINY), values=16)
    halves = {
        name: array.astype(np.float16) if name.endswith("_table") else array
        for name, array in tensors.items()
    }
    (tmp_path / "a.bin").write_bytes(torch_file(halves, legacy=False))
    assert_same_layers(read_torch(tmp_path / "a.bin").layers, layers, tolerance=2e-3)


def test_the_converted_network_says_what_it_is_made_of(tmp_path):
    (tmp_path / "some.whl").write_bytes(wheel(TENSORS))
    network = convert(tmp_path / "some.whl").network
    assert network.source == "unknown weights from some.whl, kernels from an 8-bit codebook"
    assert network.preprocessing.mean.tolist() == pytest.approx([123.68, 116.779, 103.939])
    flipped = np.asarray(network.params["conv1_1"]["kernel"])
    assert np.array_equal(flipped, LAYERS["conv1_1"][0][:, :, ::-1])


INDICES, TABLE = TENSORS["block2_conv1_W_q"], TENSORS["block2_conv1_W_table"]
NAN = np.full(256, np.nan, np.float32)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"block2_conv1_W_table": TABLE[: int(INDICES.max())]}, "has the index .* but a table of"),
        ({"block2_conv1_W_table": np.zeros(257, np.float32)}, "needed are 1 to 256 values"),
        ({"block2_conv1_W_table": np.zeros(2**20, np.float32)}, "needed are 1 to 256 values"),
        ({"block2_conv1_W_table": np.zeros(0, np.float32)}, "needed are 1 to 256 values"),
        ({"block2_conv1_W_table": np.zeros((16, 16), np.float32)}, "needed are 1 to 256 values"),
        ({"block2_conv1_W_table": np.zeros(256, np.int64)}, "values of int64"),
        ({"block2_conv1_W_table": NAN}, "NaN or infinite"),
        ({"block2_conv1_W_q": INDICES.astype(np.int64)}, "indices of int64"),
        ({"block2_conv1_W_q": INDICES.astype(np.float32)}, "indices of float32"),
        ({"block2_conv1_W_q": INDICES[:, :, :2].copy()}, "has a kernel of shape"),
        ({"block2_conv1_W_q": INDICES[:, 0, 0].copy()}, "has a kernel of shape"),
        ({"block2_conv1_W_q": np.zeros((600, 3, 3, 3), np.uint8)}, "at most 512 filters"),
        ({"block2_conv1_W_table": None}, "conv2_1 has a bias but no weight"),
        ({"block2_conv1_W_q": None}, "conv2_1 has a bias but no weight"),
        ({"block2_conv1_b": None}, "conv2_1 has a weight but no bias"),
        ({"block2_conv1_W": np.zeros((2, 3, 3, 3), np.float32)}, "is there twice"),
    ],
)
def test_odd_codebooks_are_refused_in_one_line(tmp_path, tensors, message):
    path = tmp_path / "a.bin"
    path.write_bytes(torch_file(changed(**tensors), legacy=True))
    with pytest.raises(WeightFileError, match=message) as refusal:
        convert(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("copies", [0, 2])
def test_a_wheel_has_one_codebook(tmp_path, copies):
    (tmp_path / "a.whl").write_bytes(wheel(TENSORS, copies=copies))
    with pytest.raises(WeightFileError, match=f"a wheel with {copies} members"):
        convert(tmp_path / "a.whl")


def test_half_a_wheel_is_to_be_downloaded_again(tmp_path):
    data = wheel(TENSORS)
    (tmp_path / "a.whl").write_bytes(data[: len(data) // 2])
    with pytest.raises(WeightFileError, match="if it is cut short, download it again"):
        convert(tmp_path / "a.whl")


def test_a_codebook_that_would_fill_the_memory_is_not_unpacked(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_q.bin", bytes(2**25 + 1))
        archive.writestr("x-1.dist-info/WHEEL", "")
    (tmp_path / "a.whl").write_bytes(file.getvalue())
    with pytest.raises(WeightFileError, match="33554432 is the limit"):
        convert(tmp_path / "a.whl")


@pytest.mark.parametrize("legacy", [True, False])
def test_damaged_codebooks_are_read_or_refused(tmp_path, legacy):
    data = torch_file(TENSORS, legacy=legacy)
    refused = assert_only_refusals(read_torch, data, tmp_path / "a.bin", count=CASES // 2)
    assert refused > CASES / 8


def test_damaged_wheels_are_read_or_refused(tmp_path):
    refused = assert_only_refusals(read_wheel, wheel(TENSORS), tmp_path / "a.whl", count=CASES // 2)
    assert refused > CASES / 8
