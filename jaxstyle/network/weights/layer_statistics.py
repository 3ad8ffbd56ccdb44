"""What a network does on pictures: to normalise it, and to tell networks apart.

Gatys' normalised VGG is the same function as the original, rescaled so that each filter's mean
activation over pictures and positions is 1. It can be, because ReLU, both poolings and convolution
commute with positive scales: what one layer multiplies a channel by, the next divides out.

Source: Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks" (2016),
section 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import least_side
from jaxstyle.network.network import Network, Params
from jaxstyle.network.preprocessing import CAFFE as CAFFE_RGB
from jaxstyle.network.preprocessing import IMAGENET, Preprocessing, preprocessing, to_network
from jaxstyle.network.vgg import features
from jaxstyle.network.weights.convert import INPUTS, network_from
from jaxstyle.network.weights.fingerprints import CAFFE, TORCHVISION
from jaxstyle.network.weights.readers.raw_weights import RawWeights

Pictures = Sequence[Float[np.ndarray, "height width 3"]]

DEAD = 1e-4
"""A filter is dead whose mean activation is below this share of its layer's. Divided by its own
mean it would become noise, and overflow half precision."""

_LEVEL = 0.6  # largest distance of a normalised layer's log10 mean activation from 0
_MARGIN = 1.05  # how much less even a network must be on the wrong input
_FEW_NEGATIVE, _MANY_NEGATIVE = 0.1, 0.2  # shares of negative biases in conv1_1


@dataclass(frozen=True)
class LayerStatistics:
    """What one layer's filters do on some pictures, after their ReLU.

    Attributes:
        layer: such as ``conv1_1``.
        mean: mean activation over filters, positions and pictures.
        spread: standard deviation of log10 of the living filters' mean activations.
        silent: share of activations that are zero.
        dead: share of filters that are dead, see ``DEAD``.
        kernel_std: standard deviation of the kernel's numbers.
        bias_mean: mean of the biases.
    """

    layer: str
    mean: float
    spread: float
    silent: float
    dead: float
    kernel_std: float
    bias_mean: float


def layer_statistics(
    network: Network, pictures: Pictures, *, pooling: str = "max"
) -> list[LayerStatistics]:
    """Statistics of every layer over some pictures.

    Args:
        pictures: RGB in [0, 1]; all positions of all of them count alike.
        pooling: ``max``, as VGG was trained, or ``avg``.

    Raises:
        InputError: there is no picture, or one is too small for the network.
    """
    means, silent = _activations(network, pictures, pooling)
    statistics = []
    for layer, mean in means.items():
        kernel = np.asarray(network.params[layer]["kernel"])
        dead = _dead(mean)
        spread = np.log10(mean[~dead]).std() if not dead.all() else np.nan
        statistics.append(
            LayerStatistics(
                layer=layer,
                mean=float(mean.mean()),
                spread=float(spread),
                silent=float(silent[layer].mean()),
                dead=float(dead.mean()),
                kernel_std=float(kernel.std()),
                bias_mean=float(np.asarray(network.params[layer]["bias"]).mean()),
            )
        )
    return statistics


def looks_normalised(statistics: Sequence[LayerStatistics]) -> bool:
    """Whether these are the statistics of a normalised network, on any pictures, with max pooling.

    Measured: Gatys' network has layer means of 0.9 to 1.0 on photographs and of 1.1 to 1.6 on
    paintings and rendered pictures, vgg19-slim of 0.65 to 2.3, Simonyan's original of 20 to 190.
    """
    levels = [float(np.log10(layer.mean)) for layer in statistics if layer.mean > 0]
    return bool(levels) and max(map(abs, levels)) <= _LEVEL


def normalise(
    network: Network, pictures: Pictures, *, pooling: str = "max"
) -> tuple[Network, dict[str, list[int]]]:
    """Rescale a network so that each filter's mean activation over some pictures is 1.

    The network stays the same function: each layer's activations are the original ones times one
    positive number per filter. Dead filters keep their scale.

    Args:
        pictures: RGB in [0, 1]; all positions of all of them count alike.
        pooling: with which the mean shall be 1.

    ``max`` is the default, for Gatys' published network was made so: with it, his layers' means on
    photographs are 0.9 to 1.0, with average pooling they fall to half of that in block 3.

    Returns:
        The rescaled network; layer -> its dead filters, layers without any left out.

    Raises:
        InputError: there is no picture, or one is too small for the network.
    """
    means, _ = _activations(network, pictures, pooling)
    params: Params = {}
    dead_filters: dict[str, list[int]] = {}
    before = np.ones(3)
    for layer, mean in means.items():
        dead = _dead(mean)
        scale = 1 / np.where(dead, 1.0, mean)
        kernel = np.asarray(network.params[layer]["kernel"], np.float64)
        bias = np.asarray(network.params[layer]["bias"], np.float64)
        kernel = kernel / before[None, None, :, None] * scale[None, None, None, :]
        params[layer] = {
            "kernel": jnp.asarray(kernel.astype(np.float32)),
            "bias": jnp.asarray((bias * scale).astype(np.float32)),
        }
        if dead.any():
            dead_filters[layer] = np.flatnonzero(dead).tolist()
        before = scale
    return replace(network, params=params, normalised=True, sha256=""), dead_filters


def judge_family(candidates: Mapping[str, Network], pictures: Pictures) -> str | None:
    """Tell by statistics which input weights of unknown origin were trained on.

    Two things must agree. A network uses its filters most evenly on the input that it was trained
    on. And Simonyan's networks have hardly a negative bias in conv1_1 (1 of 64), torchvision's many
    (27 of 64 in its VGG-16), which no rescaling changes.

    Args:
        candidates: ``caffe`` and ``torchvision`` -> the network as it would be.

    Returns:
        ``caffe``, ``torchvision``, or None if they disagree: then somebody has to say.

    Raises:
        InputError: there is no picture, or one is too small.
    """
    biases = np.asarray(candidates[CAFFE].params["conv1_1"]["bias"])
    negative = float((biases < 0).mean())
    evenness = {}
    for family, network in candidates.items():
        deepest = [name for name in network.params if name <= "conv3_1"][-1]
        statistics = layer_statistics(network.upto(deepest), pictures)
        evenness[family] = float(np.mean([layer.spread for layer in statistics]))
    if negative < _FEW_NEGATIVE and evenness[CAFFE] * _MARGIN < evenness[TORCHVISION]:
        return CAFFE
    if negative > _MANY_NEGATIVE and evenness[TORCHVISION] * _MARGIN < evenness[CAFFE]:
        return TORCHVISION
    return None


def candidates_from(raw: RawWeights) -> dict[str, Network]:
    """Family -> the network that a file holds if it is of that family."""
    return {family: network_from(raw, trained, source="") for family, trained in INPUTS.items()}


def candidates_like(network: Network) -> dict[str, Network]:
    """Family -> the same kernels with that family's preprocessing, as RGB."""
    ways = {CAFFE: preprocessing(**CAFFE_RGB), TORCHVISION: preprocessing(**IMAGENET)}
    return {family: replace(network, preprocessing=way) for family, way in ways.items()}


def _dead(means: np.ndarray) -> np.ndarray:
    return ~(means > DEAD * means.mean())


def _activations(
    network: Network, pictures: Pictures, pooling: str
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Convolution -> mean activation of each filter, and share of zeros, in float64."""
    if not pictures:
        raise InputError("statistics of a network need at least one picture")
    layers = list(network.params)
    taps = tuple("relu" + layer.removeprefix("conv") for layer in layers)
    least = least_side(taps)
    means, silent = (
        {layer: np.zeros(network.params[layer]["bias"].shape) for layer in layers} for _ in range(2)
    )
    positions = dict.fromkeys(layers, 0)
    for picture in pictures:
        if picture.ndim != 3 or picture.shape[2] != 3 or min(picture.shape[:2]) < least:
            raise InputError(
                f"a picture of shape {picture.shape} is no use for statistics: needed are (height, "
                f"width, 3) with at least {least} px on each side"
            )
        found = _picture_statistics(
            network.params, jnp.asarray(picture, jnp.float32), network.preprocessing, taps, pooling
        )
        for layer, tap in zip(layers, taps, strict=True):
            mean, zero, count = found[tap]
            means[layer] += np.asarray(mean, np.float64) * int(count)
            silent[layer] += np.asarray(zero, np.float64) * int(count)
            positions[layer] += int(count)
    return (
        {layer: means[layer] / positions[layer] for layer in layers},
        {layer: silent[layer] / positions[layer] for layer in layers},
    )


@jax.jit(static_argnames=("taps", "pooling"))
def _picture_statistics(
    params: Params,
    picture: Float[Array, "height width 3"],
    preprocessing: Preprocessing,
    taps: tuple[str, ...],
    pooling: str,
) -> Mapping[str, tuple[Array, Array, int]]:
    """Tap -> mean and share of zeros of each filter, and how many positions there are."""
    seen = to_network(picture, preprocessing)[None]
    tapped = features(params, seen, taps, pooling=pooling)
    return {
        tap: (
            activation.mean((0, 1, 2)),
            (activation == 0).mean((0, 1, 2)),
            activation.shape[1] * activation.shape[2],
        )
        for tap, activation in tapped.items()
    }
