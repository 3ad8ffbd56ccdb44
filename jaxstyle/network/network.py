"""A network as the rest of jaxstyle passes it round: parameters, preprocessing, where from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxstyle.errors import WeightFileError
from jaxstyle.network.architecture import Architecture, architecture_of, is_layer_name
from jaxstyle.network.preprocessing import Preprocessing

Params = dict[str, dict[str, Float[Array, "..."]]]
"""``{"conv1_1": {"kernel": (3, 3, in, out), "bias": (out,)}, ...}``, a plain pytree."""


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class Network:
    """A feature network with all that one must know to use it rightly.

    Attributes:
        params: kernels (height, width, in, out) and biases (out,), float32, for RGB input.
        preprocessing: what the network wants done to a picture in [0, 1].
        source: one line saying where the weights came from.
        source_sha256: hash of the file that they were converted from.
        normalised: whether each filter's mean activation is 1 (Gatys' rescaling).
        sha256: hash of the file that this was read from, "" if there is none.
        attribution: whom a copy of the weights must name, "" if that is not known.
        pooling: with which it was trained, ``max`` or ``avg``.
    """

    params: Params
    preprocessing: Preprocessing
    source: str
    source_sha256: str = ""
    normalised: bool = False
    sha256: str = ""
    attribution: str = ""
    pooling: str = "max"

    @property
    def architecture(self) -> Architecture:
        return architecture_of(kernel_shapes(self.params))[0]

    @property
    def complete_to(self) -> str:
        """The deepest convolution present."""
        return architecture_of(kernel_shapes(self.params))[1]

    def upto(self, convolution: str) -> Network:
        """The same network without what lies deeper than ``convolution``.

        Raises:
            WeightFileError: the network does not reach so deep.
        """
        if convolution not in self.params:
            raise WeightFileError(
                f"cannot cut the network at {convolution}: it has conv1_1 to {self.complete_to}"
            )
        names = self.architecture.convolutions
        kept = names[: names.index(convolution) + 1]
        return replace(self, params={name: self.params[name] for name in kept})


def kernel_shapes(params: Params) -> dict[str, tuple[int, ...]]:
    """Convolution name -> shape of its kernel."""
    return {name: tuple(layer["kernel"].shape) for name, layer in params.items()}


def checked_network(
    layers: dict[str, tuple[np.ndarray, np.ndarray]],
    preprocessing: Preprocessing,
    **about: Any,
) -> Network:
    """Build a network from arrays of doubtful origin.

    Args:
        layers: convolution name -> kernel (3, 3, in, out) for RGB input, bias (out,).
        about: further attributes of the ``Network``, ``source`` among them.

    Raises:
        WeightFileError: a layer is missing, has a wrong shape, or holds NaN or infinity.
    """
    for name, (kernel, bias) in layers.items():
        if not (is_layer_name(name) and name.startswith("conv")):
            raise WeightFileError(f"{name!r} is no layer of a VGG network")
        fits = kernel.ndim == 4 and kernel.shape[:2] == (3, 3) and bias.shape == kernel.shape[3:]
        if not fits or kernel.size == 0:
            raise WeightFileError(
                f"{name} has a kernel of shape {kernel.shape} and a bias of shape {bias.shape}; "
                "needed are (3, 3, in, out) and (out,)"
            )
        if not (_fits_float32(kernel) and _fits_float32(bias)):
            raise WeightFileError(f"{name} holds NaN or infinite weights: the file is damaged")
    try:
        architecture, _ = architecture_of({name: k.shape for name, (k, _) in layers.items()})
    except ValueError as error:
        raise WeightFileError(str(error)) from None
    params = {
        name: {
            "kernel": jnp.asarray(layers[name][0], jnp.float32),
            "bias": jnp.asarray(layers[name][1], jnp.float32),
        }
        for name in architecture.convolutions
        if name in layers
    }
    return Network(params, preprocessing, **about)


def _fits_float32(array: np.ndarray) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.isfinite(array.astype(np.float32)).all())
