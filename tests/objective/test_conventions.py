"""What weights mean: each convention against its source's formulas, and against the others."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from samples import in_float64, landscape, noise, random_network, waves

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG19
from jaxstyle.network.preprocessing import to_network
from jaxstyle.objective.conventions import CONVENTIONS, STYLE_BALANCE, get_convention
from jaxstyle.objective.losses import energy, gram_matrix, squared_error
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Targets, make_weights, model_of
from jaxstyle.objective.targets import content_targets, style_targets

ORACLES = {
    "jaxstyle": partial(oracles.relative, balance=STYLE_BALANCE),
    "paper": oracles.paper,
    "gatys": oracles.gatys,
    "gatys-normalised": oracles.gatys_normalised,
    "johnson": oracles.johnson,
}
EVERY = pytest.mark.parametrize("convention", CONVENTIONS)


def test_every_convention_has_an_oracle():
    assert ORACLES.keys() == CONVENTIONS.keys()


def test_an_unknown_convention_is_refused():
    with pytest.raises(InputError, match="'mine': choose one of jaxstyle, paper, gatys"):
        get_convention("mine")


@pytest.mark.parametrize(
    ("convention", "tv"),
    [
        ("jaxstyle", "l2"),
        ("paper", "l1"),
        ("gatys", "l2"),
        ("gatys-normalised", "l1"),
        ("johnson", "l2"),
    ],
)
def test_the_loss_is_that_of_the_sources_formulas(convention, tv):
    """From pixels to terms in float64, and the gradient by finite differences.

    A tiny network and shallow taps: how features come about is tested elsewhere.
    """
    content_layers = {"relu1_2": 2.0, "conv1_2": 1.0}
    style_layers = {"conv1_1": 1.0, "relu1_2": 0.5, "pool1": 3.0}
    alpha, beta, gamma = 3.0, 0.75, 0.125  # exact in float32
    # The paper's formulas know pictures of one size only.
    style_size = (12, 14) if convention == "paper" else (16, 10)
    objective = Objective(tuple(content_layers), tuple(style_layers), convention, tv=tv)
    with jax.enable_x64(True):
        content = in_float64(landscape(12, 14))
        style = in_float64(waves(*style_size))
        picture = 0.7 * content + 0.3 * in_float64(noise(12, 14))
        model = in_float64(model_of(random_network()))
        targets = Targets(
            content_targets(objective, model, content), style_targets(objective, model, style)
        )
        weights = in_float64(make_weights(alpha, beta, gamma, content_layers, style_layers))
        evaluate = jax.jit(objective)
        (value, terms), gradient = evaluate(picture, model, targets, weights)
        assert value.dtype == gradient.dtype == jnp.float64

        def features(x: jax.Array) -> dict[str, np.ndarray]:
            seen = np.asarray(to_network(x, model.preprocessing))
            return oracles.vgg(model.params, seen, VGG19.layers[:5])

        expected_content, expected_style = ORACLES[convention](
            *map(features, (picture, content, style)), content_layers, style_layers, alpha, beta
        )
        variation = oracles.total_variation(np.asarray(picture), 1 if tv == "l1" else 2)
        assert terms.content == pytest.approx(expected_content, rel=1e-10)
        assert terms.style == pytest.approx(expected_style, rel=1e-10)
        assert terms.tv == pytest.approx(gamma * variation, rel=1e-10)

        direction = in_float64(np.random.default_rng(1).normal(size=picture.shape))
        step = 1e-6
        after, before = (
            float(evaluate(picture + sign * step * direction, model, targets, weights)[0][0])
            for sign in (1, -1)
        )
        along = float(jnp.vdot(gradient, direction))
        assert along == pytest.approx((after - before) / (2 * step), rel=1e-6)


def one_layer(name: str, alpha: float, beta: float, channels: int, positions: int) -> float:
    """The loss of one content and one style layer with random features, in float64."""
    convention, chance = get_convention(name), np.random.default_rng(channels)
    found, content, style = (
        jnp.asarray(chance.exponential(size=(1, positions, channels))) for _ in range(3)
    )
    target = gram_matrix(style)
    content_scale = convention.content_scale(channels, positions, energy(content))
    style_scale = convention.style_scale(channels, positions, energy(target))
    return float(
        alpha * content_scale * squared_error(found, content)
        + beta * style_scale * squared_error(gram_matrix(found), target)
    )


@pytest.mark.parametrize(("n", "m"), [(4, 30), (16, 9)])
def test_the_authors_1e_3_is_2_n_m_times_less_in_the_papers_formulas(n, m):
    """gatys-normalised with alpha : beta is the paper with 2 alpha / (N M) : 4 beta."""
    with jax.enable_x64(True):
        authors = one_layer("gatys-normalised", 1e6, 1e9, n, m)
        printed = one_layer("paper", 2e6 / (n * m), 4e9, n, m)
        assert authors == pytest.approx(printed, rel=1e-12)
    ratio = (2e6 / (n * m)) / 4e9
    assert ratio == pytest.approx(1e-3 / (2 * n * m))


def test_the_papers_default_is_the_authors_1e_3_at_512_pixels():
    """conv4_2 of VGG-19 has N = 512 filters and, at 512 x 512, M = 64 x 64 positions."""
    paper, authors = get_convention("paper"), get_convention("gatys-normalised")
    ratio = authors.content_weight / authors.style_weight
    assert ratio == pytest.approx(1e-3)
    assert paper.content_weight / paper.style_weight == pytest.approx(
        ratio / (2 * 512 * 64**2), rel=0.01
    )


@pytest.mark.parametrize(("n", "m"), [(4, 30), (16, 9)])
def test_johnsons_gram_matrices_have_the_1_by_c_squared_of_gatys_within(n, m):
    """The same numbers mean the same in both; only the default weights differ."""
    with jax.enable_x64(True):
        assert one_layer("johnson", 5, 100, n, m) == pytest.approx(
            one_layer("gatys", 5, 100, n, m), rel=1e-12
        )
        # And both are the normalised network's convention with each layer's weight by C^2.
        assert one_layer("gatys", 1, 1e3, n, m) == pytest.approx(
            one_layer("gatys-normalised", 1, 1e3 / n**2, n, m), rel=1e-12
        )


def test_the_default_weights_are_the_sources():
    defaults = {
        name: (convention.content_weight, convention.style_weight)
        for name, convention in CONVENTIONS.items()
    }
    assert defaults["gatys"] == (1, 1e3)
    assert defaults["gatys-normalised"] == (1e6, 1e9)
    assert defaults["johnson"] == (5, 100)
    assert defaults["jaxstyle"] == (1, 1)


@EVERY
def test_layer_weights_are_averaged_or_added(convention):
    convention = get_convention(convention)
    weights = jnp.array([1.0, 1.0, 2.0])
    found = convention.layer_weights(weights)
    if convention.name in ("gatys", "johnson"):
        np.testing.assert_array_equal(found, weights)
    else:
        np.testing.assert_allclose(found, [0.25, 0.25, 0.5])
        np.testing.assert_allclose(convention.layer_weights(10 * weights), found, rtol=1e-6)
        np.testing.assert_allclose(convention.layer_weights(jnp.ones(5)), 0.2, rtol=1e-6)


@EVERY
def test_layers_of_no_weight_add_nothing_and_no_nan(convention):
    found = get_convention(convention).layer_weights(jnp.zeros(3))
    np.testing.assert_array_equal(found, np.zeros(3))


@EVERY
def test_a_target_without_energy_stays_finite(convention):
    convention, nothing = get_convention(convention), jnp.zeros(())
    for scale in (convention.content_scale, convention.style_scale):
        factor = scale(8, 100, nothing)
        assert 0 < factor < jnp.inf
        assert factor * 0 == 0
