"""VGG weights of Keras: the files of ``keras.applications`` and what people saved from them.

Three layouts, all with kernels as (height, width, in, out):

- ``.h5`` of Keras 1, 2 and 3: a group a layer, ``block1_conv1/block1_conv1_W_1:0`` or
  ``block1_conv1/block1_conv1/kernel:0``, possibly within ``model_weights`` or an outer model.
- ``.weights.h5`` of Keras 3: no names, but numbers in the order of the layers,
  ``layers/conv2d_3/vars/0`` for the kernel of the fourth convolution.
- ``.keras``: a zip of such a file and ``config.json``, which has the names.

``keras.applications`` has Simonyan's Caffe weights, ``mode="caffe"``: BGR, 0 to 255, less the mean.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import IO, Any

import h5py

from jaxstyle.errors import WeightFileError
from jaxstyle.network.architecture import VGG16, VGG19
from jaxstyle.network.weights.readers.layer_names import Stored, convolutions_of
from jaxstyle.network.weights.readers.raw_weights import CAFFE_INPUT, RawWeights
from jaxstyle.network.weights.safe_parsers.hdf5 import stored_datasets
from jaxstyle.network.weights.safe_parsers.refusals import path_within, shown, weight_reader
from jaxstyle.network.weights.safe_parsers.zip_archive import (
    open_archive,
    read_whole,
)

_NAMED = re.compile(
    r"(?!optimizer)(?:.*/)?block([1-5])_conv([1-4])(?:_\d+)?/"
    r"(?:block[1-5]_conv[1-4]_)?(?:(kernel|W)|bias|b)(?:_\d+)?(?::0)?"
)
_NUMBERED = re.compile(r"((?:.*/)?layers/)conv2d(?:_(\d{1,3}))?/vars/([01])")
_LAYER_NAME = re.compile(r"block([1-5])_conv([1-4])(?:_\d+)?")

_LARGEST_CONFIG = 2**20
_LARGEST_WEIGHTS = 2**31  # VGG-19 with its classifier and the state of Adam
_MOST_COMPRESSED = 20  # noise hardly shrinks; zeros of an optimiser do


@weight_reader
def read_keras(file: IO[bytes]) -> RawWeights:
    """Read the convolutions of a VGG saved by Keras, with or without the classifier."""
    zipped = file.read(2) == b"PK"
    file.seek(0)
    if zipped:
        return _read_zip(file)
    with h5py.File(file, "r") as opened:
        datasets = stored_datasets(opened)
        layout, tensors = "keras-h5", _by_name(datasets)
        if not tensors:
            layout, tensors = "keras-weights-h5", _by_number(datasets, {})
        if not tensors:
            raise WeightFileError(
                "it has no layer block1_conv1, nor layers/conv2d: it is no Keras VGG"
            )
        return RawWeights(convolutions_of(tensors, "HWIO"), layout, CAFFE_INPUT)


def _read_zip(file: IO[bytes]) -> RawWeights:
    with open_archive(file, compressed=True) as (archive, members):
        for needed in ("config.json", "model.weights.h5"):
            if needed not in members:
                raise WeightFileError(f"it has no {needed}: it is no .keras file")
        config = json.loads(read_whole(archive, members["config.json"], limit=_LARGEST_CONFIG))
        weights = members["model.weights.h5"]
        most = min(_LARGEST_WEIGHTS, _MOST_COMPRESSED * weights.compress_size + 2**20)
        extracted = io.BytesIO(read_whole(archive, weights, limit=most))
    with h5py.File(extracted, "r") as opened:
        tensors = _by_number(stored_datasets(opened), _names(config))
        if not tensors:
            raise WeightFileError("it has no layer layers/conv2d: it is no Keras VGG")
        return RawWeights(convolutions_of(tensors, "HWIO"), "keras-zip", CAFFE_INPUT)


def _by_name(datasets: Mapping[str, Stored]) -> dict[str, Stored]:
    """``conv1_1/kernel`` -> dataset, of the layouts that have names."""
    found: dict[str, tuple[str, Stored]] = {}
    for path, tensor in datasets.items():
        if match := _NAMED.fullmatch(path):
            name = f"conv{match[1]}_{match[2]}/{'kernel' if match[3] else 'bias'}"
            if name in found:
                raise WeightFileError(f"{shown(found[name][0])} and {shown(path)} are both {name}")
            found[name] = path, tensor
    return {name: tensor for name, (_, tensor) in found.items()}


def _by_number(datasets: Mapping[str, Stored], names: Mapping[str, list[str]]) -> dict[str, Stored]:
    """``conv1_1/kernel`` -> dataset, of the layout that has numbers.

    Args:
        names: the names of the convolutions in each model, in order, where they are known.
    """
    models: dict[str, dict[int, dict[str, Stored]]] = defaultdict(lambda: defaultdict(dict))
    for path, tensor in datasets.items():
        if match := _NUMBERED.fullmatch(path):
            part = "bias" if match[3] == "1" else "kernel"
            models[match[1]][int(match[2] or 0)][part] = tensor
    if not models:
        return {}
    # A convolution or two beside the VGG may belong to what was built on top of it.
    model, layers = max(models.items(), key=lambda item: len(item[1]))
    tables = {len(vgg.convolutions): vgg.convolutions for vgg in (VGG19, VGG16)}
    if len(layers) not in tables or set(layers) != set(range(len(layers))):
        raise WeightFileError(
            f"it has {len(layers)} convolutions in {shown(model)}; VGG-19 has 16, VGG-16 has 13"
        )
    expected = tables[len(layers)]
    given = names.get(model, [])
    matches = [_LAYER_NAME.fullmatch(name) for name in given]
    ordered = tuple(match and f"conv{match[1]}_{match[2]}" for match in matches)
    if any(matches) and ordered != expected:
        raise WeightFileError(f"its layers are {shown(', '.join(given))}: that is no VGG")
    return {
        f"{expected[number]}/{part}": tensor
        for number, parts in layers.items()
        for part, tensor in parts.items()
    }


def _names(config: Any, model: str = "") -> dict[str, list[str]]:
    """``layers/`` -> names of the convolutions in that model, in the order of their numbers.

    An inner model lies at ``layers/functional/layers/``: by its class, in snake case, with a
    number from the second on.
    """
    found: dict[str, list[str]] = {}
    counts: Counter[str] = Counter()
    for layer in _layers(config):
        kind = shown(layer.get("class_name"))
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
        number = f"_{counts[snake]}" if counts[snake] else ""
        counts[snake] += 1
        if kind == "Conv2D":
            name = layer["config"].get("name") if isinstance(layer.get("config"), dict) else None
            found.setdefault(f"{model}layers/", []).append(str(name))
        elif _layers(layer):
            found |= _names(layer, path_within(f"{model}layers/", f"{snake}{number}/"))
    return found


def _layers(config: Any) -> list[dict[str, Any]]:
    inner = config.get("config") if isinstance(config, dict) else None
    layers = inner.get("layers") if isinstance(inner, dict) else []
    return [layer for layer in layers if isinstance(layer, dict)] if type(layers) is list else []
