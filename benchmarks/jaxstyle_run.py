"""Our side of ``bench.py gpu``: a whole run of the optimiser, its steps fused by scan."""

from __future__ import annotations

import time

import jax
import ours
import problem

from jaxstyle.optimize import LBFGS, Adam, Stopping, minimise

settings = problem.settings()
if settings["platform"]:
    jax.config.update("jax_platforms", settings["platform"])
our = ours.prepare(settings["net"], settings["size"], settings["precision"])
bounds = (0.0, 1.0)
algorithm = LBFGS(bounds=bounds) if settings["optimizer"] == "lbfgs" else Adam(bounds=bounds)


def run() -> tuple[float, float]:
    """Seconds, and the loss of the result."""
    started = time.perf_counter()
    outcome = minimise(
        our.objective,
        our.picture,
        our.arguments,
        algorithm,
        Stopping(steps=settings["steps"]),
        steps_per_call=settings["fused"],
    )
    return time.perf_counter() - started, outcome.value


with our.in_force:
    first_seconds, _ = run()  # compiles
    seconds, loss = run()
problem.say({"seconds": seconds, "first_seconds": first_seconds, "loss": loss})
