"""Which axis of a kernel is the height, told from the numbers themselves.

A 3x3 kernel looks the same whichever way it was written, and so do the pictures made with a
network whose kernels are all transposed: they are merely worse. Two statistics can tell.

**Fingerprint.** For each of the 64 filters of conv1_1 of Simonyan's VGG-19, three signs: of the
difference between the corners of each diagonal, and of that between the first and the last input.
Signs outlive rounding and Gatys' rescaling, which multiplies each filter by a positive number.
Transposing the kernels flips all signs of the anti-diagonal and none of the diagonal; turning them
by 180 degrees (true convolution instead of cross-correlation) flips both; BGR instead of RGB flips
the third. The signs below are those of the Caffe network in its own (out, in, height, width) and
BGR; the original and Gatys' normalised network have all of them in common.

**Smoothness.** A network trained on pictures and their mirror images learns features that are much
alike when mirrored left to right, while up and down mean something. So in deep layers the left and
right columns of a kernel differ less than its upper and lower rows. Seen: the ratio of the energies
of these differences is 0.87 to 0.97 in conv3_1 to conv3_4 of VGG-19 (normalised; deeper layers were
not at hand), and 0.52 to 0.73 in all of conv4_1 to conv5_4 of vgg19-slim. It decides for networks
that have no fingerprint, such as VGG-16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

_DIAGONAL = 0xE2491AC2217FBDEF  # bit n: filter n has a larger corner at the top left
_ANTIDIAGONAL = 0x15962E493AF99DB9  # at the top right
_COLOURS = 0x13CEBED443D43A67  # the sum over its first input is larger than that over its last
_FILTERS = 64
_AGREE = 58  # chance agreement of 64 coins: about 1e-11
_SMOOTHER = 0.05  # mean log ratio that is taken seriously


class Orientation(NamedTuple):
    """How kernels are written, as far as can be told.

    Attributes:
        axes: ``height, width`` as it should be; ``width, height``: all kernels are transposed;
            ``rotated``: they are for true convolution; ``unknown``.
        colours: order of conv1_1's inputs: ``RGB``, ``BGR`` or ``unknown``.
        evidence: ``fingerprint`` (certain), ``smoothness`` (likely) or ``none``.
    """

    axes: str
    colours: str
    evidence: str


def kernel_orientation(layers: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Orientation:
    """Tell how the kernels of a network are written.

    Args:
        layers: convolution name -> kernel, supposedly (height, width, in, out), and bias.
    """
    diagonal, antidiagonal, colours = (
        _compare(signs, known)
        for signs, known in zip(
            _signs(layers["conv1_1"][0]), (_DIAGONAL, _ANTIDIAGONAL, _COLOURS), strict=True
        )
    )
    order = {1: "BGR", -1: "RGB", 0: "unknown"}[colours]
    axes = {(1, 1): "height, width", (1, -1): "width, height", (-1, -1): "rotated"}
    if (diagonal, antidiagonal) in axes:
        return Orientation(axes[diagonal, antidiagonal], order, "fingerprint")
    smoothness = smoothness_along_width(layers)
    if abs(smoothness) > _SMOOTHER:
        return Orientation(
            "height, width" if smoothness > 0 else "width, height", "unknown", "smoothness"
        )
    return Orientation("unknown", "unknown", "none")


def smoothness_along_width(layers: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> float:
    """How much smoother deep kernels are along the width than along the height.

    The mean over conv4_1 and deeper of the log ratio of energies: upper minus lower row over left
    minus right column. 0 if there are no such layers, or no difference; transposing negates it.
    """
    ratios = []
    for name, (kernel, _) in layers.items():
        if name >= "conv4_1":
            vertical = np.sum(np.square(kernel[2] - kernel[0], dtype=np.float64))
            horizontal = np.sum(np.square(kernel[:, 2] - kernel[:, 0], dtype=np.float64))
            ratios.append(np.log((vertical + 1e-30) / (horizontal + 1e-30)))
    return float(np.mean(ratios)) if ratios else 0.0


def _signs(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each filter of conv1_1: diagonal, anti-diagonal, first input against the last."""
    grey = kernel.sum(2, dtype=np.float64)
    colours = (kernel[:, :, 0] - kernel[:, :, 2]).sum((0, 1), dtype=np.float64)
    return grey[0, 0] > grey[2, 2], grey[0, 2] > grey[2, 0], colours > 0


def _compare(signs: np.ndarray, known: int) -> int:
    """1 if the signs are those known, -1 if they are their opposites, 0 if they are others."""
    if signs.size != _FILTERS:
        return 0
    agreeing = sum(int(sign) == known >> place & 1 for place, sign in enumerate(signs))
    return (agreeing >= _AGREE) - (agreeing <= _FILTERS - _AGREE)
