"""What kind of weight file this is, told by its bytes, and the reader for it.

Names lie: ``.h5`` is Keras, flaxmodels or ours, ``.pth`` is a zip or a stream, ``.mat`` may be
HDF5, and a download that failed is a web page under any name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import h5py

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.readers.caffe import read_caffemodel
from jaxstyle.network.weights.readers.flax_files import read_flaxmodels, read_msgpack
from jaxstyle.network.weights.readers.jaxstyle_file import FORMAT, read_jaxstyle
from jaxstyle.network.weights.readers.keras import read_keras
from jaxstyle.network.weights.readers.matconvnet import read_matconvnet
from jaxstyle.network.weights.readers.numpy_files import read_numpy
from jaxstyle.network.weights.readers.pytorch import read_torch, read_wheel
from jaxstyle.network.weights.readers.raw_weights import RawWeights
from jaxstyle.network.weights.readers.safetensors_file import read_safetensors
from jaxstyle.network.weights.safe_parsers.hdf5 import attributes, stored_datasets
from jaxstyle.network.weights.safe_parsers.refusals import refusals, weight_reader
from jaxstyle.network.weights.safe_parsers.zip_archive import open_archive

Reader = Callable[[str | os.PathLike[str]], RawWeights]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_MATLAB = b"MATLAB "
_NUMPY = b"\x93NUMPY"
_ZIP = b"PK"
_PICKLE = b"\x80"
_CAFFEMODEL = (b"\x0a", b"\x12", b"\xa2\x06", b"\x1a")  # its name, an old or new layer, an input
_MOST_JSON = 10**8
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"version https://git-lfs")

KINDS = (
    "PyTorch (.pth, .pt, .bin, its .whl), safetensors, Keras (.h5, .keras), flaxmodels (.h5), "
    "Flax (.msgpack), MatConvNet (.mat), Caffe (.caffemodel), NumPy (.npy, .npz), jaxstyle (.h5)"
)


def read_any(path: str | os.PathLike[str]) -> RawWeights:
    """Read a weight file of any known kind, in this process: see ``read_apart``.

    Raises:
        WeightFileError: the file is missing, damaged, malicious or of no known kind.
    """
    path = Path(path)
    with refusals(path), path.open("rb") as file:
        beginning = file.read(1024)
    return _reader(path, beginning)(path)


def looks_like_page(beginning: bytes) -> bool:
    """Whether a file begins as web pages, XML errors and Git LFS pointers do."""
    return beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES)


def _reader(path: Path, beginning: bytes) -> Reader:
    if not beginning:
        raise WeightFileError(f"{path} is empty: download it again")
    if looks_like_page(beginning):
        raise WeightFileError(
            f"{path} is a web page or a pointer instead of weights: download it again"
        )
    if beginning.startswith(_MATLAB):
        return read_matconvnet  # version 7.3 of it is HDF5 behind these bytes
    if _HDF5 in (beginning[:8], beginning[512:520]):
        return _hdf5_reader(path)
    if beginning.startswith(_NUMPY):
        return read_numpy
    if beginning.startswith(_ZIP):
        return _zip_reader(path)
    if beginning.startswith(_PICKLE):
        # A msgpack begins like a pickle only if it is an empty map.
        return read_torch
    if beginning[8:9] == b"{" and int.from_bytes(beginning[:8], "little") < _MOST_JSON:
        return read_safetensors
    if 0x81 <= beginning[0] <= 0x8F or beginning[0] in (0xDE, 0xDF):  # a map
        return read_msgpack
    if beginning.startswith(_CAFFEMODEL):
        return read_caffemodel
    raise WeightFileError(f"{path} is no weight file of a known kind: those are {KINDS}")


@weight_reader
def _hdf5_reader(file: IO[bytes]) -> Reader:
    with h5py.File(file, "r") as opened:
        if attributes(opened, ("format",)).get("format") == FORMAT:
            return read_jaxstyle
        names = list(stored_datasets(opened))
    # flaxmodels: conv1_1/weight, conv1_1/bias. Keras has "kernel", and blocks or nested groups.
    return read_flaxmodels if "conv1_1/weight" in names else read_keras


@weight_reader
def _zip_reader(file: IO[bytes]) -> Reader:
    with open_archive(file, compressed=True) as (_, members):
        names = list(members)
    if "model.weights.h5" in names:
        return read_keras
    if any(name.endswith(".dist-info/WHEEL") for name in names):
        return read_wheel
    return read_numpy if any(name.endswith(".npy") for name in names) else read_torch
