"""How XLA is told to order a program that holds features: such that little is held at once.

By default its CPU backend orders operations such that many can run at once, and they then hold
1.5 to 2 times as much. Convolutions fill all cores anyhow: it is no slower, and the figures are the
same to the bit. Other backends have no such choice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import jax

ON_CPU = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}


@cache
def memory_first() -> dict[str, str]:
    """``compiler_options`` for JAX's default backend; none where it does not know of them."""
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x + 1, compiler_options=ON_CPU).lower(0).compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return ON_CPU


class MemoryFirst:
    """A function jitted with these options, and all that ``jax.jit`` makes of it.

    They are asked for at the first call: an import must not choose JAX's backend.
    """

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        self._function, self._options = function, options

    @cached_property
    def _jitted(self) -> Any:
        return jax.jit(self._function, **self._options, compiler_options=memory_first())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._jitted(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jitted, name)
