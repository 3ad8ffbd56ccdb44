"""The problem of ``problem.py`` as jaxstyle has it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks import problem
from jaxstyle import StylizeConfig
from jaxstyle.network.network import Network, checked_network
from jaxstyle.network.preprocessing import preprocessing
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Model, Targets, Weights, make_weights
from jaxstyle.objective.targets import content_targets, style_targets
from jaxstyle.run.job import model_in_force, precision_in_force


class Problem(NamedTuple):
    """``objective(picture, *arguments)`` is the step; compile it within ``in_force``."""

    objective: Objective
    picture: jax.Array
    arguments: tuple[Model, Targets, Weights]
    in_force: AbstractContextManager[Any]


def network(net: str) -> Network:
    """The network of ``problem.weights``."""
    seen_as = preprocessing(1.0, problem.MEAN, problem.STD)
    network = checked_network(problem.weights(net), seen_as, source="benchmark")
    return replace(network, pooling="avg")  # as PyTorch's side has it


def prepare(net: str, size: int, precision: str = "high") -> Problem:
    """The targets are computed here, at the same precision."""
    dtype = "bfloat16" if precision == "bf16" else "float32"
    objective = Objective((problem.CONTENT,), problem.STYLE, dtype=dtype)
    pictures = {name: jnp.asarray(array) for name, array in problem.pictures(size).items()}
    config = StylizeConfig(precision=precision)
    model = model_in_force(network(net), config)
    with precision_in_force(config):
        targets = Targets(
            content_targets(objective, model, pictures["content"]),
            style_targets(objective, model, pictures["style"]),
        )
    weights = make_weights(1, 1, 0, {problem.CONTENT: 1}, dict.fromkeys(problem.STYLE, 1))
    return Problem(
        objective, pictures["picture"], (model, targets, weights), precision_in_force(config)
    )
