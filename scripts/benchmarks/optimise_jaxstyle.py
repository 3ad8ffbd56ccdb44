"""Our sides of ``bench.py optimise``: one optimiser from one start, evaluation by evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import problem
from jaxstyle.run.from_config import algorithm_of, precision_in_force

from jaxstyle.objective.pytrees import model_of
from jaxstyle.optimize import Outcome, ScipyLBFGSB, Stopping, minimise
from jaxstyle.run.job import objective_of_job, weights_of_job
from jaxstyle.run.level_targets import start_of, targets_at
from jaxstyle.run.prepare import prepare


def run(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The loss at every evaluation, when each was through, and the loss of what is returned."""
    own = {name: asked[name] for name in ("optimizer", "history", "init")}
    job = prepare(asked["content"], asked["style"], **asked["config"], **own)
    objective, model = objective_of_job(job), model_of(job.network)
    start, times = jnp.asarray(start_of(job)), []

    def minimised(evaluations: int) -> Outcome:
        times.clear()
        common: dict[str, Any] = {"callback": lambda progress: times.append(progress.seconds)}
        stopping = Stopping(evaluations)
        if job.config.optimizer == "scipy":
            bridge = ScipyLBFGSB(job.config.history)
            return bridge.minimise(objective, start, arguments, stopping, **common)
        algorithm = algorithm_of(job.config)
        return minimise(objective, start, arguments, algorithm, stopping, **common)

    with precision_in_force(job.config):
        arguments = model, targets_at(job, objective, model, 0), weights_of_job(job, 0)
        minimised(1)  # compiles
        outcome = minimised(asked["evaluations"])
    return {"losses": outcome.values, "times": times, "result": outcome.value}


if __name__ == "__main__":
    problem.say(run(problem.settings()))
