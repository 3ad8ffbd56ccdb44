"""Coarse-to-fine: the sizes that one picture is worked out at.

Large forms are made where they are a few pixels wide, within reach of the network's receptive
field, and are then only refined. A single run at the final size gives strokes and no swirls.
"""

from __future__ import annotations

from collections.abc import Sequence

COARSEST = 96
"""Longest side, in pixels, below which no level goes unless so many are asked for."""


def level_sizes(
    width: int,
    height: int,
    *,
    levels: int | None = None,
    least_side: int = 1,
    multiple: int = 1,
) -> list[tuple[int, int]]:
    """The (width, height) of each level, coarsest first, the last being the picture's own.

    Args:
        width, height: of the final picture.
        levels: how many levels; None for as many as do not fall below ``COARSEST``. Each is
            an octave, twice as large as the one before.
        least_side: the shortest side that the taps allow; levels below it are left out.
        multiple: round the sides of all levels but the last to multiples of this, at least one.
            A circular picture (``layers.PADDINGS``) wants the stride of its deepest tap.
    """
    sizes = [(width, height)]
    shrink = 1.0
    while levels is None or len(sizes) < levels:
        shrink /= 2
        size = _rounded(width * shrink, multiple), _rounded(height * shrink, multiple)
        too_coarse = levels is None and max(size) < COARSEST
        no_smaller = size[0] > sizes[-1][0] or size[1] > sizes[-1][1]
        if too_coarse or no_smaller or min(size) < least_side:
            break
        if size != sizes[-1]:
            sizes.append(size)
        elif max(size) == multiple:
            break
    return sizes[::-1]


def _rounded(side: float, multiple: int) -> int:
    return multiple * max(1, round(side / multiple))


def share_of_time(
    sizes: Sequence[tuple[int, int]], steps: Sequence[int], level: int, remaining: float
) -> float:
    """How many of the remaining seconds a level may take: in proportion to its pixels and steps."""
    work = [width * height * count for (width, height), count in zip(sizes, steps, strict=True)]
    return remaining * work[level] / sum(work[level:])
