"""The loss of one picture as the optimisers see it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import compilations, landscape, noise, random_network, total_variation, waves

from jaxstyle.errors import InputError
from jaxstyle.network.network import Network
from jaxstyle.network.weights import load_weights
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Model, Targets, Terms, Weights, make_weights, model_of
from jaxstyle.objective.targets import content_targets, style_targets

SMALL = Objective(("relu2_2", "conv2_1"), ("relu1_1", "conv2_1", "pool2"))


def weights_of(objective: Objective, content=1.0, style=1.0, tv=1.0) -> Weights:
    return make_weights(
        content,
        style,
        tv,
        dict.fromkeys(objective.content_layers, 1.0),
        dict.fromkeys(objective.style_layers, 1.0),
    )


def targets_of(objective: Objective, model: Model, content, style) -> Targets:
    return Targets(
        content_targets(objective, model, content), style_targets(objective, model, style)
    )


@cache
def run() -> tuple[jax.Array, Model, Targets]:
    """A picture, a tiny network and targets; the style is of another size than the content."""
    model = model_of(random_network())
    picture = (landscape(20, 28) + noise(20, 28)) / 2
    return picture, model, targets_of(SMALL, model, landscape(20, 28), waves(18, 12))


@cache
def evaluate():
    return jax.jit(SMALL)


def test_shapes_are_those_of_the_pictures():
    picture, model, targets = run()
    assert targets.content["relu2_2"].shape == (10, 14, 5)
    assert targets.content["conv2_1"].shape == (10, 14, 5)
    shapes = jax.tree.map(jnp.shape, targets.style)
    assert shapes == {
        "relu1_1": ({"gram": (4, 4)},),
        "conv2_1": ({"gram": (5, 5)},),
        "pool2": ({"gram": (5, 5)},),
    }
    (loss, terms), gradient = evaluate()(picture, model, targets, weights_of(SMALL))
    assert loss.shape == ()
    assert gradient.shape == picture.shape
    assert loss.dtype == gradient.dtype == jnp.float32
    assert set(terms.content_layers) == set(SMALL.content_layers)
    assert set(terms.style_layers) == set(SMALL.style_layers)


def test_the_terms_make_up_the_loss():
    picture, model, targets = run()
    (loss, terms), _ = evaluate()(picture, model, targets, weights_of(SMALL, 2, 3, 5))
    assert min(terms.content, terms.style, terms.tv) > 0
    assert loss == pytest.approx(float(terms.content + terms.style + terms.tv), rel=1e-6)
    assert terms.content == pytest.approx(float(sum(terms.content_layers.values())), rel=1e-6)
    assert terms.style == pytest.approx(float(sum(terms.style_layers.values())), rel=1e-6)


def test_weights_scale_their_terms_and_nothing_else():
    picture, model, targets = run()
    (_, ones), _ = evaluate()(picture, model, targets, weights_of(SMALL))
    (_, terms), _ = evaluate()(picture, model, targets, weights_of(SMALL, 2, 3, 5))
    for factor, name in ((2, "content"), (3, "style"), (5, "tv")):
        assert getattr(terms, name) == pytest.approx(factor * float(getattr(ones, name)), rel=1e-5)


def test_a_layer_of_weight_zero_has_no_part():
    picture, model, targets = run()
    weights = weights_of(SMALL)
    weights = weights._replace(style_layers={**weights.style_layers, "pool2": jnp.zeros(())})
    (_, terms), _ = evaluate()(picture, model, targets, weights)
    assert terms.style_layers["pool2"] == 0
    assert terms.style_layers["relu1_1"] > 0


def test_content_that_is_also_the_style_has_no_loss():
    model, picture = model_of(random_network()), landscape(20, 28)
    targets = targets_of(SMALL, model, picture, picture)
    (loss, terms), gradient = evaluate()(picture, model, targets, weights_of(SMALL, tv=0))
    assert terms.content < 1e-10
    assert terms.style < 1e-10
    assert loss < 1e-9
    assert jnp.max(jnp.abs(gradient)) < 1e-5


@pytest.mark.parametrize("only", ["content", "style", "tv"])
def test_the_gradient_leads_downhill(only):
    picture, model, targets = run()
    weights = weights_of(SMALL, **{**dict.fromkeys(("content", "style", "tv"), 0.0), only: 1.0})
    (before, _), gradient = evaluate()(picture, model, targets, weights)
    step = 1e-4 / jnp.max(jnp.abs(gradient))
    (after, _), _ = evaluate()(picture - step * gradient, model, targets, weights)
    expected = float(step * jnp.vdot(gradient, gradient))
    assert float(before - after) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("tv", "expected"), [("l1", partial(total_variation, kind="l1")), ("l2", total_variation)]
)
def test_total_variation_is_the_one_named(tv, expected):
    picture, model, _ = run()
    objective = Objective((), ("conv1_1",), tv=tv)
    targets = targets_of(objective, model, picture, picture)
    _, terms = objective.loss(picture, model, targets, weights_of(objective, tv=2))
    assert terms.tv == pytest.approx(2 * float(expected(picture)), rel=1e-6)


@pytest.mark.parametrize("content, style", [(("conv1_1",), ()), ((), ("conv1_1",))])
def test_one_of_the_terms_may_be_missing(content, style):
    picture, model, _ = run()
    objective = Objective(content, style)
    targets = targets_of(objective, model, waves(20, 28), waves(20, 28))
    _, terms = objective.loss(picture, model, targets, weights_of(objective))
    assert (terms.content > 0) == bool(content)
    assert (terms.style > 0) == bool(style)


def test_new_numbers_and_equal_objectives_compile_nothing():
    """As the optimisers call it: the objective static, all else arguments."""
    call = jax.jit(lambda objective, *arguments: objective(*arguments), static_argnums=0)
    for seed in range(3):
        objective = Objective(("conv1_1",), ("conv1_1",))
        model = model_of(random_network(seed=seed))
        targets = targets_of(objective, model, waves(20, 28), landscape(20, 28))
        weights = make_weights(seed, 10**seed, 0.1, {"conv1_1": seed}, {"conv1_1": seed + 1})
        call(objective, noise(20, 28, seed), model, targets, weights)
    assert compilations(call) == 1
    other = replace(objective, tv="l1")
    call(other, noise(20, 28), model, targets, weights)
    assert compilations(call) == 2


def test_nothing_numeric_is_part_of_the_program():
    picture, model, targets = run()
    program = jax.make_jaxpr(SMALL)(picture, model, targets, weights_of(SMALL))
    assert sum(np.size(constant) for constant in program.consts) < 100


def test_vmap_over_weights_is_one_run_each():
    picture, model, targets = run()
    settings = [(1.0, 1.0, 0.0), (0.5, 30.0, 0.1), (2.0, 0.0, 3.0)]
    several = [weights_of(SMALL, *setting) for setting in settings]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *several)
    over_weights = jax.jit(jax.vmap(SMALL, in_axes=(None, None, None, 0)))
    (losses, terms), gradients = over_weights(picture, model, targets, stacked)
    assert isinstance(terms, Terms)
    for index, weights in enumerate(several):
        (loss, own), gradient = evaluate()(picture, model, targets, weights)
        assert losses[index] == pytest.approx(float(loss), rel=1e-5)
        assert terms.style[index] == pytest.approx(float(own.style), rel=1e-5)
        np.testing.assert_allclose(gradients[index], gradient, rtol=1e-3, atol=1e-5)


def test_vmap_over_pictures_is_one_run_each():
    picture, model, targets = run()
    pictures = jnp.stack([picture, landscape(20, 28), noise(20, 28, seed=5)])
    weights = weights_of(SMALL)
    (losses, _), gradients = jax.jit(jax.vmap(SMALL, in_axes=(0, None, None, None)))(
        pictures, model, targets, weights
    )
    for index, one in enumerate(pictures):
        (loss, _), gradient = evaluate()(one, model, targets, weights)
        assert losses[index] == pytest.approx(float(loss), rel=1e-5)
        np.testing.assert_allclose(gradients[index], gradient, rtol=1e-3, atol=1e-5)


def test_bfloat16_stays_close_on_the_slim_network():
    network: Network = load_weights("slim")
    exact = Objective(("relu3_1",), ("relu1_1", "relu2_1"))
    short = replace(exact, dtype="bfloat16")
    model, weights = model_of(network), weights_of(exact)
    picture, content, style = (landscape(32) + noise(32)) / 2, landscape(32), waves(32)
    found = {}
    for objective in (exact, short):
        targets = targets_of(objective, model, content, style)
        assert targets.style["relu1_1"][0]["gram"].dtype == jnp.float32
        found[objective.dtype] = jax.jit(objective)(picture, model, targets, weights)
    (loss, terms), gradient = found["float32"]
    (short_loss, short_terms), short_gradient = found["bfloat16"]
    assert short_loss.dtype == short_gradient.dtype == jnp.float32
    assert short_terms.content == pytest.approx(float(terms.content), rel=0.02)
    assert short_terms.style == pytest.approx(float(terms.style), rel=0.02)
    assert short_loss == pytest.approx(float(loss), rel=0.02)
    assert short_loss != loss  # it did compute in bfloat16
    cosine = jnp.vdot(gradient, short_gradient) / (
        jnp.linalg.norm(gradient) * jnp.linalg.norm(short_gradient)
    )
    assert cosine > 0.95


def test_too_small_a_picture_and_too_deep_a_tap_are_refused():
    model = model_of(random_network())
    objective = Objective(("relu3_1",), ("relu1_1",))
    with pytest.raises(InputError, match="the picture is 9x3; relu3_1 needs at least 4 px"):
        content_targets(objective, model, landscape(3, 9))
    cut = model_of(random_network().upto("conv2_2"))
    with pytest.raises(InputError, match="relu3_1 is tapped, but these weights end at conv2_2"):
        content_targets(objective, cut, landscape(8))


def test_make_weights_gives_traceable_numbers():
    weights = make_weights(1, 2.5, 0, {"conv1_1": 3}, {}, goals=(0.5, 2))
    assert {leaf.dtype for leaf in jax.tree.leaves(weights)} == {jnp.dtype("float32")}
    assert {leaf.shape for leaf in jax.tree.leaves(weights._replace(goals=weights.tv))} == {()}
    assert weights.goals.tolist() == [0.5, 2]
    assert (weights.content, weights.style, weights.content_layers["conv1_1"]) == (1, 2.5, 3)
