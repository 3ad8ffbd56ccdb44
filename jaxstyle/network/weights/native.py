"""jaxstyle's own weight files: HDF5 with one group a layer and everything needed to use it.

Groups ``conv1_1/{kernel, bias}``, kernels as (height, width, in, out) for RGB input. Attributes of
the root: ``format``, ``version``, ``source``, ``source_sha256``, ``preprocessing`` (JSON with
order, scale, mean, std), ``normalised``, ``depths``, ``widths``, ``complete_to``, ``dtype``, and
``attribution`` where known. A file without the others is refused: weights of unknown preprocessing
make pictures of unknown meaning.
"""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.read_apart import read_apart
from jaxstyle.network.weights.readers.jaxstyle_file import BITS, DTYPES, FORMAT, VERSION
from jaxstyle.network.weights.readers.raw_weights import RawWeights
from jaxstyle.runtime.atomic_files import write_bytes

if TYPE_CHECKING:
    from jaxstyle.network.network import Network
    from jaxstyle.network.preprocessing import Preprocessing


def write_native(path: str | os.PathLike[str], network: Network, dtype: str = "float32") -> None:
    """Write a network as a jaxstyle ``.h5``, whole or not at all; see ``native_bytes``.

    Raises:
        InputError: the file cannot be written, or a weight does not fit the type.
    """
    write_bytes(path, native_bytes(network, dtype))


def native_bytes(network: Network, dtype: str = "float32") -> bytes:
    """A network as a jaxstyle ``.h5``.

    Equal networks give equal bytes, as long as the HDF5 library stays the same.

    Args:
        dtype: how numbers are stored: ``float32``, ``float16`` or ``bfloat16``.

    Raises:
        WeightFileError: a weight does not fit the type.
    """
    if dtype not in DTYPES:
        raise WeightFileError(f"weights are stored as {', '.join(DTYPES)}, not as {dtype!r}")
    # Not into a file: the library crashes where the disk is full.
    memory = io.BytesIO()
    with h5py.File(memory, "w", track_order=False) as file:
        for name, value in _described(network, dtype).items():
            file.attrs[name] = _fixed_length(value) if isinstance(value, str) else value
        for name, layer in network.params.items():
            group = file.create_group(name)
            for part, array in layer.items():
                with np.errstate(over="ignore"):
                    stored = np.asarray(array).astype(DTYPES[dtype])
                if not np.isfinite(stored.astype(np.float32)).all():
                    raise WeightFileError(f"{name} does not fit {dtype}: store it as float32")
                bits = stored.view(BITS[dtype])
                group.create_dataset(part, data=bits, compression="gzip", shuffle=True)
    return memory.getvalue()


def _described(network: Network, dtype: str) -> dict[str, Any]:
    """The attributes of the root."""
    values = {
        "format": FORMAT,
        "version": VERSION,
        "source": network.source,
        "source_sha256": network.source_sha256,
        "preprocessing": json.dumps(_preprocessing_fields(network.preprocessing)),
        "normalised": network.normalised,
        "pooling": network.pooling,
        "depths": network.architecture.depths,
        "widths": network.architecture.widths,
        "complete_to": network.complete_to,
        "dtype": dtype,
    }
    return values | ({"attribution": network.attribution} if network.attribution else {})


def _fixed_length(text: str) -> np.ndarray:
    """Text as HDF5 keeps it in place. See ``hdf5.attributes`` for why."""
    data = text.encode()
    return np.array(data, h5py.string_dtype("utf-8", max(1, len(data))))


def _preprocessing_fields(how: Preprocessing) -> dict[str, Any]:
    def shortest(value: Any) -> float:
        return float(str(np.float32(value)))  # the shortest decimal that is this float32

    return {
        "order": "RGB",
        "scale": shortest(how.scale),
        "mean": [shortest(value) for value in how.mean],
        "std": [shortest(value) for value in how.std],
    }


def read_native(path: str | os.PathLike[str]) -> Network:
    """Read a jaxstyle ``.h5``, and no other, whoever made it.

    Raises:
        WeightFileError: there is no such file, or it is damaged, malicious, or of another kind.
    """
    raw = read_apart(path)
    if raw.about is None:
        raise WeightFileError(
            f"{path} is not a jaxstyle weight file but {raw.layout}: convert it first with "
            "`jaxstyle convert-weights`"
        )
    return network_of(raw)


def network_of(raw: RawWeights) -> Network:
    """The network of a jaxstyle file that has been read."""
    # Late: the process in which files of doubtful origin are read starts without JAX.
    from jaxstyle.network.network import checked_network
    from jaxstyle.network.preprocessing import preprocessing

    assert raw.input is not None and raw.about is not None
    how = preprocessing(raw.input.scale, raw.input.mean, raw.input.std)
    return checked_network(raw.layers, how, **raw.about)
