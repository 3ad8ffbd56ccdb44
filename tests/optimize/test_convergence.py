"""The three optimisers on style transfer itself: they must come to like losses."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import random_params

from jaxstyle.network.architecture import VGG19, Architecture, parse_layers
from jaxstyle.network.weights import load_weights
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Model, Targets, make_weights, model_of
from jaxstyle.objective.targets import content_targets, style_targets
from jaxstyle.optimize import LBFGS, Adam, Outcome, ScipyLBFGSB, Stopping, minimise

BOUNDS = (0.0, 1.0)
HALF_WIDTH = Architecture(VGG19.depths, tuple(width // 2 for width in VGG19.widths))
CONTENT_LAYER = "relu4_2"

# Network: side of the picture, evaluations for each optimiser, and how many times scipy's loss
# the others may end at. Measured: with the slim network L-BFGS 0.99-1.00 and Adam 1.04-1.05, with
# the wide one 1.00-1.07 and 1.2-1.35: there Adam is still on its way down.
CASES = {
    "slim": (48, {"lbfgs": 60, "scipy": 60, "adam": 60}, {"lbfgs": 1.1, "adam": 1.25}),
    "half width": (32, {"lbfgs": 40, "scipy": 40, "adam": 50}, {"lbfgs": 1.15, "adam": 2.0}),
}


def content_picture(side: int) -> np.ndarray:
    """A sky in which a red sun stands over a green field, with some grain."""
    y, x = np.mgrid[0:side, 0:side] / side
    picture = 0.1 + 0.6 * np.stack([x, y, 1 - x], axis=-1)
    picture[(x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.06] = [0.9, 0.3, 0.2]
    picture[y > 0.75] = [0.1, 0.4, 0.2]
    return np.clip(picture + np.random.default_rng(0).normal(size=picture.shape) * 0.03, 0, 1)


def style_picture(side: int) -> np.ndarray:
    """Two gratings in different colours, with some grain."""
    y, x = np.mgrid[0:side, 0:side] / side
    steep, flat = np.sin(2 * np.pi * (6 * x + 3 * y)), np.cos(2 * np.pi * 9 * y)
    picture = 0.5 + 0.3 * steep[..., None] * [1, 0.6, -0.8] + 0.2 * flat[..., None] * [0.2, 1, 0.5]
    return np.clip(picture + np.random.default_rng(1).normal(size=picture.shape) * 0.05, 0, 1)


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[str, Objective, tuple[Any, ...]]:
    """A network's name, the objective and its arguments."""
    side = CASES[request.param][0]
    model = model_of(load_weights("slim"))
    if request.param == "half width":
        model = Model(random_params(jax.random.key(0), HALF_WIDTH), model.preprocessing)
    style_layers = parse_layers("relu1_1:5,relu2_1:5,relu3_1,relu4_1,relu5_1")
    objective = Objective((CONTENT_LAYER,), tuple(style_layers))
    content, style = (
        jnp.asarray(picture(side), jnp.float32) for picture in (content_picture, style_picture)
    )
    targets = Targets(
        content_targets(objective, model, content), style_targets(objective, model, style)
    )
    weights = make_weights(
        1.0,
        1.2,  # a strong style, so that there is far to go
        5.0,
        {CONTENT_LAYER: 1.0},
        style_layers,
    )
    return request.param, objective, (model, targets, weights)


def run(
    objective: Objective, start: jax.Array, arguments: tuple[Any, ...], name: str, steps: int
) -> Outcome:
    if name == "scipy":
        return ScipyLBFGSB(bounds=BOUNDS).minimise(objective, start, arguments, Stopping(steps))
    algorithm = LBFGS(bounds=BOUNDS) if name == "lbfgs" else Adam(0.1, 0.8, BOUNDS)
    return minimise(objective, start, arguments, algorithm, Stopping(steps))


@pytest.mark.parametrize("init", ["content", "noise"])
def test_all_optimisers_reach_a_comparable_loss(case, init):
    network, objective, arguments = case
    side, steps, allowed = CASES[network]
    if init == "content":
        start = jnp.asarray(content_picture(side), jnp.float32)
    else:
        start = jax.random.uniform(jax.random.key(2), (side, side, 3))
    found = {
        name: run(objective, start, arguments, name, evaluations)
        for name, evaluations in steps.items()
    }
    for name, outcome in found.items():
        assert outcome.reason == "steps", name
        assert outcome.steps == steps[name]
        assert 0 <= outcome.x.min() and outcome.x.max() <= 1
        assert outcome.value < 0.1 * outcome.values[0], name
    for name, factor in allowed.items():
        assert found[name].value < factor * found["scipy"].value, name
