"""Our runs of ``optimise``, ``sweep`` and ``gpu``: ``stylize`` or ``sweep`` at a single size.

All is run twice, and the second time measured: the first compiles.
"""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np

from benchmarks import ours, problem
from jaxstyle import Stylized, axis, stylize, sweep
from jaxstyle.pipelines.chunks import Limits

asked = problem.settings()
if asked.get("platform"):
    jax.config.update("jax_platforms", asked["platform"])
jax.config.update("jax_num_cpu_devices", asked.get("devices", 1))  # tells nothing to others
devices = tuple(jax.local_devices()[: asked.get("devices", 1)])
settings: dict[str, Any] = {"levels": 1, **asked["config"]}
if "net" in asked:
    settings["network"] = ours.network(asked["net"])
content, style = asked.get("pictures") or list(problem.pictures(settings["size"]).values())[:2]
times: list[float] = []


def one_by_one() -> list[Stylized]:
    """All runs asked for; of a single one ``times`` has when each step was through."""
    watched = asked.get("watched", False)
    return [
        stylize(
            content,
            style,
            callback=(lambda event: times.append(event.progress.seconds)) if watched else False,
            **settings,
            **cell,
        )
        for cell in asked.get("cells", [{}])
    ]


def together() -> list[Stylized]:
    """The same as a sweep."""
    axes = [axis(name, values) for name, values in asked["axes"].items()]
    limits = Limits(cells_at_once=asked["chunk"], devices=devices)
    grid = sweep(content, style, axes, limits=limits, **settings)
    if failed := [cell.message for cell in grid.cells if cell.message]:
        raise SystemExit(failed[0])
    return [cell.result for cell in grid.cells if cell.result is not None]


def run() -> tuple[list[Stylized], float]:
    """The results, and the seconds of all of them."""
    times.clear()
    started = time.perf_counter()
    results = together() if "axes" in asked else one_by_one()
    return results, time.perf_counter() - started


_, first_seconds = run()
results, seconds = run()
problem.say(
    {
        "runs": [[*np.concatenate(result.losses), result.loss] for result in results],
        "times": times,
        "seconds": seconds,
        "first_seconds": first_seconds,
    }
)
