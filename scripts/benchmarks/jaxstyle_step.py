"""Our side of ``bench.py``: one jitted value-and-gradient of ``Objective``."""

from __future__ import annotations

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import problem

from jaxstyle.compilation_cache import keep_compiled_programs
from jaxstyle.network import checked_network
from jaxstyle.objective import Objective
from jaxstyle.preprocess import preprocessing
from jaxstyle.quantities import Targets, make_weights, model_of
from jaxstyle.targets import content_targets, style_targets

keep_compiled_programs()
net, size = sys.argv[1], int(sys.argv[2])
network = checked_network(
    problem.weights(net), preprocessing(1.0, problem.MEAN, problem.STD), source="benchmark"
)
objective = Objective((problem.CONTENT,), problem.STYLE)
model = model_of(network)
pictures = {name: jnp.asarray(array) for name, array in problem.pictures(size).items()}
targets = Targets(
    content_targets(objective, model, pictures["content"]),
    style_targets(objective, model, pictures["style"]),
)
weights = make_weights(1, 1, 0, {problem.CONTENT: 1}, dict.fromkeys(problem.STYLE, 1))
arguments = (pictures["picture"], model, targets, weights)

started = time.perf_counter()
compiled = jax.jit(objective).lower(*arguments).compile()
compile_seconds = time.perf_counter() - started


def step() -> tuple[float, np.ndarray]:
    (loss, _), gradient = jax.block_until_ready(compiled(*arguments))
    return float(loss), np.asarray(gradient)


started = time.perf_counter()
step()
problem.serve(
    step,
    "jaxstyle",
    {
        "compile_seconds": compile_seconds,
        "first_step_seconds": compile_seconds + time.perf_counter() - started,
    },
)
