"""Our side of ``bench.py step``, ``startup`` and ``gpu``: one compiled ``Objective``."""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np
import ours
import problem

from jaxstyle.runtime.compilation_cache import keep_compiled_programs
from jaxstyle.runtime.compiler_options import MemoryFirst

imported = time.time()
settings = problem.settings()
if platform := settings.get("platform"):
    jax.config.update("jax_platforms", platform)
keep_compiled_programs()
our = ours.prepare(settings["net"], settings["size"], settings.get("precision", "high"))
arguments = (our.picture, *our.arguments)

started = time.perf_counter()
with our.in_force:
    compiled = MemoryFirst(our.objective).lower(*arguments).compile()
compile_seconds = time.perf_counter() - started
latest: Any = None


def step() -> None:
    global latest
    latest = compiled(*arguments)


def finished() -> None:
    jax.block_until_ready(latest)


def result() -> tuple[float, np.ndarray]:
    (loss, _), gradient = latest
    return float(loss), np.asarray(gradient)


def device_peak() -> int | None:
    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


started = time.perf_counter()
step()
finished()
first_step_seconds = compile_seconds + time.perf_counter() - started
spawned = settings.get("spawned", imported)
ready = {
    "import_seconds": imported - spawned,
    "process_seconds": time.time() - spawned,
    "compile_seconds": compile_seconds,
    "first_step_seconds": first_step_seconds,
    "device": jax.devices()[0].device_kind,
}
problem.serve(step, finished, result, settings["file"], ready, device_peak)
