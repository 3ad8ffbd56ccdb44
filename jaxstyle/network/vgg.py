"""VGG as a Flax module, from a picture to the features at any of its layers.

Everything else sees ``features(params, x, taps) -> dict`` and no flax.
"""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import (
    PADDINGS,
    POOLINGS,
    Architecture,
    architecture_of,
    least_side,
    order_taps,
)
from jaxstyle.network.convolution import convolve3x3, pool2x2, relu
from jaxstyle.network.network import Params, kernel_shapes


class Convolution(nn.Module):
    """A 3x3 convolution that keeps the size of its input."""

    width: int
    padding: str

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n h w o"]:
        shape = (3, 3, x.shape[-1], self.width)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.width,))
        transformed = self.get_variable("params", "transformed")
        return convolve3x3(
            x, kernel.astype(x.dtype), bias.astype(x.dtype), self.padding, transformed
        )


class VGG(nn.Module):
    """The convolutional part of VGG, no deeper than the deepest tap."""

    architecture: Architecture
    taps: tuple[str, ...]
    pooling: str = "avg"
    padding: str = "zeros"

    @nn.compact
    def __call__(self, x: Float[Array, "n h w 3"]) -> dict[str, Float[Array, "n _h _w _c"]]:
        features = {}
        for layer in self.architecture.layers:
            if len(features) == len(self.taps):
                break
            if layer.startswith("conv"):
                x = Convolution(self.architecture.width(layer), self.padding, name=layer)(x)
            elif layer.startswith("relu"):
                x = relu(x)
            else:
                x = pool2x2(x, self.pooling)
            if layer in self.taps:
                features[layer] = x
        return features


def features(
    params: Params,
    x: Float[Array, "n h w 3"],
    taps: Sequence[str],
    *,
    pooling: str = "avg",
    padding: str = "zeros",
    dtype: jnp.dtype | None = None,
) -> dict[str, Float[Array, "n _h _w _c"]]:
    """The activations of the tapped layers.

    Args:
        params: ``Network.params``; its shapes say which network it is.
        x: pictures as the network wants them (``preprocess.to_network``).
        taps: layer names, such as ``("relu1_1", "conv4_2")``; nothing deeper is computed.
        pooling: ``avg`` (Gatys) or ``max`` (as trained); odd sides round down.
        padding: ``zeros`` (as trained), ``reflect``, ``replicate`` or ``circular``.
        dtype: compute in this type, e.g. bfloat16; that of ``x`` by default.

    Returns:
        tap -> (n, height / stride, width / stride, channels).

    Raises:
        InputError: an unknown tap, a tap deeper than the weights reach, a picture too small.
    """
    for name, value, known in (("pooling", pooling, POOLINGS), ("padding", padding, PADDINGS)):
        if value not in known:
            raise InputError(f"{name} is {value!r}; it must be one of {', '.join(known)}")
    architecture, last = architecture_of(kernel_shapes(params))
    ordered = order_taps(taps, architecture)
    check_depth(ordered, architecture, last)
    check_size(x.shape[1], x.shape[2], ordered, padding)
    module = VGG(architecture, ordered, pooling, padding)
    x = x if dtype is None else x.astype(dtype)
    tapped = module.apply({"params": params}, x)
    assert isinstance(tapped, dict)
    return tapped


def check_size(
    height: int,
    width: int,
    taps: Sequence[str],
    padding: str = "zeros",
    name: str = "the picture",
    advice: str = "resize it",
) -> None:
    """Raise an InputError that says what to do if a picture is too small for the taps."""
    least = least_side(taps, padding)
    if min(height, width) < least:
        deepest = order_taps(taps)[-1]
        raise InputError(
            f"{name} is {width}x{height}; {deepest} needs at least {least} px on each side: "
            f"{advice} or tap shallower layers"
        )


def check_depth(taps: tuple[str, ...], architecture: Architecture, last: str) -> None:
    """Raise an InputError if the last of the taps lies deeper than the last convolution."""
    layers = architecture.layers
    reach = layers.index(last) + 1  # the ReLU after the last convolution needs no weights
    if reach + 1 < len(layers) and layers[reach + 1].startswith("pool"):
        reach += 1
    if taps and layers.index(taps[-1]) > reach:
        raise InputError(
            f"{taps[-1]} is tapped, but these weights end at {last}: tap shallower layers "
            "or convert the whole network"
        )
