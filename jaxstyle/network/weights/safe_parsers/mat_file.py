"""MATLAB's ``.mat`` files, versions 5 to 7, read as a stream with every size bounded.

``scipy.io.loadmat`` cannot leave out a part of a variable, which here means half a gigabyte of
classifier, and allocates whatever size a damaged or hostile file claims: 8 bytes for each of the
cells that a few bytes announce. This reader goes through a variable once, skips arrays larger
than asked for, and counts what it makes.

Source: MathWorks, "MAT-File Format", level 5.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import IO, Any, NamedTuple

import numpy as np

from jaxstyle.errors import WeightFileError

_NUMBERS = {  # how numbers are stored
    1: np.dtype("i1"),
    2: np.dtype("u1"),
    3: np.dtype("<i2"),
    4: np.dtype("<u2"),
    5: np.dtype("<i4"),
    6: np.dtype("<u4"),
    7: np.dtype("<f4"),
    9: np.dtype("<f8"),
    12: np.dtype("<i8"),
    13: np.dtype("<u8"),
}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHARACTERS, _OPAQUE = 1, 2, 4, 17
_NUMERIC = range(6, 16)
_FLOATS = {6: np.dtype("<f8"), 7: np.dtype("<f4")}  # may be stored as integers all the same
_UTF16 = (4, 17)

_HEADER = 128
_MOST_ELEMENTS = 50_000  # VGG-19 with the names of its 1000 classes has about 4000
_MOST_DIMENSIONS = 8
_MOST_FIELDS = 256
_DEEPEST = 10
_LARGEST_TEXT = 2**20
_MOST_INFLATED, _AND_TIMES = 2**28, 20  # bytes, and for each of the file: noise hardly shrinks
_PIECE = 2**16


class _Tag(NamedTuple):
    """What comes next: its type, its bytes, and the bytes of padding behind."""

    kind: int
    size: int
    padding: int


def read_mat(file: IO[bytes], largest: int) -> dict[str, Any]:
    """Read the variables of a ``.mat`` file.

    Args:
        largest: arrays of more bytes are skipped and become None.

    Returns:
        Numbers become arrays, text str, a cell array a list in column-major order, a structure a
        dict, an array of structures a list of dicts. Anything else, such as a sparse matrix,
        becomes None.

    Raises:
        WeightFileError: the file is damaged, too new or too old, or contains absurdly much.
    """
    size = file.seek(0, 2)
    file.seek(0)
    header = file.read(_HEADER)
    if header[124:] == b"\x00\x02IM":
        raise WeightFileError("it has MATLAB's format 7.3: save it with -v7")
    if len(header) != _HEADER or header[124:] != b"\x00\x01IM":
        raise WeightFileError("it is no little-endian .mat file of MATLAB 5 to 7")
    reader = _Reader(largest)
    variables: dict[str, Any] = {}
    inflated_left = _MOST_INFLATED + _AND_TIMES * size
    while file.tell() < size:
        kind, length = struct.unpack("<II", _exactly(file, 8))
        end = file.tell() + length
        if kind not in (_MATRIX, _COMPRESSED) or end > size:
            raise WeightFileError("it is cut short or damaged: download it again")
        if kind == _COMPRESSED:
            inflated = _Inflated(file, length)
            stream = _Stream(inflated, inflated_left)
            tag = reader.tag(stream)
            if tag.kind != _MATRIX:
                raise WeightFileError("it is damaged: download it again")
            name, value = reader.matrix(stream, tag.size, 0)
            if not inflated.intact():
                raise WeightFileError("it is damaged: download it again")
            inflated_left -= stream.position
        else:
            name, value = reader.matrix(_Stream(file, length), length, 0)
        variables[name] = value
        file.seek(end)
    return variables


def _exactly(file: IO[bytes] | _Inflated, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise WeightFileError("it is cut short: download it again")
    return data


class _Inflated:
    """What ``length`` bytes of a file inflate to, as much at a time as is asked for."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self.file, self.left, self.inflate = file, length, zlib.decompressobj()

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and not self.inflate.eof:
            data = self.inflate.unconsumed_tail
            if not data:
                data = self.file.read(min(self.left, _PIECE))
                self.left -= len(data)
            piece = self.inflate.decompress(data, size)
            if not data and not piece:
                break
            parts.append(piece)
            size -= len(piece)
        return b"".join(parts)

    def intact(self) -> bool:
        """Whether all has been read and has the right checksum."""
        return not self.read(1) and self.inflate.eof


class _Stream:
    """Bytes that are read once, and may not be read beyond ``limit``."""

    def __init__(self, source: IO[bytes] | _Inflated, limit: int) -> None:
        self.source, self.limit, self.position = source, limit, 0

    def take(self, size: int) -> bytes:
        self._advance(size)
        return _exactly(self.source, size)

    def skip(self, size: int) -> None:
        self._advance(size)
        if isinstance(self.source, _Inflated):
            for start in range(0, size, _PIECE):
                _exactly(self.source, min(_PIECE, size - start))
        else:
            self.source.seek(size, 1)

    def _advance(self, size: int) -> None:
        self.position += size
        if self.position > self.limit:
            raise WeightFileError("it is damaged: a part of it is larger than the whole")


class _Reader:
    """Reads matrices, and counts how many elements they have."""

    def __init__(self, largest: int) -> None:
        self.largest, self.elements = largest, _MOST_ELEMENTS

    def tag(self, stream: _Stream) -> _Tag:
        self.elements -= 1
        if self.elements < 0:
            raise WeightFileError("it has absurdly many parts for a network")
        (kind,) = struct.unpack("<I", stream.take(4))
        if kind >> 16:  # a small element has its size beside its type and its data in 4 bytes
            size = kind >> 16
            return _Tag(kind & 0xFFFF, size, max(4 - size, 0))
        (size,) = struct.unpack("<I", stream.take(4))
        return _Tag(kind, size, -size % 8)

    def small(self, stream: _Stream, limit: int) -> tuple[int, bytes]:
        """Type and bytes of an element."""
        tag = self.tag(stream)
        if tag.size > limit:
            raise WeightFileError("it is damaged: one of its headers is absurdly large")
        data = stream.take(tag.size)
        stream.skip(tag.padding)
        return tag.kind, data

    def integers(self, stream: _Stream, limit: int) -> list[int]:
        kind, data = self.small(stream, 8 * limit)
        if kind not in _NUMBERS or _NUMBERS[kind].kind not in "iu":
            raise WeightFileError("it is damaged: download it again")
        return np.frombuffer(data, _NUMBERS[kind]).tolist()

    def matrix(self, stream: _Stream, size: int, depth: int) -> tuple[str, Any]:
        """Name and value of a matrix that has ``size`` bytes without its tag."""
        end = stream.position + size
        if not size:
            return "", np.zeros((0, 0))
        if end > stream.limit or depth > _DEEPEST:
            raise WeightFileError("it is damaged: a part of it is larger than the whole")
        flags = self.integers(stream, 2)
        if flags and flags[0] & 0xFF == _OPAQUE:  # objects, which have no shape
            stream.skip(end - stream.position)
            return "", None
        shape = tuple(self.integers(stream, _MOST_DIMENSIONS))
        name = self.small(stream, _LARGEST_TEXT)[1].decode("latin-1")
        if not flags or len(shape) < 2 or min(shape) < 0:
            raise WeightFileError("it is damaged: download it again")
        kind = flags[0] & 0xFF
        value: Any = None
        if kind == _CELL:
            value = [self.child(stream, depth) for _ in range(math.prod(shape))]
        elif kind == _STRUCT:
            value = self.structures(stream, math.prod(shape), depth)
        elif kind == _CHARACTERS:
            stored, data = self.small(stream, _LARGEST_TEXT)
            value = data.decode("utf-16-le" if stored in _UTF16 else "utf-8", "replace")
        elif kind in _NUMERIC:
            value = self.numbers(stream, shape, _FLOATS.get(kind))
        if stream.position > end:
            raise WeightFileError("it is damaged: a part of it is larger than the whole")
        stream.skip(end - stream.position)
        return name, value

    def child(self, stream: _Stream, depth: int) -> Any:
        tag = self.tag(stream)
        if tag.kind != _MATRIX:
            raise WeightFileError("it is damaged: download it again")
        value = self.matrix(stream, tag.size, depth + 1)[1]
        stream.skip(tag.padding)
        return value

    def structures(self, stream: _Stream, count: int, depth: int) -> Any:
        lengths = self.integers(stream, 1)
        names = self.small(stream, _LARGEST_TEXT)[1]
        length = lengths[0] if lengths else 0
        if length < 1 or len(names) > length * _MOST_FIELDS:
            raise WeightFileError("it is damaged: download it again")
        fields = [
            names[start : start + length].split(b"\0")[0].decode("latin-1")
            for start in range(0, len(names), length)
        ]
        if not fields:
            return {}
        values = [{field: self.child(stream, depth) for field in fields} for _ in range(count)]
        return values[0] if count == 1 else values

    def numbers(
        self, stream: _Stream, shape: tuple[int, ...], wanted: np.dtype | None
    ) -> np.ndarray | None:
        tag = self.tag(stream)
        stored = _NUMBERS.get(tag.kind)
        if stored is None or math.prod(shape) * stored.itemsize != tag.size:
            raise WeightFileError("it is damaged: an array has not the size that it should have")
        size = math.prod(shape) * (wanted or stored).itemsize
        if size > self.largest:
            stream.skip(tag.size + tag.padding)
            return None
        data = stream.take(tag.size)
        stream.skip(tag.padding)
        array = np.frombuffer(data, stored).reshape(shape, order="F")
        return array if wanted is None else array.astype(wanted, copy=False)
