"""What of a style is compared: Gram matrices and their alternatives, one file each."""

from __future__ import annotations

import sys

from jaxstyle.errors import InputError
from jaxstyle.objective.statistics.find import find_statistics
from jaxstyle.objective.statistics.moments import Moments, blended, means, moments
from jaxstyle.objective.statistics.statistic import Statistic

__all__ = [
    "STATISTICS",
    "Moments",
    "Statistic",
    "additive",
    "blended",
    "find_statistics",
    "means",
    "moments",
    "parse_statistics",
]

STATISTICS = find_statistics(sys.modules[__name__])
"""By name: all that the modules of this package define."""


def parse_statistics(text: str) -> tuple[str, ...]:
    """Read names joined by ``+``, such as ``gram+histogram``.

    Raises:
        InputError: an unknown name, or one given twice.
    """
    names = tuple(name.strip() for name in text.split("+"))
    for name in names:
        if name not in STATISTICS:
            raise InputError(
                f"unknown style statistic {name!r}: choose one of {', '.join(STATISTICS)}, or "
                "several joined by +"
            )
    if len(set(names)) < len(names):
        raise InputError(f"style statistics {text!r} name one twice")
    return names


def additive(names: tuple[str, ...]) -> bool:
    """Whether all are functions of sums over positions, which tiles and devices can share."""
    return all(STATISTICS[name].needs == "moments" for name in names)
