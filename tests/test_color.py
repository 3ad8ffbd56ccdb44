"""Histogram matching: the reference's values, in the picture's order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import landscape, noise, waves

from jaxstyle.color import match_histograms
from jaxstyle.errors import InputError

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
