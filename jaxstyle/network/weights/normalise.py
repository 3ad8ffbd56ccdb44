"""Gatys' normalised VGG: each filter's mean activation over pictures and positions is 1.

It is the same function as the original, for ReLU, both poolings and convolution commute with
positive scales: what one layer multiplies a channel by, the next divides out.

Source: Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks" (2016),
section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import least_side
from jaxstyle.network.network import Network, Params
from jaxstyle.network.preprocessing import Preprocessing, to_network
from jaxstyle.network.vgg import features

Pictures = Sequence[Float[np.ndarray, "height width 3"]]

DEAD = 1e-4
"""A filter is dead whose mean activation is below this share of its layer's. Divided by its own
mean it would become noise, and overflow half precision."""


def filter_means(
    network: Network, pictures: Pictures, *, pooling: str = "max"
) -> dict[str, Float[np.ndarray, " filters"]]:
    """Convolution -> mean activation of each filter after its ReLU, in float64.

    Args:
        pictures: RGB in [0, 1]; all positions of all of them count alike.
        pooling: ``max``, as VGG was trained, or ``avg``.

    Raises:
        InputError: there is no picture, or one is too small for the network.
    """
    if not pictures:
        raise InputError("the means of a network's layers need at least one picture")
    taps = {layer: "relu" + layer.removeprefix("conv") for layer in network.params}
    least = least_side(taps.values())
    sums = {layer: np.zeros(network.params[layer]["bias"].shape) for layer in taps}
    positions = dict.fromkeys(taps, 0)
    for picture in pictures:
        if picture.ndim != 3 or picture.shape[2] != 3 or min(picture.shape[:2]) < least:
            raise InputError(
                f"a picture of shape {picture.shape} is no use for means: needed are (height, "
                f"width, 3) with at least {least} px on each side"
            )
        rgb = jnp.asarray(picture, jnp.float32)
        means = _means(network.params, rgb, network.preprocessing, tuple(taps.values()), pooling)
        for layer, tap in taps.items():
            mean, count = means[tap]
            sums[layer] += np.asarray(mean, np.float64) * int(count)
            positions[layer] += int(count)
    return {layer: sums[layer] / positions[layer] for layer in taps}


@jax.jit(static_argnames=("taps", "pooling"))
def _means(
    params: Params,
    picture: Float[Array, "height width 3"],
    preprocessing: Preprocessing,
    taps: tuple[str, ...],
    pooling: str,
) -> dict[str, tuple[Array, int]]:
    """Tap -> mean of each filter, and of how many positions."""
    tapped = features(params, to_network(picture, preprocessing)[None], taps, pooling=pooling)
    return {
        tap: (activation.mean((0, 1, 2)), activation.shape[1] * activation.shape[2])
        for tap, activation in tapped.items()
    }


def dead_filters(means: Float[np.ndarray, " filters"]) -> np.ndarray:
    """Which filters of a layer are dead, see ``DEAD``."""
    return ~(means > DEAD * means.mean())


def normalise(
    network: Network, pictures: Pictures, *, pooling: str = "max"
) -> tuple[Network, dict[str, list[int]]]:
    """Rescale a network so that each filter's mean activation over some pictures is 1.

    Each layer's activations become the original ones times one positive number per filter. Dead
    filters keep their scale.

    Args:
        pictures, pooling: as for ``filter_means``. Gatys' published network was made with ``max``:
            with it, his layers' means on photographs are 0.9 to 1.0, with average pooling they fall
            to half of that in block 3.

    Returns:
        The rescaled network; layer -> its dead filters, layers without any left out.

    Raises:
        InputError: there is no picture, or one is too small for the network.
    """
    params: Params = {}
    dead: dict[str, list[int]] = {}
    before = np.ones(3)
    for layer, means in filter_means(network, pictures, pooling=pooling).items():
        silent = dead_filters(means)
        scale = 1 / np.where(silent, 1.0, means)
        kernel = np.asarray(network.params[layer]["kernel"], np.float64)
        bias = np.asarray(network.params[layer]["bias"], np.float64)
        kernel = kernel / before[None, None, :, None] * scale[None, None, None, :]
        params[layer] = {
            "kernel": jnp.asarray(kernel.astype(np.float32)),
            "bias": jnp.asarray((bias * scale).astype(np.float32)),
        }
        if silent.any():
            dead[layer] = np.flatnonzero(silent).tolist()
        before = scale
    return replace(network, params=params, normalised=True, sha256=""), dead
