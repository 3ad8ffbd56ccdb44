"""Figures as Markdown tables, and the page that they stand in.

A measurement is ``{"machine", "date", "command", "rows"}``; rows are plain JSON values by name, and
those with the same ``table`` make one table under that heading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.machine import BUSY

Measurement = Mapping[str, Any]
NUMBER = "measured in"


def fill(
    page: str, name: str, measurements: Sequence[Measurement], columns: Mapping[str, str]
) -> str:
    """The page with what stands between ``<!-- NAME -->`` and ``<!-- /NAME -->`` made anew.

    Raises:
        ValueError: the page has no such marks.
    """
    parts = [f"Not measured yet: `python -m benchmarks {name} --keep`."]
    if measurements:
        parts = [markdown(measurements, columns)]
        for number, measurement in enumerate(measurements, start=1):
            prefix = f"{number}: " if len(measurements) > 1 else ""
            parts.append(f"<sub>{prefix}{circumstances(measurement)}</sub>")
    body = "\n\n".join([f"<!-- {name} -->", *parts, f"<!-- /{name} -->"])
    pattern = rf"<!-- {name} -->.*?<!-- /{name} -->"
    filled, count = re.subn(pattern, lambda _: body, page, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"the page has {count} places for {name}: it needs one, <!-- {name} -->")
    return filled


def markdown(measurements: Sequence[Measurement], columns: Mapping[str, str]) -> str:
    """One table for each heading; columns for which no row has a value are left out.

    Args:
        columns: key of a row to heading, in order.
    """
    rows = [
        {**row, NUMBER: number if len(measurements) > 1 else None}
        for number, measurement in enumerate(measurements, start=1)
        for row in measurement["rows"]
    ]
    shown = {**columns, NUMBER: NUMBER}
    parts = []
    for heading in dict.fromkeys(row.get("table", "") for row in rows):
        own = [row for row in rows if row.get("table", "") == heading]
        keys = [key for key in shown if any(row.get(key) is not None for row in own)]
        cells = [[short(row.get(key)) for key in keys] for row in own]
        parts += [f"**{heading}**"] if heading else []
        parts.append(table([shown[key] for key in keys], cells))
    return "\n\n".join(parts)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, padded to be read as text too; columns of figures to the right."""
    lines = [[" ".join(cell.split()).replace("|", r"\|") for cell in row] for row in rows]
    figures = [
        all(re.match(r"-?$|-?[\d.]", cell) for cell in column)
        for column in zip(*lines, strict=True)
    ]
    widths = [
        max(3, *(len(line[index]) for line in [headings, *lines])) for index in range(len(headings))
    ]
    rule = [
        "-" * (width - 1) + ":" if figure else "-" * width
        for width, figure in zip(widths, figures, strict=True)
    ]
    padded = [
        [
            cell.rjust(width) if figure else cell.ljust(width)
            for cell, width, figure in zip(line, widths, figures, strict=True)
        ]
        for line in [headings, rule, *lines]
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in padded)


def short(value: Any) -> str:
    """A figure with three significant digits; a list is a range; nothing is a dash."""
    if value is None:
        return "-"
    if isinstance(value, list):
        return " - ".join(map(short, value))
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def circumstances(measurement: Measurement) -> str:
    """The machine, versions, date and command of a measurement, in one line."""
    about = dict(measurement["machine"])
    cpu, cores, memory = about.pop("cpu"), about.pop("cores"), about.pop("memory_gib")
    load = about.pop("load")
    versions = ", ".join(f"{name} {version}" for name, version in about.items())
    busy = " (others were computing: do not trust its times)" if load > BUSY else ""
    return (
        f"{cpu}, {cores} cores, {short(memory)} GiB; {versions}; {measurement['date']}; "
        f"load before {load:.2f}{busy}; `{measurement['command']}`"
    )
