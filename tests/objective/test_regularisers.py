"""What is asked of the picture itself, and that parts of a picture add up to the whole."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import landscape, noise, total_variation

from jaxstyle.config.stylize_config import VARIATIONS
from jaxstyle.objective.regularisers import (
    REGULARISERS,
    SMALLEST,
    picture_sum,
)

EVERY = pytest.mark.parametrize(
    ("name", "kind"),
    [("tv", kind) for kind in VARIATIONS] + [(name, "l2") for name in REGULARISERS[1:]],
)
HEIGHT, WIDTH = 9, 12


@partial(jax.jit, static_argnames=("name", "kind", "wrap"))
def evaluated(
    name: str, picture: Any, kind: str = "l2", power: float = 2.0, wrap: bool = False, **masks: Any
) -> tuple[jax.Array, jax.Array]:
    """Sum and gradient."""

    def total(x: Any) -> jax.Array:
        return picture_sum(name, x, kind=kind, power=power, wrap=wrap, **masks)

    return jax.value_and_grad(total)(picture)


def wide() -> dict[str, jax.Array]:
    """A picture that goes beyond black and white, with one to stay close to."""
    picture = 1.6 * noise(HEIGHT, WIDTH) - 0.3
    return {"picture": picture, "previous": landscape(HEIGHT, WIDTH)}


def arguments(name: str) -> dict[str, jax.Array]:
    """Without what only ``temporal`` takes."""
    return {
        key: value for key, value in wide().items() if key == "picture" or name == "temporal"
    }  # fmt: skip


def mask(rows: slice = slice(None), columns: slice = slice(None)) -> jax.Array:
    return jnp.zeros((HEIGHT, WIDTH, 1)).at[rows, columns].set(1)


def test_total_variation_to_the_power_of_2_is_l2_but_for_the_last_neighbours():
    """Both differences of a pixel are one length, so the last row and column belong to none."""
    picture = np.asarray(noise(HEIGHT, WIDTH), np.float64)
    down, right = np.diff(picture, axis=0)[:, :-1], np.diff(picture, axis=1)[:-1]
    with jax.enable_x64(True):
        found, gradient = evaluated("tv", jnp.asarray(picture), "power", 2.0)
        assert found == pytest.approx(np.sum(down**2 + right**2), rel=1e-9)
        expected = evaluated("tv", jnp.asarray(picture))[1]
        inner = slice(1, -2)
        np.testing.assert_allclose(gradient[inner, inner], expected[inner, inner], rtol=1e-9)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.5])
def test_total_variation_to_a_power_is_the_formula(power):
    picture = np.asarray(noise(HEIGHT, WIDTH), np.float64)
    down, right = np.diff(picture, axis=0)[:, :-1], np.diff(picture, axis=1)[:-1]
    with jax.enable_x64(True):
        found, gradient = evaluated("tv", jnp.asarray(picture), "power", power)
        terms = (down**2 + right**2 + SMALLEST) ** (power / 2) - SMALLEST ** (power / 2)
        assert found == pytest.approx(terms.sum(), rel=1e-12)
        assert found == pytest.approx(((down**2 + right**2) ** (power / 2)).sum(), rel=1e-3)
        direction = np.random.default_rng(0).normal(size=picture.shape)
        after, before = (
            float(evaluated("tv", jnp.asarray(picture + s * 1e-6 * direction), "power", power)[0])
            for s in (1, -1)
        )
        along = float(jnp.vdot(gradient, direction))
        assert along == pytest.approx((after - before) / 2e-6, rel=1e-6)


def test_a_flat_picture_costs_nothing_in_any_way():
    flat = jnp.full((HEIGHT, WIDTH, 3), 0.3)
    for name, kind in [("tv", "power"), ("wavelet", "l2"), ("range", "l2")]:
        value, gradient = evaluated(name, flat, kind, 0.5)
        assert value == 0
        np.testing.assert_array_equal(gradient, np.zeros(flat.shape))


def test_edges_along_the_axes_and_ramps_have_no_wavelet_detail_and_checkerboards_do():
    rows, columns = jnp.meshgrid(jnp.arange(8.0), jnp.arange(10.0), indexing="ij")
    for shape in (rows >= 4, columns >= 3, rows % 2, 0.1 * rows - 0.05 * columns):
        picture = jnp.repeat(jnp.asarray(shape, jnp.float32)[..., None], 3, axis=-1)
        assert evaluated("wavelet", picture)[0] == pytest.approx(0, abs=1e-12)
        assert total_variation(picture) > 0
    board = jnp.repeat(((rows + columns) % 2)[..., None], 3, axis=-1)
    assert evaluated("wavelet", board)[0] == 7 * 9 * 3 * 4 / 4
    descended = board - 0.05 * evaluated("wavelet", board)[1]
    assert evaluated("wavelet", descended)[0] < 0.8 * evaluated("wavelet", board)[0]


def test_the_wavelet_is_haars_diagonal_one():
    picture = np.asarray(noise(HEIGHT, WIDTH), np.float64)
    low, high = np.array([1, 1]) / 2**0.5, np.array([1, -1]) / 2**0.5
    assert abs(low @ high) < 1e-15
    expected = 0.0
    for y, x in np.ndindex(HEIGHT - 1, WIDTH - 1):
        detail = np.einsum("i,j,ijc->c", high, high, picture[y : y + 2, x : x + 2])
        expected += float(np.sum(detail**2))
    assert evaluated("wavelet", jnp.asarray(picture, jnp.float32))[0] == pytest.approx(
        expected, rel=1e-5
    )


def test_what_is_in_range_costs_nothing_and_what_is_not_its_square():
    inside = jnp.linspace(0, 1, 24).reshape(2, 4, 3)
    value, gradient = evaluated("range", inside)
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros(inside.shape))
    beyond = inside.at[0, 0, 0].set(-0.5).at[1, 3, 2].set(1.25)
    value, gradient = evaluated("range", beyond)
    assert value == 0.25 + 0.0625
    assert (gradient[0, 0, 0], gradient[1, 3, 2]) == (-1.0, 0.5)
    assert jnp.count_nonzero(gradient) == 2


def test_temporal_is_the_squared_distance_where_it_is_trusted():
    picture, previous = noise(HEIGHT, WIDTH), landscape(HEIGHT, WIDTH)
    distance = np.square(np.asarray(picture, np.float64) - np.asarray(previous))
    assert evaluated("temporal", picture, previous=previous)[0] == pytest.approx(
        distance.sum(), rel=1e-5
    )
    assert evaluated("temporal", previous, previous=previous)[0] == 0
    trust = noise(HEIGHT, WIDTH, seed=3)[..., :1]
    found, gradient = evaluated("temporal", picture, previous=previous, trust=trust.at[4].set(0))
    expected = (distance * np.asarray(trust.at[4].set(0))).sum()
    assert found == pytest.approx(expected, rel=1e-5)
    assert not gradient[4].any() and gradient[5].all()


@EVERY
@pytest.mark.parametrize("wrap", [False, True])
def test_what_is_counted_in_parts_adds_up_to_the_whole(name, kind, wrap):
    parts = [
        mask(rows, columns)
        for rows in (slice(0, 4), slice(4, None))
        for columns in (slice(0, 5), slice(5, 6), slice(6, None))
    ]
    given = {"name": name, "kind": kind, "power": 1.5, "wrap": wrap, **arguments(name)}
    whole = evaluated(**given)
    found = [evaluated(**given, counted=part) for part in parts]
    for total, each in zip(whole, zip(*found, strict=True), strict=True):
        np.testing.assert_allclose(sum(each), total, rtol=1e-5, atol=1e-5)
    assert min(float(value) for value, _ in found) > 0


@EVERY
def test_what_is_outside_costs_nothing_and_pulls_at_nothing(name, kind):
    """A rectangle inside is as if it were a picture of its own."""
    rows, columns = slice(2, 8), slice(3, 11)
    given = arguments(name)
    options = {"name": name, "kind": kind, "power": 1.5}
    value, gradient = evaluated(**options, **given, inside=mask(rows, columns))
    alone = {key: array[rows, columns] for key, array in given.items()}
    expected, expected_gradient = evaluated(**options, **alone)
    assert value == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_allclose(gradient[rows, columns], expected_gradient, rtol=1e-4, atol=1e-5)
    assert not np.any(np.where(mask(rows, columns), 0, gradient))
    wild = {**given, "picture": jnp.where(mask(rows, columns) > 0, given["picture"], 1e3)}
    assert evaluated(**options, **wild, inside=mask(rows, columns))[0] == value


@EVERY
def test_masks_of_ones_change_nothing(name, kind):
    given = {"name": name, "kind": kind, "power": 1.5, **arguments(name)}
    for one, other in zip(
        evaluated(**given), evaluated(**given, counted=mask(), inside=mask()), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_the_mean_is_per_value():
    picture = noise(HEIGHT, WIDTH)
    for kind in VARIATIONS:
        total = picture_sum("tv", picture, kind=kind, power=1.5)
        found = total_variation(picture, kind, power=1.5)
        assert found == pytest.approx(float(total) / (HEIGHT * WIDTH * 3), rel=1e-6)
