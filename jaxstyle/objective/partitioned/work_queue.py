"""One piece of work for each of several devices at a time, all by one program.

Devices send each other nothing: pieces come from the host, and results go back to it. Where
the devices are those of several processes, each process has the pieces of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from jaxstyle.runtime.programs import jitted

_T = TypeVar("_T")


def devices_of(array: Array) -> Mesh:
    """All the devices that hold an array whole."""
    sharding = array.sharding
    if isinstance(sharding, NamedSharding) and isinstance(sharding.mesh, Mesh):
        return sharding.mesh
    return Mesh(np.array(list(sharding.device_set)), ("device",))


def copied(tree: Any, devices: Mesh) -> Any:
    """A tree of arrays of which each device has all."""
    place = NamedSharding(devices, PartitionSpec())

    def copy(leaf: Any) -> Array:
        if isinstance(leaf, jax.Array) and leaf.sharding == place:
            return leaf
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, place, lambda index: host[index or ()])

    return jax.tree.map(copy, tree)


def dealt(
    function: Callable[..., Any],
    static: Any,
    common: tuple[Any, ...],
    pieces: Sequence[_T],
    own: Callable[[_T], Any],
    devices: Mesh,
    *,
    idle: _T,
    first: tuple[Callable[..., Any], Any, tuple[Any, ...]] | None = None,
) -> Iterator[tuple[_T, Any]]:
    """``function(static, *common, *own(piece))`` for each piece that is this process's.

    They come in order, when they are ready; by then the devices have the next ones in their queues.

    Args:
        function: is compiled once, with ``static``, for all pieces.
        common: arrays that each device has; see ``copied``.
        own: a tuple of arrays for a piece, of one shape for all, with an axis of 1 in front.
        idle: a piece for devices that are left over at the end. Its results come like others.
        first: another function, static and common, whose results, for each piece, are taken in
            place of those of ``own``.

    Yields:
        The piece and its results, each with an axis of 1 in front, on the device that made it.
    """
    local = [index for index, one in enumerate(devices.devices.flat) if _is_mine(one)]

    def rounds() -> Iterator[tuple[list[_T], Any]]:
        for start in range(0, len(pieces), devices.size):
            hand = [*pieces[start : start + devices.size], *[idle] * devices.size]
            mine = [hand[index] for index in local]
            stacked = _stacked([own(piece) for piece in mine], devices)
            if first is not None:
                function_first, static_first, common_first = first
                stacked = _on_each(function_first, static_first, devices, common_first, stacked)
            yield mine, _on_each(function, static, devices, common, stacked)

    for mine, results in _one_ahead(rounds()):
        yield from zip(mine, _parts(results, devices), strict=True)


def added_up(tree: Any, devices: Mesh) -> Any:
    """The sum of what each process has in its memory, arrays of the same shapes, for all to have.

    With the devices of one process nothing is done.
    """
    if all(map(_is_mine, devices.devices.flat)):
        return tree
    return jax.tree.map(
        lambda leaf: np.sum(multihost_utils.process_allgather(np.asarray(leaf)), axis=0), tree
    )


@jitted(little_memory=True, static_argnums=(0, 1, 2))
def _on_each(
    function: Callable[..., Any], static: Any, devices: Mesh, common: tuple[Any, ...], own: Any
) -> Any:
    def one(common: tuple[Any, ...], own: Any) -> Any:
        results = function(static, *common, *jax.tree.map(lambda leaf: leaf[0], own))
        return jax.tree.map(lambda leaf: leaf[None], results)

    # Not vmap: on CPU that would make other, slower convolutions of them.
    each = PartitionSpec(devices.axis_names)
    whole = PartitionSpec()
    return jax.shard_map(one, mesh=devices, in_specs=(whole, each), out_specs=each)(common, own)


def _stacked(own: list[Any], devices: Mesh) -> Any:
    """The arrays of this process's pieces, each on its device, as parts of one array."""
    place = NamedSharding(devices, PartitionSpec(devices.axis_names))
    mine = [one for one in devices.devices.flat if _is_mine(one)]

    def stack(*leaves: Any) -> Array:
        parts = [jax.device_put(leaf, one) for leaf, one in zip(leaves, mine, strict=True)]
        shape = devices.size, *leaves[0].shape[1:]
        return jax.make_array_from_single_device_arrays(shape, place, parts)

    return jax.tree.map(stack, *own)


def _parts(stacked: Any, devices: Mesh) -> list[Any]:
    """What each of this process's devices has of arrays."""

    def on(one: Any) -> Any:
        def part(leaf: Array) -> Array:
            return next(shard.data for shard in leaf.addressable_shards if shard.device == one)

        return jax.tree.map(part, stacked)

    return [on(one) for one in devices.devices.flat if _is_mine(one)]


def _is_mine(device: Any) -> bool:
    return device.process_index == jax.process_index()


def _one_ahead(results: Iterable[tuple[_T, Any]]) -> Iterator[tuple[_T, Any]]:
    """Results in order, each when it is ready; by then the next one is in the queue."""
    for result, _ in pairwise(chain(results, [None])):
        assert result is not None
        jax.block_until_ready(result[1])
        yield result
