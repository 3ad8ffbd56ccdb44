"""What a reader finds in a weight file, before it becomes a ``Network``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TrainedInput:
    """What a network was fed: ``(picture * scale - mean) / std`` with channels in ``order``.

    Attributes:
        order: ``RGB`` or ``BGR``; ``mean`` and ``std`` are in this order.
        scale: what 1.0 of a picture becomes, 1 or 255.
    """

    order: str
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


TORCHVISION_INPUT = TrainedInput("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CAFFE_INPUT = TrainedInput("BGR", 255.0, (103.939, 116.779, 123.68))


@dataclass(frozen=True)
class RawWeights:
    """The convolutions of a weight file.

    Attributes:
        layers: ``conv1_1`` -> kernel (height, width, in, out) and bias (out,). The kernels are in
            cross-correlation order, and conv1_1's inputs in the order that the file has.
        layout: which kind of file it was, e.g. ``torch-zip``, ``keras-h5``, ``matconvnet``.
        input: what the file itself says about its input; None where it says nothing.
        precision: what was lost in this kind of file, in words; "" if nothing.
        about: further attributes of its ``Network``, if it is a jaxstyle file; else None.
    """

    layers: dict[str, tuple[np.ndarray, np.ndarray]]
    layout: str
    input: TrainedInput | None = None
    precision: str = ""
    about: dict[str, Any] | None = None
