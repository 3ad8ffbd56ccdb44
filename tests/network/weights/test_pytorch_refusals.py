"""PyTorch's files as nobody should write them, and damaged."""

from __future__ import annotations

import io
import os
import zipfile

import numpy as np
import pytest
from fuzzing import CASES, assert_only_refusals, bounded
from weight_files import (
    TINY,
    TORCH_FORMS,
    Name,
    PersistentId,
    Reduce,
    pickled,
    random_layers,
    torch_file,
    torch_legacy,
    torch_tensor,
    torch_zip,
    torchvision_names,
    write_torch,
    write_torch_root,
)

from jaxstyle.network.architecture import Architecture
from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.readers.pytorch import read_torch

LAYERS = random_layers(TINY)
TENSORS = torchvision_names(LAYERS, TINY)
STORAGES = {name: tensor.tobytes() for name, tensor in TENSORS.items()}
both_forms = pytest.mark.parametrize("form", TORCH_FORMS)
WEIGHT = TENSORS["features.0.weight"]


def described(name="features.0.weight", **overrule):
    """All tensors, of which one is described wrongly."""
    return {
        other: torch_tensor(tensor, other, **(overrule if other == name else {}))
        for other, tensor in TENSORS.items()
    }


BAD_TENSORS = {
    "offset beyond": {"offset": 1},
    "offset far beyond": {"offset": 2**62},
    "negative offset": {"offset": -1},
    "offset no number": {"offset": "0"},
    "offset a boolean": {"offset": True},
    "shape too large": {"shape": (2, 3, 3, 4)},
    "shape absurd": {"shape": (2**40, 2**40, 3, 3)},
    "shape negative": {"shape": (-2, -3, 3, 3)},
    "shape a list": {"shape": [2, 3, 3, 3]},
    "shape without strides": {"shape": (2, 3, 9)},
    "shape of too many axes": {"shape": (1,) * 100, "strides": (1,) * 100},
    "strides beyond": {"strides": (27, 9, 3, 2)},
    "strides negative": {"strides": (-27, 9, 3, 1)},
    "strides zero": {"strides": (0, 0, 0, 0)},
    "strides overlapping": {"strides": (3, 3, 3, 1)},
    "strides fractional": {"strides": (27.0, 9, 3, 1)},
    "storage smaller": {"size": 53},
    "storage larger": {"size": 55},
    "storage absurd": {"size": 2**62},
    "storage negative": {"size": -1},
}


@pytest.mark.parametrize("case", BAD_TENSORS)
def test_a_tensor_that_does_not_fit_its_storage_is_refused(tmp_path, case):
    path = write_torch_root(tmp_path / "w.pth", described(**BAD_TENSORS[case]), STORAGES)
    with bounded(1, 2**26), pytest.raises(WeightFileError):
        read_torch(path)


def test_storages_that_are_missing_or_of_other_types_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    without = {name: data for name, data in STORAGES.items() if name != "features.5.bias"}
    path.write_bytes(torch_zip(described(), without))
    with pytest.raises(WeightFileError, match=r"storage features\.5\.bias is not there"):
        read_torch(path)
    integers = {**TENSORS, "features.5.bias": TENSORS["features.5.bias"].astype(np.int64)}
    for form in TORCH_FORMS:
        with pytest.raises(WeightFileError, match="conv2_1 holds int64"):
            read_torch(write_torch(path, integers, form))
    root = described()
    root["other"] = torch_tensor(WEIGHT.astype(np.float16), "features.0.weight")
    with pytest.raises(WeightFileError, match="described in two ways"):
        read_torch(write_torch_root(path, root, STORAGES))


def test_tensors_that_share_numbers_are_refused(tmp_path):
    root = described()
    root["features.2.bias"] = torch_tensor(TENSORS["features.0.bias"], "features.0.bias")
    with pytest.raises(WeightFileError, match="share their numbers"):
        read_torch(write_torch_root(tmp_path / "w.pth", root, STORAGES))


@pytest.mark.parametrize("key", ["../../../etc/passwd", "/etc/passwd", "", "a\x00b", "é"])
def test_storage_keys_lead_nowhere_else(tmp_path, key):
    root = described()
    root["features.0.weight"] = torch_tensor(WEIGHT, key)
    with pytest.raises(WeightFileError):
        read_torch(write_torch_root(tmp_path / "w.pth", root, STORAGES))


@pytest.mark.parametrize(
    "identity",
    [
        ("storage", Name("torch", "FloatStorage"), "0", "cpu"),
        ("storage", "FloatStorage", "0", "cpu", 1),
        ("storage", Name("torch._utils", "_rebuild_tensor"), "0", "cpu", 1),
        ("storage", Name("torch", "FloatStorage"), 0, "cpu", 1),
        ("storage", Name("torch", "FloatStorage"), "0", "cpu", None),
        ("storage", Name("torch", "FloatStorage"), "0", "cpu", 1, ("0", 0, 1)),
        ("module", Name("torch", "FloatStorage"), "source.py", "import os"),
        (),
        "storage",
        None,
    ],
    ids=str,
)
@both_forms
def test_odd_persistent_ids_are_refused(tmp_path, identity, form):
    root = {"features.0.weight": PersistentId(identity)}
    with pytest.raises(WeightFileError, match="no plain storage"):
        read_torch(write_torch_root(tmp_path / "w.pth", root, {}, form))


@both_forms
@pytest.mark.parametrize(
    "root", [None, [], (), "text", {}, {"state_dict": {}}, {"epoch": 1}, {1: 2}], ids=str
)
def test_files_without_tensors_are_refused(tmp_path, root, form):
    with pytest.raises(WeightFileError):
        read_torch(write_torch_root(tmp_path / "w.pth", root, {}, form))


@both_forms
def test_things_that_are_called_like_tensors_but_are_none(tmp_path, form):
    rebuild = Name("torch._utils", "_rebuild_tensor_v2")
    storage = Name("torch", "FloatStorage")
    for value in (
        Reduce(storage, (1,)),
        Reduce(rebuild, ()),
        Reduce(rebuild, (None, 0, (1,), (1,))),
        Reduce(rebuild, (storage, 0, (1,), (1,))),
        Reduce(Name("torch._utils", "_rebuild_parameter"), ()),
        Reduce(Name("torch._utils", "_rebuild_parameter"), (1, True, {})),
    ):
        root = {"features.0.weight": value}
        with pytest.raises(WeightFileError, match=r"features\.0\.weight is no plain tensor"):
            read_torch(write_torch_root(tmp_path / "w.pth", root, {}, form))


@both_forms
def test_a_malicious_file_is_refused_by_name_and_not_run(tmp_path, form):
    mark = tmp_path / "ran"
    command = Reduce(Name("posix", "system"), (f"touch {mark}",))
    path = write_torch_root(tmp_path / "w.pth", {**described(), "x": command}, STORAGES, form)
    with pytest.raises(WeightFileError, match=r"w\.pth: refusing global posix\.system"):
        read_torch(path)
    assert not mark.exists()


def test_files_of_big_endian_machines_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(torch_zip(described(), STORAGES, byteorder=b"big"))
    with pytest.raises(WeightFileError, match="big-endian"):
        read_torch(path)
    path.write_bytes(torch_legacy({}, {}, little_endian=False))
    with pytest.raises(WeightFileError, match="big-endian"):
        read_torch(path)


def rezipped(path, method):
    """Compress a zip in another way."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            archive.writestr(name, data, method)


def test_compressed_members_are_refused(tmp_path):
    path = write_torch(tmp_path / "w.pth", TENSORS)
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        rezipped(path, method)
        with pytest.raises(WeightFileError, match="compressed"):
            read_torch(path)


def test_members_that_are_there_twice_are_refused(tmp_path):
    path = write_torch(tmp_path / "w.pth", TENSORS)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data/0", STORAGES["features.0.weight"])
    with pytest.raises(WeightFileError, match="twice"):
        read_torch(path)
    path = write_torch(tmp_path / "w.pth", TENSORS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/data.pkl", b"\x80\x02}.")
    with pytest.raises(WeightFileError, match=r"2 members data\.pkl"):
        read_torch(path)


def test_members_that_overlap_are_refused(tmp_path):
    path = write_torch(tmp_path / "w.pth", TENSORS)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"archive/data/1") - 46  # in the directory: now where data/0 is
    first = data.rindex(b"archive/data/0") - 46
    data[entry + 42 : entry + 46] = data[first + 42 : first + 46]
    path.write_bytes(data)
    with pytest.raises(WeightFileError, match="overlap"):
        read_torch(path)


def test_a_member_that_claims_more_than_the_file_has_is_refused(tmp_path):
    path = write_torch(tmp_path / "w.pth", TENSORS)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"archive/data/1") - 46
    data[entry + 20 : entry + 28] = b"\xf0\xff\xff\xff" * 2  # its sizes, packed and not
    path.write_bytes(data)
    with bounded(1, 2**25), pytest.raises(WeightFileError, match=r"archive/data/1\d* is cut short"):
        read_torch(path)


def test_an_absurd_zip_directory_is_refused(tmp_path):
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(8_000):
            archive.writestr(f"archive/data/{number}", b"")
    with bounded(1, 2**25), pytest.raises(WeightFileError, match="directory"):
        read_torch(path)


def test_an_absurd_pickle_is_refused(tmp_path):
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + bytes(2**25))
    with bounded(1, 2**24), pytest.raises(WeightFileError, match="limit"):
        read_torch(path)


def test_a_legacy_file_whose_sizes_contradict_each_other_is_refused(tmp_path):
    path = tmp_path / "w.pth"
    root = {name: torch_tensor(t, name, legacy=True) for name, t in TENSORS.items()}
    good = {name: (t.size, t.tobytes()) for name, t in TENSORS.items()}
    for key, (size, data) in {
        "features.0.weight": (53, STORAGES["features.0.weight"]),
        "features.34.bias": (good["features.34.bias"][0], b""),
        "features.2.weight": (-1, b""),
        "unknown": (1, b"1234"),
    }.items():
        path.write_bytes(torch_legacy(root, {**good, key: (size, data)}))
        with pytest.raises(WeightFileError):
            read_torch(path)
    fewer = dict(good)
    del fewer["features.0.bias"]
    path.write_bytes(torch_legacy(root, fewer))
    with pytest.raises(WeightFileError, match=r"storage features\.0\.bias is not there"):
        read_torch(path)


def test_other_files_are_refused_with_one_line(tmp_path):
    path = tmp_path / "w.pth"
    with pytest.raises(WeightFileError, match=r"there is no weight file .*w\.pth"):
        read_torch(path)
    with pytest.raises(WeightFileError, match="is not a file"):
        read_torch(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(WeightFileError, match="is not a file"):
        read_torch(tmp_path / "fifo")
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme", b"")
    for data in (
        b"",
        b"P",
        b"<html>404</html>",
        b"PK\x03\x04",
        b"\x80",
        pickled([1]),
        b"\x89HDF\r\n\x1a\n",
        pickled(0x1950A86A20F9469CFC6C) + pickled(1002),
        other.getvalue(),
    ):
        path.write_bytes(data)
        with pytest.raises(WeightFileError) as caught:
            read_torch(path)
        assert str(caught.value).startswith((f"{path}: ", f"cannot read weights from {path}"))
        assert "\n" not in str(caught.value)


@both_forms
def test_damaged_files_are_refused_or_read(tmp_path, form):
    small = Architecture((2, 1, 0, 0, 0), (2, 2, 2, 2, 2))
    cut = {name: LAYERS[name] for name in ("conv1_1", "conv1_2", "conv2_1")}
    tensors = torchvision_names(cut, TINY)
    assert small.convolutions == tuple(cut)
    tensors["classifier.0.weight"] = np.zeros((2, 2), np.float32)
    data = torch_file(tensors, legacy=TORCH_FORMS[form])
    (tmp_path / "valid.pth").write_bytes(data)
    read_torch(tmp_path / "valid.pth")
    refused = assert_only_refusals(read_torch, data, tmp_path / "w.pth", seed=3)
    assert refused > CASES // 4


def test_damaged_pickles_in_a_sound_zip_are_refused_or_read(tmp_path):
    archive = tmp_path / "w.pth"

    def read(path):
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("w/data.pkl", path.read_bytes())
            for name, data in STORAGES.items():
                file.writestr(f"w/data/{name}", data)
        return read_torch(archive)

    valid = pickled({name: described()[name] for name in list(TENSORS)[:6]})
    refused = assert_only_refusals(read, valid, tmp_path / "data.pkl", seed=8)
    assert refused > CASES // 4
