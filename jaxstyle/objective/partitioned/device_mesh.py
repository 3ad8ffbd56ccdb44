"""One picture over several devices, each of which holds a part of its height and width.

The program is that of one device; XLA divides it. Before each convolution neighbours exchange the
rows and columns along their common border, and Gram matrices and losses are added up over all
devices. Features, gradient and optimiser state never leave their part of the picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from jaxstyle.errors import InputError
from jaxstyle.objective.objective import Objective, check_tileable
from jaxstyle.objective.partitioned.padded_objective import (
    PaddedObjective,
    content_targets_padded,
    know_style_padded,
)
from jaxstyle.objective.partitioned.tile_layout import grid_of
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
    count, there = rows * columns, len(devices)
    if count > there:
        several = "; JAX_NUM_CPU_DEVICES=8 makes eight of one CPU"
        hint = several if devices[0].platform == "cpu" else ""
        raise InputError(
            f"mesh {rows}x{columns} needs {count} devices, but there "
            f"{'is' if there == 1 else 'are'} {there} ({devices[0].device_kind}): "
            f"choose a smaller one{hint}"
        )
    chosen = list(devices[:count])
    if {one.process_index for one in chosen} != {one.process_index for one in devices}:
        raise InputError(
            f"mesh {rows}x{columns} leaves a process without work: give one of all {there} "
            f"devices, such as {there}x1"
        )
    # Mesh, not jax.make_mesh: that one now leaves no sharding to the compiler.
    return Mesh(np.array(chosen).reshape(rows, columns), AXES)


def parse_mesh(text: str, devices: Sequence[Any] | None = None) -> Mesh:
    """The mesh that a user asks for, such as ``4x2``.

    Raises:
        InputError: as ``mesh_shape`` and ``picture_mesh``.
    """
    return picture_mesh(*mesh_shape(text), devices)


def padded_shape(height: int, width: int, taps: Iterable[str], mesh: Mesh) -> tuple[int, int]:
    """The least sides that all devices share evenly, from the pixels to the deepest tap."""
    grid = grid_of(taps)
    rows, columns = (grid * parts for parts in mesh.devices.shape)
    return -(-height // rows) * rows, -(-width // columns) * columns


def content_targets_sharded(
    objective: Objective, model: Model, content: AnyPicture, mesh: Mesh
) -> dict[str, Float[Array, "_h _w _c"]]:
    """``objective.content_targets``, shared by the devices as ``minimise_sharded`` wants them.

    Raises:
        InputError: as ``Objective``.
    """
    padded = _padded(objective, content, mesh)
    picture = _shared_picture(padded, content)
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
    picture = _shared_picture(padded, style)
    shared = _shared_at(padded, guides or {}, picture.shape)
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
    picture = _shared_picture(padded, x)
    content = {
        tap: _shared_content(padded, tap, targets.content[tap], picture.shape)
        for tap in objective.content_layers
    }
    at_content, at_style, pixels = targets.guides
    guides = Guides(
        _shared_at(padded, at_content, picture.shape),
        _shared_at(padded, at_style, picture.shape),
        {
            name: _shared(array, (*picture.shape[:2], array.shape[-1]), mesh)
            for name, array in pixels.items()
        },
    )
    targets = Targets(content, copied(targets.style, mesh), guides)
    return padded, picture, (copied(model, mesh), targets, copied(weights, mesh))


def _padded(objective: Objective, picture: AnyPicture, mesh: Mesh) -> PaddedObjective:
    check_tileable(objective)
    height, width = picture.shape[:2]
    taps = objective.content_layers + objective.style_layers
    if objective.padding == "circular" and padded_shape(height, width, taps, mesh) != (
        height,
        width,
    ):
        rows, columns = (grid_of(taps) * parts for parts in mesh.devices.shape)
        raise InputError(
            f"size is {width}x{height}: on a mesh of {mesh.devices.shape[0]}x"
            f"{mesh.devices.shape[1]}, a picture that wraps needs a width that is a multiple of "
            f"{columns} px and a height that is one of {rows}"
        )
    return PaddedObjective(objective, height, width, mesh)


def _shared_picture(padded: PaddedObjective, picture: AnyPicture) -> Float[Array, "rows columns 3"]:
    objective = padded.objective
    taps = objective.content_layers + objective.style_layers
    rows, columns = padded_shape(padded.height, padded.width, taps, padded.mesh)
    return _shared(picture, (rows, columns, 3), padded.mesh)


def _shared_content(
    padded: PaddedObjective, tap: str, target: Array, shape: tuple[int, ...]
) -> Float[Array, "_rows _columns _c"]:
    step = grid_of([tap])
    whole = shape[0] // step, shape[1] // step
    if target.shape[:2] not in (whole, (padded.height // step, padded.width // step)):
        raise InputError(
            f"the content target of {tap} has shape {target.shape}, which is not that of a picture "
            f"of {padded.width}x{padded.height}: use a content image of its size"
        )
    return _shared(target, (*whole, target.shape[-1]), padded.mesh)


def _shared_at(
    padded: PaddedObjective, arrays: Mapping[str, Any], shape: tuple[int, ...]
) -> dict[str, Array]:
    """Arrays that have one position in a tap's stride, each by its tap."""

    def share(tap: str, array: Any) -> Array:
        step = grid_of([tap])
        return _shared(array, (shape[0] // step, shape[1] // step, array.shape[-1]), padded.mesh)

    return {tap: share(tap, array) for tap, array in arrays.items()}


def _shared(array: Any, shape: tuple[int, ...], mesh: Mesh) -> Array:
    """An array over the devices, continued by zeros; no device gets more than its part."""
    place = NamedSharding(mesh, PartitionSpec(*AXES))
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
