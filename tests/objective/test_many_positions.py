"""Compiled sums over more than 32,768 positions, against the same functions op by op in float64.

jaxlib 0.10.2 compiles some reductions of that many rows wrong on CPU (jax-ml/jax#39103), which
``jaxstyle.runtime`` sets a flag against.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import in_float64, landscape, noise, waves

from jaxstyle.network.weights import load_weights
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Targets, make_weights, model_of
from jaxstyle.objective.regularisers import REGULARISERS
from jaxstyle.objective.statistics import STATISTICS, additive, means, moments
from jaxstyle.objective.targets import content_targets, style_targets

SIDE = 192  # 36,864 positions
TAPS = ("relu1_1",)
ADDITIVE = [name for name in STATISTICS if additive((name,))]


def eager_in_float64(function: Any, *arguments: Any) -> Any:
    with jax.enable_x64(True), jax.disable_jit():
        return jax.device_get(function(*in_float64(arguments)))


def close(ours: Any, exact: Any, tolerance: float) -> None:
    """Within a part of the largest value of each array."""
    for mine, wanted in zip(jax.tree.leaves(ours), jax.tree.leaves(exact), strict=True):
        largest = np.max(np.abs(wanted))
        np.testing.assert_allclose(mine, wanted, rtol=tolerance, atol=tolerance * largest)


@pytest.mark.parametrize("name", ADDITIVE)
def test_a_statistic_and_its_slope(name):
    statistic, rng = STATISTICS[name], np.random.default_rng(0)
    features, style = (
        jnp.asarray(rng.gamma(shape, size=(SIDE, SIDE, 3)), jnp.float32) for shape in (0.5, 2.0)
    )

    def error(features: Any, style: Any) -> Any:
        target = statistic.target(means(moments(style)), jnp.asarray(0.5, features.dtype))
        return statistic.error(means(moments(features)), target)

    compiled = jax.jit(jax.value_and_grad(error))(features, style)
    close(compiled, eager_in_float64(jax.value_and_grad(error), features, style), 1e-3)


def test_the_loss_and_its_gradient():
    model = model_of(load_weights("slim"))
    kinds = tuple(kind for kind in REGULARISERS if kind != "temporal")
    objective = Objective(TAPS, TAPS, statistics=tuple(ADDITIVE), regularisers=kinds)
    targets = Targets(
        content_targets(objective, model, landscape(SIDE)),
        style_targets(objective, model, waves(SIDE)),
    )
    layers = dict.fromkeys(TAPS, 1.0)
    weights = make_weights(1.0, 1.0, 1.0, layers, layers, wavelet=1.0, range=1.0)
    picture = 0.7 * landscape(SIDE) + 0.5 * noise(SIDE)  # beyond 1 in part
    arguments = picture, model, targets, weights
    close(jax.jit(objective)(*arguments), eager_in_float64(objective, *arguments), 1e-3)
