"""Which published network a file holds, told by a few of its numbers.

Nobody trains a VGG twice: nearly every file in circulation holds one of four sets of weights, in
this layout or that, under whatever name, rescaled or not, channels this way or that. So the first
filters of conv1_1 say more than a file's name. A filter is compared by direction alone, so Gatys'
rescaling, which multiplies each filter by a positive number, does not hide it; half precision turns
a filter by about 1e-6.

The numbers below are published ones, rounded, and were found printed in public: Simonyan's VGG-19
as MATLAB file and as Keras file (which agree), his VGG-16 as Keras file, torchvision's VGG-19 and
VGG-16 as PyTorch files. Simonyan's VGG-19 was compared with its real first layers besides.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

_SAME = 0.999  # least cosine between two filters that are one
_UNSCALED = 0.01  # how much a filter's length may differ from the published one


@dataclass(frozen=True)
class KnownNetwork:
    """Published weights.

    Attributes:
        name: such as ``simonyan-vgg19``.
        title: in words.
        family: ``caffe`` (0 to 255 minus the mean) or ``torchvision`` ([0, 1] standardised).
        filters: filter of conv1_1 -> (channel R, G, B; row; column); NaN where not known.
        attribution: whom a copy must name.
    """

    name: str
    title: str
    family: str
    filters: dict[int, np.ndarray] = field(repr=False, compare=False)
    attribution: str = ""


@dataclass(frozen=True)
class Identity:
    """What a kernel of conv1_1 turned out to be.

    Attributes:
        network: whose it is.
        order: ``RGB`` or ``BGR``, the order of its inputs.
        orientation: ``upright``, as trained; or ``transposed``, ``rotated`` by 180 degrees.
        rescaled: whether its filters have other lengths than the published ones.
    """

    network: KnownNetwork
    order: str
    orientation: str
    rescaled: bool


def identify(kernel: Float[np.ndarray, "3 3 3 out"]) -> Identity | None:
    """Recognise a kernel of conv1_1, with inputs in either order; None if it is unknown."""
    best: Identity | None = None
    closest = _SAME
    for network in NETWORKS:
        if kernel.shape[3] <= max(network.filters):
            continue
        for orientation, turned in _orientations(kernel).items():
            for order, step in (("RGB", 1), ("BGR", -1)):
                candidate = turned.transpose(3, 2, 0, 1)[:, ::step]
                cosines, ratios = _compare(candidate, network)
                if min(cosines) >= closest:
                    closest = min(cosines)
                    rescaled = any(abs(ratio - 1) > _UNSCALED for ratio in ratios)
                    best = Identity(network, order, orientation, rescaled)
    return best


def _orientations(kernel: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "upright": kernel,
        "transposed": kernel.transpose(1, 0, 2, 3),
        "rotated": kernel[::-1, ::-1],
    }


def _compare(filters: np.ndarray, network: KnownNetwork) -> tuple[list[float], list[float]]:
    """Cosine between each known filter and the one in its place, and how much longer that is."""
    cosines, ratios = [], []
    for index, published in network.filters.items():
        known = ~np.isnan(published)
        here, there = filters[index][known].astype(np.float64), published[known]
        lengths = np.linalg.norm(here), np.linalg.norm(there)
        cosines.append(float(here @ there / max(lengths[0] * lengths[1], 1e-30)))
        ratios.append(float(lengths[0] / lengths[1]))
    return cosines, ratios


def _filter(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float64).reshape(3, 3, 3)


_UNKNOWN = float("nan")
_CC_BY = "{} by K. Simonyan and A. Zisserman, CC BY 4.0; here in another file format"

# fmt: off
NETWORKS = (
    KnownNetwork("simonyan-vgg19", "Simonyan's VGG-19", "caffe", {
        0: _filter(
             0.3942,  0.3774, -0.0459,  0.2671,  0.0999, -0.3410, -0.0757, -0.2803, -0.4160,
             0.4642,  0.4181, -0.0481,  0.3051,  0.1038, -0.3731, -0.0765, -0.3107, -0.4645,
             0.3412,  0.3400, -0.0448,  0.2322,  0.0898, -0.3033, -0.0726, -0.2467, -0.3368,
        ),
        1: _filter(
            -0.0842, -0.0788, -0.1158, -0.0797, -0.0624, -0.1340, -0.0781, -0.0709, -0.1149,
             0.0336,  0.0526, -0.0066,  0.0568,  0.0885, -0.0070,  0.0388,  0.0603, -0.0058,
             0.0956,  0.1336,  0.0647,  0.1337,  0.1851,  0.0800,  0.1008,  0.1414,  0.0660,
        ),
    }, _CC_BY.format("VGG-19")),
    KnownNetwork("simonyan-vgg16", "Simonyan's VGG-16", "caffe", {
        0: _filter(
             0.4800, *8 * [_UNKNOWN],
             0.5504, *8 * [_UNKNOWN],
             0.4295,  0.3735, -0.0614,  0.2748,  0.0387, -0.3672, -0.0575, -0.2622, -0.3501,
        ),
        1: _filter(
            -0.1727, *8 * [_UNKNOWN],
             0.0209, *8 * [_UNKNOWN],
             0.1173, *8 * [_UNKNOWN],
        ),
    }, _CC_BY.format("VGG-16")),
    KnownNetwork("torchvision-vgg19", "torchvision's VGG-19", "torchvision", {
        0: _filter(
            -0.0535, -0.0493, -0.0679,  0.0153,  0.0451,  0.0021,  0.0362,  0.0200,  0.0199,
             0.0170,  0.0554, -0.0062,  0.1416,  0.2271,  0.1376,  0.1200,  0.2003,  0.0921,
            -0.0449,  0.0127, -0.0145,  0.0597,  0.1396,  0.0541, -0.0010,  0.0583, -0.0297,
        ),
    }),
    KnownNetwork("torchvision-vgg16", "torchvision's VGG-16", "torchvision", {
        0: _filter(
            -0.5537,  0.1427,  0.5290, -0.5831,  0.3566,  0.7657, -0.6902, -0.0480,  0.4841,
             0.1755,  0.0099, -0.0814,  0.0441, -0.0703, -0.2604,  0.1324, -0.1728, -0.1323,
             0.3130, -0.1659, -0.4275,  0.4752, -0.0827, -0.4870,  0.6320,  0.0193, -0.2775,
        ),
        1: _filter(
             0.2325,  0.1267,  0.1861, -0.4281, -0.2435,  0.2463, -0.2507,  0.1418, -0.0055,
            -0.1408, -0.2190,  0.1504, -0.8413, -0.3518,  0.5640, -0.2419,  0.5193,  0.5391,
            -0.3143, -0.3705, -0.1309, -0.4714, -0.1550,  0.3459,  0.0544,  0.5868,  0.4958,
        ),
    }),
)
# fmt: on
