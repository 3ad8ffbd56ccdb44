"""Checkpoint files: arrays and what they belong to, whole or refused.

A file is a ``.safetensors``: 8 bytes with the length of a JSON header, the header, the arrays one
after another. Its metadata hold ``format``, ``version`` and ``about`` (JSON); its last array,
``sha256``, is the hash of all bytes before it. Nothing is unpickled, and the safetensors library
shows what is inside.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxstyle.errors import ImageError, InputError
from jaxstyle.runtime.atomic_files import at_home, remove_leftovers, replacing, target_of
from jaxstyle.runtime.foreign_files import opened
from jaxstyle.runtime.json_schema import MOST_JSON, Each, Named, misfit, parsed_json

FORMAT = "jaxstyle-checkpoint"
VERSION = 1

_DTYPES = {
    "float32": "F32",
    "float64": "F64",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint32": "U32",
}
_DIGEST = "sha256"
_ARRAY = {
    "dtype": str,
    "shape": Each(int, most=8),
    "data_offsets": Each(int, least=2, most=2),
}
_DIGEST_BYTES = hashlib.sha256().digest_size
_BLOCK = 2**20
_START = re.compile(
    rb'^.{8}\{"__metadata__":\{"format":"jaxstyle-checkpoint","version":"(\d+)"', re.S
)


def write_checkpoint(
    path: str | os.PathLike[str], about: Mapping[str, Any], arrays: Mapping[str, Any]
) -> None:
    """Write a checkpoint, whole or not at all: what had that name before stays until then.

    Args:
        about: JSON values.
        arrays: of NumPy or JAX; fetched one after another, so that one at a time is held twice.

    Raises:
        ImageError: the file cannot be written.
    """
    digest = hashlib.sha256()
    with replacing(path, prefix=_leftover_start(target_of(path))) as file:
        for part in _parts(about, arrays):
            digest.update(part)
            file.write(part)
        file.write(digest.digest())


def clear_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove what a process that was killed while writing has left next to a checkpoint."""
    target = target_of(path)
    remove_leftovers(target.parent, _leftover_start(target))


def read_checkpoint(
    path: str | os.PathLike[str],
) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """Read a checkpoint; None if there is no such file.

    Returns:
        What was given to ``write_checkpoint``. The arrays are read-only views of the file.

    Raises:
        InputError: it is damaged, not of jaxstyle, of a later version, or cannot be read.
    """
    if not os.path.exists(at_home(path)):
        return None
    with opened(path, f"cannot read {path}: it", kind="checkpoint") as file:
        _check(path, file)
        file.seek(0)
        content = np.memmap(file, np.uint8, mode="r")
    start = 8 + int.from_bytes(content[:8].tobytes(), "little")
    try:
        if start > min(len(content), MOST_JSON):
            raise ValueError
        header = parsed_json(content[8:start].tobytes())
        about = parsed_json(str(header.pop("__metadata__")["about"]))
        if not isinstance(about, dict) or misfit(header, Named(_ARRAY)):
            raise ValueError
        arrays = {name: _array(content[start:], entry) for name, entry in header.items()}
        arrays.pop(_DIGEST)
    except (ValueError, TypeError, KeyError):
        raise damaged(path, "what it holds is not as jaxstyle writes it") from None
    return about, arrays


def damaged(path: str | os.PathLike[str], why: str) -> InputError:
    """The refusal of a file that is not as ``write_checkpoint`` has left it."""
    return InputError(f"{path} is damaged: {why}: remove it to start anew")


def _array(content: np.ndarray, entry: Mapping[str, Any]) -> np.ndarray:
    """An array of a file, a view of the part after the header."""
    begin, end = entry["data_offsets"]
    dtype = {kind: dtype for dtype, kind in _DTYPES.items()}[entry["dtype"]]
    if not 0 <= begin <= end <= len(content) or any(side < 0 for side in entry["shape"]):
        raise ValueError
    return content[begin:end].view(dtype).reshape(entry["shape"])


def _check(path: str | os.PathLike[str], file: IO[bytes]) -> None:
    """Refuse a file that is not exactly what ``write_checkpoint`` wrote."""
    start = _START.match(file.read(256))
    if start is None:
        raise InputError(f"{path} is not a checkpoint of jaxstyle: name another file")
    if int(start[1]) != VERSION:
        raise InputError(
            f"{path} is a checkpoint of version {int(start[1])}, this jaxstyle reads {VERSION}: "
            "go on with the jaxstyle that wrote it, or remove it"
        )
    left = file.seek(0, os.SEEK_END) - _DIGEST_BYTES
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0 and (block := file.read(min(_BLOCK, left))):
        digest.update(block)
        left -= len(block)
    if left != 0 or file.read() != digest.digest():
        raise damaged(path, "its checksum is not that of its content")


def _parts(about: Mapping[str, Any], arrays: Mapping[str, Any]) -> Iterator[bytes | memoryview]:
    """All of a file but for its last array."""
    metadata = {"format": FORMAT, "version": str(VERSION), "about": json.dumps(about)}
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.size * array.dtype.itemsize
        kind = _DTYPES[str(array.dtype)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [begin, end]}
    offsets = [end, end + _DIGEST_BYTES]
    header[_DIGEST] = {"dtype": "U8", "shape": [_DIGEST_BYTES], "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MOST_JSON - 8:
        raise ImageError(f"a checkpoint of {len(text):,} bytes besides pictures is not read again")
    yield len(text).to_bytes(8, "little") + text
    for array in arrays.values():
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _leftover_start(target: Path) -> str:
    return f".{target.name}."
