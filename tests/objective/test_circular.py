"""Circular padding: a seamless texture has no border, so nothing may know where it is cut."""

from __future__ import annotations

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import landscape, noise, random_network, total_variation, waves

from jaxstyle.network.architecture import VGG19, least_side
from jaxstyle.network.convolution import convolve3x3
from jaxstyle.network.preprocessing import to_network
from jaxstyle.network.vgg import features
from jaxstyle.objective.losses import gram_matrix
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Model, Targets, make_weights, model_of
from jaxstyle.objective.targets import content_targets, style_targets

UPTO = VGG19.layers[: VGG19.layers.index("relu5_1") + 1]
STRIDE = 16
SHIFTS = ((16, 0), (0, 16), (-16, 32))
BOTH_POOLINGS = pytest.mark.parametrize("pooling", ["avg", "max"])


def picture() -> jax.Array:
    """Of two sides that are multiples of the stride, and nothing like seamless."""
    return 0.7 * landscape(48, 64) + 0.3 * noise(48, 64)


def rolled(x: jax.Array, shift: tuple[int, int]) -> jax.Array:
    return jnp.roll(x, shift, axis=(0, 1))


@cache
def tapped(pooling: str, padding: str, shift: tuple[int, int]) -> dict[str, np.ndarray]:
    network = random_network()
    seen = to_network(rolled(picture(), shift), network.preprocessing)[None]
    found = features(network.params, seen, UPTO, pooling=pooling, padding=padding)
    return {tap: np.asarray(feature[0]) for tap, feature in found.items()}


def moved(feature: np.ndarray, shift: tuple[int, int]) -> np.ndarray:
    """A feature map of the picture rolled as it would be with the picture."""
    down, right = (
        pixels * size // whole
        for pixels, size, whole in zip(shift, feature.shape, picture().shape, strict=False)
    )
    return np.roll(feature, (down, right), (0, 1))


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))


def test_a_circular_convolution_is_that_of_numpy():
    """Every product written out with indices taken modulo the sides."""
    chance = np.random.default_rng(0)
    x, kernel, bias = (chance.normal(size=shape) for shape in ((4, 5, 2), (3, 3, 2, 3), (3,)))
    expected = np.zeros((4, 5, 3))
    for row, column in np.ndindex(4, 5):
        expected[row, column] = bias
        for i, j in np.ndindex(3, 3):
            expected[row, column] += x[(row + i - 1) % 4, (column + j - 1) % 5] @ kernel[i, j]
    arrays = (jnp.asarray(array, jnp.float32) for array in (x[None], kernel, bias))
    found = convolve3x3(*arrays, padding="circular")
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


@BOTH_POOLINGS
@pytest.mark.parametrize("shift", SHIFTS)
def test_features_of_a_rolled_picture_are_the_rolled_features(pooling, shift):
    still, turned = (tapped(pooling, "circular", by) for by in ((0, 0), shift))
    assert tuple(turned) == UPTO
    for tap in UPTO:
        assert relative_error(turned[tap], moved(still[tap], shift)) < 1e-5, tap


@BOTH_POOLINGS
def test_with_zeros_beyond_the_border_they_are_not(pooling):
    still, turned = (tapped(pooling, "zeros", by) for by in ((0, 0), SHIFTS[0]))
    for tap in UPTO:
        assert relative_error(turned[tap], moved(still[tap], SHIFTS[0])) > 0.02, tap


@BOTH_POOLINGS
def test_gram_matrices_do_not_mind_where_the_picture_is_cut(pooling):
    still, turned = (tapped(pooling, "circular", by) for by in ((0, 0), SHIFTS[2]))
    for tap in UPTO:
        found, expected = (np.asarray(gram_matrix(jnp.asarray(x[tap]))) for x in (turned, still))
        assert relative_error(found, expected) < 1e-5, tap


@BOTH_POOLINGS
def test_a_tiling_looks_like_its_tile(pooling):
    """What the wrap stands for: the features of an endless wall of tiles."""
    network, tile = random_network(), picture()[:32, :32]
    settings = {"pooling": pooling, "padding": "circular"}
    one, wall = (
        features(
            network.params, to_network(x, network.preprocessing)[None], ("relu5_1",), **settings
        )["relu5_1"]
        for x in (tile, jnp.tile(tile, (2, 3, 1)))
    )
    assert relative_error(np.asarray(wall), np.tile(one, (1, 2, 3, 1))) < 1e-5


@pytest.mark.parametrize("tap", ["conv1_1", "pool1", "conv3_1"])
def test_the_least_side_is_one_position(tap):
    least = least_side([tap], "circular")
    assert least == least_side([tap])
    found = features(
        random_network().params, jnp.ones((1, least, least, 3)), (tap,), padding="circular"
    )
    assert found[tap].shape[1:3] == (1, 1)


@pytest.mark.parametrize(("name", "power"), [("l1", 1), ("l2", 2)])
def test_wrapped_total_variation_counts_the_neighbours_across_the_border(name, power):
    tile = np.asarray(noise(5, 6), np.float64)
    total = 0.0
    for row, column in np.ndindex(5, 6):
        for other in (tile[(row + 1) % 5, column], tile[row, (column + 1) % 6]):
            total += float(np.sum(np.abs(other - tile[row, column]) ** power))
    found = total_variation(kind=name, picture=jnp.asarray(tile, jnp.float32), wrap=True)
    assert found == pytest.approx(total / tile.size, rel=1e-6)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_a_seam_costs_only_where_it_is_seen(name):
    variation = partial(total_variation, kind=name)
    ramp = jnp.tile(jnp.linspace(0, 1, 8)[:, None], (4, 1, 3))
    seam = float(variation(ramp, wrap=True) - variation(ramp))
    assert seam == pytest.approx(1 / 8, rel=1e-5)  # one step of 1 in each row of 8
    for shape in ((4, 5, 3), (1, 1, 3), (1, 7, 3)):
        assert variation(jnp.full(shape, 0.3), wrap=True) == 0


@cache
def evaluated(pooling: str, padding: str, tv: str, shift: tuple[int, int]):
    """Loss, its terms and its gradient; content moves with the picture, the style stays."""
    objective = Objective(
        ("relu4_2",), ("relu1_1", "relu3_1", "relu5_1"), pooling=pooling, padding=padding, tv=tv
    )
    model: Model = model_of(random_network())
    targets = Targets(
        content_targets(objective, model, rolled(landscape(48, 64), shift)),
        style_targets(objective, model, waves(32, 48)),
    )
    weights = make_weights(1, 1, 3, {"relu4_2": 1}, dict.fromkeys(objective.style_layers, 1.0))
    call = jax.jit(objective)
    (loss, terms), gradient = call(rolled(picture(), shift), model, targets, weights)
    return float(loss), terms, gradient


@pytest.mark.parametrize(("pooling", "tv"), [("avg", "l2"), ("max", "l1")])
@pytest.mark.parametrize("shift", SHIFTS[1:])
def test_the_loss_stays_and_the_gradient_moves_with_the_picture(pooling, tv, shift):
    loss, terms, gradient = evaluated(pooling, "circular", tv, (0, 0))
    turned_loss, turned_terms, turned_gradient = evaluated(pooling, "circular", tv, shift)
    assert min(terms.content, terms.style, terms.tv) > 0.01  # each has a say
    assert turned_loss == pytest.approx(loss, rel=1e-5)
    assert turned_terms.tv == pytest.approx(float(terms.tv), rel=1e-5)
    expected = np.asarray(rolled(gradient, shift))
    assert relative_error(np.asarray(turned_gradient), expected) < 1e-4


def test_with_zeros_beyond_the_border_loss_and_gradient_are_others():
    loss, terms, gradient = evaluated("avg", "zeros", "l2", (0, 0))
    turned_loss, turned_terms, turned = evaluated("avg", "zeros", "l2", SHIFTS[2])
    assert abs(turned_loss / loss - 1) > 1e-3
    assert abs(float(turned_terms.tv / terms.tv) - 1) > 1e-3
    assert relative_error(np.asarray(turned), np.asarray(rolled(gradient, SHIFTS[2]))) > 0.05
