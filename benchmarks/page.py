"""The page of figures: Markdown made of what ``bench.py --keep`` kept, and of nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from keeping import measurements, numbered
from machine import BUSY
from section import Section, short, tables

HEADER = """\
# Benchmarks

Made by `python scripts/bench.py all` (`pip install -e '.[parity]'` brings PyTorch, the peer); one
section anew by `python scripts/bench.py NAME --keep`. The figures themselves, with more columns,
are in [benchmarks/](benchmarks/); `python scripts/bench.py page` makes this page of them.

Every side runs in a process of its own, the sides take turns, and everything is measured at the
machine named under each section. Timings vary from run to run: read the ratios and their ranges.
The network has random weights unless a section says otherwise: speed does not depend on them.

PyTorch is a side of the first section, where its time to the first step and its peak memory are
too, and of those on optimisers, on grids of runs, on precision and on GPUs. Winograd's way, the
start, memory, tiles, pyramid and meshes are measured against jaxstyle itself: PyTorch has no such
part, or the first section has its figures."""

Kept = Mapping[str, Mapping[str, Any]]
"""Name of a section -> what was kept of it: machine, date, command, rows."""


def render(sections: Iterable[Section], kept: Kept) -> str:
    """The whole page; the same figures give the same text."""
    parts = [HEADER]
    for section in sections:
        parts.append(_section(section, kept.get(section.name)))
    return "\n\n".join(parts) + "\n"


def _section(section: Section, figures: Mapping[str, Any] | None) -> str:
    parts = [f"## {section.title}", section.about.strip()]
    if figures is None:
        parts.append(f"Not measured: run `python scripts/bench.py {section.name} --keep`.")
    else:
        for case, (headings, rows) in tables(section, numbered(figures)).items():
            parts += [f"**{case}**" if case else "", _table(headings, rows)]
        sentences = section.verdicts(figures["rows"])
        parts.append("\n".join(f"- {emphasised(sentence)}" for sentence in sentences))
    parts.append(section.remarks.strip())
    if figures is not None:
        told = measurements(figures)
        for number, measurement in enumerate(told, start=1):
            parts.append(_circumstances(measurement, f"{number}: " if len(told) > 1 else ""))
    return "\n\n".join(filter(None, parts))


def _table(headings: list[str], rows: list[list[str]]) -> str:
    lines = [
        headings,
        ["---:" if _is_figure(column) else "---" for column in zip(*rows, strict=True)],
        *rows,
    ]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _is_figure(cells: Iterable[str]) -> bool:
    return all(re.match(r"-?$|-?[\d.]|(nan|inf)$", cell) for cell in cells)


def emphasised(sentence: str) -> str:
    """A verdict with its outcome in bold."""
    return re.sub(r"\b(not reached|reached)\b", r"**\1**", sentence)


def _circumstances(figures: Mapping[str, Any], number: str) -> str:
    known = dict(figures["machine"])
    command = re.sub(r" --into \S+", "", figures["command"])  # where they went says nothing
    cpu, cores, memory = known.pop("cpu"), known.pop("cores"), known.pop("memory_gib")
    load = known.pop("load")
    versions = ", ".join(f"{name} {version}" for name, version in known.items())
    busy = " (others were computing: do not trust its times)" if load > BUSY else ""
    return (
        f"<sub>{number}{cpu}, {cores} cores, {short(memory)} GiB; {versions}; {figures['date']}; "
        f"load before {load:.2f}{busy}; `{command}`</sub>"
    )
