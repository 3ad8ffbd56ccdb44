"""Programs go when the last few pictures had other shapes, and never before."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.backend import get_backend
from samples import compilations

from jaxstyle.runtime.programs import PICTURES, jitted, programs_of_picture


@pytest.fixture
def doubled():
    """A function that notes the shapes that it is traced for, in ``traced``."""
    traced = []

    @jitted()
    def double(x, factor):
        traced.append(x.shape)
        return factor * x

    double.traced = traced
    return double


def run(function, size: int, factor: float = 2.0, picture: str = "a picture"):
    with programs_of_picture((picture, size)):
        return function(np.ones(size, np.float32), factor)


def test_only_the_programs_of_the_last_pictures_are_kept(doubled):
    for size in range(1, PICTURES + 4):
        assert run(doubled, size).tolist() == [2.0] * size
    assert compilations(doubled) == PICTURES


def test_pictures_that_take_turns_compile_once(doubled):
    for _ in range(3):
        for size in range(1, PICTURES + 1):
            run(doubled, size)
    assert doubled.traced == [(size,) for size in range(1, PICTURES + 1)]


def test_the_shape_that_was_used_longest_ago_goes(doubled):
    for size in (1, 2, 3, 4, 1, 5, 1, 2):
        run(doubled, size)
    assert [size for (size,) in doubled.traced] == [1, 2, 3, 4, 5, 2]


def test_a_number_compiles_nothing(doubled):
    for factor in (1.0, 2.5, 7.0):
        assert run(doubled, 1, factor).tolist() == [factor]
    assert len(doubled.traced) == 1


def test_what_all_pictures_share_is_kept(doubled):
    for picture in range(3 * PICTURES):
        run(doubled, 7, picture=f"picture {picture}")
    assert len(doubled.traced) == 1


def test_what_no_picture_is_made_by_is_kept(doubled):
    doubled(jnp.ones(9), 2.0)
    for size in range(1, PICTURES + 3):
        run(doubled, size)
    doubled(jnp.ones(9), 2.0)
    assert doubled.traced.count((9,)) == 1


def test_what_is_compiled_leaves_the_memory(doubled):
    client = get_backend()
    for size in range(1, 4 * PICTURES):
        run(doubled, size)
        if size == PICTURES + 1:
            before = len(client.live_executables())
    assert len(client.live_executables()) <= before + PICTURES


def test_what_is_given_up_is_overwritten():
    @jitted(donate_argnums=0)
    def add(x, y):
        return x + y

    x = jnp.ones(3)
    assert add(x, jnp.ones(3)).tolist() == [2.0] * 3
    assert x.is_deleted()


def test_it_can_be_told_to_hold_little_at_once():
    @jitted(little_memory=True, static_argnames="factor")
    def scaled(x, *, factor: int):
        return factor * x

    assert scaled(jnp.arange(3), factor=2).tolist() == [0, 2, 4]
    scaled(jnp.arange(3), factor=2)
    assert compilations(scaled) == 1
    assert scaled.lower(jnp.arange(3), factor=3).compile()(jnp.arange(3)).tolist() == [0, 3, 6]
