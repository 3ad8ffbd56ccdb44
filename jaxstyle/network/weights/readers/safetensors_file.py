"""Weights in ``.safetensors`` files, by the ``safetensors`` library, which checks every offset."""

from __future__ import annotations

from functools import partial
from typing import IO

import ml_dtypes  # noqa: F401  (gives NumPy the bfloat16 that safetensors asks it for)
from safetensors import safe_open

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.readers.layer_names import Stored, convolutions_of
from jaxstyle.network.weights.readers.raw_weights import RawWeights
from jaxstyle.network.weights.safe_parsers.refusals import shown, weight_reader

_LARGEST_HEADER = 2**20
_FLOATS = ("F32", "F16", "BF16", "F64")


@weight_reader
def read_safetensors(file: IO[bytes]) -> RawWeights:
    """Read the convolutions of a ``.safetensors`` file; it does not say what input it needs."""
    header = int.from_bytes(file.read(8), "little")
    if header > _LARGEST_HEADER:
        raise WeightFileError(f"its header is {header} bytes long; no VGG needs that")
    with safe_open(file.name, framework="numpy") as tensors:

        def read(name: str):
            kind = tensors.get_slice(name).get_dtype()
            if kind not in _FLOATS:
                raise WeightFileError(
                    f"{shown(name)} holds {kind}; needed are floating-point numbers"
                )
            return tensors.get_tensor(name)

        stored = {
            name: Stored(tuple(tensors.get_slice(name).get_shape()), partial(read, name))
            for name in tensors.keys()
        }
        return RawWeights(convolutions_of(stored, "OIHW"), "safetensors")
