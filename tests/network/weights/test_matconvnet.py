"""MatConvNet's networks, written by scipy as MatConvNet's own importer writes them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io.matlab
import scipy.sparse
from fuzzing import CASES, assert_only_refusals, bounded
from weight_files import TINY, Layers, assert_same_layers, random_layers

from jaxstyle.network.architecture import VGG16, VGG19, Architecture
from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.readers.matconvnet import read_matconvnet
from jaxstyle.network.weights.readers.raw_weights import TrainedInput
from jaxstyle.network.weights.safe_parsers import mat_file
from jaxstyle.network.weights.safe_parsers.mat_file import read_mat
from jaxstyle.network.weights.safe_parsers.refusals import weight_reader

TINY16 = Architecture(VGG16.depths, TINY.widths)
LAYERS = random_layers(TINY)
MEAN = (123.68, 116.779, 103.939)
INPUT = TrainedInput("RGB", 255.0, MEAN)
PICTURE = np.broadcast_to(np.array(MEAN, np.float32), (224, 224, 3))


@weight_reader
def read(file) -> dict:
    """All variables of a file, without large ones."""
    return read_mat(file, 2**20)


def cell(items: list) -> np.ndarray:
    """A cell array of one row."""
    array = np.empty((1, len(items)), object)
    for place, item in enumerate(items):
        array[0, place] = item
    return array


def convolution(name: str, kernel: np.ndarray, bias: np.ndarray, *, old: bool = False) -> dict:
    layer = {"name": name, "type": "conv", "pad": np.ones((1, 4)), "stride": np.ones((1, 2))}
    if old:
        return layer | {"filters": kernel, "biases": bias.reshape(1, -1)}
    return layer | {"weights": cell([kernel, bias.reshape(1, -1)])}


def network(
    layers: Layers,
    *,
    beta16: bool = False,
    old: bool = False,
    mean: np.ndarray | None = PICTURE,
) -> dict:
    """The variables of ``imagenet-vgg-verydeep-19.mat``."""
    stack = []
    for name, (kernel, bias) in layers.items():
        stack.append(convolution(name, kernel, bias, old=old))
        stack.append({"name": name.replace("conv", "relu"), "type": "relu", "leak": 0.0})
    stack.append({"name": "pool5", "type": "pool", "method": "max", "pool": np.ones((1, 2))})
    classifier = np.zeros((7, 7, 2, 4), np.float32)
    stack.append(convolution("fc6", classifier, np.zeros(4, np.float32), old=old))
    stack.append({"name": "prob", "type": "softmax"})
    normalization: dict = {"imageSize": np.array([[224.0, 224.0, 3.0]]), "keepAspect": True}
    if mean is not None:
        normalization["averageImage"] = mean
    classes = {"name": cell(["n01440764"]), "description": cell(["tench, Tinca tinca"])}
    if beta16:
        return {"layers": cell(stack), "normalization": normalization, "classes": classes}
    meta = {"normalization": normalization, "classes": classes, "inputs": {"name": "data"}}
    return {"layers": cell(stack), "meta": meta}


def mat(variables: dict, *, compressed: bool = False) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables, oned_as="row", do_compression=compressed)
    return file.getvalue()


def refused(path, reason):
    with pytest.raises(WeightFileError, match=reason) as refusal, bounded():
        read_matconvnet(path)
    assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("architecture", "how", "layout"),
    [
        (VGG19, {}, "matconvnet"),
        (VGG16, {"beta16": True, "old": True}, "matconvnet-beta16"),
    ],
    ids=["VGG-19", "VGG-16 beta16"],
)
def test_full_size(tmp_path, architecture, how, layout):
    layers = random_layers(architecture)
    (tmp_path / "a.mat").write_bytes(mat(network(layers, **how)))
    found = read_matconvnet(tmp_path / "a.mat")
    assert_same_layers(found.layers, layers)
    assert found.layout == layout and found.input == INPUT


@pytest.mark.parametrize("architecture", [TINY, TINY16], ids=["vgg19", "vgg16"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("beta16", [False, True])
@pytest.mark.parametrize("old", [False, True])
def test_layouts(tmp_path, architecture, compressed, beta16, old):
    layers = random_layers(architecture)
    data = mat(network(layers, beta16=beta16, old=old), compressed=compressed)
    (tmp_path / "a.mat").write_bytes(data)
    found = read_matconvnet(tmp_path / "a.mat")
    assert_same_layers(found.layers, layers)
    assert found.layout == ("matconvnet-beta16" if beta16 else "matconvnet")
    assert found.input == INPUT


@pytest.mark.parametrize(
    ("mean", "expected"),
    [
        (PICTURE, INPUT),
        (PICTURE.astype(np.float64), INPUT),
        (np.array(MEAN).reshape(1, 1, 3), INPUT),
        (np.array([MEAN]), INPUT),
        (np.array([MEAN]).T, INPUT),
        (np.array([[128.0, 127.0, 3.0]]), TrainedInput("RGB", 255.0, (128.0, 127.0, 3.0))),
        (np.zeros((1, 2)), None),
        (np.zeros((0, 0)), None),
        (None, None),
    ],
    ids="picture doubles pixel row column other two empty none".split(),
)
@pytest.mark.parametrize("beta16", [False, True])
def test_the_mean_is_that_of_the_file(tmp_path, mean, expected, beta16):
    (tmp_path / "a.mat").write_bytes(mat(network(LAYERS, mean=mean, beta16=beta16)))
    assert read_matconvnet(tmp_path / "a.mat").input == expected


def test_a_picture_whose_colours_differ_by_place_gives_their_mean(tmp_path):
    picture = np.random.default_rng(0).uniform(0, 255, (6, 8, 3))
    (tmp_path / "a.mat").write_bytes(mat(network(LAYERS, mean=picture)))
    found = read_matconvnet(tmp_path / "a.mat").input
    assert found is not None
    np.testing.assert_allclose(found.mean, picture.mean((0, 1)), atol=1e-4)


def test_whole_numbers_are_stored_as_integers_by_matlab(tmp_path):
    """Which scipy does not imitate: the type of the numbers is changed in the file."""
    data = mat({"bias": np.arange(8, dtype=np.float64).reshape(1, 8)})
    before = struct.pack("<II", 9, 64) + np.arange(8, dtype="<f8").tobytes()
    assert data.count(before) == 1
    after = struct.pack("<II", 2, 8) + np.arange(8, dtype="u1").tobytes()
    data = data.replace(before, after)
    start = 128 + 4
    (size,) = struct.unpack_from("<I", data, start)
    data = data[:start] + struct.pack("<I", size - 56) + data[start + 4 :]
    (tmp_path / "a.mat").write_bytes(data)
    array = read(tmp_path / "a.mat")["bias"]
    np.testing.assert_array_equal(array, [np.arange(8.0)])
    assert array.dtype == np.float64


def test_reads_what_scipy_reads(tmp_path):
    numbers = {
        dtype: np.arange(24).reshape(2, 3, 4).astype(dtype)
        for dtype in "f4 f8 i1 u1 i2 u2 i4 u4 i8 u8".split()
    }
    variables = {f"x_{name}": array for name, array in numbers.items()} | {
        "word": "grün",
        "flag": np.array([[True, False]]),
        "deep": {"a": {"b": {"c": cell([1.0, "x", cell([])])}}},
        "many": np.array([(1.0, "p"), (2.0, "q")], [("number", object), ("word", object)]),
        "complex": np.array([[1 + 2j, 3]]),
        "sparse": scipy.sparse.csc_array(np.eye(3)),
        "last": np.array([[7.0]]),
    }
    for compressed in (False, True):
        (tmp_path / "a.mat").write_bytes(mat(variables, compressed=compressed))
        found = read(tmp_path / "a.mat")
        for name, array in numbers.items():
            np.testing.assert_array_equal(found[f"x_{name}"], array)
            assert found[f"x_{name}"].dtype == array.dtype
        assert found["word"] == "grün" and found["flag"].tolist() == [[1, 0]]
        assert found["deep"]["a"]["b"]["c"][1:] == ["x", []]
        assert [one["word"] for one in found["many"]] == ["p", "q"]
        assert found["sparse"] is None and found["last"].item() == 7


MATLABS = Path(scipy.io.matlab.__file__).parent / "tests" / "data"


@pytest.mark.skipif(not MATLABS.is_dir(), reason="scipy is installed without its tests")
@pytest.mark.parametrize("version", ["6.5.1", "7.1", "7.4"])
def test_reads_what_matlab_wrote(version):
    def both(name):
        path = MATLABS / f"test{name}_{version}_GLNX86.mat"
        theirs = scipy.io.loadmat(path, mat_dtype=True)
        return read(path)[f"test{name}"], theirs[f"test{name}"]

    for name in ("3dmatrix", "double", "matrix", "minus"):
        ours, theirs = both(name)
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    ours, theirs = both("cell")
    assert ours[0] == theirs[0, 0].item()
    for mine, other in zip(ours[1:], theirs[0, 1:], strict=True):
        np.testing.assert_array_equal(mine, other)
    ours, theirs = both("structnest")
    assert ours["one"].item() == theirs["one"].item().item()
    ours, theirs = both("structarr")
    assert [list(one) for one in ours] == [list(theirs.dtype.names)] * theirs.size


def test_large_arrays_are_skipped(tmp_path):
    for compressed in (False, True):
        variables = {"c": cell([np.zeros((1000, 1000)), "kept"]), "d": 3.0}
        (tmp_path / "a.mat").write_bytes(mat(variables, compressed=compressed))
        found = read(tmp_path / "a.mat")
        assert found["c"] == [None, "kept"] and found["d"].item() == 3


def element(kind: int, data: bytes) -> bytes:
    padding = 0 if kind == 15 else -len(data) % 8  # nothing behind what is compressed
    return struct.pack("<II", kind, len(data)) + data + bytes(padding)


def matrix(kind: int, shape: tuple[int, ...], content: bytes, name: bytes = b"layers") -> bytes:
    """An array of MATLAB class ``kind``, whatever sense it makes."""
    flags = element(6, struct.pack("<II", kind, 0))
    return element(
        14, flags + element(5, np.array(shape, "<i4").tobytes()) + element(1, name) + content
    )


HEADER = mat({})[:128]
DOUBLE = matrix(6, (1, 1), element(9, bytes(8)), b"")
CELL, STRUCT = 1, 2


def nested(depth: int) -> bytes:
    data = DOUBLE
    for _ in range(depth):
        data = matrix(CELL, (1, 1), data)
    return data


def fields(count: int, length: int = 4) -> bytes:
    return element(5, struct.pack("<i", length)) + element(1, bytes(abs(length) * count))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no little-endian .mat file"),
        (HEADER[:124] + b"\x00\x02IM" + bytes(600), "save it with -v7"),
        (HEADER[:126] + b"MI" + DOUBLE, "no little-endian .mat file"),
        (HEADER, "no cell array called layers"),
        (HEADER + b"\x00\x00", "cut short"),
        (HEADER + DOUBLE[:-4], "cut short"),
        (mat(network(LAYERS))[:-1000], "cut short"),
        (mat(network(LAYERS), compressed=True)[:-10], "cut short"),
        (mat({"layers": 3.0}), "no cell array called layers"),
        (mat({"layers": cell([])}), "no layer of a VGG"),
        (mat({"layers": cell([3.0, "x", {"name": 3.0}])}), "no layer of a VGG"),
        (HEADER + matrix(CELL, (2**31 - 1, 2**31 - 1), b""), "damaged"),
        (HEADER + matrix(CELL, (2**31 - 1, 0), b""), "no layer of a VGG"),
        (HEADER + matrix(CELL, (-1, 1), b""), "damaged"),
        (HEADER + matrix(CELL, (3,), DOUBLE * 3), "damaged"),
        (HEADER + matrix(CELL, (1, 60_000), element(14, b"") * 60_000), "absurdly many parts"),
        (HEADER + matrix(6, (2**16, 2**15), element(9, bytes(8))), "not the size"),
        (HEADER + matrix(6, (1, 1), element(99, bytes(8))), "not the size"),
        (HEADER + nested(12), "larger than the whole"),
        (HEADER + matrix(STRUCT, (1, 2**30), fields(0)), "no cell array called layers"),
        (HEADER + matrix(STRUCT, (1, 2**30), fields(1)), "damaged"),
        (HEADER + matrix(STRUCT, (1, 1), fields(1, -4)), "damaged"),
        (HEADER + matrix(STRUCT, (1, 1), fields(5000)), "damaged"),
        (HEADER + struct.pack("<II", 15, 2**31) + bytes(99), "cut short"),
        (HEADER + element(15, b"not deflated"), "cannot read weights"),
        (HEADER + element(15, zlib.compress(element(6, b""))), "damaged"),
        (HEADER + element(15, zlib.compress(DOUBLE)[:-4]), "damaged"),
    ],
)
def test_odd_files_are_refused(tmp_path, data, reason):
    (tmp_path / "a.mat").write_bytes(data)
    refused(tmp_path / "a.mat", reason)


def test_a_bomb_takes_no_memory(tmp_path):
    """A compressed array of 64 MB in 300 KB is skipped."""
    size = 2**26
    packer = zlib.compressobj(1)
    start = matrix(6, (1, size // 8), b"")
    content = struct.pack("<II", 14, len(start) - 8 + 8 + size) + start[8:]
    content += struct.pack("<II", 9, size)
    data = packer.compress(content) + b"".join(packer.compress(bytes(2**20)) for _ in range(64))
    (tmp_path / "a.mat").write_bytes(HEADER + element(15, data + packer.flush()))
    with bounded(memory=2**25):
        assert read(tmp_path / "a.mat") == {"layers": None}


def test_bombs_in_many_variables_add_up(tmp_path, monkeypatch):
    monkeypatch.setattr(mat_file, "_MOST_INFLATED", 2**22)
    bomb = zlib.compress(matrix(6, (1, 2**17), element(9, bytes(2**20)), b""))
    (tmp_path / "a.mat").write_bytes(HEADER + element(15, bomb) * 3)
    assert read(tmp_path / "a.mat").keys() == {""}
    (tmp_path / "a.mat").write_bytes(HEADER + element(15, bomb) * 9)
    refused(tmp_path / "a.mat", "larger than the whole")


def without(name: str, part: int | None = None) -> dict:
    """A network that lacks a layer, or its kernel (part 0) or bias (part 1)."""
    variables = network(LAYERS)
    kept = []
    for layer in variables["layers"][0]:
        if layer["name"] != name:
            kept.append(layer)
        elif part is not None:
            kept.append(layer | {"weights": cell([layer["weights"][0, 1 - part]])})
    return variables | {"layers": cell(kept)}


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        (without("conv1_1"), "conv1_1"),
        (without("conv3_2"), "conv3_2"),
        (without("conv3_2", 1), "conv3_2 has a weight but no bias"),
        (without("conv3_2", 0), "conv3_2"),
        (network(LAYERS | {"conv3_2": LAYERS["conv2_2"]}), "conv3_2"),
        (network(LAYERS, mean=np.full((1, 3), np.nan)), "averageImage"),
        (network(LAYERS, mean=np.full((1, 3), -5.0)), "averageImage"),
    ],
)
def test_odd_networks_are_refused(tmp_path, variables, reason):
    (tmp_path / "a.mat").write_bytes(mat(variables))
    refused(tmp_path / "a.mat", reason)


def test_a_layer_that_is_there_twice_is_refused(tmp_path):
    variables = network(LAYERS)
    stack = list(variables["layers"][0])
    (tmp_path / "a.mat").write_bytes(mat(variables | {"layers": cell([*stack, stack[0]])}))
    refused(tmp_path / "a.mat", "conv1_1/kernel is there twice")


def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path / "a.mat", "there is no weight file")


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_are_refused(tmp_path, compressed):
    data = mat(network(LAYERS, mean=np.array([MEAN])), compressed=compressed)
    refused = assert_only_refusals(read_matconvnet, data, tmp_path / "a.mat", count=CASES // 2)
    assert refused > CASES / 8


def test_damaged_variables_of_every_kind_are_refused(tmp_path):
    data = mat({"a": "text", "b": cell([1.0, {"c": np.eye(2), "d": 1j}]), "e": np.arange(9)})

    assert assert_only_refusals(read, data, tmp_path / "a.mat") > CASES / 4
