"""The VGG tables: names, widths, order, strides and reach of every layer. Data, no arrays.

Layers are named as in the field: ``conv4_2`` is the linear output of the second convolution of
block 4, ``relu4_2`` the same after the ReLU, ``pool4`` the pooled output of block 4.

Source: Simonyan and Zisserman, "Very Deep Convolutional Networks" (2014), table 1, columns D and E.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from jaxstyle.errors import InputError

BLOCKS = 5
POOLINGS = ("avg", "max")
PADDINGS = ("zeros", "reflect", "replicate", "circular")


@dataclass(frozen=True)
class Architecture:
    """The shape of one VGG network.

    Attributes:
        depths: how many 3x3 convolutions each of the five blocks holds.
        widths: how many filters each convolution of a block has.
    """

    depths: tuple[int, ...]
    widths: tuple[int, ...]

    @property
    def convolutions(self) -> tuple[str, ...]:
        """All convolutions, ``conv1_1`` first."""
        return tuple(layer for layer in self.layers if layer.startswith("conv"))

    @property
    def layers(self) -> tuple[str, ...]:
        """Everything that can be tapped, in the order in which it is computed."""
        names: list[str] = []
        for block, depth in enumerate(self.depths, 1):
            for number in range(1, depth + 1):
                names += [f"conv{block}_{number}", f"relu{block}_{number}"]
            names.append(f"pool{block}")
        return tuple(names)

    def width(self, layer: str) -> int:
        """How many channels ``layer`` has."""
        return self.widths[block_of(layer) - 1]

    def kernel_shape(self, convolution: str) -> tuple[int, int, int, int]:
        """Shape (height, width, in, out) of the kernel of ``convolution``."""
        index = self.convolutions.index(convolution)
        inputs = 3 if index == 0 else self.width(self.convolutions[index - 1])
        return (3, 3, inputs, self.width(convolution))


VGG19 = Architecture(depths=(2, 2, 4, 4, 4), widths=(64, 128, 256, 512, 512))
VGG16 = Architecture(depths=(2, 2, 3, 3, 3), widths=(64, 128, 256, 512, 512))
VGG19_SLIM = Architecture(depths=(2, 2, 4, 4, 4), widths=(16, 32, 64, 128, 128))

_LAYER = re.compile(r"(?:(?:conv|relu)[1-5]_[1-4]|pool[1-5])")


def is_layer_name(name: str) -> bool:
    """Whether ``name`` has the form of a VGG layer, such as ``conv4_2`` or ``pool3``."""
    return _LAYER.fullmatch(name) is not None


def block_of(layer: str) -> int:
    """The block, 1 to 5, that ``layer`` belongs to."""
    return int(layer[4])


def order_taps(taps: Iterable[str], architecture: Architecture = VGG19) -> tuple[str, ...]:
    """The distinct taps, shallowest first.

    Raises:
        InputError: a tap is no layer of the architecture.
    """
    layers = architecture.layers
    wanted = set(taps)
    if unknown := sorted(wanted.difference(layers)):
        raise InputError(
            f"unknown layer {unknown[0]!r}: this network has conv1_1, relu1_1 ... "
            f"{architecture.convolutions[-1]}, and pool1 ... pool5"
        )
    return tuple(layer for layer in layers if layer in wanted)


def parse_layers(text: str) -> dict[str, float]:
    """Read a list of layers with weights, such as ``conv1_1,conv3_1:0.5`` (weight 1 if unsaid).

    Raises:
        InputError: a name that is no layer, a weight that is no number or negative, a repetition.
    """
    weights: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, colon, number = part.partition(":")
        if not is_layer_name(name):
            raise InputError(
                f"unknown layer {name!r}: layers are conv1_1 ... conv5_4, relu1_1 ... relu5_4, "
                "pool1 ... pool5"
            )
        try:
            weight = float(number) if colon else 1.0
        except ValueError:
            weight = math.nan
        if not 0 <= weight < math.inf:
            raise InputError(f"layer weight {part!r} needs a number of at least 0 after the colon")
        if name in weights:
            raise InputError(f"layer {name} is listed twice in {text!r}")
        weights[name] = weight
    return weights


def stride(layer: str) -> int:
    """How many pixels of the picture one step in ``layer`` spans, along one side."""
    poolings = block_of(layer) - (0 if layer.startswith("pool") else 1)
    return 2**poolings


def style_padding(padding: str) -> str:
    """How a style picture is padded: it need not wrap where the result does."""
    return "reflect" if padding == "circular" else padding


def least_side(taps: Iterable[str], padding: str = "zeros") -> int:
    """The smallest height and width, in pixels, for which every tap has a position."""
    # A convolution that reflects at the border needs two positions; pooling may leave one.
    two = padding == "reflect"
    return max((stride(tap) * (2 if two and "pool" not in tap else 1) for tap in taps), default=1)


def architecture_of(kernel_shapes: dict[str, tuple[int, ...]]) -> tuple[Architecture, str]:
    """Recognise a network, possibly cut short, by the kernels it has.

    Args:
        kernel_shapes: convolution name -> (3, 3, in, out).

    Returns:
        The architecture and the name of the last convolution present. Blocks of which nothing is
        present are taken to be as in VGG-19.

    Raises:
        ValueError: a layer is missing in the middle, or a shape does not fit its neighbour.
    """
    if not kernel_shapes:
        raise ValueError("the network has no layer")
    depths, last = _depths_of(set(kernel_shapes))
    widths = list(VGG19.widths)
    for name, shape in kernel_shapes.items():
        widths[block_of(name) - 1] = shape[-1]
    found = Architecture(depths, tuple(widths))
    for name, shape in kernel_shapes.items():
        if tuple(shape) != found.kernel_shape(name):
            raise ValueError(
                f"{name} has a kernel of shape {tuple(shape)}, but its neighbours need "
                f"{found.kernel_shape(name)}"
            )
    return found, last


def _depths_of(names: set[str]) -> tuple[tuple[int, ...], str]:
    """Whether ``names`` are the first convolutions of VGG-19 or VGG-16, and the last of them."""
    if strangers := names.difference(VGG19.convolutions):
        raise ValueError(f"{min(strangers)} is no layer of VGG-19 or VGG-16")
    last = max(names)
    # A VGG-16 is told from a VGG-19 by a block of three convolutions that more layers follow; cut
    # within its first three blocks it is also the beginning of a VGG-19.
    lacking: dict[tuple[int, ...], list[str]] = {}
    for table in (VGG19, VGG16):
        upto = [name for name in table.convolutions if name <= last]
        if names.issubset(upto):
            lacking[table.depths] = [name for name in upto if name not in names]
    depths = min(lacking, key=lambda depths: len(lacking[depths]))
    if lacking[depths]:
        raise ValueError(f"the network lacks {lacking[depths][0]}, though it has {last}")
    return depths, last
