"""Our sides of ``bench.py sweep``: the grid as a vmapped sweep, or its runs one after another."""

from __future__ import annotations

import time
from typing import Any

import jax
import ours
import problem

from jaxstyle import axis, stylize, sweep
from jaxstyle.pipelines.chunks import Limits
from jaxstyle.run.result import Stylized

settings = problem.settings()
size, devices = settings["size"], settings["devices"]
jax.config.update("jax_enable_compilation_cache", False)
jax.config.update("jax_num_cpu_devices", devices)  # tells nothing to other backends
chosen = tuple(jax.local_devices()[:devices])
if len(chosen) < devices:
    raise SystemExit(f"{devices} devices are asked for: there are {len(chosen)}")
network = ours.network(settings["net"])
pictures = problem.pictures(size)
style_weights, seeds = settings["style_weights"], settings["seeds"]
common: dict[str, Any] = {
    "network": network,
    "content_layers": problem.CONTENT,
    "style_layers": ",".join(problem.STYLE),
    "tv_weight": 0.0,
    "size": size,
    "levels": 1,
    "init": "noise",
    "steps": settings["steps"],
    "clamp": False,  # torch's optimiser knows no bounds
}
compilations: list[tuple[float, float]] = []


def note(event: str, duration_secs: float, **_: Any) -> None:
    """Remember when JAX traced, lowered or compiled."""
    if event.startswith("/jax/core/compile/"):
        now = time.perf_counter()
        compilations.append((now - duration_secs, now))


def compile_seconds(since: float) -> float:
    """Time spent in ``compilations``; one within another counts once."""
    total, reached = 0.0, since
    for begin, end in sorted(compilations):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def one_by_one() -> tuple[list[Stylized], int]:
    """The results, and in how many portions."""
    found = [
        stylize(pictures["content"], pictures["style"], style_weight=weight, seed=seed, **common)
        for weight in style_weights
        for seed in seeds
    ]
    return found, len(found)


def swept() -> tuple[list[Stylized], int]:
    """The same."""
    axes = [axis("style_weight", style_weights), axis("seed", seeds)]
    limits = Limits(cells_at_once=settings["chunk"], devices=chosen)
    grid = sweep(pictures["content"], pictures["style"], axes, limits=limits, **common)
    found = [cell.result for cell in grid.cells if cell.result is not None and not cell.message]
    if len(found) < len(grid.cells):
        raise SystemExit(next(cell.message for cell in grid.cells if cell.message))
    return found, grid.chunks


jax.monitoring.register_event_duration_secs_listener(note)
started = time.perf_counter()
results, chunks = one_by_one() if settings["side"] == "one by one" else swept()
seconds = time.perf_counter() - started
compiling = compile_seconds(started)
problem.report(
    seconds - compiling,
    [[*result.losses[0], result.loss] for result in results],
    compile_seconds=compiling,
    chunks=chunks,
    platform=jax.default_backend(),
)
