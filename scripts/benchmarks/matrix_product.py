"""Sides of ``bench.py gpu``: how fast this machine multiplies matrices, in JAX or in PyTorch."""

# pyright: reportMissingImports=false
from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import problem

settings = problem.settings()
side, length = settings["side"], settings["length"]

Product = tuple[Callable[[], Any], Callable[[Any], Any]]
"""What begins one, and what waits for it."""


def in_jax(precision: str) -> Product:
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


def in_torch(precision: str) -> Product:
    import torch

    device = settings["device"]
    torch.backends.cuda.matmul.allow_tf32 = precision == "high"
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(length, length, dtype=dtype, device=device) for _ in range(2))
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    return lambda: a @ b, lambda _: wait()


def seconds(start: Callable[[], Any], wait: Callable[[Any], Any]) -> float:
    """Of one product, at best."""
    wait(start())
    found = []
    for _ in range(settings["repeats"]):
        started = time.perf_counter()
        for _ in range(settings["inner"]):
            last = start()
        wait(last)
        found.append((time.perf_counter() - started) / settings["inner"])
    return min(found)


make = in_jax if side == "JAX" else in_torch
problem.say(
    {"seconds": {precision: seconds(*make(precision)) for precision in settings["precisions"]}}
)
