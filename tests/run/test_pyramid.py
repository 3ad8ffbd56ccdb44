"""Coarse to fine."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxstyle.run.pyramid import CHEAP, COARSEST, level_sizes, share_of_time

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
def test_each_level_has_about_twice_the_pixels_of_the_one_before_or_four_times(width, height):
    sizes = level_sizes(width, height, levels=4)
    wanted = 4 if max(width, height) > CHEAP else 2
    for small, large in pairwise(sizes):
        assert math.prod(large) / math.prod(small) == pytest.approx(wanted, rel=0.05)
        assert large[0] / large[1] == pytest.approx(small[0] / small[1], rel=0.03)


@given(st.integers(CHEAP + 1, 10_000), st.integers(1, 10_000))
def test_the_levels_of_a_large_picture_cost_a_third_more_than_the_last(width, height):
    pixels = [math.prod(size) for size in level_sizes(width, height)]
    assert sum(pixels) <= 4 / 3 * pixels[-1] + 10 * max(width, height)


def test_levels_of_large_pictures_are_octaves():
    sizes = [(128, 64), (256, 128), (512, 256), (1024, 512), (2048, 1024)]
    assert level_sizes(2048, 1024) == sizes


def test_as_many_levels_as_do_not_get_too_coarse():
    assert level_sizes(512, 384) == [(128, 96), (181, 136), (256, 192), (362, 272), (512, 384)]
    assert level_sizes(96, 64) == [(96, 64)]


def test_one_level_is_the_picture_alone():
    assert level_sizes(512, 384, levels=1) == [(512, 384)]


def test_levels_asked_for_may_be_coarser_but_not_too_small_for_the_taps():
    assert level_sizes(128, 128, levels=3) == [(64, 64), (91, 91), (128, 128)]
    assert level_sizes(128, 128, levels=3, least_side=64) == [(64, 64), (91, 91), (128, 128)]
    assert level_sizes(128, 128, levels=3, least_side=65) == [(91, 91), (128, 128)]


def test_a_picture_below_the_least_side_is_left_as_it_is():
    assert level_sizes(400, 20, least_side=32) == [(400, 20)]


def test_levels_end_where_they_cannot_shrink():
    assert level_sizes(4, 1, levels=50) == [(1, 1), (2, 1), (3, 1), (4, 1)]


@given(SIDES, SIDES, st.one_of(st.none(), st.integers(1, 8)), st.sampled_from([1, 8, 16, 32, 100]))
def test_levels_below_the_last_are_multiples(width, height, levels, multiple):
    sizes = level_sizes(width, height, levels=levels, multiple=multiple)
    assert sizes[-1] == (width, height)
    assert levels is None or len(sizes) <= levels
    for size in sizes[:-1]:
        assert all(side > 0 and side % multiple == 0 for side in size)
    for small, large in pairwise(sizes):
        assert small[0] <= large[0] and small[1] <= large[1] and small != large


def test_multiples_keep_close_to_half_the_pixels():
    assert level_sizes(512, 384, multiple=16) == [
        (96, 64),
        (128, 96),
        (176, 128),
        (256, 192),
        (368, 272),
        (512, 384),
    ]
    # 48 px rounds to 64 like the level before, and is left out; the next is coarser again.
    assert level_sizes(96, 96, levels=3, multiple=32) == [(32, 32), (64, 64), (96, 96)]
    assert level_sizes(100, 100, levels=2, multiple=32) == [(64, 64), (100, 100)]
    assert level_sizes(20, 100, levels=4, multiple=32) == [(20, 100)]  # no multiple is as small


def test_time_is_shared_by_pixels():
    sizes = [(10, 10), (20, 10), (20, 20)]
    assert share_of_time(sizes, 0, 70.0) == pytest.approx(10)
    assert share_of_time(sizes, 1, 60.0) == pytest.approx(20)
    assert share_of_time(sizes, 2, 40.0) == 40
    assert share_of_time(sizes, 1, math.inf) == math.inf


@given(SIDES, SIDES, st.floats(0.1, 1e6))
def test_the_shares_use_up_the_time(width, height, seconds):
    sizes = level_sizes(width, height)
    left = seconds
    for level in range(len(sizes)):
        share = share_of_time(sizes, level, left)
        assert share > 0
        left -= share
    assert abs(left) < 1e-9 * seconds
