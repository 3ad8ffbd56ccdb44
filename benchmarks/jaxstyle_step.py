"""Our side of ``step`` and ``gpu``: one compiled ``Objective``."""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np

from benchmarks import ours, problem
from jaxstyle.runtime.compiler_options import compiled

asked = problem.settings()
if asked.get("platform"):
    jax.config.update("jax_platforms", asked["platform"])
our = ours.prepare(asked["net"], asked["size"], asked.get("precision", "high"))
arguments = (our.picture, *our.arguments)
started = time.perf_counter()
with our.in_force:
    program = compiled(our.objective, arguments)
compile_seconds = time.perf_counter() - started
latest: Any = None


def step() -> None:
    """Begin one."""
    global latest
    latest = program(*arguments)


times = problem.timed(step, lambda: jax.block_until_ready(latest))
times["first_seconds"] += compile_seconds
(loss, _), gradient = latest
np.save(asked["file"], gradient)
statistics = jax.local_devices()[0].memory_stats() or {}
problem.say({**times, "loss": float(loss), "device_peak": statistics.get("peak_bytes_in_use")})
