"""The reader of jaxstyle's own weight files; see ``native.py`` for what is in them."""

from __future__ import annotations

import hashlib
import json
import math
from typing import IO, Any

import h5py
import ml_dtypes
import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.architecture import BLOCKS, POOLINGS, VGG16, VGG19, Architecture
from jaxstyle.network.weights.readers.layer_names import LARGEST_WIDTH, float32_of
from jaxstyle.network.weights.readers.raw_weights import RawWeights, TrainedInput
from jaxstyle.network.weights.safe_parsers.hdf5 import attributes, stored_datasets
from jaxstyle.network.weights.safe_parsers.refusals import shown, weight_reader

FORMAT = "jaxstyle-vgg"
VERSION = 1
DTYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}

BITS = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}
"""As what they are stored: HDF5 has no bfloat16."""

_ATTRIBUTES = tuple(
    "format version source source_sha256 preprocessing normalised depths widths complete_to "
    "dtype".split()
)


@weight_reader
def read_jaxstyle(opened: IO[bytes]) -> RawWeights:
    """Read a jaxstyle ``.h5``, and no other."""
    sha256 = hashlib.file_digest(opened, "sha256").hexdigest()  # type: ignore[arg-type]
    opened.seek(0)
    with h5py.File(opened, "r") as file:
        return _read(file, sha256)


def _read(file: h5py.File, sha256: str) -> RawWeights:
    found = attributes(file, ("format", "version"))
    if found.get("format") != FORMAT:
        raise WeightFileError("it is not a jaxstyle weight file")
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

    def array(layer: str, part: str) -> np.ndarray:
        path = f"{layer}/{part}"
        stored = datasets[path].read()
        if stored.dtype != BITS[dtype]:
            raise WeightFileError(f"{path} is stored as {stored.dtype}, not as {dtype}")
        return float32_of(layer, stored.view(DTYPES[dtype]))

    names = [path.removesuffix("/bias") for path in shapes if path.endswith("/bias")]
    # Files from before there was this attribute are of networks that were trained with max.
    pooling = attributes(file, ("pooling",)).get("pooling", "max")
    if pooling not in POOLINGS:
        raise WeightFileError(f"its attribute pooling is {shown(pooling)}: convert it again")
    return RawWeights(
        {name: (array(name, "kernel"), array(name, "bias")) for name in names},
        "jaxstyle",
        _checked_preprocessing(found["preprocessing"]),
        about={
            "source": str(found["source"]),
            "source_sha256": str(found["source_sha256"]),
            "normalised": bool(found["normalised"]),
            "sha256": sha256,
            "attribution": str(found.get("attribution", "")),
            "pooling": str(pooling),
        },
    )


def _promised_shapes(found: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """``conv1_1/kernel`` -> shape, for all that must be there according to the attributes."""
    depths, widths = (tuple(np.ravel(found[name]).tolist()) for name in ("depths", "widths"))
    architecture = Architecture(depths, widths)
    plausible = depths in (VGG19.depths, VGG16.depths) and len(widths) == BLOCKS
    plausible &= all(type(width) is int and 0 < width <= LARGEST_WIDTH for width in widths)
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


def _checked_preprocessing(text: Any) -> TrainedInput:
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
    return TrainedInput("RGB", float(scale), tuple(mean.tolist()), tuple(std.tolist()))
