"""The sums that the loss is made of, against the formulas in NumPy and against their gradients."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from samples import landscape, total_variation

from jaxstyle.config.stylize_config import VARIATIONS
from jaxstyle.objective.losses import energy, gram_matrix, squared_error


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def features(height: int, width: int, channels: int, seed: int = 0) -> jax.Array:
    """Like activations before a ReLU: about half of them positive."""
    return jnp.asarray(np.random.default_rng(seed).normal(size=(height, width, channels)))


def test_the_gram_matrix_is_the_papers_by_the_number_of_positions():
    found = features(5, 7, 4)
    np.testing.assert_allclose(gram_matrix(found), oracles.gram(np.asarray(found)) / 35, rtol=1e-12)


def test_the_gram_matrix_knows_no_positions():
    found = features(6, 8, 3)
    shuffled = jax.random.permutation(jax.random.key(0), found.reshape(48, 3)).reshape(4, 12, 3)
    np.testing.assert_allclose(gram_matrix(shuffled), gram_matrix(found), rtol=1e-12)


def test_the_gram_matrix_of_a_tiled_texture_is_that_of_a_tile():
    found = features(4, 4, 3)
    np.testing.assert_allclose(gram_matrix(jnp.tile(found, (3, 2, 1))), gram_matrix(found))


def test_bfloat16_features_are_summed_in_float32():
    # In bfloat16, 256 + 1 is 256: a sum of so many ones would never get there.
    ones = jnp.ones((300, 400, 2), jnp.bfloat16)
    assert gram_matrix(ones).dtype == jnp.float32
    np.testing.assert_array_equal(gram_matrix(ones), np.ones((2, 2)))
    assert squared_error(ones, 0 * ones) == energy(ones) == 240_000
    assert energy(ones).dtype == squared_error(ones, ones).dtype == jnp.float32


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_other_types_are_kept(dtype):
    found = features(3, 3, 2).astype(dtype)
    picture = landscape(4).astype(dtype)
    results = [gram_matrix(found), squared_error(found, found), energy(found)]
    results += [total_variation(picture, kind) for kind in VARIATIONS]
    assert {result.dtype for result in results} == {jnp.dtype(dtype)}


def test_the_squared_error_is_twice_the_papers_content_loss():
    found, target = features(4, 5, 3), features(4, 5, 3, seed=1)
    expected = 2 * oracles.paper_content(np.asarray(found), np.asarray(target))
    assert squared_error(found, target) == pytest.approx(expected, rel=1e-12)
    assert squared_error(found, found) == 0
    assert energy(found) == pytest.approx(float(np.sum(np.asarray(found) ** 2)), rel=1e-12)


def test_the_content_gradient_is_equation_2():
    before, target = features(4, 5, 3), jax.nn.relu(features(4, 5, 3, seed=1))
    gradient = jax.grad(lambda x: squared_error(jax.nn.relu(x), target) / 2)(before)
    found = np.maximum(np.asarray(before), 0)
    expected = oracles.paper_content_gradient(found, np.asarray(target))
    np.testing.assert_allclose(gradient, expected, atol=1e-14)
    assert 0.3 < np.mean(np.asarray(gradient) == 0) < 0.7  # the rule for F <= 0 is at work


def test_the_style_gradient_is_equation_6():
    before, style = features(4, 5, 3), jax.nn.relu(features(4, 5, 3, seed=1))
    target = gram_matrix(style)

    def layer_loss(x):
        return squared_error(gram_matrix(jax.nn.relu(x)), target) / (4 * 3**2)

    found = np.maximum(np.asarray(before), 0)
    value = oracles.paper_style_layer(found, np.asarray(style))
    assert layer_loss(before) == pytest.approx(value, rel=1e-12)
    expected = oracles.paper_style_layer_gradient(found, np.asarray(style))
    np.testing.assert_allclose(jax.grad(layer_loss)(before), expected, atol=1e-14)


@pytest.mark.parametrize(("name", "power"), [("l1", 1), ("l2", 2)])
def test_total_variation_is_the_sum_over_neighbours(name, power):
    picture = landscape(6, 5).astype(jnp.float64)
    expected = oracles.total_variation(np.asarray(picture), power)
    assert total_variation(kind=name, picture=picture) == pytest.approx(expected, rel=1e-12)


def test_total_variation_of_stripes():
    """Black and white columns of one pixel: each value but the last of a row differs by 1."""
    stripes = jnp.tile(jnp.array([0.0, 1.0])[:, None], (4, 5, 3))
    assert stripes.shape == (4, 10, 3)
    assert total_variation(stripes, "l1") == pytest.approx(9 / 10)
    assert total_variation(stripes / 2) == pytest.approx(9 / 10 / 4)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_a_flat_picture_has_no_variation_and_no_gradient(name):
    for shape in ((4, 5, 3), (1, 1, 3), (1, 7, 3)):
        value, gradient = jax.value_and_grad(partial(total_variation, kind=name))(
            jnp.full(shape, 0.3)
        )
        assert value == 0
        np.testing.assert_array_equal(gradient, np.zeros(shape))


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_total_variation_does_not_mind_the_direction(name):
    variation, picture = partial(total_variation, kind=name), landscape(6, 9).astype(jnp.float64)
    for other in (picture[::-1], picture[:, ::-1], jnp.swapaxes(picture, 0, 1), 1 - picture):
        assert variation(other) == pytest.approx(float(variation(picture)), rel=1e-12)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_the_gradient_of_total_variation_is_that_of_finite_differences(name):
    picture = landscape(6, 5).astype(jnp.float64)
    direction = features(6, 5, 3)
    variation, step = partial(total_variation, kind=name), 1e-7
    difference = variation(picture + step * direction) - variation(picture - step * direction)
    along = jnp.vdot(jax.grad(variation)(picture), direction)
    assert along == pytest.approx(float(difference) / (2 * step), rel=1e-6)
