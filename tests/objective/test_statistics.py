"""Style statistics against plain NumPy and SciPy in float64, and where covariances are singular."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from samples import landscape, random_network, waves

from jaxstyle import stylize
from jaxstyle.errors import InputError
from jaxstyle.objective import statistics
from jaxstyle.objective.losses import gram_matrix
from jaxstyle.objective.statistics import (
    STATISTICS,
    Moments,
    additive,
    blended,
    find_statistics,
    means,
    moments,
    parse_statistics,
)
from jaxstyle.objective.statistics.histogram import COUNT, quantiles, values
from jaxstyle.objective.statistics.wasserstein import trace_of_root

EVERY = pytest.mark.parametrize("name", STATISTICS)
SUMS = [name for name, entry in STATISTICS.items() if entry.needs == "moments"]
SHIFT = -0.7


def features(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """Of channels that go together, each with its own mean; in float64."""
    chance = np.random.default_rng(seed)
    mixing = 2 * np.eye(channels) + chance.normal(size=(channels, channels)) / channels**0.5
    mixed = chance.normal(size=(height, width, channels)) @ mixing
    return mixed + chance.normal(size=channels)


def known(name: str, found: Any) -> Any:
    """What a statistic is told of features."""
    found = jnp.asarray(found)
    return means(moments(found)) if STATISTICS[name].needs == "moments" else values(found)


@partial(jax.jit, static_argnums=(0, 2))
def target_of(name: str, style: Any, shift: float = SHIFT) -> Any:
    return STATISTICS[name].target(known(name, style), jnp.asarray(shift, style.dtype))


@partial(jax.jit, static_argnums=(0, 3))
def error(name: str, found: Any, style: Any, shift: float = SHIFT) -> jax.Array:
    return STATISTICS[name].error(known(name, found), target_of(name, style, shift))


@partial(jax.jit, static_argnums=0)
def value_and_gradient(name: str, found: Any, style: Any) -> tuple[jax.Array, jax.Array]:
    return jax.value_and_grad(lambda x: error(name, x, style))(found)


def relative_error(name: str, found: Any, style: Any) -> float:
    return float(error(name, found, style) / STATISTICS[name].energy(target_of(name, style)))


def rows_of(found: np.ndarray) -> np.ndarray:
    return np.asarray(found, np.float64).reshape(-1, found.shape[-1])


def mean_gram(rows: np.ndarray) -> np.ndarray:
    return rows.T @ rows / len(rows)


def plain_gram(x: np.ndarray, y: np.ndarray) -> float:
    return np.sum((mean_gram(x) - mean_gram(y)) ** 2)


def plain_shifted(x: np.ndarray, y: np.ndarray) -> float:
    return plain_gram(x + SHIFT * y.mean(), y + SHIFT * y.mean())


def plain_halves(x: list[np.ndarray], y: list[np.ndarray]) -> float:
    pairs = zip(x, y, strict=True)
    return sum(0.5 * np.sum((a - b) ** 2) / np.sum(b**2) for a, b in pairs)


def plain_mean_covariance(x: np.ndarray, y: np.ndarray) -> float:
    return plain_halves(*([r.mean(0), np.cov(r.T, bias=True)] for r in (x, y)))


def plain_adain(x: np.ndarray, y: np.ndarray) -> float:
    return plain_halves(*([r.mean(0), r.std(0)] for r in (x, y)))


def plain_wasserstein(x: np.ndarray, y: np.ndarray) -> float:
    """With SciPy's root of the product itself, which is not symmetric."""
    c, d = (np.cov(rows.T, bias=True) for rows in (x, y))
    root = np.real(np.asarray(scipy.linalg.sqrtm(c @ d)))
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(c + d - 2 * root)


def plain_histogram(x: np.ndarray, y: np.ndarray) -> float:
    kept = np.quantile(y, (np.arange(COUNT) + 0.5) / COUNT, axis=0, method="hazen")
    wanted = np.quantile(kept, (np.arange(len(x)) + 0.5) / len(x), axis=0, method="hazen")
    return np.sum((np.sort(x, axis=0) - wanted) ** 2) / len(x)


PLAIN = {
    "gram": plain_gram,
    "shifted-gram": plain_shifted,
    "mean-covariance": plain_mean_covariance,
    "wasserstein": plain_wasserstein,
    "adain": plain_adain,
    "histogram": plain_histogram,
}


@EVERY
def test_the_error_is_that_of_plain_numpy(name):
    found, style = features(9, 7, 5), features(6, 11, 5, seed=1)
    with jax.enable_x64(True):
        assert error(name, found, style).dtype == jnp.float64
        expected = PLAIN[name](rows_of(found), rows_of(style))
        assert error(name, found, style) == pytest.approx(expected, rel=1e-9)
    narrow = error(name, found.astype(np.float32), style.astype(np.float32))
    assert narrow.dtype == jnp.float32
    assert narrow == pytest.approx(expected, rel=1e-4)


@EVERY
def test_the_gradient_is_that_of_finite_differences(name):
    found, style = features(6, 5, 4), features(6, 7, 4, seed=1)
    direction = np.random.default_rng(2).normal(size=found.shape)
    with jax.enable_x64(True):
        gradient = value_and_gradient(name, found, style)[1]
        step = 1e-6
        after, before = (error(name, found + sign * step * direction, style) for sign in (1, -1))
        along = float(jnp.vdot(gradient, direction))
        assert along == pytest.approx(float(after - before) / (2 * step), rel=1e-6)


@EVERY
def test_a_style_has_no_distance_from_itself_and_every_other_has_one(name):
    """32 times 32 positions: as many as quantiles are kept."""
    style = features(32, 32, 4)
    assert style[..., 0].size == COUNT
    with jax.enable_x64(True):
        assert abs(relative_error(name, style, style)) < 1e-12
        gradient = value_and_gradient(name, style, style)[1]
        assert float(jnp.max(jnp.abs(gradient))) < 1e-9
    narrow = style.astype(np.float32)
    assert abs(relative_error(name, narrow, narrow)) < 1e-5
    for other in (narrow + 0.1, 1.1 * narrow, features(32, 32, 4, seed=1).astype(np.float32)):
        assert relative_error(name, other, narrow) > 1e-4


@EVERY
def test_the_energy_makes_errors_the_same_at_any_scale(name):
    found, style = features(8, 8, 4).astype(np.float32), features(8, 8, 4, 1).astype(np.float32)
    expected = relative_error(name, found, style)
    assert 1e-3 < expected < 100
    for scale in (0.01, 100):
        scaled = relative_error(name, np.float32(scale) * found, np.float32(scale) * style)
        assert scaled == pytest.approx(expected, rel=1e-3)


SINGULAR = {
    "few positions": np.tile(features(2, 2, 16), (2, 2, 1)),
    "constant": np.broadcast_to(features(1, 1, 16), (4, 4, 16)),
    "zero": np.zeros((4, 4, 16)),
    "a channel that is 0": features(4, 4, 16) * (np.arange(16) != 3),
    "twice the same channel": np.repeat(features(4, 4, 8), 2, axis=-1),
    "as after a ReLU": np.maximum(features(4, 4, 16), 0),
}


@EVERY
@pytest.mark.parametrize("case", SINGULAR)
def test_value_and_gradient_are_finite_where_there_is_little_to_see(name, case):
    plain, singular = features(4, 4, 16, 1).astype(np.float32), SINGULAR[case].astype(np.float32)
    for found, style in ((singular, plain), (plain, singular), (singular, singular)):
        value, gradient = value_and_gradient(name, found, style)
        assert np.isfinite(value), (case, found is singular, style is singular)
        assert np.isfinite(gradient).all(), (case, found is singular, style is singular)


def test_wasserstein_is_right_where_covariances_have_no_extent():
    """In float32 the eigenvalues that should be 0 are noise, whose roots would add up."""
    shape = 8, 8, 128
    style = np.maximum(features(*shape), 0)
    close = style + 0.02 * np.random.default_rng(3).normal(size=shape)
    for found, most in ((style, 1e-4), (close, 2e-4), (features(*shape, seed=1), 2e-4)):
        with jax.enable_x64(True):
            expected = relative_error("wasserstein", found, style)
        value = relative_error("wasserstein", found.astype(np.float32), style.astype(np.float32))
        assert value > -1e-5  # a small difference of large numbers, rounded by the CPU's own sums
        assert value == pytest.approx(expected, abs=most)


def test_the_trace_of_a_root_and_its_slope_are_one_function():
    """On both sides of the floor below which the root is linear."""
    vectors = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    with jax.enable_x64(True):
        for least in (4e-6, 3e-5, 0.3):
            spectrum = np.array([0.0, least, 0.1, 0.5, 1.0])
            matrix = jnp.asarray((vectors * spectrum) @ vectors.T)
            direction = jnp.asarray((vectors * np.array([0, 1.0, 1.0, 1.0, 0])) @ vectors.T)
            step = 1e-9
            change = trace_of_root(matrix + step * direction) - trace_of_root(
                matrix - step * direction
            )
            slope = float(jnp.sum(jax.grad(trace_of_root)(matrix) * direction))
            assert slope == pytest.approx(float(change) / (2 * step), rel=1e-4)
            if least > 1e-5:
                expected = np.sqrt(spectrum).sum()
                assert trace_of_root(matrix) == pytest.approx(expected, rel=1e-9)


def test_descending_the_histograms_error_gives_the_histogram():
    """Its gradient moves every value towards the one of the same rank."""
    found, style = features(32, 32, 3), features(32, 32, 3, seed=1)
    with jax.enable_x64(True):
        gradient = value_and_gradient("histogram", found, style)[1]
        moved = found - COUNT / 2 * np.asarray(gradient)
    np.testing.assert_allclose(
        np.sort(rows_of(moved), 0), np.sort(rows_of(style), 0), rtol=1e-9, atol=1e-9
    )
    assert (np.argsort(rows_of(moved), 0) == np.argsort(rows_of(found), 0)).all()


@EVERY
def test_positions_play_no_part(name):
    style = features(32, 32, 4)
    shuffled = np.random.default_rng(0).permutation(rows_of(style)).reshape(16, 64, 4)
    with jax.enable_x64(True):
        assert abs(relative_error(name, shuffled, style)) < 1e-12


def test_the_histogram_knows_no_channels_apart():
    """Each channel is ordered on its own: what goes together plays no part there, but in a Gram."""
    style, chance = features(32, 32, 3), np.random.default_rng(0)
    apart = np.stack([chance.permutation(channel) for channel in rows_of(style).T], -1)
    apart = apart.reshape(style.shape)
    with jax.enable_x64(True):
        assert relative_error("histogram", apart, style) == 0
        assert relative_error("adain", apart, style) < 1e-12
        assert relative_error("gram", apart, style) > 1e-2


@pytest.mark.parametrize("count", [1, 5, 64, 100])
def test_quantiles_are_values_at_even_ranks(count):
    ordered = np.sort(features(8, 8, 3).reshape(64, 3), axis=0)
    places = (np.arange(count) + 0.5) / count
    with jax.enable_x64(True):
        found = quantiles(jnp.asarray(ordered), count)
    np.testing.assert_allclose(found, np.quantile(ordered, places, axis=0, method="hazen"))
    if count == 64:
        np.testing.assert_array_equal(found, ordered)


def test_a_shift_of_0_is_the_plain_gram_matrix():
    found, style = features(6, 6, 4).astype(np.float32), features(7, 5, 4, 1).astype(np.float32)
    unshifted = target_of("shifted-gram", style, shift=0.0)
    np.testing.assert_array_equal(unshifted["gram"], target_of("gram", style))
    assert error("shifted-gram", found, style, shift=0.0) == error("gram", found, style)
    assert error("shifted-gram", found, style) != error("gram", found, style)


def leaves_equal(one: Any, other: Any, rtol: float = 1e-12) -> None:
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


def test_moments_are_sums_and_products_over_positions():
    found = features(5, 7, 3)
    with jax.enable_x64(True):
        sums = moments(jnp.asarray(found))
        np.testing.assert_allclose(sums.products, rows_of(found).T @ rows_of(found))
        np.testing.assert_allclose(sums.total, rows_of(found).sum(0))
        assert sums.weight == 35
        np.testing.assert_allclose(means(sums).products, gram_matrix(jnp.asarray(found)))
        halves = [moments(jnp.asarray(half)) for half in (found[:2], found[2:])]
        leaves_equal(jax.tree.map(jnp.add, *halves), sums)


def test_a_guide_of_ones_is_no_guide_and_a_mask_leaves_a_part():
    found, mask = features(5, 8, 3), np.zeros((5, 8))
    mask[1:4, 2:7] = 1
    soft = np.random.default_rng(0).random((5, 8))
    with jax.enable_x64(True):
        x = jnp.asarray(found)
        leaves_equal(moments(x, jnp.ones((5, 8))), moments(x))
        leaves_equal(moments(x, jnp.asarray(mask)), moments(x[1:4, 2:7]))
        shared = [moments(x, jnp.asarray(guide)) for guide in (soft, 1 - soft)]
        leaves_equal(jax.tree.map(jnp.add, *shared), moments(x))


def test_where_nothing_is_counted_means_are_0():
    sums = moments(jnp.ones((4, 4, 3)), jnp.zeros((4, 4)))
    for leaf in jax.tree.leaves(means(sums)):
        np.testing.assert_array_equal(leaf, np.zeros(leaf.shape))


def test_a_blend_is_a_picture_of_which_each_style_has_its_share():
    one, other = features(4, 6, 3), features(4, 6, 3, seed=1)
    with jax.enable_x64(True):
        parts = [moments(jnp.asarray(found)) for found in (one, other)]
        beside = np.concatenate([one, one, one, other], axis=1)
        leaves_equal(blended(parts, [3.0, 1.0]), means(moments(jnp.asarray(beside))))
        leaves_equal(blended(parts, [2.0, 0.0]), means(parts[0]))
        leaves_equal(blended([parts[1]] * 2, [1.0, 5.0]), means(parts[1]))
        leaves_equal(blended(parts[:1], [0.3]), means(parts[0]))


@pytest.mark.parametrize("name", SUMS)
def test_a_statistic_of_sums_needs_nothing_but_sums(name):
    """Of the two halves of a picture, as tiles and devices have them."""
    found, style = features(8, 6, 4), features(7, 7, 4, seed=1)
    with jax.enable_x64(True):
        halves = [moments(jnp.asarray(half)) for half in (found[:3], found[3:])]
        seen: Moments = means(jax.tree.map(jnp.add, *halves))
        value = STATISTICS[name].error(seen, target_of(name, style))
        assert value == pytest.approx(float(error(name, found, style)), rel=1e-10)


def test_statistics_are_named_and_joined():
    assert parse_statistics("gram") == ("gram",)
    assert parse_statistics("gram + histogram") == ("gram", "histogram")
    assert additive(("gram", "wasserstein")) and not additive(("gram", "histogram"))
    with pytest.raises(InputError, match="unknown style statistic 'grm': choose one of gram, shif"):
        parse_statistics("grm")
    with pytest.raises(InputError, match="'gram\\+gram' name one twice"):
        parse_statistics("gram+gram")


LOUDNESS = """
from jaxstyle.objective.losses import relative_error
from jaxstyle.objective.statistics import Statistic

LOUDNESS = Statistic(
    "loudness",
    "the mean of each channel",
    target=lambda mean, _shift: mean.total,
    error=lambda mean, target: relative_error(mean.total, target),
    energy=lambda target: 1 + 0 * target[0],
)
"""


@pytest.fixture
def one_file_more(tmp_path, monkeypatch) -> Iterator[Path]:
    """A folder that is one with that of the package's statistics."""
    monkeypatch.setattr(statistics, "__path__", [*statistics.__path__, str(tmp_path)])
    monkeypatch.setattr(statistics, "loudness", None, raising=False)  # gone in the end
    path = tmp_path / "loudness.py"
    path.write_text(LOUDNESS)
    yield path
    sys.modules.pop("jaxstyle.objective.statistics.loudness", None)


def test_one_new_file_is_a_new_statistic_that_runs(one_file_more, monkeypatch):
    found = find_statistics(statistics)
    assert list(found) == [*STATISTICS, "loudness"]
    assert {name: found[name] for name in STATISTICS} == STATISTICS
    monkeypatch.setitem(STATISTICS, "loudness", found["loudness"])
    styles = {"network": random_network(), "style_layers": "relu1_1", "content_layers": ""}
    size = {"size": 16, "levels": 1, "steps": 6, "optimizer": "adam", "tv_weight": 0.0}
    result = stylize(landscape(16), waves(16), statistic="loudness", **styles, **size)
    assert result.loss < 0.8 * result.losses[0][0]


def test_two_statistics_of_one_name_are_refused(one_file_more):
    one_file_more.write_text(LOUDNESS.replace("loudness", "gram"))
    with pytest.raises(ValueError, match=r"statistics\.loudness has a statistic 'gram', as anoth"):
        find_statistics(statistics)


def test_statistics_keep_their_order():
    assert list(STATISTICS) == [
        *("gram", "shifted-gram", "mean-covariance", "wasserstein", "adain", "histogram")
    ]


@EVERY
def test_every_statistic_says_what_it_is(name):
    assert STATISTICS[name].name == name
    assert STATISTICS[name].summary and STATISTICS[name].needs in ("moments", "quantiles")
    assert name in PLAIN
