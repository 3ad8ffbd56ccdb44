"""The figures that are kept of a section: those of its last measurement, and of earlier ones what
that has not measured anew.

A file has the last measurement's machine, date and command at its top, those of earlier ones under
``earlier``; a row of an earlier one says by its ``earlier`` which of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Row = dict[str, Any]
Figures = Mapping[str, Any]
Key = Callable[[Row], tuple[Any, ...]]
"""What a row is about: of two rows with the same the later one holds."""

UNREACHED = "unreached"
"""Of a row that says only that there was no time for it: it takes no measured row's place."""
CIRCUMSTANCES = ("machine", "date", "command")


def put(rows: list[Row], row: Row, key: Key | None) -> None:
    """Add a row, in place of that with the same key if there is one."""
    places = () if key is None else [n for n, other in enumerate(rows) if key(other) == key(row)]
    if not places:
        rows.append(row)
    elif not row.get(UNREACHED) or rows[places[0]].get(UNREACHED):
        rows[places[0]] = row


def merged(old: Figures | None, new: Figures, key: Key | None, replace: bool = False) -> Figures:
    """What to keep of two measurements.

    Args:
        old: what is kept already, if anything.
        new: a measurement, without earlier ones.
        key: None where a measurement always takes the place of the one before.
        replace: leave out the old rows that have no new ones.
    """
    if old is None or key is None:
        return new
    measurements = [*old.get("earlier", ()), {name: old[name] for name in CIRCUMSTANCES}]
    last = len(measurements) - 1
    fresh = {key(row) for row in new["rows"]}
    rows = [
        {**row, "earlier": row.get("earlier", last)}
        for row in old["rows"]
        if not replace or key(row) in fresh
    ]
    for row in new["rows"]:
        put(rows, row, key)
    used = sorted({row["earlier"] for row in rows if "earlier" in row})
    for place, row in enumerate(rows):
        if "earlier" in row:
            rows[place] = {**row, "earlier": used.index(row["earlier"])}
    kept = {**new, "rows": rows}
    return {**kept, "earlier": [measurements[index] for index in used]} if used else kept


def measurements(figures: Figures) -> list[Figures]:
    """All of them, the last one last; one alone where all rows are of one."""
    return [*figures.get("earlier", ()), figures]


def numbered(figures: Figures) -> list[Row]:
    """The rows, each with the number of its ``measurement`` from 1 where there are several."""
    count = len(measurements(figures))
    if count == 1:
        return list(figures["rows"])
    return [{**row, "measurement": 1 + row.get("earlier", count - 1)} for row in figures["rows"]]
