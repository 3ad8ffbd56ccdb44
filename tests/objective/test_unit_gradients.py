"""Normalised gradients and clipped errors."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import landscape, noise, random_network, waves

from jaxstyle.objective.losses import clipped, with_unit_gradient
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Targets, make_weights, model_of
from jaxstyle.objective.targets import content_targets, style_targets


@pytest.mark.parametrize("slope", [1e-6, 1.0, 1e6])
def test_the_gradient_that_comes_back_has_the_norm_asked_for(slope):
    x = jax.random.normal(jax.random.key(0), (4, 5, 3))
    strength = jnp.float32(2.5)

    def loss(x):
        return slope * jnp.sum(jnp.sin(with_unit_gradient(x, strength)))

    assert loss(x) == pytest.approx(slope * float(jnp.sum(jnp.sin(x))), rel=1e-6)
    gradient, plain = jax.grad(loss)(x), jnp.cos(x)
    assert jnp.sum(jnp.abs(gradient)) == pytest.approx(2.5, rel=1e-5)
    np.testing.assert_allclose(gradient, 2.5 * plain / jnp.sum(jnp.abs(plain)), rtol=1e-5)


@pytest.mark.parametrize("strength", [3.0, 5.0, 1e6])
def test_where_there_is_no_gradient_none_comes_back(strength):
    gradient = jax.grad(lambda x: 0 * jnp.sum(with_unit_gradient(x, jnp.float32(strength))))
    np.testing.assert_array_equal(gradient(jnp.ones(7)), np.zeros(7))


@pytest.mark.parametrize("strength", [5.0, 1e6])
def test_a_gradient_that_is_hardly_there_has_the_norm_asked_for_too(strength):
    gradient = jax.grad(lambda x: 1e-37 * jnp.sum(with_unit_gradient(x, jnp.float32(strength))))
    np.testing.assert_allclose(gradient(jnp.ones(4)), np.full(4, strength / 4), rtol=1e-5)


def test_each_one_of_a_batch_has_its_own_norm():
    def loss(x, slope):
        return slope * jnp.sum(with_unit_gradient(x, jnp.float32(1)) ** 2)

    x, slopes = jax.random.normal(jax.random.key(0), (3, 8)), jnp.array([1.0, 10.0, 0.1])
    gradients = jax.vmap(jax.grad(loss))(x, slopes)
    np.testing.assert_allclose(jnp.sum(jnp.abs(gradients), axis=1), np.ones(3), rtol=1e-5)


def test_every_layer_pulls_at_its_features_as_its_weight_says():
    """A tap of features (an identity of the picture would do): its L1 norm is that of its share."""
    model = model_of(random_network())
    objective = Objective(("conv1_1",), ("conv1_1",), unit_gradients=True)
    picture = (landscape(12) + noise(12)) / 2
    targets = Targets(
        content_targets(objective, model, landscape(12)), style_targets(objective, model, waves(12))
    )
    found = objective.features(model, picture, objective.taps)

    def pull(objective, content, style):
        weights = make_weights(content, style, 0, {"conv1_1": 1}, {"conv1_1": 2})

        def loss(found):
            sums = objective.sums(found, picture, targets, weights)
            return objective.loss_of_sums(
                sums, picture.shape[:2], targets.style, weights, lambda _: 4
            )[0]

        return jax.grad(loss)(found)["conv1_1"]

    for content, style in ((3.0, 0.0), (0.0, 0.5)):
        unit, plain = pull(objective, content, style), pull(
            replace(objective, unit_gradients=False), content, style
        )  # fmt: skip
        assert jnp.sum(jnp.abs(unit)) == pytest.approx(content + style, rel=1e-4)
        cosine = jnp.vdot(unit, plain) / (jnp.linalg.norm(unit) * jnp.linalg.norm(plain))
        assert cosine == pytest.approx(1, abs=1e-5)
    together = pull(objective, 3.0, 0.5)
    np.testing.assert_allclose(
        together, pull(objective, 3.0, 0.0) + pull(objective, 0.0, 0.5), rtol=1e-4, atol=1e-6
    )


def test_the_loss_itself_is_not_changed():
    model = model_of(random_network())
    objective = Objective(("relu1_1",), ("relu1_1", "pool1"))
    picture = (landscape(12) + noise(12)) / 2
    targets = Targets(
        content_targets(objective, model, landscape(12)), style_targets(objective, model, waves(12))
    )
    weights = make_weights(1, 2, 3, {"relu1_1": 1}, {"relu1_1": 1, "pool1": 0.5})
    plain, _ = objective.loss(picture, model, targets, weights)
    unit, _ = replace(objective, unit_gradients=True).loss(picture, model, targets, weights)
    assert unit == pytest.approx(float(plain), rel=1e-6)


POSITIVE = st.floats(0.015625, 1e3, width=32)


@given(POSITIVE, POSITIVE)
def test_a_clipped_error_is_hubers_in_its_root(value, most):
    """Up to ``most`` the error itself, beyond it the tangent of its root's square."""
    found = float(clipped(jnp.float32(value), jnp.float32(most)))
    residual, limit = value**0.5, most**0.5
    huber = residual**2 if residual <= limit else 2 * limit * residual - limit**2
    assert found == pytest.approx(huber, rel=1e-4, abs=1e-5)
    assert found <= value * (1 + 1e-6)


def test_value_and_slope_go_on_where_the_clip_begins():
    most = jnp.float32(0.25)
    slope = jax.grad(clipped)
    for below, above in ((0.25 * (1 - 1e-5), 0.25 * (1 + 1e-5)),):
        one, other = (clipped(jnp.float32(value), most) for value in (below, above))
        assert one == pytest.approx(float(other), rel=1e-4)
        assert slope(jnp.float32(below), most) == 1
        assert slope(jnp.float32(above), most) == pytest.approx(1, rel=1e-4)
    assert slope(jnp.float32(25), most) == pytest.approx(0.1, rel=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.5, 1e6])
def test_a_clip_of_0_is_none(value):
    found, slope = jax.value_and_grad(clipped)(jnp.float32(value), jnp.float32(0))
    assert (found, slope) == (value, 1)


def test_a_layer_that_is_far_off_pulls_no_harder_than_at_the_clip():
    model = model_of(random_network())
    objective = Objective(("relu1_1",), ("relu1_1",))
    content, far = landscape(12), noise(12)
    targets = Targets(
        content_targets(objective, model, content), style_targets(objective, model, content)
    )

    def terms(**clips):
        weights = make_weights(2, 3, 0, {"relu1_1": 1}, {"relu1_1": 1}, **clips)
        return objective.loss(far, model, targets, weights)[1]

    plain = terms()
    error = float(plain.content) / 2
    found = terms(content_clip=error / 4)
    # The root of the error is twice that of the clip: 2 * 2 - 1 clips.
    assert found.content == pytest.approx(2 * 3 * error / 4, rel=1e-4)
    assert found.style == plain.style
    error = float(plain.style) / 3
    found = terms(style_clip=error / 4)
    assert found.style == pytest.approx(3 * 3 * error / 4, rel=1e-4)
    assert found.content == plain.content
