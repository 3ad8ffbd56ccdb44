"""Resizing: no aliases, no ringing out of range, no fringes, and the right sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_checks import RGB8

from jaxstyle.images import (
    ImageError,
    Picture,
    as_picture,
    fit_longest_side,
    resize,
    resize_picture,
    resize_wrapped,
)


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.floats(0, 1)
)
@settings(max_examples=60, deadline=None)
def test_flat_stays_flat_at_every_size(width, height, new_width, new_height, value):
    flat = np.full((height, width, 3), value, np.float32)
    result = resize(flat, new_width, new_height)
    assert result.shape == (new_height, new_width, 3)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, value, atol=1e-6)


def test_reduction_does_not_alias():
    stripes = np.tile(np.array([0, 1], np.float32), (64, 32))
    np.testing.assert_allclose(resize(stripes, 9, 9)[:, 1:-1], 0.5, atol=0.02)


def test_reduction_keeps_means_and_enlargement_keeps_the_picture():
    y, x = np.mgrid[0:1:48j, 0:1:64j]
    smooth = np.stack([x, y, (x + y) / 2], axis=-1).astype(np.float32)
    half = resize(smooth, 32, 24)
    blocks = smooth.reshape(24, 2, 32, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(half, blocks, atol=0.01)
    back = resize(half, 64, 48)
    np.testing.assert_allclose(back[4:-4, 4:-4], smooth[4:-4, 4:-4], atol=0.01)


def test_resize_clips_ringing_and_copies():
    edge = np.repeat(np.array([0, 0, 0, 1, 1, 1], np.float32)[None], 6, axis=0)
    result = resize(edge, 60, 6)
    assert result.min() == 0
    assert result.max() == 1
    same = resize(edge, 6, 6)
    np.testing.assert_array_equal(same, edge)
    same[:] = 0.5
    assert edge.max() == 1
    with pytest.raises(ImageError, match="cannot resize to 0x5"):
        resize(edge, 0, 5)


@pytest.mark.parametrize("hidden", [0.0, 1.0])
@pytest.mark.parametrize("size", [8, 13, 64])
def test_hidden_colour_leaves_no_fringe(hidden, size):
    rgb = np.full((32, 32, 3), hidden, np.float32)
    alpha = np.zeros((32, 32), np.float32)
    rgb[8:24, 8:24], alpha[8:24, 8:24] = (0.8, 0.4, 0.2), 1
    picture = Picture(rgb, alpha, None, 8, "", "<array>")
    result = resize_picture(picture, size, size)
    assert result.alpha is not None
    seen = result.alpha > 0.01
    assert seen.any() and not seen.all()
    inside = result.rgb[seen]
    np.testing.assert_allclose(inside, np.tile((0.8, 0.4, 0.2), (len(inside), 1)), atol=1e-3)
    assert np.isfinite(result.rgb).all()
    assert result.rgb.min() >= 0
    assert result.rgb.max() <= 1


def speckles(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3), np.float32)


@pytest.mark.parametrize(
    ("size", "new_size", "roll", "new_roll"),
    [
        ((48, 64), (24, 32), (2, 6), (1, 3)),
        ((48, 64), (72, 96), (4, -2), (6, -3)),
        ((48, 64), (18, 64), (8, 5), (3, 5)),  # one side alone
        ((40, 40), (10, 30), (16, 8), (4, 6)),
        ((6, 9), (2, 3), (3, 3), (1, 1)),  # the filter reaches round more than once
    ],
)
def test_wrapped_resizing_commutes_with_rolls(size, new_size, roll, new_roll):
    picture = speckles(*size)
    height, width = new_size
    expected = np.roll(resize_wrapped(picture, width, height), new_roll, (0, 1))
    found = resize_wrapped(np.roll(picture, roll, (0, 1)), width, height)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found - resize_wrapped(picture, width, height)).max() > 0.01


@pytest.mark.parametrize(("width", "height", "border"), [(32, 24, 4), (96, 72, 6), (80, 20, 6)])
def test_wrapped_resizing_is_resizing_but_for_the_border(width, height, border):
    picture = speckles(48, 64)
    wrapped, plain = resize_wrapped(picture, width, height), resize(picture, width, height)
    assert wrapped.shape == (height, width, 3)
    assert wrapped.dtype == np.float32
    inside = np.s_[border:-border, border:-border]
    np.testing.assert_allclose(wrapped[inside], plain[inside], atol=1e-6)
    assert np.abs(wrapped - plain).max() > 0.01
    assert 0 <= wrapped.min() and wrapped.max() <= 1


def test_wrapped_resizing_to_the_same_size_is_a_copy():
    picture = speckles(5, 7)
    same = resize_wrapped(picture, 7, 5)
    np.testing.assert_array_equal(same, picture)
    same[:] = 0
    assert picture.max() > 0
    assert resize_wrapped(picture[..., 0], 3, 3).shape == (3, 3)
    with pytest.raises(ImageError, match="cannot resize to 0x5"):
        resize_wrapped(picture, 0, 5)


def test_resize_picture_without_alpha_is_resize():
    picture = as_picture(RGB8)
    result = resize_picture(picture, 3, 2)
    np.testing.assert_array_equal(result.rgb, resize(picture.rgb, 3, 2))
    assert result.alpha is None
    assert result.size == (3, 2)


@pytest.mark.parametrize(
    ("width", "height", "size", "wanted"),
    [
        (1024, 768, 512, (512, 384)),
        (768, 1024, 512, (384, 512)),
        (5, 5, 9, (9, 9)),
        (1000, 1, 10, (10, 1)),
        (4, 1, 2, (2, 1)),
        (4, 3, 6, (6, 5)),  # 4.5 goes up
    ],
)
def test_fit_longest_side(width, height, size, wanted):
    assert fit_longest_side(width, height, size) == wanted


@given(st.integers(1, 20000), st.integers(1, 20000), st.integers(1, 20000))
def test_fit_keeps_shape(width, height, size):
    new_width, new_height = fit_longest_side(width, height, size)
    assert max(new_width, new_height) == size
    assert min(new_width, new_height) >= 1
    longest = max(width, height)
    for side, new_side in ((width, new_width), (height, new_height)):
        assert 2 * abs(new_side * longest - side * size) <= longest or new_side == 1


def test_fit_refuses_nothing():
    with pytest.raises(ImageError, match="cannot fit 5x5 to 0 px"):
        fit_longest_side(5, 5, 0)
