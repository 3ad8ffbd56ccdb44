"""Caffe's networks, written here field by field as protobuf writes them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from fuzzing import CASES, assert_only_refusals, bounded
from weight_files import TINY, Layers, assert_same_layers, random_layers

from jaxstyle.network.architecture import VGG16, VGG19, Architecture
from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.readers.caffe import read_caffemodel
from jaxstyle.network.weights.readers.raw_weights import CAFFE_INPUT

TINY16 = Architecture(VGG16.depths, TINY.widths)
LAYERS = random_layers(TINY)


def varint(value: int) -> bytes:
    data = b""
    while value > 127:
        data += bytes([value & 127 | 128])
        value >>= 7
    return data + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    """A varint, or anything that has a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def unpacked(number: int, array: np.ndarray) -> bytes:
    """Numbers one by one, each with its own tag."""
    wire = {4: 5, 8: 1}[array.itemsize]
    tagged = np.empty(array.size, [("tag", "u1"), ("value", array.dtype)])
    tagged["tag"], tagged["value"] = number << 3 | wire, array.ravel()
    return tagged.tobytes()


def blob(array: np.ndarray, *, old: bool, pack: bool = True, pieces: int = 1) -> bytes:
    """A BlobProto, with four sides (old) or with a shape."""
    if old:
        sides = (1,) * (4 - array.ndim) + array.shape
        shape = b"".join(field(number + 1, side) for number, side in enumerate(sides))
    elif pack:
        shape = field(7, field(1, b"".join(map(varint, array.shape))))
    else:
        shape = field(7, b"".join(field(1, side) for side in array.shape))
    number = 8 if array.dtype == np.float64 else 5
    data = b""
    for part in np.array_split(array.ravel(), pieces):
        data += field(number, part.tobytes()) if pack else unpacked(number, part)
    gradients = field(6, bytes(8))
    return shape + data + gradients if old else data + gradients + shape


def layer(name: str, blobs: list[bytes], *, old: bool) -> bytes:
    """A V1LayerParameter (old) or a LayerParameter, with some of the fields that are skipped."""
    if old:
        content = field(2, b"bottom") + field(3, b"top") + field(4, name.encode()) + field(5, 4)
        content += b"".join(field(6, blob) for blob in blobs) + unpacked(7, np.ones(2, "<f4"))
        return field(2, content + field(10, field(1, 64) + field(3, 1)))
    content = field(1, name.encode()) + field(2, b"Convolution") + field(3, b"bottom")
    return field(100, content + b"".join(field(7, blob) for blob in blobs))


def caffemodel(layers: Layers, *, old: bool, dtype: str = "<f4", **how) -> bytes:
    data = field(1, b"VGG_ILSVRC_19_layers") + field(3, b"data") + field(4, 10) + field(4, 3)
    data += layer("data", [], old=old)
    for name, (kernel, bias) in layers.items():
        kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        arrays = [array.astype(dtype) for array in (kernel, bias)]
        data += layer(name, [blob(array, old=old, **how) for array in arrays], old=old)
        data += layer(name.replace("conv", "relu"), [], old=old)
    classifier = np.zeros((10, 8), "<f4")
    return data + layer("fc6", [blob(classifier, old=old), blob(classifier[0], old=old)], old=old)


def refused(path, reason):
    with pytest.raises(WeightFileError, match=reason) as refusal, bounded():
        read_caffemodel(path)
    assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("architecture", "how"),
    [
        (VGG19, {"old": True}),
        (VGG19, {"old": False, "pack": False}),
        (VGG16, {"old": False}),
    ],
    ids=["V1", "V2 unpacked", "VGG-16"],
)
def test_full_size(tmp_path, architecture, how):
    layers = random_layers(architecture)
    (tmp_path / "a.caffemodel").write_bytes(caffemodel(layers, **how))
    found = read_caffemodel(tmp_path / "a.caffemodel")
    assert_same_layers(found.layers, layers)
    assert found.layout == "caffemodel" and found.input == CAFFE_INPUT


@pytest.mark.parametrize("architecture", [TINY, TINY16], ids=["vgg19", "vgg16"])
@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("pack", [True, False])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize("pieces", [1, 2])
def test_every_way_to_write_numbers(tmp_path, architecture, old, pack, dtype, pieces):
    layers = random_layers(architecture)
    data = caffemodel(layers, old=old, pack=pack, dtype=dtype, pieces=pieces)
    (tmp_path / "a.caffemodel").write_bytes(data)
    assert_same_layers(read_caffemodel(tmp_path / "a.caffemodel").layers, layers)


def test_the_classifier_is_not_read(tmp_path):
    """A gigabyte of classifier takes no memory; the file has a hole of that size."""
    path = tmp_path / "a.caffemodel"
    size = 2**30
    numbers = varint(5 << 3 | 2) + varint(size)
    sides = b"".join(field(number, side) for number, side in ((3, 2**14), (4, 2**14)))
    content = field(4, b"fc7") + varint(6 << 3 | 2) + varint(len(numbers + sides) + size)
    with path.open("wb") as file:
        file.write(caffemodel(LAYERS, old=True))
        file.write(varint(2 << 3 | 2) + varint(len(content + numbers + sides) + size))
        file.write(content + sides + numbers)
        file.truncate(file.tell() + size)
    # Mapping the file is no use of memory, but counts where addresses are limited.
    with bounded(memory=size + 2**26):
        assert_same_layers(read_caffemodel(path).layers, LAYERS)


def with_kernel(blob: bytes) -> bytes:
    """A network whose first kernel is this blob."""
    bias = field(7, field(1, varint(2))) + field(5, bytes(8))
    first = layer("conv1_1", [blob, bias], old=False)
    return first + caffemodel(dict(list(LAYERS.items())[1:]), old=False)


SHAPE = field(7, field(1, bytes([2, 3, 3, 3])))
HUGE = field(7, field(1, varint(2**63) * 2 + bytes([3, 3])))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"this is no protobuf at all", "no caffemodel"),
        (caffemodel(LAYERS, old=True)[:-50], "cut short"),
        (field(1, b"name"), "no layer of a VGG"),
        (caffemodel({}, old=False), "no layer of a VGG"),
        (caffemodel({name: LAYERS[name] for name in list(LAYERS)[1:]}, old=True), "conv1_1"),
        (caffemodel(LAYERS, old=True) * 2, "is there twice"),
        (with_kernel(SHAPE), "conv1_1/weight has no numbers"),
        (with_kernel(SHAPE + field(5, bytes(4 * 53))), "53 numbers; its shape .* needs 54"),
        (with_kernel(SHAPE + field(5, bytes(4)) * 54 + field(5, b"") * 20), "has no numbers, or"),
        (with_kernel(field(5, bytes(216))), "conv1_1"),
        (with_kernel(HUGE + field(5, bytes(216))), "conv1_1"),
        (with_kernel(SHAPE + field(5, np.full(54, np.nan, "<f4").tobytes())), "conv1_1 holds NaN"),
        (field(1, 1) * 30_000, "absurdly many fields"),
        (field(100, field(7, field(9, 1) * 30_000)), "absurdly many fields"),
        (b"\xff" * 20, "no caffemodel"),
        (b"\x0b\x0c", "no caffemodel"),
        (b"\x00\x00", "no caffemodel"),
        (varint(100 << 3 | 2) + varint(2**62), "cut short"),
    ],
)
def test_odd_files(tmp_path, data, reason):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(data)
    refused(path, reason)


def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path / "a.caffemodel", "there is no weight file")


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("pack", [True, False])
def test_damaged_files_are_refused(tmp_path, old, pack):
    data = caffemodel(LAYERS, old=old, pack=pack)
    path = tmp_path / "a.caffemodel"
    refusals = assert_only_refusals(read_caffemodel, data, path, count=CASES // 4)
    assert refusals > CASES / 20


def test_the_writer_of_these_tests_follows_protobufs_documentation():
    assert field(1, 150) == bytes([0x08, 0x96, 0x01])
    assert unpacked(5, np.array([1.0], "<f4")) == b"\x2d" + struct.pack("<f", 1.0)
