"""HDF5 files of doubtful origin: nothing outside the file is touched, every size is bounded.

HDF5 can point anywhere: links into other files, virtual datasets stitched from other files, raw
numbers in a file beside it. Readers give the library an open file instead of a path, so it has no
name by which to find a neighbour, and every such pointer is refused besides. Compressed chunks are
inflated here, for the library inflates whatever a chunk expands to, be it gigabytes.
"""

from __future__ import annotations

import itertools
import math
import zlib
from functools import partial
from typing import Any

import h5py
import h5py.h5l
import h5py.h5o
import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.readers.layer_names import Stored
from jaxstyle.network.weights.safe_parsers.refusals import path_within, shown

_LARGEST_DATASET = 2**25  # bytes; VGG's largest kernel has 2**24.2 as float64
_LARGEST_ATTRIBUTE = 2**16  # bytes
_MOST_OBJECTS = 4096
_DEEPEST = 12

_TYPES = {
    h5py.h5t.IEEE_F16LE: np.dtype("<f2"),
    h5py.h5t.IEEE_F32LE: np.dtype("<f4"),
    h5py.h5t.IEEE_F64LE: np.dtype("<f8"),
    h5py.h5t.STD_U16LE: np.dtype("<u2"),  # the bits of bfloat16, in our own files
}
_PLAIN = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING, h5py.h5t.ENUM)
_DEFLATE, _SHUFFLE = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE
_PIPELINES = ([], [_DEFLATE], [_SHUFFLE, _DEFLATE])


def stored_datasets(file: h5py.File) -> dict[str, Stored]:
    """All datasets of a file by their path, such as ``conv1_1/kernel``, still unread.

    Reading one raises a WeightFileError if it lies in another file, is too large, is compressed
    by other means than gzip, or holds other things than numbers.

    Raises:
        WeightFileError: there is a link that is more than a name, or there is absurdly much.
    """
    found: dict[str, Stored] = {}
    objects = 0
    pending = [("", file.id)]
    while pending:
        prefix, group = pending.pop()
        objects += group.get_num_objs()
        if objects > _MOST_OBJECTS or prefix.count("/") > _DEEPEST:
            raise WeightFileError("it has absurdly many groups or a group within itself")
        for name in group:
            path = path_within(prefix, name.decode("utf-8", "replace"))
            if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
                raise WeightFileError(f"refusing {shown(path)}: it is a link to somewhere else")
            member = h5py.h5o.open(group, name)
            if isinstance(member, h5py.h5g.GroupID):
                pending.append((path + "/", member))
            elif isinstance(member, h5py.h5d.DatasetID) and path not in found:
                found[path] = Stored(member.shape, partial(_read, path, member))
    return found


def attributes(file: h5py.File, names: tuple[str, ...]) -> dict[str, Any]:
    """Those of the named attributes of the root that are there.

    Strings must be of fixed length. Those of variable length lie in a "global heap", and the
    library (2.0.0) loops for ever on a damaged one that has an object of size 0.

    Raises:
        WeightFileError: one is absurdly large or of a kind that no file of weights needs.
    """
    found = {}
    for name in names:
        if not h5py.h5a.exists(file.id, name.encode()):
            continue
        attribute = h5py.h5a.open(file.id, name.encode())
        stored = attribute.get_type()
        size = math.prod(attribute.shape) * stored.get_size()
        fixed = stored.get_class() != h5py.h5t.STRING or not stored.is_variable_str()
        if stored.get_class() not in _PLAIN or not fixed or not 0 < size <= _LARGEST_ATTRIBUTE:
            raise WeightFileError(f"its attribute {name} is of an unexpected kind")
        value = file.attrs[name]
        found[name] = value.decode() if isinstance(value, bytes) else value
    return found


def _read(name: str, dataset: h5py.h5d.DatasetID) -> np.ndarray:
    layout = dataset.get_create_plist()
    if layout.get_layout() == h5py.h5d.VIRTUAL or layout.get_external_count():
        raise WeightFileError(f"refusing {shown(name)}: its numbers lie in another file")
    kind = dataset.get_type()
    dtype = next((dtype for known, dtype in _TYPES.items() if kind == known), None)
    if dtype is None:
        raise WeightFileError(
            f"{shown(name)} holds {shown(kind.dtype)}; needed are floating-point numbers"
        )
    _check_size(name, dataset.shape, dtype)
    filters = [layout.get_filter(index)[0] for index in range(layout.get_nfilters())]
    if filters not in _PIPELINES:
        raise WeightFileError(
            f"{shown(name)} is compressed in an unexpected way: only gzip is read"
        )
    array = np.zeros(dataset.shape, dtype)
    if layout.get_layout() == h5py.h5d.CHUNKED:
        _check_size(name, layout.get_chunk(), dtype)
        _read_chunks(name, dataset, layout.get_chunk(), filters, array)
    else:
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
    return array


def _check_size(name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if math.prod(shape) * dtype.itemsize > _LARGEST_DATASET:
        raise WeightFileError(f"{shown(name)} is absurdly large: {shown(shape)}")


def _read_chunks(
    name: str,
    dataset: h5py.h5d.DatasetID,
    chunk: tuple[int, ...],
    filters: list[int],
    array: np.ndarray,
) -> None:
    steps = [range(0, side, step) for side, step in zip(array.shape, chunk, strict=True)]
    if math.prod(map(len, steps)) > _MOST_OBJECTS:
        raise WeightFileError(f"{shown(name)} is cut into absurdly many pieces")
    nbytes = math.prod(chunk) * array.itemsize
    for corner in itertools.product(*steps):
        info = dataset.get_chunk_info_by_coord(corner)
        if info.byte_offset is None or info.filter_mask or not 0 < info.size <= 2 * nbytes + 64:
            raise WeightFileError(f"{shown(name)} is damaged: download the file again")
        data = dataset.read_direct_chunk(corner)[1]
        ended = True
        if _DEFLATE in filters:
            inflate = zlib.decompressobj()
            data, ended = inflate.decompress(data, nbytes + 1), inflate.eof
        if len(data) != nbytes or not ended:
            raise WeightFileError(f"{shown(name)} is damaged: download the file again")
        if _SHUFFLE in filters:  # all first bytes, then all second bytes, and so on
            data = np.frombuffer(data, np.uint8).reshape(array.itemsize, -1).T.tobytes()
        piece = np.frombuffer(data, array.dtype).reshape(chunk)
        inside = tuple(
            slice(start, min(start + step, side))
            for start, step, side in zip(corner, chunk, array.shape, strict=True)
        )
        array[inside] = piece[tuple(slice(part.stop - part.start) for part in inside)]
