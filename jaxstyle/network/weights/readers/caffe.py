"""Caffe's networks, ``.caffemodel``: Simonyan's VGG-19 and VGG-16, and Gatys' normalised VGG-19.

A caffemodel is one protobuf message of half a gigabyte, most of it the classifier. The general
library would need Caffe's schema compiled and would read everything; the few fields that matter
are found here by skipping over the rest of a memory-mapped file.

Source: ``caffe.proto`` of BVLC Caffe has the field numbers; the wire format is described in
https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Iterator
from functools import partial
from typing import IO, NamedTuple

import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.readers.layer_names import Stored, convolutions_of
from jaxstyle.network.weights.readers.raw_weights import CAFFE_INPUT, RawWeights
from jaxstyle.network.weights.safe_parsers.refusals import shown, weight_reader

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Fields of NetParameter: the layers. Old files have "layers", new ones "layer".
_LAYERS_V1, _LAYERS_V2 = 2, 100
_NAME = {_LAYERS_V1: 4, _LAYERS_V2: 1}
_BLOBS = {_LAYERS_V1: 6, _LAYERS_V2: 7}
# Fields of BlobProto: four sides in old files, a shape in new ones.
_SIDES = (1, 2, 3, 4)
_DATA, _SHAPE, _DOUBLE_DATA = 5, 7, 8
_NUMBERS = {_DATA: np.dtype("<f4"), _DOUBLE_DATA: np.dtype("<f8")}
_WIRE = {_DATA: _FIXED32, _DOUBLE_DATA: _FIXED64}
_WIDTHS = {_FIXED32: 4, _FIXED64: 8}

_LONGEST_NAME = 200
_MOST_FIELDS = 20_000  # VGG-19 has about 700
_MOST_PIECES = 64  # a blob's numbers; writers put them in one
_LARGEST_BLOB = 2**25  # bytes; VGG's largest kernel has 2**24.2 as doubles
_MOST_SIDES = 8
_SCANNED_AT_ONCE = 2**16


class _Field(NamedTuple):
    """One field of a message, or several equal ones of fixed width that follow each other.

    Attributes:
        number: what field it is.
        wire: how it is stored.
        value: of a varint; how many there are, of a field of fixed width.
        start, end: where its bytes are.
    """

    number: int
    wire: int
    value: int
    start: int
    end: int


@weight_reader
def read_caffemodel(file: IO[bytes]) -> RawWeights:
    """Read the convolutions of a ``.caffemodel``. Its input is BGR, 0 to 255, less the mean."""
    if os.fstat(file.fileno()).st_size == 0:
        raise WeightFileError("it is empty")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return RawWeights(convolutions_of(_tensors(data), "OIHW"), "caffemodel", CAFFE_INPUT)


class _Message:
    """Reads the fields of messages within a file, of which there may only be so many."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.budget = data, _MOST_FIELDS

    def fields(self, start: int, end: int) -> Iterator[_Field]:
        while start < end:
            self.budget -= 1
            if self.budget < 0:
                raise WeightFileError("it has absurdly many fields for a caffemodel")
            tag, first = self.varint(start, end)
            number, wire = tag >> 3, tag & 7
            if wire == _VARINT:
                value, start = self.varint(first, end)
                field = _Field(number, wire, value, first, start)
            elif wire == _BYTES:
                length, first = self.varint(first, end)
                start = first + length
                field = _Field(number, wire, 0, first, start)
            elif wire in _WIDTHS:
                count = self.repetitions(tag, start, end, first - start + _WIDTHS[wire])
                start += count * (first - start + _WIDTHS[wire])
                field = _Field(number, wire, count, first, start)
            else:
                raise WeightFileError("it is damaged, or no caffemodel")
            if start > end or number == 0:
                raise WeightFileError("it is cut short or damaged, or no caffemodel")
            yield field

    def varint(self, start: int, end: int) -> tuple[int, int]:
        """A number of 7 bits a byte, and where it ends."""
        value = 0
        for position in range(start, min(end, start + 10)):
            byte = self.data[position]
            value |= (byte & 127) << 7 * (position - start)
            if byte < 128:
                return value, position + 1
        raise WeightFileError("it is cut short or damaged, or no caffemodel")

    def repetitions(self, tag: int, start: int, end: int, stride: int) -> int:
        """How many fields of fixed width with this tag follow each other, at least one."""
        count = 1
        while tag < 128 and (left := min((end - start) // stride - count, _SCANNED_AT_ONCE)) > 0:
            tags = np.frombuffer(
                self.data[start + count * stride : start + (count + left) * stride], np.uint8
            )[::stride]
            others = np.flatnonzero(tags != tag)
            if others.size:
                return count + int(others[0])
            count += left
        return count


def _tensors(data: mmap.mmap) -> dict[str, Stored]:
    """``conv1_1/weight`` -> blob, for all layers that have blobs."""
    found: dict[str, Stored] = {}
    message = _Message(data)
    for layer in message.fields(0, len(data)):
        if layer.number not in _NAME or layer.wire != _BYTES:
            continue
        name, blobs = "", []
        for field in message.fields(layer.start, layer.end):
            if field.wire == _BYTES and field.number == _NAME[layer.number]:
                end = min(field.end, field.start + _LONGEST_NAME)
                name = data[field.start : end].decode("utf-8", "replace")
            elif field.wire == _BYTES and field.number == _BLOBS[layer.number]:
                blobs.append(field)
        if blobs and f"{name}/weight" in found:
            raise WeightFileError(f"{shown(name)} is there twice")
        for part, blob in zip(("weight", "bias"), blobs, strict=False):
            found[f"{name}/{part}"] = _stored(message, f"{name}/{part}", blob)
    return found


def _stored(message: _Message, name: str, blob: _Field) -> Stored:
    sides = dict.fromkeys(_SIDES, 1)
    shape: tuple[int, ...] | None = None
    pieces: list[_Field] = []
    for field in message.fields(blob.start, blob.end):
        if field.number in sides and field.wire == _VARINT:
            sides[field.number] = field.value
        elif field.number == _SHAPE and field.wire == _BYTES:
            shape = _dimensions(message, field)
        elif field.number in _NUMBERS and field.wire in (_BYTES, _WIRE[field.number]):
            pieces.append(field)
    if shape is None:
        shape = tuple(sides.values())
    while len(shape) > 1 and shape[0] == 1:  # old files have biases of 1 x 1 x 1 x out
        shape = shape[1:]
    return Stored(shape, partial(_read, message.data, name, shape, pieces))


def _dimensions(message: _Message, shape: _Field) -> tuple[int, ...]:
    """The repeated field 1 of a BlobShape, packed or not."""
    sides: list[int] = []
    for field in message.fields(shape.start, shape.end):
        position = field.start
        while field.number == 1 and position < field.end and len(sides) <= _MOST_SIDES:
            side, position = message.varint(position, field.end)
            sides.append(side)
    return tuple(sides)


def _read(data: mmap.mmap, name: str, shape: tuple[int, ...], pieces: list[_Field]) -> np.ndarray:
    kinds = {_NUMBERS[piece.number] for piece in pieces}
    if len(kinds) != 1 or len(pieces) > _MOST_PIECES:
        raise WeightFileError(f"{shown(name)} has no numbers, or in an unexpected way")
    dtype = kinds.pop()
    if math.prod(shape) * dtype.itemsize > _LARGEST_BLOB:
        raise WeightFileError(f"{shown(name)} is absurdly large: {shown(shape)}")
    sizes = [
        (piece.end - piece.start) // dtype.itemsize if piece.wire == _BYTES else piece.value
        for piece in pieces
    ]
    if sum(sizes) != math.prod(shape):
        raise WeightFileError(
            f"{shown(name)} has {sum(sizes)} numbers; its shape {shown(shape)} needs "
            f"{math.prod(shape)}"
        )
    parts = []
    for piece, size in zip(pieces, sizes, strict=True):
        # Packed numbers lie side by side, others have a tag before each of them.
        stride = (piece.end - piece.start + 1) // size if piece.wire != _BYTES else dtype.itemsize
        start = piece.start
        numbers = np.frombuffer(data[start : piece.end], np.uint8)
        parts.append(np.ndarray(size, dtype, numbers, strides=(stride,)).copy())
    return np.concatenate(parts).reshape(shape)
