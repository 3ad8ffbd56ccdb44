"""Two ways to compute with arrays as large as the picture: at once, or in place of what they hold.

An algorithm is written once, over sums and elementwise functions, and is handed one of the two.
``WHOLE`` is for programs that XLA compiles as one; L-BFGS then holds five more arrays of the size
of x. Of a picture that fills the memory each is a tenth of all there is: ``IN_PLACE`` holds none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxstyle.runtime.programs import jitted


class Arithmetic(NamedTuple):
    """What is computed with arrays. Each function ``of`` must be one on module level.

    Attributes:
        sums: (of, \\*arguments) -> the sums that ``of`` gives of arrays, or adds up of their rows.
        put: (of, target, \\*arguments) -> ``of(target, *arguments)``, elementwise, in the memory
            of ``target``, which is given up.
        store: (of, memory, slot, \\*arguments) -> the memory, which is given up, with
            ``of(memory[slot], *arguments)`` in that slot.
        repeat: (times, body, carry) -> ``carry = body(index, carry)`` for each index.
    """

    sums: Callable[..., Any]
    put: Callable[..., Array]
    store: Callable[..., Array]
    repeat: Callable[[int, Callable[[Any, Any], Any], Any], Any]


class Entry(NamedTuple):
    """An argument that is one entry of a memory (history, \\*shape), never copied out of it."""

    memory: Float[Array, "history *shape"]
    slot: Int[Array, ""]


WHOLE = Arithmetic(
    sums=lambda of, *arguments: of(*map(_read, arguments)),
    put=lambda of, target, *arguments: of(target, *map(_read, arguments)),
    store=lambda of, memory, slot, *arguments: memory.at[slot].set(of(memory[slot], *arguments)),
    # As a loop of the program, not of Python, it compiles four times faster and is no slower.
    repeat=partial(jax.lax.fori_loop, 0),
)


@jitted(static_argnums=0)
def _sums(of: Callable[..., Any], *arguments: Any) -> Any:
    def add(row: Array | int, totals: Any) -> Any:
        return jax.tree.map(jnp.add, totals, of(*_row(arguments, row)))

    rows = next(len(one) for one in arguments if isinstance(one, Array) and one.ndim)
    shapes = jax.eval_shape(of, *_row(arguments, 0))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.lax.fori_loop(0, rows, add, zeros)


# Unused, a target would not be there to be overwritten.
@jitted(static_argnums=0, donate_argnums=1, keep_unused=True)
def _put(of: Callable[..., Array], target: Array, *arguments: Any) -> Array:
    return of(target, *map(_read, arguments))


@jitted(static_argnums=0, donate_argnums=1)
def _store(of: Callable[..., Array], memory: Array, slot: Int[Array, ""], *arguments: Any) -> Array:
    def put(row: Array, memory: Array) -> Array:
        return memory.at[slot, row].set(of(memory[slot, row], *_row(arguments, row)))

    return jax.lax.fori_loop(0, memory.shape[1], put, memory)


def _repeat(times: int, body: Callable[[Any, Any], Any], carry: Any) -> Any:
    for index in range(times):
        carry = body(index, carry)
    return carry


IN_PLACE = Arithmetic(_sums, _put, _store, _repeat)
"""Called from Python: each operation is a program of its own, given the memory it writes to."""


@jitted()
def usable(value: Float[Array, ""], gradient: Float[Array, "*shape"]) -> Float[Array, ""]:
    """The value, or nan where its gradient is not finite: no report must call that the best."""
    return jnp.where(any_not_finite(gradient), jnp.nan, value)


def any_not_finite(x: Float[Array, "*shape"]) -> Bool[Array, ""]:
    """Whether there is any nan or infinity: for ``Arithmetic.sums``, which takes booleans too."""
    return jnp.any(~jnp.isfinite(x))


def _read(argument: Any) -> Any:
    return argument.memory[argument.slot] if isinstance(argument, Entry) else argument


def _row(arguments: tuple[Any, ...], row: Array | int) -> list[Any]:
    """One row of each array and entry; scalars, and what holds no arrays, as they are."""

    def of(argument: Any) -> Any:
        if isinstance(argument, Entry):
            return argument.memory[argument.slot, row]
        return argument[row] if isinstance(argument, Array) and argument.ndim else argument

    return [of(argument) for argument in arguments]
