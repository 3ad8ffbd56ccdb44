"""What a subject of ``bench.py`` consists of, and how its figures are written."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from keeping import Key

Row = dict[str, Any]
"""One measured case: plain JSON values by name."""

NETS = ("full", "slim")
MEASUREMENT = {"measurement": "measured in"}
"""The last column of tables whose rows are of several measurements (``keeping.numbered``)."""


def one_case(_: Row) -> str:
    """For a section whose rows are one table."""
    return ""


def no_options(_: argparse.ArgumentParser) -> None:
    """For a section without options."""


def no_verdicts(_: list[Row]) -> list[str]:
    """For a section of which nothing was wanted."""
    return []


class Section(NamedTuple):
    """A subject: ``section_NAME.py`` defines one as ``SECTION``."""

    name: str
    """Subcommand, and the kept figures' file: ``examples/benchmarks/NAME.json``."""
    title: str
    """Heading on the page."""
    about: str
    """Markdown: what is measured, how, and how to read it."""
    columns: dict[str, str]
    """Key of a row to heading, in order. Rows may hold more, for JSON. A table leaves out those
    columns for which none of its rows has a value."""
    add_options: Callable[[argparse.ArgumentParser], None]
    """Its own options; the page is made with their defaults."""
    measure: Callable[[argparse.Namespace], Iterable[Row]]
    """Runs it; raises ``Unavailable`` where this machine lacks what it needs. With a ``key`` it may
    be a generator, whose rows are kept as they come, and give a row anew when more is known."""
    verdicts: Callable[[list[Row]], list[str]]
    """Sentences computed from the rows: what was wanted, measured, and whether it was reached."""
    remarks: str = ""
    """Markdown under the table: why, and what to know."""
    case: Callable[[Row], str] = one_case
    """Rows are grouped into one table per case."""
    key: Key | None = None
    """What a row is about, for sections that are measured part by part: ``--keep`` then leaves the
    rows of other keys. Without it each measurement takes the place of the one before."""
    needs_torch: bool = False
    picture: str = ""
    """A section with an option ``--picture`` shows this file, in ``examples/benchmarks``."""


class Unavailable(Exception):
    """This machine lacks what a section measures; the message says what, in one line."""


def add_cases(
    parser: argparse.ArgumentParser, nets: Sequence[str] = NETS, sizes: Sequence[int] = (256, 512)
) -> None:
    """Add ``--nets`` and ``--sizes`` with these defaults."""
    parser.add_argument(
        "--nets",
        nargs="+",
        choices=NETS,
        default=list(nets),
        help=f"VGG-19, or its slim version with a quarter of the filters (default: {_list(nets)})",
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        default=list(sizes),
        help=f"sides of the square picture in px (default: {_list(sizes)})",
    )


def _list(values: Sequence[Any]) -> str:
    return " ".join(map(str, values))


def verdict(wanted: str, measured: str, reached: bool) -> str:
    """One sentence about a goal: ``"at least 1.5x: 1.62x, reached"``."""
    return f"{wanted}: {measured}, {'reached' if reached else 'not reached'}"


def short(value: Any) -> str:
    """A figure with three significant digits; a list is a range; nothing is a dash."""
    if value is None:
        return "-"
    if isinstance(value, list):
        return " - ".join(short(part) for part in value)
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def tables(section: Section, rows: list[Row]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Case -> (headings, one list of cells for each row), as text."""
    found = {}
    for case in dict.fromkeys(map(section.case, rows)):
        of_case = [row for row in rows if section.case(row) == case]
        columns = {**section.columns, **MEASUREMENT}
        keys = [key for key in columns if any(row.get(key) is not None for row in of_case)]
        cells = [[short(row.get(key)) for key in keys] for row in of_case]
        found[case] = [columns[key] for key in keys], cells
    return found
