"""Which tensor of a foreign file is which convolution, by its name.

Known are ``features.N.weight`` (torchvision, timm, jcjohnson, pystiche; VGG-19 and VGG-16 are told
apart by the indices), ``N.weight`` (its ``features`` alone), and every spelling of
``conv1_1.weight`` (Gatys), ``conv1_1/kernel``, ``conv1_1_W``, ``block1_conv1/kernel:0`` (Keras).
Anything else, such as the classifier, is left in the file unread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn

import ml_dtypes
import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.architecture import VGG16, VGG19, Architecture, architecture_of
from jaxstyle.network.weights.safe_parsers.refusals import shown

Layout = Literal["OIHW", "HWIO"]

LARGEST_WIDTH = max(VGG19.widths)
"""Filters in the widest layer of any VGG: bounds what is read before the shapes are trusted."""

FLOATS = tuple(np.dtype(kind) for kind in (np.float32, np.float16, ml_dtypes.bfloat16, np.float64))

_VGG13 = Architecture((2, 2, 2, 2, 2), VGG19.widths)
_VGG11 = Architecture((1, 1, 2, 2, 2), VGG19.widths)
_DEPTH = {16: 19, 13: 16, 10: 13, 8: 11}  # convolutions -> the number in the network's name

_NUMBERED = re.compile(r"(?:(?:.*\.)?features\.)?(\d{1,3})\.(weight|bias)")
_NAMED = re.compile(
    r"(?:.*[./])?(?:conv([1-9])_([1-9])|block([1-9])_conv([1-9]))[._/]"
    r"(?:(weights?|kernel|filters?|W|w)|(bias|biases|b))(?::0)?"
)


@dataclass(frozen=True)
class Stored:
    """A tensor that is still in its file.

    Attributes:
        shape: as in the file.
        read: reads it, as a NumPy array of this shape.
    """

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


def convolutions_of(
    tensors: Mapping[str, Stored], layout: Layout | None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Find and read the convolutions among the tensors of a file, and nothing else.

    Args:
        tensors: name in the file -> tensor.
        layout: the order of a kernel's axes; None to tell it by where the 3x3 is.

    Returns:
        Convolution name -> kernel (3, 3, in, out) and bias (out,), both float32. A kernel may be a
        transposed view of what was read.

    Raises:
        WeightFileError: there is no convolution, one is missing or has no bias, a shape or type is
            wrong, or the network is one with batch normalisation. The message names the layer.
    """
    if any(name.endswith("running_mean") for name in tensors):
        depth = _DEPTH.get(sum(len(tensor.shape) == 4 for tensor in tensors.values()))
        _refuse_kind(f"vgg{depth}_bn" if depth else "a network with batch normalisation")
    pairs = _pairs(tensors)
    if layout is None:
        ends = all(tensors[weight].shape[2:] == (3, 3) for weight, _ in pairs.values())
        starts = all(tensors[weight].shape[:2] == (3, 3) for weight, _ in pairs.values())
        layout = "OIHW" if ends and not starts else "HWIO"
    shapes = {
        name: _kernel_shape(name, weight, tensors[weight].shape, layout)
        for name, (weight, _) in pairs.items()
    }
    try:
        architecture = architecture_of(shapes)[0]
    except ValueError as error:
        raise WeightFileError(str(error)) from None
    for name, (_, bias) in pairs.items():
        if tensors[bias].shape != shapes[name][3:]:
            raise WeightFileError(
                f"{name} has a bias of shape {tensors[bias].shape}; needed is {shapes[name][3:]}"
            )
    layers = {}
    for name in architecture.convolutions:
        if name in pairs:
            kernel, bias = (float32_of(name, tensors[part].read()) for part in pairs[name])
            if layout == "OIHW":
                kernel = kernel.transpose(2, 3, 1, 0)
            layers[name] = kernel, bias
    return layers


def _pairs(tensors: Mapping[str, Stored]) -> dict[str, tuple[str, str]]:
    """Convolution name -> names in the file of its weight and bias."""
    found = _roles(tensors)
    if not found:
        names = ", ".join(shown(name, 30) for name in list(tensors)[:3]) or "no tensor"
        raise WeightFileError(
            f"it holds no layer of a VGG network but {names}: needed are features.0.weight, "
            "conv1_1.weight or the like"
        )
    pairs = {}
    for convolution in sorted({convolution for convolution, _ in found}):
        if convolution not in VGG19.convolutions:
            raise WeightFileError(f"{convolution} is no layer of VGG-19 or VGG-16")
        for part, other in (("weight", "bias"), ("bias", "weight")):
            if (convolution, part) not in found:
                raise WeightFileError(f"{convolution} has a {other} but no {part}")
        pairs[convolution] = found[convolution, "weight"], found[convolution, "bias"]
    return pairs


def _roles(names: Iterable[str]) -> dict[tuple[str, str], str]:
    """(Convolution name, ``weight`` or ``bias``) -> name in the file."""
    numbered: dict[tuple[int, str], str] = {}
    named: dict[tuple[str, str], str] = {}
    for name in names:
        # DataParallel puts "module." anywhere: module.features.0, features.module.0.
        bare = ".".join(part for part in name.split(".") if part != "module")
        if match := _NUMBERED.fullmatch(bare):
            _once(numbered, (int(match[1]), match[2]), name)
        elif match := _NAMED.fullmatch(bare):
            convolution = f"conv{match[1] or match[3]}_{match[2] or match[4]}"
            _once(named, (convolution, "weight" if match[5] else "bias"), name)
    convolutions = _convolutions_by_index({index for index, _ in numbered})
    for (index, part), name in numbered.items():
        _once(named, (convolutions[index], part), name)
    return named


def _once(found: dict, role: tuple, name: str) -> None:
    if role in found:
        raise WeightFileError(
            f"{shown(found[role])} and {shown(name)} are one {role[1]}, given twice: keep one"
        )
    found[role] = name


def _convolutions_by_index(indices: set[int]) -> dict[int, str]:
    """``features.N`` -> convolution name, of the VGG that has convolutions at these indices."""
    for architecture in (VGG19, VGG16, _VGG13, _VGG11):
        table = _indices(architecture)
        if indices <= table.keys():
            break
    else:
        known = _indices(VGG19).keys() | _indices(VGG16).keys()
        odd = min(indices - known, default=max(indices))
        raise WeightFileError(f"features.{odd} is no convolution of VGG-19 or VGG-16")
    if architecture in (_VGG13, _VGG11):
        _refuse_kind(f"vgg{_DEPTH[len(table)]}")
    missing = [index for index in table if index < max(indices, default=0) and index not in indices]
    if missing:
        raise WeightFileError(f"features.{missing[0]} ({table[missing[0]]}) is missing")
    return table


def _indices(architecture: Architecture) -> dict[int, str]:
    """Position in torchvision's ``features`` -> convolution name."""
    layers = enumerate(architecture.layers)
    return {index: layer for index, layer in layers if layer.startswith("conv")}


def _refuse_kind(kind: str) -> NoReturn:
    raise WeightFileError(f"{kind} is not supported: use plain VGG-19 or VGG-16 (vgg19 or vgg16)")


def _kernel_shape(
    convolution: str, name: str, shape: tuple[int, ...], layout: Layout
) -> tuple[int, ...]:
    """The shape (3, 3, in, out) of a kernel, refusing what no VGG has."""
    if len(shape) == 4:
        ordered = shape if layout == "HWIO" else (*shape[2:], shape[1], shape[0])
        if ordered[:2] == (3, 3) and 0 < min(ordered) and max(ordered) <= LARGEST_WIDTH:
            return ordered
    needed = "(3, 3, in, out)" if layout == "HWIO" else "(out, in, 3, 3)"
    raise WeightFileError(
        f"{convolution} ({shown(name)}) has a kernel of shape {shown(shape)}; needed is {needed} "
        f"with at most {LARGEST_WIDTH} filters"
    )


def float32_of(name: str, array: np.ndarray) -> np.ndarray:
    """The weights of a layer, all of them finite.

    Raises:
        WeightFileError: they are not, or no floating-point numbers.
    """
    if array.dtype.newbyteorder("=") not in FLOATS:
        raise WeightFileError(f"{name} holds {array.dtype}; needed are floating-point numbers")
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused as infinite
        array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise WeightFileError(f"{name} holds NaN or infinite weights: the file is damaged")
    return array
