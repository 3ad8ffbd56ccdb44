"""How XLA is told to order a program that holds features: such that little is held at once.

By default its CPU backend orders operations such that many can run at once, and they then hold
1.5 to 2 times as much. Convolutions fill all cores anyhow: it is no slower, and the figures are the
same to the bit. Other backends have no such choice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
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


def compiled(function: Callable[..., Any], arguments: tuple[Any, ...], **options: Any) -> Any:
    """Compile a function for these arguments or their shapes, with these options; runs nothing.

    Args:
        options: of ``jax.jit``.
    """
    return jax.jit(function, compiler_options=memory_first(), **options).lower(*arguments).compile()
