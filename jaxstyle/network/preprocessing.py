"""From a picture in [0, 1] to what a network was trained on.

How a network wants its pictures is a property of its weights and travels in their file. Channel
order is no part of it: kernels of networks trained on BGR are flipped to RGB at conversion, which
is exact. The mean stays an explicit subtraction, for the zero padding of the first convolution
comes after the centring: folded into a bias, it would be wrong along the borders.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Preprocessing(NamedTuple):
    """``(picture * scale - mean) / std``, per RGB channel. A pytree: pass it as an argument.

    Attributes:
        scale: 1 for networks that take [0, 1], 255 for Caffe's.
        mean, std: in units of ``picture * scale``.
    """

    scale: Float[Array, ""]
    mean: Float[Array, "3"]
    std: Float[Array, "3"]


def preprocessing(
    scale: float, mean: tuple[float, ...], std: tuple[float, ...] = (1.0, 1.0, 1.0)
) -> Preprocessing:
    """Build a ``Preprocessing`` of float32 arrays from plain numbers, RGB order."""
    return Preprocessing(
        jnp.asarray(scale, jnp.float32),
        jnp.asarray(mean, jnp.float32),
        jnp.asarray(std, jnp.float32),
    )


def to_network(
    picture: Float[Array, "... 3"], preprocessing: Preprocessing
) -> Float[Array, "... 3"]:
    """What the network sees of an RGB picture in [0, 1]."""
    scale, mean, std = (part.astype(picture.dtype) for part in preprocessing)
    channels = (1,) * (picture.ndim - 1) + (3,)
    return (picture * scale - mean.reshape(channels)) / std.reshape(channels)
