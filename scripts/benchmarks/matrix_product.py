"""Sides of ``bench.py gpu``: how fast this machine multiplies matrices, in JAX or in PyTorch."""

# pyright: reportMissingImports=false
from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import problem

settings = problem.settings()
side, precision, length = settings["side"], settings["precision"], settings["length"]


def in_jax() -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """A product that is begun, and what waits for it."""
    import jax
    import jax.numpy as jnp

    if settings["platform"]:
        jax.config.update("jax_platforms", settings["platform"])
    dtype = jnp.bfloat16 if precision == "bf16" else jnp.float32
    a, b = (
        jax.random.normal(key, (length, length), dtype)
        for key in jax.random.split(jax.random.key(0))
    )
    asked = "default" if precision == "bf16" else precision
    multiply = jax.jit(lambda a, b: jnp.matmul(a, b, precision=asked))
    return lambda: multiply(a, b), jax.block_until_ready


def in_torch() -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """The same."""
    import torch

    device = settings["device"]
    torch.backends.cuda.matmul.allow_tf32 = precision == "high"
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(length, length, dtype=dtype, device=device) for _ in range(2))
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    return lambda: a @ b, lambda _: wait()


start, wait = in_jax() if side == "JAX" else in_torch()
wait(start())
seconds = []
for _ in range(settings["repeats"]):
    started = time.perf_counter()
    for _ in range(settings["inner"]):
        found = start()
    wait(found)
    seconds.append((time.perf_counter() - started) / settings["inner"])
problem.say({"seconds": min(seconds)})
