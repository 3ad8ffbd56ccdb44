"""HDF5 of doubtful origin: what points elsewhere or is absurdly large is refused."""

from __future__ import annotations

import os
import zlib
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from fuzzing import bounded

from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.safe_parsers.hdf5 import attributes, stored_datasets
from jaxstyle.network.weights.safe_parsers.refusals import refusals

NUMBERS = np.random.default_rng(0).standard_normal((3, 3, 20, 30)).astype(np.float32)


@contextmanager
def opened(path):
    """As readers open it: the library gets an open file and no path."""
    with path.open("rb") as source, h5py.File(source, "r") as file:
        yield file


def read_all(path) -> dict[str, np.ndarray]:
    with refusals(path), opened(path) as file:
        return {name: tensor.read() for name, tensor in stored_datasets(file).items()}


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", "<u2"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"chunks": (3, 2, 7, 30)},
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "chunks": (2, 2, 7, 11)},
        {"compression": "gzip", "shuffle": True, "chunks": (3, 3, 20, 30)},
    ],
)
def test_reads_what_the_library_reads(tmp_path, dtype, how):
    path = tmp_path / "a.h5"
    numbers = (NUMBERS * 100).astype(dtype)
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/one/kernel", data=numbers, **how)
        file.create_dataset("bias", data=numbers[0, 0, 0], **({} if "chunks" in how else how))
    found = read_all(path)
    np.testing.assert_array_equal(found["layers/one/kernel"], numbers)
    np.testing.assert_array_equal(found["bias"], numbers[0, 0, 0])


def outside(path):
    """A file that an attacker wants read, next to the one that is asked for."""
    other = path.parent / "secret.h5"
    with h5py.File(other, "w") as file:
        file["kernel"] = NUMBERS
    return other


def external_link(path):
    outside(path)
    with h5py.File(path, "w") as file:
        file["kernel"] = h5py.ExternalLink("secret.h5", "/kernel")


def soft_link(path):
    with h5py.File(path, "w") as file:
        file["real"] = NUMBERS
        file["kernel"] = h5py.SoftLink("/real")


def link_to_itself(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("group")
        group["again"] = group


def virtual_dataset(path):
    layout = h5py.VirtualLayout(NUMBERS.shape, np.float32)
    layout[...] = h5py.VirtualSource(outside(path), "kernel", NUMBERS.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("kernel", layout)


def external_storage(path):
    secret = path.parent / "secret.bin"
    secret.write_bytes(NUMBERS.tobytes())
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "kernel", NUMBERS.shape, np.float32, external=[(str(secret), 0, NUMBERS.nbytes)]
        )


def absurd_shape(path):
    with h5py.File(path, "w") as file:  # 4 TB that take no room in the file
        file.create_dataset("kernel", (2**20, 2**20), np.float32)


def absurd_chunks(path):
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "kernel", (8,), np.float32, chunks=(2**28,), maxshape=(None,), compression="gzip"
        )


def endless_pieces(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("kernel", (2**22,), np.float32, chunks=(1,))


def bomb(path):
    """A chunk of 64 numbers that inflates to 64 MB."""
    data = zlib.compress(bytes(2**26), 1)
    with h5py.File(path, "w") as file:
        kernel = file.create_dataset("kernel", (64,), np.float32, chunks=(64,), compression="gzip")
        kernel.id.write_direct_chunk((0,), data)


def small_bomb(path):
    """A chunk as small as it should be, that inflates to 500 times too much."""
    with h5py.File(path, "w") as file:
        kernel = file.create_dataset(
            "kernel", (64, 64), np.float32, chunks=(64, 64), compression="gzip"
        )
        kernel.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**23)))


def missing_chunk(path):
    with h5py.File(path, "w") as file:
        kernel = file.create_dataset("kernel", (64,), np.float32, chunks=(8,), compression="gzip")
        kernel[:32] = 1.0


def chunk_cut_short(path):
    data = zlib.compress(NUMBERS.tobytes())
    with h5py.File(path, "w") as file:
        kernel = file.create_dataset(
            "kernel", NUMBERS.shape, np.float32, chunks=NUMBERS.shape, compression="gzip"
        )
        kernel.id.write_direct_chunk((0, 0, 0, 0), data[:-4])  # all numbers, but no checksum


def odd_filter(path, **how):
    with h5py.File(path, "w") as file:
        file.create_dataset("kernel", data=NUMBERS, **how)


def integers(path):
    with h5py.File(path, "w") as file:
        file["kernel"] = np.arange(8)


def words(path):
    with h5py.File(path, "w") as file:
        file["kernel"] = ["variable", "length"]


def endless_groups(path):
    with h5py.File(path, "w") as file:
        for number in range(5000):
            file.create_group(str(number))


def endless_names(path):
    """Groups within groups with long names, and many members in the last one."""
    with h5py.File(path, "w") as file:
        group = file.create_group("/".join(["n" * 9_000] * 4))
        for number in range(500):
            group[f"{number}"] = np.float32(1)


def deep_groups(path):
    with h5py.File(path, "w") as file:
        file.create_group("/".join("abcdefghijklmnopqrstuvwxyz"))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (external_link, "refusing kernel: it is a link"),
        (soft_link, "refusing kernel: it is a link"),
        (link_to_itself, "a group within itself"),
        (virtual_dataset, "refusing kernel: its numbers lie in another file"),
        (external_storage, "refusing kernel: its numbers lie in another file"),
        (absurd_shape, "kernel is absurdly large"),
        (absurd_chunks, "kernel is absurdly large"),
        (endless_pieces, "kernel is cut into absurdly many pieces"),
        (bomb, "kernel is damaged"),
        (small_bomb, "kernel is damaged"),
        (missing_chunk, "kernel is damaged"),
        (chunk_cut_short, "kernel is damaged"),
        (lambda path: odd_filter(path, compression="lzf"), "only gzip"),
        (lambda path: odd_filter(path, fletcher32=True), "only gzip"),
        (lambda path: odd_filter(path, scaleoffset=2), "only gzip"),
        (integers, "kernel holds int64"),
        (words, "kernel holds object"),
        (endless_groups, "absurdly many groups"),
        (deep_groups, "absurdly many groups"),
        (endless_names, "nnn... is absurdly long for the name of a layer"),
    ],
)
def test_refuses(tmp_path, make, reason):
    path = tmp_path / "a.h5"
    make(path)
    with pytest.raises(WeightFileError, match=reason) as refusal, bounded(memory=2**28):
        read_all(path)
    assert "\n" not in str(refusal.value) and str(path) in str(refusal.value)


def test_what_is_not_read_does_no_harm(tmp_path):
    absurd_shape(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["fine"] = NUMBERS
    with opened(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(stored_datasets(file)["fine"].read(), NUMBERS)


def test_attributes_of_fixed_length_are_read(tmp_path):
    text = np.array("größer".encode(), h5py.string_dtype("utf-8", 16))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update({"text": text, "number": 3, "list": (1, 2), "flag": True})
    with opened(tmp_path / "a.h5") as file:
        found = attributes(file, ("text", "number", "list", "flag", "missing"))
    assert found.keys() == {"text", "number", "list", "flag"}
    assert found["text"] == "größer" and found["number"] == 3 and found["flag"]
    assert found["list"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "value",
    ["of variable length", np.zeros(10_000), np.zeros((0,)), np.zeros(2, "f4,i4")],
    ids=["text", "large", "empty", "record"],
)
def test_odd_attributes_are_refused(tmp_path, value):
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file.attrs["odd"] = value
    with (
        opened(tmp_path / "a.h5") as file,
        pytest.raises(WeightFileError, match="attribute odd is of an unexpected kind"),
    ):
        attributes(file, ("odd",))


@pytest.mark.parametrize("data", [b"", b"\x89HDF\r\n\x1a\n", b"not HDF5 at all" * 100])
def test_what_is_no_hdf5_is_refused(tmp_path, data):
    (tmp_path / "a.h5").write_bytes(data)
    with pytest.raises(WeightFileError, match="cannot read weights from"):
        read_all(tmp_path / "a.h5")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(WeightFileError, match="there is no weight file"):
        read_all(tmp_path / "a.h5")
    with pytest.raises(WeightFileError, match="is not a file"):
        read_all(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_virtual_dataset_does_not_open_its_neighbour(tmp_path):
    """Opening a named pipe that nobody writes to would wait for ever."""
    os.mkfifo(tmp_path / "pipe.h5")
    layout = h5py.VirtualLayout((4, 4), np.float32, maxshape=(None, 4))
    source = h5py.VirtualSource(tmp_path / "pipe.h5", "kernel", (4, 4), maxshape=(None, 4))
    layout[: h5py.h5s.UNLIMITED, :] = source[: h5py.h5s.UNLIMITED, :]
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_virtual_dataset("kernel", layout)
    with pytest.raises(WeightFileError, match="in another file"), bounded():
        read_all(path)
