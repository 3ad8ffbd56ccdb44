"""Weight files read in a process of their own, which alone suffers if one is hostile.

Readers stand on C code - HDF5, msgpack, zlib - that a few bytes can send into an endless loop, deaf
to Ctrl-C, or crash. So there are limits of time and memory by the size of a file, and what comes
back is a line of JSON, and the numbers. Nothing is unpickled.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.detect_format import read_any
from jaxstyle.network.weights.readers.raw_weights import RawWeights, TrainedInput
from jaxstyle.network.weights.safe_parsers.refusals import refusals
from jaxstyle.runtime.limited_process import Limits, ProcessEnded, run_limited

_LARGEST = 2**31  # bytes that count; no file of VGG weights has more
_ALIGNED = 64  # bytes


def read_apart(path: str | os.PathLike[str]) -> RawWeights:
    """Read a weight file of any known kind, whoever made it.

    Raises:
        WeightFileError: the file is missing, damaged, malicious or of no known kind.
    """
    with refusals(path):
        size = Path(path).stat().st_size
        try:
            answer = run_limited(_packed, path, limits_for(size))
        except ProcessEnded as end:
            raise WeightFileError(f"reading it {end}: it is damaged or malicious") from None
    line = answer[: answer.index(b"\n") + 1]
    header = json.loads(line)
    if error := header.pop("error", ""):
        raise WeightFileError(error)
    return _unpacked(header, np.frombuffer(answer, np.float32, offset=len(line)))


def limits_for(size: int) -> Limits:
    """What reading a file of so many bytes may take: ten times of what it does take."""
    size = min(size, _LARGEST)
    return Limits(seconds=2 + size // 2**22, patience=30 + size // 2**20, memory=2**28 + 2 * size)


def _unpacked(header: dict[str, Any], numbers: np.ndarray) -> RawWeights:
    layers, position = {}, 0
    for name, shapes in header["layers"].items():
        parts = []
        for shape in shapes:
            end = position + math.prod(shape)
            parts.append(numbers[position:end].reshape(shape))
            position = end
        layers[name] = tuple(parts)
    if how := header["input"]:
        header["input"] = TrainedInput(
            how["order"], how["scale"], tuple(how["mean"]), tuple(how["std"])
        )
    header["layers"] = layers
    return RawWeights(**header)


def _packed(path: str) -> Iterator[bytes]:
    """What ``read_apart`` unpacks, from the other process."""
    try:
        raw = read_any(path)
    except WeightFileError as error:
        yield json.dumps({"error": str(error)}).encode() + b"\n"
        return
    shapes = {name: [array.shape for array in layer] for name, layer in raw.layers.items()}
    header = json.dumps(asdict(replace(raw, layers={})) | {"layers": shapes}).encode() + b"\n"
    yield b" " * (-len(header) % _ALIGNED) + header
    for layer in raw.layers.values():
        for array in layer:
            yield array.astype(np.float32, copy=False).tobytes()
