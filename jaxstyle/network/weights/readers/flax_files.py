"""VGG weights of Flax: flaxmodels' HDF5 files and parameters saved by ``flax.serialization``.

Both have kernels as (height, width, in, out). Reading them needs no Flax: its files are msgpack
with one type of its own for arrays.
"""

from __future__ import annotations

import math
import mmap
import os
from typing import IO, Any

import h5py
import msgpack
import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.readers.layer_names import FLOATS, Stored, convolutions_of
from jaxstyle.network.weights.readers.raw_weights import TORCHVISION_INPUT, RawWeights
from jaxstyle.network.weights.safe_parsers.hdf5 import stored_datasets
from jaxstyle.network.weights.safe_parsers.refusals import path_within, shown, weight_reader

_ARRAY = 1  # flax.serialization's code for arrays
_LARGEST_ARRAY = 2**25  # bytes; VGG's largest kernel has 2**24.2 as float64
_LONGEST_CONTAINER = 1000
_TYPES = {dtype.name: dtype for dtype in FLOATS}


@weight_reader
def read_flaxmodels(file: IO[bytes]) -> RawWeights:
    """Read the convolutions of flaxmodels' ``vgg19_weights.h5`` or ``vgg16_weights.h5``.

    They are torchvision's weights, as ``conv1_1/{weight, bias}``.
    """
    with h5py.File(file, "r") as opened:
        layers = convolutions_of(stored_datasets(opened), "HWIO")
        return RawWeights(layers, "flaxmodels-h5", TORCHVISION_INPUT)


@weight_reader
def read_msgpack(file: IO[bytes]) -> RawWeights:
    """Read the convolutions of parameters saved by ``flax.serialization.to_bytes``.

    The layers are called ``conv1_1`` to ``conv5_4``, with ``kernel`` and ``bias``, and may lie
    within ``params`` or deeper. The file does not say what input it needs.
    """
    if os.fstat(file.fileno()).st_size == 0:
        raise WeightFileError("it is empty")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        tree = msgpack.unpackb(
            data,
            ext_hook=_array,
            max_array_len=_LONGEST_CONTAINER,
            max_map_len=_LONGEST_CONTAINER,
        )
    if not isinstance(tree, dict):
        raise WeightFileError(f"it holds a {type(tree).__name__}; needed is a tree of arrays")
    return RawWeights(convolutions_of(_leaves(tree), "HWIO"), "flax-msgpack")


def _array(code: int, data: bytes) -> Stored | None:
    """What is left of an array of the file: None if it is too large for a convolution."""
    if code != _ARRAY or len(data) > _LARGEST_ARRAY:
        return None
    shape, name, numbers = msgpack.unpackb(
        data, raw=True, max_array_len=8, max_map_len=0, ext_hook=_no_array
    )
    dtype = _TYPES.get(name.decode())
    if not all(type(side) is int and side >= 0 for side in shape) or not isinstance(numbers, bytes):
        raise WeightFileError("one of its arrays is damaged: save the file again")
    if dtype is not None and math.prod(shape) * dtype.itemsize != len(numbers):
        raise WeightFileError(f"one of its arrays has {len(numbers)} bytes, not {shown(shape)}")

    def read() -> np.ndarray:
        if dtype is None:
            raise WeightFileError(f"it holds {shown(name)}; needed are floating-point numbers")
        return np.frombuffer(numbers, dtype).reshape(shape)

    return Stored(tuple(shape), read)


def _no_array(code: int, data: bytes) -> None:
    raise WeightFileError("one of its arrays is damaged: save the file again")


def _leaves(tree: dict[Any, Any], prefix: str = "") -> dict[str, Stored]:
    """``params/conv1_1/kernel`` -> array."""
    found: dict[str, Stored] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= _leaves(value, path_within(prefix, f"{name}/"))
        elif isinstance(value, Stored):
            found[path_within(prefix, name)] = value
    return found
