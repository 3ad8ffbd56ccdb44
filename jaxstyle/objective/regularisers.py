"""What is asked of the picture itself: total variation, fine detail, range.

Each is a sum over positions, so that those of tiles and of devices add up; the loss takes its mean
per value.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxstyle.objective.losses import wide

REGULARISERS = ("tv", "wavelet", "range", "temporal")

SMALLEST = 1e-8
"""Added to squared differences before a power is taken, whose slope at 0 would be infinite."""

Mask = Float[Array, "h w 1"] | None
Picture = Float[Array, "h w c"]


def picture_sum(
    name: str,
    picture: Picture,
    *,
    kind: str = "l2",
    power: Float[Array, ""] | float = 2.0,
    wrap: bool = False,
    counted: Mask = None,
    inside: Mask = None,
    previous: Picture | None = None,
    trust: Mask = None,
) -> Float[Array, ""]:
    """The sum of one regulariser.

    ``tv``: of neighbours' differences d in both directions, |d| (``l1``), d^2 (``l2``) or
    (d_down^2 + d_right^2)^(power / 2) (``power``; Mahendran and Vedaldi 2015, equation 4).
    ``wavelet``: the squares of the diagonal detail of the finest Haar wavelets, undecimated: the
    checkerboards that convolutions leave, which total variation hardly tells from an edge.
    ``range``: the squares of what lies below 0 or above 1. ``temporal``: the squares of what
    differs from ``previous``, where that is to be trusted (Ruder et al. 2016, equation 7).

    Args:
        picture: in [0, 1], or beyond where nothing keeps it there.
        kind, power: of the total variation.
        wrap: whether values at opposite borders are neighbours, as in a seamless texture.
        counted: 1 where a position is to be counted; differences belong to their upper left end.
        inside: how much a position belongs to the picture; a difference counts by all its ends.
        previous, trust: of ``temporal``.
    """
    picture = wide(picture)
    if name == "range":
        beyond = jnp.minimum(picture, 0) + jnp.maximum(picture - 1, 0)
        return _total(jnp.square(beyond), counted, [inside])
    if name == "temporal":
        assert previous is not None
        return _total(jnp.square(picture - wide(previous)), counted, [inside, trust])
    move = partial(_moved, wrap=wrap)
    if name == "wavelet":
        ends = [(0, 0), (0, 1), (1, 0), (1, 1)]
        a, b, c, d = (move(picture, *end, 1, 1) for end in ends)
        counts = [None if inside is None else move(inside, *end, 1, 1) for end in ends]
        first = None if counted is None else move(counted, 0, 0, 1, 1)
        return _total(jnp.square((a - b - c + d) / 2), first, counts)
    both = 1 if kind == "power" else 0
    down = move(picture, 1, 0, 1, both) - move(picture, 0, 0, 1, both)
    right = move(picture, 0, 1, both, 1) - move(picture, 0, 0, both, 1)

    def count(mask: Mask, ends: list[tuple[int, int]], rows: int, columns: int) -> list[Mask]:
        return [None if mask is None else move(mask, *end, rows, columns) for end in ends]

    if kind == "power":
        half = jnp.asarray(power, picture.dtype) / 2
        smallest = jnp.asarray(SMALLEST, picture.dtype)
        steepness = (jnp.square(down) + jnp.square(right) + smallest) ** half - smallest**half
        first = count(counted, [(0, 0)], 1, 1)[0]
        return _total(steepness, first, count(inside, [(0, 0), (0, 1), (1, 0)], 1, 1))
    sums = [
        _total(
            # Not jnp.abs: JAX takes 1 for its slope at 0, which would tilt every flat area.
            step * jnp.sign(step) if kind == "l1" else jnp.square(step),
            count(counted, [(0, 0)], rows, columns)[0],
            count(inside, [(0, 0), (rows, columns)], rows, columns),
        )
        for step, rows, columns in ((down, 1, 0), (right, 0, 1))
    ]
    return sums[0] + sums[1]


def _moved(x: Array, top: int, left: int, rows: int, columns: int, *, wrap: bool) -> Array:
    """``x`` from (top, left) on, without as many rows and columns as neighbours need."""
    if wrap:
        return jnp.roll(x, (-top, -left), axis=(0, 1))
    height, width = x.shape[0] - rows, x.shape[1] - columns
    return x[top : top + height, left : left + width]


def _total(terms: Picture, counted: Mask, inside: list[Mask]) -> Float[Array, ""]:
    for mask in [counted, *inside]:
        if mask is not None:
            terms = terms * mask.astype(terms.dtype)
    return jnp.sum(terms)
