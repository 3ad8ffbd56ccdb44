"""One picture over several devices, each of which holds a part of its height and width.

The program is that of one device; XLA divides it. Before each convolution neighbours exchange the
rows and columns along their common border, and Gram matrices and losses are added up over all
devices. Features, gradient and optimiser state never leave their part of the picture.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import stride
from jaxstyle.objective.objective import Objective, check_tileable
from jaxstyle.objective.partitioned.padded_objective import (
    PaddedObjective,
    content_targets_padded,
    know_style_padded,
)
from jaxstyle.objective.partitioned.work_queue import copied
from jaxstyle.objective.pytrees import Guides, Model, Targets, Weights
from jaxstyle.objective.targets import Known

AXES = ("height", "width")

AnyPicture = Float[Array, "height width 3"] | Float[np.ndarray, "height width 3"]


def mesh_shape(text: str) -> tuple[int, int]:
    """Rows and columns of a mesh written as ``4x2``: 4 parts of the height, 2 of the width.

    Raises:
        InputError: it is written in another way.
    """
    match = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text.strip().lower(), re.ASCII)
    if match is None:
        raise InputError(
            f"mesh is {text!r}: write ROWSxCOLUMNS, such as 4x2 for 4 parts of the height and 2 of "
            "the width"
        )
    return int(match[1]), int(match[2])


def picture_mesh(rows: int, columns: int, devices: Sequence[Any] | None = None) -> Mesh:
    """Devices as a grid that is laid over a picture.

    Args:
        devices: the first of them are taken; by default those of all processes.

    Raises:
        InputError: there are fewer devices, or a process would be left without any.
    """
    devices = jax.devices() if devices is None else devices
    count, present = rows * columns, len(devices)
    if count > present:
        several = "; JAX_NUM_CPU_DEVICES=8 makes eight of one CPU"
        hint = several if devices[0].platform == "cpu" else ""
        raise InputError(
            f"mesh {rows}x{columns} needs {count} devices, but there "
            f"{'is' if present == 1 else 'are'} {present} ({devices[0].device_kind}): "
            f"choose a smaller one{hint}"
        )
    chosen = list(devices[:count])
    if {one.process_index for one in chosen} != {one.process_index for one in devices}:
        raise InputError(
            f"mesh {rows}x{columns} leaves a process without work: give one of all {present} "
            f"devices, such as {present}x1"
        )
    # Mesh, not jax.make_mesh: that one now leaves no sharding to the compiler.
    return Mesh(np.array(chosen).reshape(rows, columns), AXES)


def parse_mesh(text: str, devices: Sequence[Any] | None = None) -> Mesh:
    """The mesh that a user asks for, such as ``4x2``.

    Raises:
        InputError: as ``mesh_shape`` and ``picture_mesh``.
    """
    return picture_mesh(*mesh_shape(text), devices)


def content_targets_sharded(
    objective: Objective, model: Model, content: AnyPicture, mesh: Mesh
) -> dict[str, Float[Array, "_h _w _c"]]:
    """``objective.content_targets``, shared by the devices as ``minimise_sharded`` wants them.

    Raises:
        InputError: as ``Objective``.
    """
    padded = _padded(objective, content, mesh)
    picture = _shared(content, padded.shape, mesh)
    return content_targets_padded(padded, copied(model, mesh), picture)


def know_style_sharded(
    objective: Objective,
    model: Model,
    style: AnyPicture,
    mesh: Mesh,
    guides: Mapping[str, Float[np.ndarray, "_h _w 1"]] | None = None,
) -> Known:
    """``objective.know_style``, computed by all devices together.

    Raises:
        InputError: as ``Objective``.
    """
    padded = _padded(objective, style, mesh)
    picture, shared = _shared(style, padded.shape, mesh), _shared_at(padded, guides or {})
    return know_style_padded(padded, copied(model, mesh), picture, shared)


def evaluation_sharded(
    objective: Objective,
    x: AnyPicture,
    arguments: tuple[Model, Targets, Weights],
    mesh: Mesh,
) -> tuple[PaddedObjective, Float[Array, "rows columns 3"], tuple[Model, Targets, Weights]]:
    """What ``minimise`` takes: the objective, the picture and the arguments, where they belong.

    Args:
        x: the picture, of any size.
        arguments: content targets may be whole, or from ``content_targets_sharded``.

    Raises:
        InputError: content targets that do not fit the picture.
    """
    padded = _padded(objective, x, mesh)
    model, targets, weights = arguments
    content = {tap: targets.content[tap] for tap in objective.content_layers}
    for tap, target in content.items():
        _check_content(padded, tap, target.shape)
    at_content, at_style, pixels = targets.guides
    guides = Guides(
        _shared_at(padded, at_content),
        _shared_at(padded, at_style),
        {name: _shared(array, padded.shape, mesh) for name, array in pixels.items()},
    )
    targets = Targets(_shared_at(padded, content), copied(targets.style, mesh), guides)
    picture = _shared(x, padded.shape, mesh)
    return padded, picture, (copied(model, mesh), targets, copied(weights, mesh))


def _padded(objective: Objective, picture: AnyPicture, mesh: Mesh) -> PaddedObjective:
    check_tileable(objective)
    height, width = picture.shape[:2]
    padded = PaddedObjective(objective, height, width, mesh)
    if objective.padding == "circular" and padded.shape != (height, width):
        rows, columns = padded.multiples
        raise InputError(
            f"size is {width}x{height}: on a mesh of {mesh.devices.shape[0]}x"
            f"{mesh.devices.shape[1]}, a picture that wraps needs a width that is a multiple of "
            f"{columns} px and a height that is one of {rows}"
        )
    return padded


def _check_content(padded: PaddedObjective, tap: str, shape: tuple[int, ...]) -> None:
    whole = padded.height, padded.width
    if shape[:2] not in [tuple(side // stride(tap) for side in s) for s in (whole, padded.shape)]:
        raise InputError(
            f"the content target of {tap} has shape {shape}, which is not that of a picture "
            f"of {padded.width}x{padded.height}: use a content image of its size"
        )


def _shared_at(padded: PaddedObjective, arrays: Mapping[str, Any]) -> dict[str, Array]:
    """Arrays that have one position in a tap's stride, each by its tap."""
    rows, columns = padded.shape
    return {
        tap: _shared(array, (rows // stride(tap), columns // stride(tap)), padded.mesh)
        for tap, array in arrays.items()
    }


def _shared(array: Any, sides: tuple[int, int], mesh: Mesh) -> Array:
    """An array over the devices, continued by zeros; no device gets more than its part."""
    place, shape = NamedSharding(mesh, PartitionSpec(*AXES)), (*sides, *array.shape[2:])
    if (
        isinstance(array, jax.Array)
        and array.sharding.is_equivalent_to(place, array.ndim)
        and array.shape == shape
    ):
        return array
    host = np.asarray(array)

    def part(index: tuple[slice, ...] | None) -> np.ndarray:
        assert index is not None
        own = host[index]
        size = [len(range(*cut.indices(side))) for cut, side in zip(index, shape, strict=True)]
        return np.pad(own, [(0, n - side) for n, side in zip(size, own.shape, strict=True)])

    return jax.make_array_from_callback(shape, place, part)
