"""Coarse-to-fine: the sizes that one picture is worked out at.

Large forms are made where they are a few pixels wide, within reach of the network's receptive
field, and are then only refined. A single run at the final size gives strokes and no swirls.
"""

from __future__ import annotations

from collections.abc import Sequence

COARSEST = 96
"""Longest side, in pixels, below which no level goes unless so many are asked for."""


def level_sizes(
    width: int, height: int, *, levels: int | None = None, least_side: int = 1
) -> list[tuple[int, int]]:
    """The (width, height) of each level, coarsest first, the last being the picture's own.

    Args:
        width, height: of the final picture.
        levels: how many levels, each the square root of 2 larger than the one before; None for
            as many as do not fall below ``COARSEST``.
        least_side: the shortest side that the taps allow; levels below it are left out.
    """
    sizes = [(width, height)]
    while levels is None or len(sizes) < levels:
        shrink = 2.0 ** (-len(sizes) / 2)
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        too_coarse = levels is None and max(size) < COARSEST
        if too_coarse or min(size) < least_side or size == sizes[-1]:
            break
        sizes.append(size)
    return sizes[::-1]


def share_of_time(sizes: Sequence[tuple[int, int]], level: int, remaining: float) -> float:
    """How many of the remaining seconds a level may take: in proportion to its pixels."""
    pixels = [width * height for width, height in sizes[level:]]
    return remaining * pixels[0] / sum(pixels)
