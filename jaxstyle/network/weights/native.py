"""jaxstyle's own weight files: HDF5 with one group a layer and everything needed to use it.

Groups ``conv1_1/{kernel, bias}``, kernels as (height, width, in, out) for RGB input. Attributes of
the root: ``format``, ``version``, ``source``, ``source_sha256``, ``preprocessing`` (JSON with
order, scale, mean, std), ``normalised``, ``depths``, ``widths``, ``complete_to``, ``dtype``, and
``attribution`` where known. A file without the others is refused: weights of unknown preprocessing
make pictures of unknown meaning.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import replace
from typing import IO, Any

import h5py
import ml_dtypes
import numpy as np

from jaxstyle.network.architecture import BLOCKS, POOLINGS, VGG16, VGG19, Architecture
from jaxstyle.network.network import Network, WeightFileError, checked_network
from jaxstyle.network.preprocessing import Preprocessing, preprocessing
from jaxstyle.network.weights.safe_parsers.hdf5 import HDF5_ERRORS, attributes, stored_datasets
from jaxstyle.network.weights.safe_parsers.refusals import shown, weight_reader
from jaxstyle.runtime.atomic_files import new_file

FORMAT = "jaxstyle-vgg"
VERSION = 1
DTYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}

_ATTRIBUTES = tuple(
    "format version source source_sha256 preprocessing normalised depths widths complete_to "
    "dtype".split()
)
# HDF5 has no bfloat16: its bits go in as 16-bit integers.
_BITS = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}


def write_native(path: str | os.PathLike[str], network: Network, dtype: str = "float32") -> None:
    """Write a network as a jaxstyle ``.h5``, whole or not at all.

    Equal networks give equal bytes, as long as the HDF5 library stays the same.

    Args:
        dtype: how numbers are stored: ``float32``, ``float16`` or ``bfloat16``.

    Raises:
        InputError: the file cannot be written, or a weight does not fit the type.
    """
    if dtype not in DTYPES:
        raise WeightFileError(f"weights are stored as {', '.join(DTYPES)}, not as {dtype!r}")
    with new_file(path) as new, h5py.File(new, "w", track_order=False) as file:
        for name, value in _described(network, dtype).items():
            file.attrs[name] = _fixed_length(value) if isinstance(value, str) else value
        for name, layer in network.params.items():
            group = file.create_group(name)
            for part, array in layer.items():
                with np.errstate(over="ignore"):
                    stored = np.asarray(array).astype(DTYPES[dtype])
                if not np.isfinite(stored.astype(np.float32)).all():
                    raise WeightFileError(f"{name} does not fit {dtype}: store it as float32")
                bits = stored.view(_BITS[dtype])
                group.create_dataset(part, data=bits, compression="gzip", shuffle=True)


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


@weight_reader(*HDF5_ERRORS)
def read_native(opened: IO[bytes]) -> Network:
    """Read a jaxstyle ``.h5``, and no other."""
    sha256 = hashlib.file_digest(opened, "sha256").hexdigest()  # type: ignore[arg-type]
    opened.seek(0)
    with h5py.File(opened, "r") as file:
        return _read(file, sha256)


def _read(file: h5py.File, sha256: str) -> Network:
    found = attributes(file, ("format", "version"))
    if found.get("format") != FORMAT:
        raise WeightFileError(
            "it is not a jaxstyle weight file: convert it first with `jaxstyle convert-weights`"
        )
    if found.get("version") != VERSION:
        raise WeightFileError(
            f"it has version {shown(found.get('version'))}; this jaxstyle reads {VERSION}: "
            "upgrade jaxstyle or convert the weights again"
        )
    found = attributes(file, (*_ATTRIBUTES, "attribution"))
    missing = [name for name in _ATTRIBUTES if name not in found]
    if missing:
        raise WeightFileError(f"it lacks the attribute {missing[0]}: convert the weights again")
    dtype = found["dtype"]
    if dtype not in DTYPES:
        raise WeightFileError(f"its attribute dtype is {shown(dtype)}: convert the weights again")
    shapes = _promised_shapes(found)
    datasets = stored_datasets(file)
    _check_promise(shapes, {path: tensor.shape for path, tensor in datasets.items()})

    def array(path: str) -> np.ndarray:
        stored = datasets[path].read()
        if stored.dtype != _BITS[dtype]:
            raise WeightFileError(f"{path} is stored as {stored.dtype}, not as {dtype}")
        return stored.view(DTYPES[dtype]).astype(np.float32)

    names = [path.removesuffix("/bias") for path in shapes if path.endswith("/bias")]
    # Files from before there was this attribute are of networks that were trained with max.
    pooling = attributes(file, ("pooling",)).get("pooling", "max")
    if pooling not in POOLINGS:
        raise WeightFileError(f"its attribute pooling is {shown(pooling)}: convert it again")
    network = checked_network(
        {name: (array(f"{name}/kernel"), array(f"{name}/bias")) for name in names},
        _checked_preprocessing(found["preprocessing"]),
        source=str(found["source"]),
        source_sha256=str(found["source_sha256"]),
        normalised=bool(found["normalised"]),
        sha256=sha256,
        attribution=str(found.get("attribution", "")),
    )
    return replace(network, pooling=str(pooling))


def _promised_shapes(found: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """``conv1_1/kernel`` -> shape, for all that must be there according to the attributes."""
    depths, widths = (tuple(np.ravel(found[name]).tolist()) for name in ("depths", "widths"))
    architecture = Architecture(depths, widths)
    plausible = depths in (VGG19.depths, VGG16.depths) and len(widths) == BLOCKS
    if not plausible or found["complete_to"] not in architecture.convolutions:
        raise WeightFileError("it contradicts itself: its attributes describe no VGG network")
    last = architecture.convolutions.index(found["complete_to"])
    shapes = {}
    for name in architecture.convolutions[: last + 1]:
        shapes[f"{name}/kernel"] = architecture.kernel_shape(name)
        shapes[f"{name}/bias"] = (architecture.width(name),)
    return shapes


def _check_promise(promised: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> None:
    for path in sorted(promised.keys() ^ found.keys()):
        what = "lacks" if path in promised else "has an unexpected"
        raise WeightFileError(f"it contradicts itself: it {what} {shown(path)}")
    for path, shape in promised.items():
        if found[path] != shape:
            raise WeightFileError(
                f"it contradicts itself: {path} has shape {shown(found[path])}, not {shape}"
            )


def _checked_preprocessing(text: Any) -> Preprocessing:
    try:
        fields = json.loads(text)
        scale, mean, std = (
            np.asarray(fields[name], np.float32) for name in ("scale", "mean", "std")
        )
        good = fields["order"] == "RGB" and mean.shape == std.shape == (3,) and scale.shape == ()
        good = good and min(scale, *std) > 0 and math.isfinite(scale + mean.sum() + std.sum())
    except (ValueError, TypeError, KeyError, RecursionError):
        good = False
    if not good:
        raise WeightFileError("its attribute preprocessing makes no sense: convert it again")
    return preprocessing(float(scale), tuple(mean.tolist()), tuple(std.tolist()))
