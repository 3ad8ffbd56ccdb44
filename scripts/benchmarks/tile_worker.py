"""One value-and-gradient, and some steps of Adam, of the whole picture or tile by tile."""

from __future__ import annotations

import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import ours
import problem
from jaxstyle.run.from_config import model_in_force, precision_in_force
from resident import peak_resident

from jaxstyle import StylizeConfig
from jaxstyle.images import load_image, resize
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned.tiled_objective import (
    TiledObjective,
    content_targets_tiled,
    know_style_tiled,
)
from jaxstyle.objective.pytrees import Targets, make_weights
from jaxstyle.objective.targets import content_targets, style_targets, targets_of_styles
from jaxstyle.optimize import Adam, Stopping, minimise
from jaxstyle.optimize.host_loop import minimise_stepwise
from jaxstyle.runtime.compiler_options import MemoryFirst

REPEATS = 2
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

settings = problem.settings()
width, height, tile = settings["width"], settings["height"], settings["tile"]
rng = np.random.default_rng(1)
content, style, picture = (rng.random((height, width, 3), np.float32) for _ in range(3))
if settings["steps"]:  # something to look at
    content, style = (
        np.asarray(resize(load_image(EXAMPLES / name).rgb, width, height))
        for name in ("content.jpg", "style.jpg")
    )
objective = Objective((problem.CONTENT,), problem.STYLE)
config = StylizeConfig(precision=settings["precision"])
weights = make_weights(1, 1, 0.1, {problem.CONTENT: 1}, dict.fromkeys(problem.STYLE, 1))
model = model_in_force(ours.network(settings["net"]), config)
with precision_in_force(config):
    if tile:
        tiled = TiledObjective(objective, tile)
        known = know_style_tiled(tiled, model, style)
        targets = Targets(
            content_targets_tiled(tiled, model, content),
            targets_of_styles(objective, (known,), jnp.float32(0)),
        )
        evaluate = tiled
    else:
        targets = Targets(
            content_targets(objective, model, jnp.asarray(content)),
            style_targets(objective, model, jnp.asarray(style)),
        )
        evaluate = MemoryFirst(objective)
    arguments = model, targets, weights
    times = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        (loss, _), gradient = jax.block_until_ready(evaluate(picture, *arguments))
        times.append(time.perf_counter() - started)
    peak = peak_resident()
    np.save(settings["gradient"], gradient)
    if settings["steps"]:
        adam, stopping = Adam(bounds=(0.0, 1.0)), Stopping(settings["steps"])
        start = content + np.float32(settings["nudge"]) * rng.standard_normal(
            content.shape, np.float32
        )
        if tile:
            outcome = minimise_stepwise(evaluate, start, arguments, adam, stopping)
        else:
            outcome = minimise(objective, jnp.asarray(start), arguments, adam, stopping)
        np.save(settings["result"], outcome.x)
problem.say({"loss": float(loss), "seconds": min(times[1:]), "peak": peak})
