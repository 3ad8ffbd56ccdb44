"""Which positions of a part count: a tile's own, or those within the border of a padded picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from jaxtyping import Array, Float

from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Features, Guides


def counted_at(
    taps: Iterable[str], at: Callable[[str], Float[Array, "_h _w 1"]], guides: Mapping[str, Array]
) -> Features:
    """What ``at`` gives for each tap, times its guide where there is one."""
    return {tap: at(tap) * guides[tap] if tap in guides else at(tap) for tap in taps}


def counted_guides(
    objective: Objective,
    guides: Guides,
    at: Callable[[str], Float[Array, "_h _w 1"]],
    pixels: Float[Array, "height width 1"],
    inside: Float[Array, "height width 1"] | None = None,
) -> Guides:
    """The guides of a part.

    Args:
        guides: of all its positions.
        at: tap -> 1 where a position counts, else 0; ``pixels`` is the same of the picture.
        inside: 0 for pixels that are no part of the picture.
    """
    own = {"counted": pixels}
    if inside is not None:
        before = guides.pixels.get("inside")
        own["inside"] = inside if before is None else before * inside
    return Guides(
        counted_at(objective.content_layers, at, guides.content),
        counted_at(objective.style_layers, at, guides.style),
        guides.pixels | own,
    )
