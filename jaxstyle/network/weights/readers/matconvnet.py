"""MatConvNet's ``imagenet-vgg-verydeep-19.mat`` and ``-16.mat``.

A cell array ``layers`` of structures with ``name``, ``type`` and ``weights`` (a cell of kernel and
bias; before 2015 two fields, ``filters`` and ``biases``). The mean that the network wants
subtracted is ``averageImage``, a vector or a picture of one colour, in ``meta.normalization``, or
in files of version beta16 and older in ``normalization``. Channels are RGB, from 0 to 255.

**Order of axes.** Kernels are (height, width, in, out), to be used as they are. Other programs swap
the first two axes, after the help text of ``vl_nnconv``: "F is an array of dimension FW x FH x FC x
K". That is a slip, as three things show:

- MatConvNet's ``import-caffe.py`` reverses all axes of Caffe's (out, in, height, width), and then
  swaps the first two: (height, width, in, out). It also turns BGR into RGB.
- Its ``im2row`` pairs the first axes of filter and picture, in MATLAB the rows.
- What ``scipy.io.loadmat`` returns for the real file of version beta16, printed in public, equals
  the real Caffe network's conv1_1 to all eight digits if nothing is swapped.
"""

from __future__ import annotations

from functools import partial
from typing import IO, Any

import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.readers.layer_names import Stored, convolutions_of
from jaxstyle.network.weights.readers.raw_weights import RawWeights, TrainedInput
from jaxstyle.network.weights.safe_parsers.mat_file import read_mat
from jaxstyle.network.weights.safe_parsers.refusals import shown, weight_reader

_LARGEST_ARRAY = 2**25  # bytes; VGG's largest kernel has 2**24.2 as doubles
_FIELDS = (("weights", 0, "filters", "kernel"), ("weights", 1, "biases", "bias"))


@weight_reader
def read_matconvnet(file: IO[bytes]) -> RawWeights:
    """Read the convolutions of a SimpleNN network of MatConvNet."""
    variables = read_mat(file, _LARGEST_ARRAY)
    layers = variables.get("layers")
    if not isinstance(layers, list):
        raise WeightFileError("it has no cell array called layers: it is no SimpleNN network")
    meta = variables.get("meta")
    layout = "matconvnet" if isinstance(meta, dict) else "matconvnet-beta16"
    normalization = (meta if isinstance(meta, dict) else variables).get("normalization")
    convolutions = {
        name: (np.ascontiguousarray(kernel), bias)  # MATLAB's numbers lie column by column
        for name, (kernel, bias) in convolutions_of(_tensors(layers), "HWIO").items()
    }
    return RawWeights(convolutions, layout, _input(normalization))


def _tensors(layers: list[Any]) -> dict[str, Stored]:
    """``conv1_1/kernel`` -> array, for all layers that have weights."""
    found: dict[str, Stored] = {}
    for layer in layers:
        if not isinstance(layer, dict) or not isinstance(layer.get("name"), str):
            continue
        for new, index, old, part in _FIELDS:
            weights = layer.get(new)
            if isinstance(weights, list) and len(weights) > index:
                array = weights[index]
            else:
                array = layer.get(old)
            name = f"{layer['name']}/{part}"
            if isinstance(array, np.ndarray):
                if name in found:
                    raise WeightFileError(f"{shown(name)} is there twice")
                array = array.ravel() if part == "bias" else array
                found[name] = Stored(array.shape, partial(np.asarray, array))
    return found


def _input(normalization: Any) -> TrainedInput | None:
    """What the file says about its input; None if it says nothing."""
    image = normalization.get("averageImage") if isinstance(normalization, dict) else None
    if not isinstance(image, np.ndarray) or not image.size:
        return None
    if image.size != 3 and image.shape[-1] != 3:
        return None
    # A vector of three, or a picture, whose last axis is the colour.
    mean = image.reshape(-1, 3, order="F").mean(0, dtype=np.float64)
    if not (np.isfinite(mean).all() and mean.min() >= 0 and mean.max() <= 255):
        raise WeightFileError(f"its averageImage has the mean {shown(mean)}: it is damaged")
    red, green, blue = np.round(mean, 4).tolist()
    return TrainedInput("RGB", 255.0, (red, green, blue))
