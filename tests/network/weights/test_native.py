"""jaxstyle's own weight files: exact, whole or not at all, and refused where they are doubtful."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import h5py
import ml_dtypes
import numpy as np
import pytest
from fuzzing import CASES
from hdf5_files import fuzz_apart
from samples import CAFFE, IMAGENET
from weight_files import TINY, random_layers

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG16, VGG19, Architecture
from jaxstyle.network.network import Network, WeightFileError, checked_network
from jaxstyle.network.preprocessing import preprocessing
from jaxstyle.network.weights import load_weights, write_native
from jaxstyle.network.weights.native import network_of
from jaxstyle.network.weights.readers.jaxstyle_file import DTYPES, read_jaxstyle

TINY16 = Architecture(VGG16.depths, TINY.widths)


def read_native(path) -> Network:
    """Read here, not in a process of its own: that would take a hundred times as long."""
    return network_of(read_jaxstyle(path))


def network(architecture=TINY, *, how=CAFFE, normalised=True, upto=None) -> Network:
    found = checked_network(
        random_layers(architecture),
        preprocessing(**how),
        source="weights für Tests",
        source_sha256="12" * 32,
        normalised=normalised,
    )
    return found.upto(upto) if upto else found


@pytest.fixture
def path(tmp_path):
    """A valid file."""
    write_native(tmp_path / "a.h5", network())
    return tmp_path / "a.h5"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "written",
    [
        network(),
        network(TINY16, how=IMAGENET, normalised=False),
        network(upto="conv3_2"),
        network(TINY16, upto="conv4_1"),
    ],
    ids=["vgg19", "vgg16", "to conv3_2", "vgg16 to conv4_1"],
)
def test_round_trip_is_exact_to_the_type(tmp_path, written, dtype):
    write_native(tmp_path / "a.h5", written, dtype)
    read = read_native(tmp_path / "a.h5")
    assert list(read.params) == list(written.params)
    for name, layer in written.params.items():
        for part, array in layer.items():
            expected = np.asarray(array).astype(DTYPES[dtype]).astype(np.float32)
            np.testing.assert_array_equal(np.asarray(read.params[name][part]), expected)
            assert read.params[name][part].dtype == np.float32
    for ours, theirs in zip(read.preprocessing, written.preprocessing, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert read.source == written.source and read.source_sha256 == written.source_sha256
    assert read.normalised == written.normalised
    assert read.complete_to == written.complete_to


def test_full_size_round_trip(tmp_path):
    written = network(VGG19)
    write_native(tmp_path / "a.h5", written, "float16")
    read = read_native(tmp_path / "a.h5")
    kernel = np.asarray(written.params["conv5_4"]["kernel"])
    np.testing.assert_array_equal(
        read.params["conv5_4"]["kernel"], kernel.astype(np.float16).astype(np.float32)
    )


def test_the_embedded_network_is_what_its_attributes_say():
    slim = load_weights("slim")
    assert slim.complete_to == "conv5_4" and slim.normalised
    assert slim.architecture.widths == (16, 32, 64, 128, 128)


def test_a_number_too_large_for_the_type_is_refused(tmp_path):
    layers = random_layers(TINY)
    layers["conv2_1"][0][0] = 1e6
    large = checked_network(layers, preprocessing(**CAFFE), source="test")
    with pytest.raises(WeightFileError, match="conv2_1 does not fit float16"):
        write_native(tmp_path / "a.h5", large, "float16")
    assert list(tmp_path.iterdir()) == []
    write_native(tmp_path / "a.h5", large, "bfloat16")


def test_an_unknown_type_is_refused(tmp_path):
    with pytest.raises(WeightFileError, match="stored as float32, float16, bfloat16"):
        write_native(tmp_path / "a.h5", network(), "int8")


def test_equal_networks_give_equal_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_native(tmp_path / name, network())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, path, monkeypatch):
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*: No space left on device"):
        write_native(path, network(TINY16))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_full_disk_is_one_line(tmp_path):
    """The library writes what it still holds as it closes a file, and crashes if it cannot."""
    program = (
        "import resource, sys\n"
        "from jaxstyle.network.weights import load_weights, write_native\n"
        "slim = load_weights('slim').upto('conv2_2')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "try:\n"
        "    write_native(sys.argv[1], slim)\n"
        "except ValueError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.h5")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ImageError cannot write ") and done.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_native(tmp_path / "a.h5", network())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot write .*: there is no folder"):
        write_native(tmp_path / "none" / "a.h5", network())


ATTRIBUTES = "source source_sha256 preprocessing normalised depths widths complete_to dtype".split()


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_each_attribute_is_needed(path, name):
    with h5py.File(path, "a") as file:
        del file.attrs[name]
    refused(path, f"lacks the attribute {name}")


def refused(path, reason):
    with pytest.raises(WeightFileError, match=reason) as refusal:
        read_native(path)
    assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)


def text(value: str) -> np.bytes_:
    return np.bytes_(value.encode())


def wrong_preprocessing(**changes) -> np.bytes_:
    fields = {"order": "RGB", "scale": 255.0, "mean": [1.0, 2.0, 3.0], "std": [1.0, 1.0, 1.0]}
    return text(json.dumps(fields | changes))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("format", text("keras"), "not a jaxstyle weight file"),
        ("version", 2, "has version 2; this jaxstyle reads 1: upgrade"),
        ("version", text("1"), "has version 1; this jaxstyle reads 1"),
        ("widths", (2, 3, 2, 3, 4), "conv5_1/kernel has shape"),
        ("widths", (2, 3, 2, 3), "describe no VGG network"),
        ("widths", text("wide"), "describe no VGG network"),
        ("widths", (2, 3, 2, 3, 2**20), "describe no VGG network"),
        ("widths", (2, 3, 2, 3, 0), "describe no VGG network"),
        ("depths", (2, 2, 3, 3, 3), "describe no VGG network"),
        ("depths", (1, 1, 2, 2, 2), "describe no VGG network"),
        ("complete_to", text("conv5_1"), "has an unexpected conv5_2/bias"),
        ("complete_to", text("conv6_1"), "describe no VGG network"),
        ("dtype", text("float64"), "attribute dtype is float64"),
        ("dtype", text("float16"), "is stored as float32, not as float16"),
        ("dtype", text("bfloat16"), "is stored as float32, not as bfloat16"),
        ("preprocessing", text("{"), "preprocessing makes no sense"),
        ("preprocessing", text("[" * 5000), "preprocessing makes no sense"),
        ("preprocessing", text("3"), "preprocessing makes no sense"),
        ("preprocessing", 3, "preprocessing makes no sense"),
        ("preprocessing", wrong_preprocessing(order="BGR"), "preprocessing makes no sense"),
        ("preprocessing", wrong_preprocessing(mean=[1, 2]), "preprocessing makes no sense"),
        ("preprocessing", wrong_preprocessing(std=[1, 0, 1]), "preprocessing makes no sense"),
        ("preprocessing", wrong_preprocessing(scale=-1), "preprocessing makes no sense"),
        ("preprocessing", wrong_preprocessing(mean=[1e999] * 3), "preprocessing makes no sense"),
    ],
)
def test_attributes_that_contradict_are_refused(path, name, value, reason):
    with h5py.File(path, "a") as file:
        file.attrs[name] = value
    refused(path, reason)


def nothing_like_it(file):
    for name in list(file.attrs):
        del file.attrs[name]


def lost_layer(file):
    del file["conv3_2"]


def lost_bias(file):
    del file["conv3_2/bias"]


def wrong_shape(file):
    del file["conv3_2/bias"]
    file["conv3_2/bias"] = np.zeros(9, np.float32)


def not_a_number(file):
    file["conv3_2/kernel"][1, 1, 1, 1] = np.nan


def infinite(file):
    file["conv3_2/bias"][0] = np.inf


def double(file):
    numbers = file["conv3_2/bias"][()].astype(np.float64)
    del file["conv3_2/bias"]
    file["conv3_2/bias"] = numbers


def something_else(file):
    file["conv3_2/scale"] = np.ones(2, np.float32)


def external_link(file):
    file.move("conv3_2/bias", "moved")
    file["conv3_2/bias"] = h5py.ExternalLink("other.h5", "/bias")


def virtual(file):
    shape = file["conv3_2/bias"].shape
    del file["conv3_2/bias"]
    layout = h5py.VirtualLayout(shape, np.float32)
    layout[...] = h5py.VirtualSource("other.h5", "bias", shape)
    file.create_virtual_dataset("conv3_2/bias", layout)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (nothing_like_it, "not a jaxstyle weight file"),
        (lost_layer, "lacks conv3_2/bias"),
        (lost_bias, "lacks conv3_2/bias"),
        (wrong_shape, "conv3_2/bias has shape"),
        (not_a_number, "conv3_2 holds NaN"),
        (infinite, "conv3_2 holds NaN or infinite"),
        (double, "conv3_2/bias is stored as float64"),
        (something_else, "has an unexpected conv3_2/scale"),
        (external_link, "refusing conv3_2/bias"),
        (virtual, "refusing conv3_2/bias"),
    ],
)
def test_contents_that_contradict_are_refused(path, damage, reason):
    with h5py.File(path, "a") as file:
        damage(file)
    refused(path, reason)


def test_bits_of_bfloat16_may_not_hide_nan(tmp_path):
    path = tmp_path / "a.h5"
    write_native(path, network(), "bfloat16")
    with h5py.File(path, "a") as file:
        bias = file["conv1_1/bias"]
        assert isinstance(bias, h5py.Dataset)
        bias[0] = np.array(np.nan, ml_dtypes.bfloat16).view(np.uint16)
    refused(path, "conv1_1 holds NaN")


def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path / "a.h5", "there is no weight file")


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    write_native(path, network(upto="conv2_2"))
    folder = tmp_path / "damaged"
    folder.mkdir()
    count = fuzz_apart(
        "jaxstyle.network.weights.readers.jaxstyle_file:read_jaxstyle", path, folder, count=CASES
    )
    assert count > CASES / 4
