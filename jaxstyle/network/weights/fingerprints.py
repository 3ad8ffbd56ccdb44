"""Which published network a file holds, told by a few of its numbers.

Nobody trains a VGG twice: nearly every file in circulation holds one of four sets of weights, in
this layout or that, under whatever name, rescaled or not, channels this way or that. So the first
filters of conv1_1 say more than a file's name. A filter is compared by direction alone, so Gatys'
rescaling, which multiplies each filter by a positive number, does not hide it; half precision turns
a filter by about 1e-6.

The filters that are known are in ``data/known_files.toml``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from jaxstyle.network.weights.download.known_files import LISTED

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


NETWORKS = tuple(
    KnownNetwork(
        entry["name"],
        entry["title"],
        entry["family"],
        {int(i): np.reshape(numbers, (3, 3, 3)) for i, numbers in entry["filters"].items()},
        entry.get("attribution", ""),
    )
    for entry in LISTED["network"]
)
