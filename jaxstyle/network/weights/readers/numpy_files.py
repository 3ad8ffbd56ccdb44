"""Weights in NumPy's files: ``.npz`` with one array a tensor, ``.npy`` with a pickled dict.

``numpy.load`` is not used: it would run what a pickle says, and trusts the sizes in headers.

Source: the format of ``.npy`` as documented in ``numpy.lib.format``.
"""

from __future__ import annotations

import math
import re
import zipfile
from typing import IO

import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.readers.layer_names import Stored, convolutions_of
from jaxstyle.network.weights.readers.raw_weights import CAFFE_INPUT, RawWeights, TrainedInput
from jaxstyle.network.weights.safe_parsers.pickle_machine import Blob, Call, unpickle
from jaxstyle.network.weights.safe_parsers.refusals import shown, weight_reader
from jaxstyle.network.weights.safe_parsers.zip_archive import (
    open_archive,
    read_numbers,
)

_RECONSTRUCT = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_NDARRAY, _DTYPE, _ENCODE = "numpy.ndarray", "numpy.dtype", "_codecs.encode"
_ALLOWED = frozenset({*_RECONSTRUCT, _NDARRAY, _DTYPE, _ENCODE})

_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    r"\{'descr': '([^']{1,16})', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,15}L?,? ?){0,8})\),? ?\}\s*"
)
_LONGEST_HEADER = 1024
_FLOAT = re.compile("[<>=|]?f[248]")
_OBJECT = re.compile("[|]?O[48]?")
_LARGEST_RANK = 8
_MOST_NUMBERS = 2**40


@weight_reader
def read_numpy(file: IO[bytes]) -> RawWeights:
    """Read the convolutions of a ``.npz``, or of a ``.npy`` with a pickled dict.

    An ``.npz`` has arrays such as ``conv1_1/kernel``, ``conv1_1_W`` or ``features.0.weight``, with
    kernels in either order of axes. If it has ``mean`` and ``std``, these are of an RGB picture in
    [0, 1]; else it does not say what input it needs. A ``.npy`` is a dict as that of
    tensorflow-vgg, ``{"conv1_1": [kernel, bias]}``, or of caffe-tensorflow, ``{"conv1_1":
    {"weights": kernel, "biases": bias}}``: these have Caffe's weights, for BGR in 0 to 255.
    """
    start = file.read(6)
    file.seek(0)
    if start == _MAGIC:
        return _read_npy(file)
    if start[:4] == b"PK\x03\x04":
        return _read_npz(file)
    raise WeightFileError("it is no NumPy file: it begins like neither .npz nor .npy")


def _read_npz(file: IO[bytes]) -> RawWeights:
    with open_archive(file, compressed=True) as (archive, members):
        arrays = {
            name.removesuffix(".npy"): _member(archive, member)
            for name, member in members.items()
            if name.endswith(".npy")
        }
        return RawWeights(convolutions_of(arrays, None), "npz", _trained_input(arrays))


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Stored:
    name = shown(member.filename)
    with archive.open(member) as opened:
        kind, fortran, shape = _header(opened)
        begin = opened.tell()

    def read() -> np.ndarray:
        dtype = _float_type(kind, name)
        if begin + math.prod(shape) * dtype.itemsize != member.file_size:
            raise WeightFileError(f"{name} is not as large as its header says")
        with archive.open(member) as opened:
            opened.read(begin)
            numbers = read_numbers(opened, math.prod(shape), dtype)
        return numbers.reshape(shape, order="F" if fortran else "C")

    return Stored(shape, read)


def _header(file: IO[bytes]) -> tuple[str, bool, tuple[int, ...]]:
    """Type, whether in Fortran's order, and shape; ``file`` is left standing at the numbers.

    ``numpy.lib.format`` reads it as a Python literal, which is more than such a header may be.
    """
    start = file.read(8)
    if start[:6] != _MAGIC or start[6:] not in (b"\x01\x00", b"\x02\x00"):
        raise WeightFileError("an array in it is of no known version of NumPy's format")
    length = int.from_bytes(file.read(2 if start[6] == 1 else 4), "little")
    match = _HEADER.fullmatch(file.read(min(length, _LONGEST_HEADER)).decode("latin-1"))
    if length > _LONGEST_HEADER or match is None:
        raise WeightFileError("an array in it has a damaged header, or numbers of an odd kind")
    return match[1], match[2] == "True", tuple(map(int, re.findall(r"\d+", match[3])))


def _float_type(kind: str, name: str) -> np.dtype:
    if not _FLOAT.fullmatch(kind):
        raise WeightFileError(f"{name} holds {shown(kind)}; needed are floating-point numbers")
    return np.dtype(kind)


def _trained_input(arrays: dict[str, Stored]) -> TrainedInput | None:
    """What an ``.npz`` of this project says about its input."""
    if not {"mean", "std"} <= arrays.keys():
        return None
    statistics = []
    for name in ("mean", "std"):
        values = arrays[name].read() if arrays[name].shape == (3,) else np.zeros(3)
        if not ((values > 0) & (values <= 1)).all():
            raise WeightFileError(f"its {name} is not that of three colours in [0, 1]")
        statistics.append(tuple(float(str(np.float32(value))) for value in values))
    return TrainedInput("RGB", 1.0, *statistics)


def _read_npy(file: IO[bytes]) -> RawWeights:
    kind, _, shape = _header(file)
    if not _OBJECT.fullmatch(kind) or shape:
        raise WeightFileError("it holds one array; needed is a dict of layers")
    match unpickle(file, _ALLOWED):
        case Call(name, _, (_, (), _, _, [dict(layers)])) if name in _RECONSTRUCT:
            pass
        case _:
            raise WeightFileError("its pickle holds no dict of layers")
    arrays: dict[str, Stored] = {}
    for layer, parts in layers.items():
        if isinstance(parts, list | tuple):
            parts = dict(zip(("weight", "bias"), parts, strict=False))
        for part, value in parts.items() if isinstance(parts, dict) else ():
            name = f"{layer}.{part}"
            if isinstance(value, Call) and value.name in _RECONSTRUCT:
                arrays[name] = _pickled(file, value, shown(name))
    return RawWeights(convolutions_of(arrays, "HWIO"), "npy", CAFFE_INPUT)


def _pickled(file: IO[bytes], array: Call, name: str) -> Stored:
    """An array in a pickle, which is given its contents by ``__setstate__``."""
    match array.state:
        case (_, tuple(shape), Call("numpy.dtype", (str(kind), *_), how), fortran, data) if len(
            shape
        ) <= _LARGEST_RANK and all(type(n) is int and 0 <= n <= _MOST_NUMBERS for n in shape):
            pass
        case _:
            raise WeightFileError(f"{name} is no plain array")
    order = how[1] if isinstance(how, tuple) and how[1:2] in (("<",), (">",)) else ""

    def read() -> np.ndarray:
        dtype = _float_type(order + kind, name)
        numbers = _data(file, data, math.prod(shape) * dtype.itemsize)
        if numbers is None:
            raise WeightFileError(f"{name} has not as much data as its shape needs")
        return np.frombuffer(numbers, dtype).reshape(shape, order="F" if fortran else "C")

    return Stored(shape, read)


def _data(file: IO[bytes], data: object, size: int) -> bytes | None:
    """The ``size`` bytes that an array in a pickle has, in one of the ways to write bytes there."""
    match data:
        case Blob(_, length, text):  # in UTF-8 each byte of the array takes one or two
            if not size <= length <= (2 * size if text else size):
                return None
            file.seek(data.offset)
            found = file.read(length)
            if text:
                found = found.decode("utf-8").encode("latin-1")
        case Call("_codecs.encode", (str() | Blob() as text, "latin1")):  # Python 3, protocol 2
            return _data(file, text, size)
        case str():
            found = data.encode("latin-1")  # protocol 2 holds bytes as text, one character each
        case bytes():
            found = data
        case _:
            return None
    return found if len(found) == size else None
