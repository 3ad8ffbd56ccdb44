"""What of a style is compared: Gram matrices and their alternatives, one file each."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from types import ModuleType

from jaxstyle.errors import InputError
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


def find_statistics(package: ModuleType) -> dict[str, Statistic]:
    """The ``Statistic`` of each module of a package, by name and in the order of ``place``.

    Raises:
        ValueError: two have one name.
    """
    statistics: dict[str, Statistic] = {}
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    for module in (f"{package.__name__}.{name}" for name in names):
        for value in vars(importlib.import_module(module)).values():
            if not isinstance(value, Statistic):
                continue
            if statistics.setdefault(value.name, value) is not value:
                raise ValueError(f"{module} has a statistic {value.name!r}, as another module has")
    return dict(sorted(statistics.items(), key=lambda item: (item[1].place, item[0])))


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
