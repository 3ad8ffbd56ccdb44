"""Coarse to fine."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxstyle.run.pyramid import COARSEST, level_sizes, share_of_time

SIDES = st.integers(1, 3000)


@given(SIDES, SIDES, st.one_of(st.none(), st.integers(1, 12)), st.integers(1, 128))
def test_levels_grow_to_the_picture_itself(width, height, levels, least_side):
    sizes = level_sizes(width, height, levels=levels, least_side=least_side)
    assert sizes[-1] == (width, height)
    assert levels is None or len(sizes) <= levels
    for small, large in pairwise(sizes):
        assert small[0] <= large[0] and small[1] <= large[1] and small != large
        assert min(small) >= least_side
        assert levels is not None or max(small) >= COARSEST


@given(st.integers(200, 3000), st.integers(200, 3000))
def test_each_level_is_an_octave_larger_than_the_one_before(width, height):
    for small, large in pairwise(level_sizes(width, height, levels=3)):
        assert large[0] / small[0] == pytest.approx(2, rel=0.05)
        assert large[1] / small[1] == pytest.approx(2, rel=0.05)


def test_levels_are_octaves():
    sizes = [(128, 64), (256, 128), (512, 256), (1024, 512), (2048, 1024)]
    assert level_sizes(2048, 1024) == sizes


def test_as_many_levels_as_do_not_get_too_coarse():
    assert level_sizes(512, 384) == [(128, 96), (256, 192), (512, 384)]
    assert level_sizes(96, 64) == [(96, 64)]


def test_one_level_is_the_picture_alone():
    assert level_sizes(512, 384, levels=1) == [(512, 384)]


def test_levels_asked_for_may_be_coarser_but_not_too_small_for_the_taps():
    assert level_sizes(128, 128, levels=3) == [(32, 32), (64, 64), (128, 128)]
    assert level_sizes(128, 128, levels=3, least_side=64) == [(64, 64), (128, 128)]
    assert level_sizes(128, 128, levels=3, least_side=65) == [(128, 128)]


def test_a_picture_below_the_least_side_is_left_as_it_is():
    assert level_sizes(400, 20, least_side=32) == [(400, 20)]


def test_levels_end_where_they_cannot_shrink():
    assert level_sizes(4, 1, levels=50) == [(1, 1), (2, 1), (4, 1)]


@given(SIDES, SIDES, st.one_of(st.none(), st.integers(1, 8)), st.sampled_from([1, 8, 16, 32, 100]))
def test_levels_below_the_last_are_multiples(width, height, levels, multiple):
    sizes = level_sizes(width, height, levels=levels, multiple=multiple)
    assert sizes[-1] == (width, height)
    assert levels is None or len(sizes) <= levels
    for size in sizes[:-1]:
        assert all(side > 0 and side % multiple == 0 for side in size)
    for small, large in pairwise(sizes):
        assert small[0] <= large[0] and small[1] <= large[1] and small != large


def test_multiples_keep_close_to_half_the_sides():
    assert level_sizes(500, 380, multiple=16) == [(128, 96), (256, 192), (500, 380)]
    # 24 px rounds to 32 like the level before, and is left out.
    assert level_sizes(96, 96, levels=3, multiple=32) == [(32, 32), (64, 64), (96, 96)]
    assert level_sizes(100, 100, levels=2, multiple=32) == [(64, 64), (100, 100)]
    assert level_sizes(20, 100, levels=4, multiple=32) == [(20, 100)]  # no multiple is as small


def test_time_is_shared_by_pixels_and_steps():
    sizes, steps = [(10, 10), (20, 10), (20, 20)], (4, 2, 2)
    assert share_of_time(sizes, steps, 0, 80.0) == pytest.approx(20)
    assert share_of_time(sizes, steps, 1, 60.0) == pytest.approx(20)
    assert share_of_time(sizes, steps, 2, 40.0) == 40
    assert share_of_time(sizes, steps, 1, math.inf) == math.inf


@given(SIDES, SIDES, st.floats(0.1, 1e6))
def test_the_shares_use_up_the_time(width, height, seconds):
    sizes = level_sizes(width, height)
    left = seconds
    for level in range(len(sizes)):
        share = share_of_time(sizes, [7] * len(sizes), level, left)
        assert share > 0
        left -= share
    assert abs(left) < 1e-9 * seconds
