"""The statistics of a package: each module-level ``Statistic`` of its modules."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from jaxstyle.objective.statistics.statistic import Statistic


def find_statistics(package: ModuleType) -> dict[str, Statistic]:
    """Import the modules of a package and collect their statistics by name.

    In the order of ``Statistic.place``, equal ones by name.

    Raises:
        ValueError: two have one name.
    """
    found: dict[str, Statistic] = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        name = f"{package.__name__}.{module.name}"
        for value in vars(importlib.import_module(name)).values():
            if not isinstance(value, Statistic):
                continue
            if found.setdefault(value.name, value) is not value:
                raise ValueError(f"{name} has a statistic {value.name!r}, as another module has")
    return dict(sorted(found.items(), key=lambda item: (item[1].place, item[0])))
