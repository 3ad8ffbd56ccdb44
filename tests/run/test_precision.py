"""``--precision``: what the convolutions compute in, and how much that costs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from jaxstyle import StylizeConfig, stylize
from jaxstyle.objective.pytrees import model_of
from jaxstyle.run.job import objective_of, precision_in_force, weights_of
from jaxstyle.run.level import Level
from jaxstyle.run.level_targets import TargetMaker
from jaxstyle.run.prepare import prepare

SETTINGS = {
    "size": 64,
    "levels": 1,
    "steps": 4,
    "style_weight": 0.4,
    "tv_weight": 5.0,
    "style_layers": "relu1_1:5,relu2_1:5,relu3_1,relu4_1,relu5_1",
}


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((48, 64, 3), np.float32), rng.random((64, 64, 3), np.float32)


def convolutions(precision: str, pictures) -> set[tuple[str, str]]:
    """(precision, dtype) of every convolution in the program, as JAX hands it to XLA."""
    job = prepare(*pictures, precision=precision, **SETTINGS)
    objective, model = objective_of(job.config), model_of(job.network)
    arguments = (
        model,
        TargetMaker(Level(job, 0), objective, model).targets(),
        weights_of(job.config, objective),
    )
    with precision_in_force(job.config):
        program = jax.make_jaxpr(objective)(jnp.zeros((48, 64, 3)), *arguments)
    found = set()

    def walk(jaxpr) -> None:
        for equation in jaxpr.eqns:
            if equation.primitive.name == "conv_general_dilated":
                asked = equation.params["precision"]
                kind = "default" if asked is None else str(asked[0])
                found.add((kind, str(equation.outvars[0].aval.dtype)))
            for inner in jaxprs_in_params(equation.params):
                walk(inner)

    walk(program.jaxpr)
    return found


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        ("highest", {("HIGHEST", "float32")}),
        ("high", {("HIGH", "float32")}),
        ("default", {("DEFAULT", "float32")}),
        ("bf16", {("DEFAULT", "bfloat16")}),
    ],
)
def test_every_convolution_gets_what_is_asked_for(pictures, precision, expected):
    assert convolutions(precision, pictures) == expected


def test_gradients_against_float64(pictures):
    """float32 to 1e-5; bfloat16 to a few per cent, and a run with it is as good."""
    job = prepare(*pictures, **SETTINGS)
    objective, model = objective_of(job.config), model_of(job.network)
    targets, weights = (
        TargetMaker(Level(job, 0), objective, model).targets(),
        weights_of(job.config, objective),
    )
    picture = np.random.default_rng(1).random((48, 64, 3), np.float32)
    with jax.enable_x64(True):
        wide = jax.tree.map(
            lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), (model, targets, weights)
        )
        (_, _), exact = jax.jit(objective)(jnp.asarray(picture, jnp.float64), *wide)
        exact = np.asarray(exact)
    errors = {}
    for precision in ("high", "bf16"):
        config = StylizeConfig(precision=precision, pooling="avg", **SETTINGS).resolved()
        (_, _), gradient = jax.jit(objective_of(config))(
            jnp.asarray(picture), model, targets, weights
        )
        errors[precision] = np.linalg.norm(gradient - exact) / np.linalg.norm(exact)
    assert errors["high"] < 1e-5
    assert 1e-4 < errors["bf16"] < 0.1


def test_a_run_in_bfloat16_is_as_good(pictures):
    exact = stylize(*pictures, **{**SETTINGS, "steps": 8})
    short = stylize(*pictures, precision="bf16", **{**SETTINGS, "steps": 8})
    assert short.loss < 1.1 * exact.loss
