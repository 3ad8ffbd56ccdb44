"""A run from files to a file, as ``jaxstyle stylize`` does it, and the memory that it took."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import problem
from resident import peak_resident, resident

from jaxstyle.display.progress import LevelProgress
from jaxstyle.run.coarse_to_fine import run
from jaxstyle.run.prepare import prepare
from jaxstyle.run.strategy import ways

settings = problem.settings()
jax.block_until_ready(jnp.zeros(8) + 1)
floor = resident()
started = time.perf_counter()
problem.at("preparing")
job = prepare(
    settings["content"], settings["style"], max_memory=settings["max_memory"], **settings["run"]
)
steps: list[float] = []


def after_step(event: LevelProgress) -> None:
    steps.append(event.progress.seconds)
    problem.at(f"after {len(steps)} of {event.steps} steps")


problem.at("in the targets or the first step")
result = run(job, callback=after_step)
result.save(settings["output"])
seconds = time.perf_counter() - started
config, size = job.config, job.sizes[-1]
estimate = next(
    way.needed
    for way in ways(config, job.network.architecture, *size)
    if (way.strategy, way.recompute_content) == (config.strategy, config.recompute_content)
)
problem.say(
    {
        "strategy": config.strategy,
        "tile": config.tile if config.strategy == "tiled" else None,
        "history": config.history if config.optimizer == "lbfgs" else None,
        "recompute_content": config.recompute_content,
        "floor": floor,
        "peak": peak_resident(),
        "estimate": estimate,
        "step_seconds": steps[-1] - (steps[-2] if len(steps) > 1 else 0.0),
        "seconds": seconds,
        "loss": result.loss,
    }
)
