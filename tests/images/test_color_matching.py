"""Colours matched: all values of the reference's, or their mean and covariance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import landscape, noise, waves

from jaxstyle.errors import InputError
from jaxstyle.images.color_matching import (
    COLOR_MAPS,
    blended_histograms,
    match_colors,
    match_histograms,
)

SIZES = st.integers(1, 12)


def picture(height: int, width: int, seed: int, steps: int) -> np.ndarray:
    """Random values of which many are equal."""
    chance = np.random.default_rng(seed)
    return (chance.integers(0, steps, (height, width, 3)) / steps).astype(np.float32)


@given(SIZES, SIZES, st.integers(0, 99), st.integers(1, 50))
def test_as_many_pixels_get_the_very_values_of_the_reference(height, width, seed, steps):
    one, other = picture(height, width, seed, steps), picture(width, height, seed + 1, 1000)
    matched = match_histograms(one, other)
    assert matched.dtype == np.float32
    assert matched.shape == one.shape
    for channel in range(3):
        found, wanted = (np.sort(x[..., channel], axis=None) for x in (matched, other))
        np.testing.assert_array_equal(found, wanted)


@given(SIZES, SIZES, SIZES, SIZES, st.integers(0, 99), st.integers(1, 50))
def test_order_is_kept_and_nothing_leaves_the_reference(h, w, h2, w2, seed, steps):
    one, other = picture(h, w, seed, steps), picture(h2, w2, seed + 1, 20)
    matched = match_histograms(one, other)
    for channel in range(3):
        before, after = one[..., channel].ravel(), matched[..., channel].ravel()
        wanted = other[..., channel]
        for value in np.unique(before)[:-1]:
            assert after[before <= value].max() <= after[before > value].min()
        assert wanted.min() <= after.min() and after.max() <= wanted.max()


@pytest.mark.parametrize("shape", [(24, 36), (37, 41), (96, 80)])
def test_quantiles_are_the_references_at_other_sizes(shape):
    one, other = np.asarray(landscape(48)), np.asarray(waves(*shape))
    matched = match_histograms(one, other)
    at = np.linspace(0.01, 0.99, 99)
    found, wanted = (np.quantile(x, at, axis=(0, 1)) for x in (matched, other))
    np.testing.assert_allclose(found, wanted, atol=5e-3)
    assert np.abs(np.quantile(one, at, axis=(0, 1)) - wanted).max() > 0.1


@given(SIZES, SIZES, st.integers(0, 99), st.integers(1, 50))
def test_matched_with_itself_a_picture_stays(height, width, seed, steps):
    one = picture(height, width, seed, steps)
    np.testing.assert_array_equal(match_histograms(one, one), one)


def test_the_references_arrangement_plays_no_part():
    one, other = np.asarray(landscape(20, 30)), np.asarray(noise(17, 11))
    shuffled = np.random.default_rng(0).permutation(other.reshape(-1, 3)).reshape(11, 17, 3)
    np.testing.assert_array_equal(match_histograms(one, other), match_histograms(one, shuffled))


def test_a_flat_area_gets_grain_and_no_gradient():
    """White that must become many values: every corner of it gets all of them."""
    flat = np.ones((64, 64, 3), np.float32)
    matched = match_histograms(flat, np.asarray(noise(64)))
    quarters = matched.reshape(4, 16, 4, 16, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(quarters, 0.5, atol=0.02)


def test_a_cut_off_slope_goes_on_where_it_was_cut():
    """A hill whose top is clipped to white is higher in the middle afterwards than at its edge."""
    y, x = np.mgrid[-1:1:65j, -1:1:65j]
    hill = np.exp(-4 * (x**2 + y**2))
    clipped = np.minimum(hill, 0.9)[..., None].astype(np.float32)
    matched = match_histograms(clipped, hill[..., None].astype(np.float32))[..., 0]
    top = clipped[..., 0] == np.float32(0.9)
    assert np.corrcoef(matched[top], hill[top])[0, 1] > 0.7


def test_a_rolled_picture_is_matched_the_same_way_but_for_what_is_flat():
    """Seamless textures stay so: no border has a say."""
    one, other = np.asarray(noise(32)), np.asarray(waves(32))
    found = match_histograms(np.roll(one, (5, 9), (0, 1)), other)
    np.testing.assert_array_equal(found, np.roll(match_histograms(one, other), (5, 9), (0, 1)))


def test_what_weighs_nothing_is_in_no_histogram():
    one, other = np.asarray(noise(20, 30)), np.asarray(waves(24, 20))
    seen, other_seen = np.zeros((20, 30), np.float32), np.zeros((24, 20), np.float32)
    seen[:12], other_seen[:, 5:] = 0.7, 0.3
    weights = {"weights": seen, "reference_weights": other_seen}
    found = match_histograms(one, other, **weights)
    at = np.linspace(0.02, 0.98, 49)
    quantiles = (np.quantile(x, at, axis=(0, 1)) for x in (found[:12], other[:, 5:]))
    np.testing.assert_allclose(next(quantiles), next(quantiles), atol=0.02)
    other_junk = other.copy()
    other_junk[:, :5] = 0
    np.testing.assert_array_equal(match_histograms(one, other_junk, **weights), found)
    ones = {"weights": np.ones_like(seen), "reference_weights": np.ones_like(other_seen)}
    plain = match_histograms(one, other)
    np.testing.assert_allclose(match_histograms(one, other, **ones), plain, atol=1e-5)
    with pytest.raises(InputError, match="the reference's weights must be finite"):
        match_histograms(one, other, reference_weights=0 * other_seen)


def test_twice_the_weight_is_twice_the_pixels():
    rows, heavy = np.asarray(noise(30, 40)).copy(), np.ones((30, 40), np.float32)
    rows[:10] *= 0.5
    heavy[:10] = 2
    doubled = np.concatenate([rows, rows[:10]])
    one, other, plain = (
        blended_histograms([part], [1.0], 64)
        for part in ((rows, heavy), (doubled, None), (rows, None))
    )
    np.testing.assert_allclose(one, other, atol=0.005)
    assert np.abs(one - plain).max() > 0.03


def test_a_blended_histogram_is_the_mean_of_quantiles():
    dark, light = (np.full((2, 2, 3), level, np.float32) for level in (0.2, 0.6))
    found = blended_histograms([(dark, None), (light, None)], [1, 3], 5)
    assert found.shape == (1, 5, 3)
    np.testing.assert_allclose(found, 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((4, 4, 3), (4, 4, 1)), r"shapes \(4, 4, 3\) and \(4, 4, 1\): both must be"),
        (((4, 4), (4, 4)), "both must be"),
        (((4, 4, 3), (0, 4, 3)), "a picture has no pixels"),
    ],
)
def test_what_cannot_be_matched_is_refused(shapes, message):
    with pytest.raises(InputError, match=message) as caught:
        match_histograms(*(np.zeros(shape, np.float32) for shape in shapes))
    assert "\n" not in str(caught.value)


every_map = pytest.mark.parametrize("method", COLOR_MAPS)
MAPS = st.sampled_from(COLOR_MAPS)


def moments(values: np.ndarray, weights: np.ndarray | None = None):
    """Mean and covariance of a picture's colours, in float64."""
    flat = values.reshape(-1, values.shape[2]).astype(np.float64)
    chances = np.full(len(flat), 1 / len(flat)) if weights is None else weights / weights.sum()
    chances = chances.reshape(-1)
    mean = chances @ flat
    return mean, (flat - mean).T @ ((flat - mean) * chances[:, None])


def spread_colours(height: int, width: int, seed: int) -> np.ndarray:
    """Values in [0, 1] whose covariance is any, but nowhere near singular."""
    chance = np.random.default_rng(seed)
    mixed = chance.random((height, width, 3)) @ chance.random((3, 3)) / 3
    return (0.5 * mixed + 0.5 * chance.random((height, width, 3))).astype(np.float32)


def linear_part(one: np.ndarray, made: np.ndarray) -> np.ndarray:
    """The matrix that took the one's colours to the other's."""
    flat = [values.reshape(-1, 3).astype(np.float64) for values in (one, made)]
    centred = [values - values.mean(axis=0) for values in flat]
    return np.linalg.lstsq(*centred, rcond=None)[0].T


def tones(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., :1], 3, axis=2)


@given(st.integers(4, 12), st.integers(4, 12), st.integers(0, 999), MAPS)
def test_matched_colours_have_the_references_mean_and_covariance(height, width, seed, method):
    one, other = spread_colours(height, width, seed), spread_colours(width, 9, seed + 1)
    made = match_colors(one, other, method)
    assert made.shape == one.shape and made.dtype == np.float32
    for found, wanted in zip(moments(made), moments(other), strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-6)


@every_map
def test_photographs_and_paintings_are_matched_too(shared, method):
    from jaxstyle.images import load_image

    folder = shared / "images"
    one, other = (load_image(folder / name).rgb for name in ("the_scream.jpg", "golden_gate.jpg"))
    made = match_colors(one, other, method)
    for found, wanted in zip(moments(made), moments(other), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


@every_map
def test_with_its_own_colours_a_picture_stays(method):
    one = np.array(waves(20, 30))
    np.testing.assert_allclose(match_colors(one, one, method), one, atol=1e-6)


def test_each_map_is_the_one_that_it_is_called():
    one, other = spread_colours(20, 20, 1), np.array(waves(20))
    cholesky, pca, symmetric = (
        linear_part(one, match_colors(one, other, method)) for method in COLOR_MAPS
    )
    np.testing.assert_allclose(np.triu(cholesky, 1), 0, atol=1e-5)
    assert np.diag(cholesky).min() > 0
    np.testing.assert_allclose(symmetric, symmetric.T, atol=1e-5)
    assert np.linalg.eigvalsh((symmetric + symmetric.T) / 2).min() > 0
    # A S^1/2 is the reference's symmetric root, as for no other map.
    values, axes = np.linalg.eigh(moments(one)[1])
    root = pca @ axes @ np.diag(np.sqrt(values)) @ axes.T
    np.testing.assert_allclose(root, root.T, atol=1e-5)
    assert np.abs(cholesky - symmetric).max() > 0.01 and np.abs(pca - symmetric).max() > 0.01


@given(st.integers(0, 999))
def test_the_symmetric_map_moves_colours_least(seed):
    one, other = spread_colours(9, 9, seed), spread_colours(9, 9, seed + 1)
    moved = {m: np.square(match_colors(one, other, m) - one).mean() for m in COLOR_MAPS}
    assert moved["symmetric"] <= min(moved.values()) + 1e-7


@every_map
def test_a_flat_picture_becomes_the_references_mean(method):
    other = np.array(waves(16))
    made = match_colors(np.full((5, 6, 3), 0.4, np.float32), other, method)
    np.testing.assert_allclose(
        made, np.broadcast_to(other.mean(axis=(0, 1)), made.shape), atol=1e-6
    )


@every_map
def test_a_grey_picture_takes_on_tints_and_keeps_its_steps(method):
    """Its covariance is singular: neither NaN nor noise; equal greys stay equal colours."""
    one, other = tones(np.array(landscape(24))), np.array(waves(16))
    made = match_colors(one, other, method)
    assert np.isfinite(made).all()
    np.testing.assert_allclose(moments(made)[0], moments(other)[0], atol=1e-5)
    assert np.linalg.matrix_rank(moments(made)[1], tol=1e-8) == 1
    assert np.ptp(made, axis=2).max() > 0.01


@every_map
def test_a_grey_reference_makes_grey(method):
    one, other = np.array(waves(16)), tones(np.array(landscape(24)))
    made = match_colors(one, other, method)
    np.testing.assert_allclose(made, tones(made), atol=1e-5)
    np.testing.assert_allclose(moments(made)[1], moments(other)[1], atol=1e-6)


@every_map
@pytest.mark.parametrize("level", [1e-8, 1e-5, 1e-3, 1 / 255])
def test_faint_noise_does_not_become_the_picture(method, level):
    """On flat and on grey pictures, from rounding to a camera's."""
    other = np.array(waves(32))
    grain = level * np.random.default_rng(0).normal(size=(32, 32, 3))
    for one in (np.full((32, 32, 3), 0.5), tones(np.array(landscape(32)))):
        calm = match_colors(one.astype(np.float32), other, method)
        made = match_colors((one + grain).astype(np.float32), other, method)
        # Along the greys noise is mapped as they are; elsewhere the square of it is left.
        assert (made - calm).std() <= level + 0.5 * (level / (3 / 255)) ** 2 + 1e-6


def test_what_does_not_count_plays_no_part():
    """The hidden colours of transparent pixels, in both pictures."""
    one, other = spread_colours(12, 15, 1), np.array(waves(14))
    seen, counted = np.ones((12, 15), np.float32), np.ones((14, 14), np.float32)
    seen[:, 10:], counted[4:] = 0, 0
    made = match_colors(one, other, weights=seen, reference_weights=counted)
    np.testing.assert_allclose(made[:, :10], match_colors(one[:, :10], other[:4]), atol=1e-5)
    soft = np.random.default_rng(0).random((12, 15)).astype(np.float32)
    made = match_colors(one, other, weights=soft)
    for found, wanted in zip(moments(made, soft), moments(other), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


@every_map
def test_blocks_of_rows_make_no_difference(method, monkeypatch):
    one, other = spread_colours(23, 17, 1), np.array(waves(14))
    whole = match_colors(one, other, method)
    monkeypatch.setattr("jaxstyle.images.color_matching._BLOCK", 17 * 4)
    np.testing.assert_allclose(match_colors(one, other, method), whole, atol=1e-6)


FLAT = np.full((4, 4, 3), 0.5, np.float32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "lab"}, "color map 'lab' is unknown: choose one of cholesky, pca, symmetric"),
        ({"reference": FLAT[..., 0]}, r"cannot match colours of shapes .*: both must be"),
        ({"reference": FLAT[:0]}, "cannot match colours: a picture has no pixels"),
        ({"weights": np.ones((4, 3))}, r"picture has shape \(4, 4, 3\), its weights \(4, 3\)"),
        ({"weights": np.zeros((4, 4))}, "picture's weights must be finite, at least 0, and not"),
        ({"reference_weights": np.full((4, 4), np.nan)}, "the reference's weights must be finite"),
        ({"weights": -np.eye(4)}, "they reach from -1 to -0"),
    ],
)
def test_what_cannot_be_mapped_is_refused(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        match_colors(**{"picture": FLAT, "reference": FLAT, **arguments})
    assert "\n" not in str(caught.value)
