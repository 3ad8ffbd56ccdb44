"""The geometry of tiles: nothing owned twice or by nobody, and all that it depends on at hand."""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import TINY, random_params

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG16, VGG19, stride
from jaxstyle.network.vgg import features
from jaxstyle.objective.partitioned.tile_layout import (
    Span,
    grid_of,
    least_tile,
    reach_of,
    tile_picture,
)

TAPS = st.lists(st.sampled_from(VGG19.layers), max_size=4).map(tuple)
SIDES = st.integers(1, 2000)


def spans_of(length: int, taps: tuple[str, ...], tile: int) -> tuple[int, list[Span]]:
    """The tiling of one axis; the other fits one window."""
    tiling = tile_picture(length, 1, taps, tile)
    assert {window.columns for window in tiling.windows} == {Span(0, 0, 1)}
    return tiling.height, [window.rows for window in tiling.windows]


@given(SIDES, TAPS, st.integers(0, 500))
def test_owned_blocks_partition_the_picture_on_lines_of_the_grid(length, taps, more):
    _, spans = spans_of(length, taps, least_tile(taps) + more)
    assert spans[0].low == 0
    assert spans[-1].high == length
    for one, following in pairwise(spans):
        assert one.low < one.high == following.low
        assert one.high % grid_of(taps) == 0


@given(SIDES, TAPS, st.integers(0, 500))
def test_windows_lie_in_the_picture_and_hold_what_is_owned_with_its_halo(length, taps, more):
    size, spans = spans_of(length, taps, least_tile(taps) + more)
    reach = reach_of(taps)
    for start, low, high in spans:
        assert 0 <= start <= start + size <= length
        assert start % grid_of(taps) == 0
        assert start <= max(0, low - reach)
        assert start + size >= min(length, high + reach)


@given(SIDES, TAPS, st.integers(0, 500))
def test_the_far_window_drops_the_rows_that_the_picture_drops(length, taps, more):
    size, spans = spans_of(length, taps, least_tile(taps) + more)
    assert spans[-1].start + size == length
    for tap in taps:
        assert spans[-1].start // stride(tap) + size // stride(tap) == length // stride(tap)


@given(SIDES, TAPS, st.integers(0, 500))
def test_windows_are_no_more_and_no_larger_than_need_be(length, taps, more):
    least = least_tile(taps)
    size, spans = spans_of(length, taps, least + more)
    assert size <= least + more
    assert (size == length) == (len(spans) == 1)
    if len(spans) > 1 and size > least:
        assert len(spans_of(length, taps, size - 1)[1]) > len(spans)


def test_rows_and_columns_combine_to_a_lattice():
    tiling = tile_picture(700, 500, ("conv5_1",), 300)
    rows = {window.rows for window in tiling.windows}
    columns = {window.columns for window in tiling.windows}
    assert len(tiling.windows) == len(set(tiling.windows)) == len(rows) * len(columns) > 6
    assert tiling.height % 16 == 700 % 16
    assert tiling.width % 16 == 500 % 16


@pytest.mark.parametrize(
    ("tap", "reach"), [("conv1_1", 1), ("pool1", 2), ("conv2_1", 4), ("conv5_1", 70)]
)
def test_reach(tap, reach):
    assert reach_of((tap, "relu1_1")) == reach


def test_a_shallower_network_reaches_less_far():
    assert reach_of(("conv5_1",), VGG16) == 70 - 4 - 8


@pytest.mark.parametrize("tap", ["relu1_2", "pool1", "conv2_2", "pool3", "conv4_1"])
def test_a_position_depends_on_the_pixels_within_its_reach_and_no_others(tap):
    params = jax.tree.map(jnp.ones_like, random_params(jax.random.key(0), TINY))
    step, reach, side = stride(tap), reach_of((tap,)), 128
    middle = side // step // 2

    def value(x: jax.Array) -> jax.Array:
        return features(params, x[None], (tap,))[tap][0, middle, middle, 0]

    seen = np.flatnonzero(jax.grad(value)(jnp.ones((side, side, 3))).sum((0, 2)))
    assert seen[0] == middle * step - reach
    assert seen[-1] == (middle + 1) * step + reach - 1


def test_a_tile_below_the_least_is_refused_by_name():
    assert least_tile(("conv5_1", "conv1_1")) == 181
    with pytest.raises(InputError) as refused:
        tile_picture(1000, 1000, ("conv5_1", "conv1_1"), 180)
    assert str(refused.value) == (
        "the tile is 180 px; conv5_1 needs at least 181: take a larger tile or tap shallower layers"
    )


def test_an_unknown_tap_is_refused():
    with pytest.raises(InputError, match="unknown layer 'conv6_1'"):
        tile_picture(100, 100, ("conv6_1",), 512)
