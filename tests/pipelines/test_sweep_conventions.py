"""Layers that only other cells of a program use count nothing, in any convention."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from grids import CONTENT, SMALL, STYLE, results, small

from jaxstyle.objective.conventions import CONVENTIONS
from jaxstyle.objective.pytrees import Terms, model_of
from jaxstyle.pipelines.axes import Axis
from jaxstyle.run.job import Job, objective_of, weights_of
from jaxstyle.run.level import Level
from jaxstyle.run.level_targets import TargetMaker
from jaxstyle.run.prepare import prepare


@pytest.mark.parametrize("convention", list(CONVENTIONS))
def test_layers_that_a_cell_does_not_use_count_nothing_in_any_convention(convention):
    given = {**SMALL, "convention": convention, "steps": 1, "size": 16, "tv_weight": 0.0}
    given |= {"content_weight": 1.0, "style_weight": 1.0, "init": "content+noise:0.5"}
    layers = Axis(
        "layers",
        (
            {"style_layers": "conv1_1", "content_layers": "relu1_2"},
            {"style_layers": "relu1_1:2,relu1_2", "content_layers": ""},
        ),
        ("one", "two"),
    )
    grid = small(layers, **given)
    assert grid.programs == 1
    for found, setting in zip(results(grid), layers.settings, strict=True):
        loss, terms = loss_of_start(prepare(CONTENT, STYLE, **{**given, **setting}))
        np.testing.assert_allclose(found.losses[0][0], loss, rtol=1e-5)
        assert found.terms["style_layers"].keys() == terms.style_layers.keys()
        assert found.terms["content_layers"].keys() == terms.content_layers.keys()


def loss_of_start(job: Job) -> tuple[float, Terms]:
    """By nothing but the job's own objective."""
    objective, model = objective_of(job.config), model_of(job.network)
    with jax.disable_jit():
        targets = TargetMaker(Level(job, 0), objective, model).targets()
        start = jnp.asarray(Level(job, 0).start())
        loss, terms = objective.loss(start, model, targets, weights_of(job.config, objective))
    return float(loss), terms
