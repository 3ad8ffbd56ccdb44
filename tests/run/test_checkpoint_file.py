"""Checkpoint files: what was written comes back; whatever else is refused by name."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from jaxstyle.errors import InputError
from jaxstyle.images import ImageError, save_image
from jaxstyle.run.checkpoint_file import clear_leftovers, read_checkpoint, write_checkpoint

ABOUT = {"losses": [[1.5, 0.1 + 0.2, float("inf")]], "level": 2, "note": {"of": "Bücher"}}
ARRAYS = {
    "moves": np.random.default_rng(0).normal(size=(3, 4, 5, 3)).astype(np.float32),
    "count": np.array(7, np.int32),
    "wide": np.array([1 / 3, -np.inf], np.float64),
}


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "run.ckpt"
    write_checkpoint(path, ABOUT, ARRAYS)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as said:
        read_checkpoint(path)
    assert "\n" not in str(said.value)
    assert str(path) in str(said.value)
    return str(said.value)


def test_all_comes_back_to_the_bit(path):
    found = read_checkpoint(path)
    assert found is not None
    about, arrays = found
    assert about == ABOUT
    assert arrays.keys() == ARRAYS.keys()
    for name, array in arrays.items():
        assert array.dtype == ARRAYS[name].dtype
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)


def test_jax_arrays_are_fetched(path):
    import jax.numpy as jnp

    write_checkpoint(path, {}, {"x": jnp.arange(6, dtype=jnp.float32).reshape(2, 3).T})
    found = read_checkpoint(path)
    assert found is not None
    np.testing.assert_array_equal(found[1]["x"], [[0, 3], [1, 4], [2, 5]])


def test_what_was_read_outlives_the_next_write(path):
    found = read_checkpoint(path)
    assert found is not None
    write_checkpoint(path, {}, {name: np.zeros_like(array) for name, array in ARRAYS.items()})
    np.testing.assert_array_equal(found[1]["moves"], ARRAYS["moves"])


def test_the_safetensors_library_reads_it(path):
    with safe_open(path, framework="numpy") as file:
        assert file.metadata()["format"] == "jaxstyle-checkpoint"
        np.testing.assert_array_equal(file.get_tensor("moves"), ARRAYS["moves"])


def test_where_there_is_none(tmp_path):
    assert read_checkpoint(tmp_path / "none.ckpt") is None


@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_any_changed_byte_is_noticed(tmp_path_factory, place, change):
    path = tmp_path_factory.mktemp("flipped") / "run.ckpt"
    write_checkpoint(path, ABOUT, ARRAYS)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= change
    path.write_bytes(content)
    assert "damaged" in refusal(path) or int(place * len(content)) < 100


@given(share=st.floats(0, 1, exclude_max=True))
def test_any_shorter_file_is_noticed(tmp_path_factory, share):
    path = tmp_path_factory.mktemp("cut") / "run.ckpt"
    write_checkpoint(path, ABOUT, ARRAYS)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refusal(path)


def test_a_longer_file_is_noticed(path):
    path.write_bytes(path.read_bytes() + b"\0")
    assert "damaged" in refusal(path)


def test_foreign_files_are_not_called_damaged(tmp_path):
    path = tmp_path / "run.ckpt"
    for write in (
        lambda: path.write_bytes(b""),
        lambda: path.write_text("hello\n" * 100),
        lambda: save_file({"x": np.zeros(3)}, path, {"format": "other"}),
        lambda: save_image(tmp_path / "run.png", np.zeros((4, 4, 3), np.float32)),
    ):
        write()
        assert "is not a checkpoint of jaxstyle" in refusal(path)
    assert "is not a checkpoint" in refusal(tmp_path / "run.png")
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "cannot read" in refusal(folder)


def test_later_versions_are_refused_as_such(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"version":"1"', b'"version":"2"'))
    assert "version 2, this jaxstyle reads 1" in refusal(path)


def test_a_full_disk_leaves_the_older_one_whole(path):
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(ImageError, match="cannot write"):
            write_checkpoint(path, {}, {"x": np.zeros(10**6)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ImageError, match="there is no folder"):
        write_checkpoint(tmp_path / "none" / "run.ckpt", {}, ARRAYS)


def test_leftovers_are_cleared_and_nothing_else(path):
    leftover = path.with_name(f".{path.name}.0123abcd.tmp")
    others = [path.with_name(name) for name in (".other.ckpt.00.tmp", "run.ckpt.tmp", ".run.ckpt")]
    for file in (leftover, *others):
        file.touch()
    clear_leftovers(path)
    assert not leftover.exists()
    assert all(file.exists() for file in (path, *others))


WRITER = """
import sys, numpy as np
from jaxstyle.run.checkpoint_file import write_checkpoint
for number in range(10**6):
    write_checkpoint(sys.argv[1], {"number": number}, {"x": np.full(400_000, number)})
    print(number, flush=True)
"""


def test_killed_at_any_moment_it_leaves_a_whole_file(tmp_path):
    path, chance = tmp_path / "run.ckpt", random.Random(11)
    leftovers = 0
    for _ in range(8):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "0\n"
            time.sleep(chance.uniform(0, 0.05))
            process.kill()
            said = [0, *map(int, process.stdout.read().split("\n")[:-1])]
        found = read_checkpoint(path)
        assert found is not None
        assert found[0]["number"] in (said[-1], said[-1] + 1)
        np.testing.assert_array_equal(found[1]["x"], np.full(400_000, found[0]["number"]))
        leftovers += len(os.listdir(tmp_path)) - 1
        clear_leftovers(path)
        assert os.listdir(tmp_path) == [path.name]
    assert leftovers > 0  # some were really killed while they wrote
