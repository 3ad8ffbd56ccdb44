"""Hostile files end the process that reads them, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hdf5_files import write_doubling_groups, write_keras_named, write_looping_groups
from weight_files import TINY, assert_same_layers, random_layers

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights import load_weights, read_native, write_native
from jaxstyle.network.weights.convert import convert
from jaxstyle.network.weights.read_apart import limits_for, read_apart
from jaxstyle.network.weights.readers.raw_weights import CAFFE_INPUT


@pytest.fixture
def impatient(monkeypatch):
    """Two seconds would be waited for else."""
    monkeypatch.setattr(
        "jaxstyle.network.weights.read_apart.limits_for",
        lambda size: limits_for(size)._replace(seconds=1),
    )


def test_gives_what_the_reader_gives(tmp_path):
    layers = random_layers(TINY)
    write_keras_named(tmp_path / "größe.h5", layers, "new")
    raw = read_apart(tmp_path / "größe.h5")
    assert_same_layers(raw.layers, layers)
    assert raw.layout == "keras-h5" and raw.input == CAFFE_INPUT
    assert raw.precision == "" and raw.about is None


def test_our_own_files_come_back_whole(tmp_path):
    slim = load_weights("slim").upto("conv3_1")
    write_native(tmp_path / "a.h5", slim)
    read = read_native(tmp_path / "a.h5")
    for name, layer in slim.params.items():
        for part, array in layer.items():
            np.testing.assert_array_equal(read.params[name][part], array)
    for ours, theirs in zip(read.preprocessing, slim.preprocessing, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (read.source, read.pooling, read.normalised) == (slim.source, slim.pooling, True)


@pytest.mark.parametrize("read", [load_weights, convert])
@pytest.mark.parametrize("damage", [write_looping_groups, write_doubling_groups])
def test_groups_without_end_are_refused(tmp_path, impatient, damage, read):
    """The library would crash this process, or never come back to it."""
    path = tmp_path / "a.h5"
    damage(path)
    with pytest.raises(WeightFileError, match=r"reading it (crashes|takes more)") as refusal:
        read(path)
    assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["", "none.h5", "."])
def test_a_name_of_no_file_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightFileError, match=r"is empty|there is no weight file|is not a file"):
        load_weights(name)


def test_another_kind_is_to_be_converted_first(tmp_path):
    write_keras_named(tmp_path / "a.h5", random_layers(TINY), "new")
    with pytest.raises(WeightFileError, match=r"but keras-h5: convert it first"):
        load_weights(tmp_path / "a.h5")


def test_the_process_starts_without_jax():
    program = (
        "import sys, jaxstyle.network.weights.read_apart\n"
        "print(sorted({'jax', 'jaxtyping', 'requests', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
