"""How long a step takes on this machine: measured once on a small picture, then remembered."""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle.display.figures import write_json
from jaxstyle.errors import InputError
from jaxstyle.objective.pytrees import Targets
from jaxstyle.objective.targets import content_targets, style_targets
from jaxstyle.run.job import Job, objective_of, precision_in_force, weights_of
from jaxstyle.run.strategy import evaluated_pixels
from jaxstyle.runtime.compilation_cache import UntrustedFolderError, cache_folder
from jaxstyle.runtime.compiler_options import compiled

SIDE_ON_CPU, SIDE = 192, 1024
"""Of the picture measured, in pixels: a fraction of a second a step on a slow CPU; on others as
much as fills them."""

REPEATS = 3


def seconds_per_pixel(job: Job) -> float:
    """Seconds that one value-and-gradient takes for each pixel, whole.

    Measured in a few seconds (compilation included), and kept in the user's cache folder for this
    machine, these versions, this network and these taps.
    """
    key = _key(job)
    path = _file()
    timings = _read(path)
    if key not in timings:
        timings[key] = _measure(job)
        _write(path, timings)
    return timings[key]


def step_seconds(
    job: Job, level: int, strategy: str, tile: int, each: float, recompute_content: bool = False
) -> float:
    """Seconds of a step at a level, given ``seconds_per_pixel``."""
    tile = tile if strategy == "tiled" else 0
    taps, architecture = objective_of(job.config).taps, job.network.architecture
    return each * evaluated_pixels(architecture, taps, *job.sizes[level], tile, recompute_content)


def _measure(job: Job) -> float:
    objective, model = objective_of(job.config), job.model()
    side = SIDE_ON_CPU if jax.default_backend() == "cpu" else SIDE
    picture = jnp.asarray(np.random.default_rng(0).random((side, side, 3), np.float32))
    with precision_in_force(job.config):
        targets = Targets(
            content_targets(objective, model, picture), style_targets(objective, model, picture)
        )
        arguments = picture, model, targets, weights_of(job.config, objective)
        step = compiled(objective, arguments)
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        jax.block_until_ready(step(*arguments))
        times.append(time.perf_counter() - started)
    return min(times) / side**2


def _key(job: Job) -> str:
    device = jax.local_devices()[0]
    parts = (
        platform.node(),
        device.device_kind,
        os.cpu_count(),
        jax.__version__,
        job.network.architecture.widths,
        objective_of(job.config),
        job.config.precision,
    )
    return " ".join(map(str, parts))


def _file() -> Path | None:
    folder = None
    with suppress(UntrustedFolderError):  # it is measured each time
        folder = cache_folder()
    return None if folder is None else folder / "calibration.json"


def _read(path: Path | None) -> dict[str, float]:
    try:
        timings = json.loads(path.read_text()) if path else {}
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in timings.items() if isinstance(v, float) and v > 0}


def _write(path: Path | None, timings: dict[str, float]) -> None:
    if path is None:
        return
    with suppress(InputError):  # then it is measured again
        write_json(path, timings)
