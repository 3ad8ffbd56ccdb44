"""jaxstyle's own weight files: HDF5 with one group a layer and everything needed to use it.

Groups ``conv1_1/{kernel, bias}``, kernels as (height, width, in, out) for RGB input. Attributes of
the root: ``format``, ``version``, ``source``, ``source_sha256``, ``preprocessing`` (JSON with
order, scale, mean, std), ``normalised``, ``depths``, ``widths``, ``complete_to``, ``dtype``.
A file without them is refused: weights of unknown preprocessing make pictures of unknown meaning.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np

from jaxstyle.network import Network, WeightFileError, checked_network
from jaxstyle.preprocess import Preprocessing, preprocessing

FORMAT = "jaxstyle-vgg"
VERSION = 1
DTYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def write_native(path: str | os.PathLike[str], network: Network, dtype: str = "float32") -> None:
    """Write a network as a jaxstyle ``.h5``, whole or not at all.

    Args:
        dtype: how numbers are stored: ``float32``, ``float16`` or ``bfloat16``.

    Raises:
        WeightFileError: the file cannot be written, or a weight does not fit the type.
    """
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
    except OSError as error:
        raise WeightFileError(f"cannot write {path}: {error.strerror}") from None
    try:
        with h5py.File(temporary, "w") as file:
            _write(file, network, dtype)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise WeightFileError(f"cannot write {path}: {error}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def _write(file: h5py.File, network: Network, dtype: str) -> None:
    architecture = network.architecture
    file.attrs.update(
        format=FORMAT,
        version=VERSION,
        source=network.source,
        source_sha256=network.source_sha256,
        preprocessing=json.dumps(_preprocessing_fields(network.preprocessing)),
        normalised=network.normalised,
        depths=architecture.depths,
        widths=architecture.widths,
        complete_to=network.complete_to,
        dtype=dtype,
    )
    for name, layer in network.params.items():
        group = file.create_group(name)
        for part, array in layer.items():
            with np.errstate(over="ignore"):
                stored = np.asarray(array).astype(DTYPES[dtype])
            if not np.isfinite(stored.astype(np.float32)).all():
                raise WeightFileError(f"{name} does not fit {dtype}: store it as float32")
            # HDF5 has no bfloat16: its bits go in as 16-bit integers.
            bits = stored.view(np.uint16) if dtype == "bfloat16" else stored
            group.create_dataset(part, data=bits, compression="gzip", shuffle=True)


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
    """Read a jaxstyle ``.h5``.

    Raises:
        WeightFileError: the file is missing, damaged, or not a jaxstyle weight file.
    """
    path = Path(path)
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        with h5py.File(path, "r") as file:
            return _read(file, path, sha256)
    except WeightFileError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        if isinstance(error, FileNotFoundError):
            raise WeightFileError(f"there is no weight file {path}") from None
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightFileError(f"cannot read weights from {path}: {reason}") from None


def _read(file: h5py.File, path: Path, sha256: str) -> Network:
    attributes: dict[str, Any] = dict(file.attrs)
    if attributes.get("format") != FORMAT:
        raise WeightFileError(
            f"{path} is not a jaxstyle weight file (no format attribute {FORMAT!r}): "
            f"convert it first with `jaxstyle convert-weights {path}`"
        )
    if attributes.get("version") != VERSION:
        raise WeightFileError(
            f"{path} has version {attributes.get('version')}; this jaxstyle reads {VERSION}: "
            "upgrade jaxstyle or convert the weights again"
        )
    needed = ("source", "source_sha256", "preprocessing", "normalised", "complete_to", "dtype")
    missing = [name for name in needed if name not in attributes]
    if missing:
        raise WeightFileError(f"{path} lacks the attribute {missing[0]!r}: convert it again")
    fields = json.loads(attributes["preprocessing"])
    dtype = DTYPES[attributes["dtype"]]
    layers = {
        name: (_array(group["kernel"], dtype), _array(group["bias"], dtype))
        for name, group in file.items()
    }
    network = checked_network(
        layers,
        preprocessing(fields["scale"], tuple(fields["mean"]), tuple(fields["std"])),
        source=str(attributes["source"]),
        source_sha256=str(attributes["source_sha256"]),
        normalised=bool(attributes["normalised"]),
        sha256=sha256,
    )
    if fields["order"] != "RGB" or network.complete_to != attributes["complete_to"]:
        raise WeightFileError(f"{path} contradicts its own attributes: convert it again")
    return network


def _array(dataset: h5py.Dataset, dtype: Any) -> np.ndarray:
    array = dataset[()]
    return (array.view(dtype) if dtype is ml_dtypes.bfloat16 else array).astype(np.float32)
