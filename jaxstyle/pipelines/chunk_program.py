"""A grid of cells as one compiled program: ``vmap`` over what differs, sharded over devices.

What all cells share (the network, and usually the targets) is held once on each device. Every cell
is a minimisation of its own, so the program has no communication between devices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from jaxstyle.errors import InputError
from jaxstyle.optimize import Outcome, Stopping
from jaxstyle.optimize.loop import Algorithm, Evaluate
from jaxstyle.optimize.vmapped_loop import (
    BatchCallback,
    BatchProgram,
    compile_batch,
    minimise_batch,
)

OWN, SHARED = 0, -1
"""In a tree of axes: an array per cell, or one for all. (None would vanish from a tree.)"""


class Sweep:
    """Runs chunks of cells; chunks of one shape share a program.

    Args:
        evaluate, algorithm: as in ``optimize.minimise``; the same for all cells, but for the
            algorithm's numbers.
        devices: over which a chunk is spread; its size must be a multiple of their number.
        steps_per_call: see ``compile_batch``.

    Attributes:
        programs: all that has been compiled.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        algorithm: Algorithm,
        devices: Sequence[Any],
        *,
        steps_per_call: int = 1,
    ) -> None:
        self.evaluate, self.algorithm = evaluate, algorithm
        self.steps_per_call = steps_per_call
        # Mesh, not jax.make_mesh: that one now leaves no sharding to the compiler.
        mesh = Mesh(np.array(devices), ("cell",))
        self.divided = NamedSharding(mesh, PartitionSpec("cell"))
        self.copied = NamedSharding(mesh, PartitionSpec())
        self.programs: dict[Hashable, BatchProgram] = {}

    def bytes_needed(
        self, size: int, start: Float[np.ndarray, "*shape"], arguments: tuple[Any, ...], axes: Any
    ) -> int:
        """Memory on each device for a chunk of ``size`` cells; compiles its program.

        Args:
            start, arguments: of any one cell.
            axes: see ``run``.
        """

        def shape(leaf: Array, axis: int) -> jax.ShapeDtypeStruct:
            whole = leaf.shape if axis == SHARED else (size, *leaf.shape)
            return jax.ShapeDtypeStruct(whole, leaf.dtype, sharding=self._place(axis))

        x = jax.ShapeDtypeStruct((size, *start.shape), jnp.float32, sharding=self.divided)
        return self._program(x, jax.tree.map(shape, arguments, axes), axes).bytes_needed

    def run(
        self,
        size: int,
        starts: Sequence[Float[np.ndarray, "*shape"]],
        arguments: Sequence[tuple[Any, ...]],
        axes: Any,
        stoppings: Sequence[Stopping],
        callback: BatchCallback | None = None,
        algorithms: Sequence[Algorithm] | None = None,
    ) -> list[Outcome | InputError]:
        """Minimise some cells at once.

        Args:
            size: of the chunk; where there are fewer cells, copies of the last one fill it up.
            starts, arguments, stoppings: one per cell.
            axes: a tree like the arguments of one cell: ``SHARED`` for an array that is the same
                for all cells (that of the first is taken), ``OWN`` for one that each has of its
                own. Keep it the same for all chunks, and they have the same program.
            algorithms: one per cell, where their numbers are not those of ``algorithm``.

        Returns:
            An outcome per cell, or the error of a cell whose loss at its start is not finite.
        """
        missing = size - len(starts)
        starts = [*starts, *[starts[-1]] * missing]
        arguments = [*arguments, *[arguments[-1]] * missing]
        x = jax.device_put(np.stack(starts), self.divided)
        placed = self._placed(arguments, axes)
        program = self._program(x, placed, axes)
        return minimise_batch(
            program, x, placed, stoppings, algorithms=algorithms, callback=callback
        )

    def _placed(self, arguments: Sequence[tuple[Any, ...]], axes: Any) -> tuple[Any, ...]:
        def put(axis: int, *leaves: Array) -> Array:
            whole = leaves[0] if axis == SHARED else jnp.stack(leaves)
            return jax.device_put(whole, self._place(axis))

        return jax.tree.map(put, axes, *arguments)

    def _place(self, axis: int) -> NamedSharding:
        return self.copied if axis == SHARED else self.divided

    def _program(self, x: Any, arguments: tuple[Any, ...], axes: Any) -> BatchProgram:
        shapes = jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), (x, arguments))
        key = (str(shapes), str(axes))
        if key not in self.programs:
            self.programs[key] = compile_batch(
                self.evaluate,
                x,
                arguments,
                _vmap_axes(axes),
                self.algorithm,
                steps_per_call=self.steps_per_call,
            )
        return self.programs[key]


def _vmap_axes(axes: Any) -> Any:
    leaves, tree = jax.tree.flatten(axes)
    return jax.tree.unflatten(tree, [None if axis == SHARED else 0 for axis in leaves])


def equal_chunks(cells: int, most: int, multiple: int = 1) -> int:
    """The size of the fewest equal chunks, none larger than ``most``.

    Args:
        multiple: of devices that share a chunk; the size is a multiple of it, and at least that.
    """
    most = max(1, most // multiple) * multiple
    chunks = math.ceil(cells / most)
    return math.ceil(cells / (chunks * multiple)) * multiple


def fit_chunk(
    cells: int, limit: int, needed: Callable[[int], int], *, multiple: int = 1, most: int = 0
) -> tuple[int, int]:
    """The largest equal chunks whose program fits.

    Args:
        limit: bytes for each device.
        needed: chunk size -> bytes that its program needs on each device, which costs a compile:
            it is asked for as few sizes as possible, the whole grid first.
        multiple: see ``equal_chunks``.
        most: no larger chunks than this; 0 for no such limit.

    Returns:
        The size and the bytes it needs, which exceed the limit if even the smallest chunk does.
    """
    size = equal_chunks(cells, most or math.ceil(cells / multiple) * multiple, multiple)
    before: tuple[int, int] | None = None
    while True:
        amount = needed(size)
        if amount <= limit or size <= multiple:
            return size, amount
        guess = size * limit // amount  # too much where a part is the same for any size
        if before is not None and before[1] > amount:
            # On the straight line through the last two, rounded down.
            guess = size + (limit - amount) * (before[0] - size) // (before[1] - amount)
        before = size, amount
        size = equal_chunks(cells, max(multiple, min(size - multiple, guess)), multiple)
