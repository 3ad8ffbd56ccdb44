"""Compiled programs, of which only those of the last few pictures' shapes are kept.

``jax.jit`` keeps a program for every shape that it has seen, 10 to 40 MiB for each size of picture,
as long as its function lives. ``jitted`` gives every shape a function of its own, so that its
programs can go: a long batch of photographs, no two of one shape, takes no more memory than five.
"""

from __future__ import annotations

import ctypes
import gc
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial, update_wrapper
from typing import Any, NamedTuple

import jax

from jaxstyle.runtime.compiler_options import memory_first

PICTURES = 4
"""Shapes of pictures whose programs are kept: pictures that alternate between so many recompile
nothing."""

_current: ContextVar[Hashable | None] = ContextVar("picture", default=None)
_pictures: OrderedDict[Hashable, None] = OrderedDict()
_functions: list[Jitted] = []


class _Program(NamedTuple):
    jitted: Any
    pictures: set[Hashable]


class Jitted:
    """A function jitted anew for each shape of its arguments. ``jitted`` makes these.

    Args:
        little_memory: whether it is ordered such that little is held at once.
        options: of ``jax.jit``.
    """

    def __init__(
        self, function: Callable[..., Any], little_memory: bool, options: dict[str, Any]
    ) -> None:
        self._function, self._little_memory, self._options = function, little_memory, options
        self._programs: dict[Hashable, _Program] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.of_shapes(args, kwargs)(*args, **kwargs)

    def lower(self, *args: Any, **kwargs: Any) -> Any:
        """As of what ``jax.jit`` gives."""
        return self.of_shapes(args, kwargs).lower(*args, **kwargs)

    def _cache_size(self) -> int:
        return sum(program.jitted._cache_size() for program in self._programs.values())

    def of_shapes(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What ``jax.jit`` gives, for arguments of these shapes alone."""
        every = (getattr(leaf, "shape", None) for leaf in jax.tree.leaves((args, kwargs)))
        shapes = tuple(shape for shape in every if isinstance(shape, tuple))  # a mesh has a dict
        program = self._programs.get(shapes)
        if program is None:
            # Asked for at the first call: an import must not choose JAX's backend.
            options = dict(self._options)
            if self._little_memory:
                options["compiler_options"] = memory_first()
            # JAX keeps what it has compiled for as long as the very function lives.
            function = update_wrapper(partial(self._function), self._function)
            own = jax.jit(function, **options)
            program = self._programs.setdefault(shapes, _Program(own, set()))
        program.pictures.add(_current.get())
        return program.jitted

    def forget(self, picture: Hashable) -> None:
        """Give up the programs that were used for pictures of this shape alone."""
        for shapes, program in [*self._programs.items()]:
            program.pictures.discard(picture)
            if not program.pictures:
                self._programs.pop(shapes, None)
                # Also what JAX keeps of the functions within, which live on.
                program.jitted.clear_cache()


def jitted(*, little_memory: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function of a module: ``jax.jit``, but a shape's programs go with its pictures.

    Args:
        little_memory: see ``compiler_options``.
        options: of ``jax.jit``.
    """

    def decorate(function: Callable[..., Any]) -> Jitted:
        _functions.append(one := Jitted(function, little_memory, options))
        return one

    return decorate


@contextmanager
def programs_of_picture(shape: Hashable) -> Iterator[None]:
    """Keep what is compiled inside until pictures of ``PICTURES`` other shapes have come.

    What is compiled outside is kept for good.
    """
    token = _current.set(shape)
    try:
        yield
    finally:
        _current.reset(token)
        _pictures[shape] = None
        _pictures.move_to_end(shape)
        if len(_pictures) > PICTURES:
            oldest, _ = _pictures.popitem(last=False)
            for function in _functions:
                function.forget(oldest)
            _give_memory_back()


def _give_memory_back() -> None:
    """Let the system have what has been freed; the C library would keep it."""
    gc.collect()
    with suppress(OSError, AttributeError):  # not the GNU C library
        ctypes.CDLL(None).malloc_trim(0)
