"""Measure jaxstyle: against PyTorch, against itself, and against the machine.

    pip install -e '.[parity]' && python scripts/bench.py step

prints a table, what was wanted of it and whether that was reached, and what it was taken on.
``python scripts/bench.py --help`` lists the subjects, ``bench.py NAME --help`` says what one does
and takes. Every subject is a file ``scripts/benchmarks/section_NAME.py``.

    python scripts/bench.py step --json      # the figures as JSON, with more columns
    python scripts/bench.py step --keep      # also keeps them and renders examples/BENCHMARKS.md
    python scripts/bench.py tile --cases 2 --keep    # only these rows anew; the others stay
    python scripts/bench.py all              # measures and keeps everything; hours on two cores
    python scripts/bench.py page             # renders the page from what has been kept

Timings on shared machines are noisy: read the ratios. Those to PyTorch hold on an idle machine
alone: where others compute too, its threads lose much time waiting for each other.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from jaxstyle.display.figures import write_json
from jaxstyle.runtime.atomic_files import write_bytes

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))

from keeping import merged, put
from machine import BUSY, load_of_others, machine, today
from page import render
from section import Section, Unavailable, short, tables
from workers import WorkerFailed

ROOT = Path(__file__).resolve().parents[1]
PARTS = ROOT / "scripts" / "benchmarks"
ORDER = (
    "step",
    "startup",
    "optimise",
    "sweep",
    "convolution",
    "precision",
    "memory",
    "tile",
    "pyramid",
    "mesh",
    "gpu",
)
"""Of the sections on the page; others follow by name."""
WIDTH = 140
"""Columns of text where no terminal says how many there are."""
NEEDS_MORE = 2
"""Exit code: this machine, or what is installed on it, is not enough."""


def section_names() -> list[str]:
    """Of all sections, in the page's order."""
    names = sorted(path.stem.removeprefix("section_") for path in PARTS.glob("section_*.py"))
    return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def load(names: Sequence[str]) -> list[Section]:
    """The sections of these names."""
    return [importlib.import_module(f"section_{name}").SECTION for name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    names = section_names()
    # The one that is asked for: some take seconds to import.
    sections = load([name for name in names if name in words[:1]] or names)
    options = _parser(sections).parse_args(words)
    if options.what == "page":
        _write_page(sections, options.into)
        return 0
    if options.what == "all":
        return _all(sections, options.into)
    (section,) = sections
    command = [word for word in words if word not in ("--json", "--keep", "--replace")]
    if "--into" in command:  # where they went says nothing about the figures
        place = command.index("--into")
        del command[place : place + 2]
    if options.keep:
        _ask_for_picture(section, options, options.into)
    try:
        before = load_of_others()
        into = options.into if options.keep else None
        figures = _measure(section, options, command, before, into, options.replace)
    except (Unavailable, WorkerFailed) as error:
        print(f"{section.name}: {error}", file=sys.stderr)
        return NEEDS_MORE if isinstance(error, Unavailable) else 1
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        _show(section, figures)
    if options.keep:
        _write_page(load(names), options.into)
    return 0


def _all(sections: Sequence[Section], into: Path) -> int:
    """Measure, show and keep every section with its defaults; a failure ends only its own."""
    failures = 0
    for section in sections:
        options = _parser(sections).parse_args([section.name])
        _ask_for_picture(section, options, into)
        try:
            before = load_of_others()
            figures = _measure(section, options, [section.name], before, into, replace=True)
        except Unavailable as reason:
            print(f"{section.name}: {reason}", file=sys.stderr)
            continue
        except (Exception, SystemExit) as error:
            failures += 1
            print(f"{section.name} failed: {error!r}", file=sys.stderr)
            continue
        _show(section, figures)
        _write_page(sections, into)
    return min(failures, 1)


def _ask_for_picture(section: Section, options: argparse.Namespace, into: Path) -> None:
    """Have the section write what the page shows, unless it is to go elsewhere."""
    if section.picture and options.picture is None:
        options.picture = into / "benchmarks" / section.picture
        options.picture.parent.mkdir(parents=True, exist_ok=True)


def _parser(sections: Sequence[Section]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    into = argparse.ArgumentParser(add_help=False)
    into.add_argument(
        "--into",
        type=Path,
        default=ROOT / "examples",
        help="folder of the page and of benchmarks/, the figures kept (default: examples)",
    )
    printing = argparse.ArgumentParser(add_help=False, parents=[into])
    printing.add_argument("--json", action="store_true", help="print JSON instead of a table")
    printing.add_argument(
        "--keep",
        action="store_true",
        help="keep the figures, render the page; memory, tile, mesh and gpu leave the rows that "
        "are not measured now, and keep theirs as they come",
    )
    printing.add_argument(
        "--replace", action="store_true", help="with --keep: leave out rows not measured now"
    )
    whats = parser.add_subparsers(dest="what", required=True, metavar="NAME")
    for section in sections:
        own = whats.add_parser(
            section.name,
            help=section.title.replace("%", "%%"),
            description=section.about,
            parents=[printing],
        )
        section.add_options(own)
    whats.add_parser("all", help="measure and keep all of these", parents=[into])
    whats.add_parser("page", help="render the page from what has been kept", parents=[into])
    return parser


def _measure(
    section: Section,
    options: argparse.Namespace,
    command: Sequence[str],
    before: float,
    into: Path | None,
    replace: bool = False,
) -> dict[str, Any]:
    """What is printed; ``before`` is the load of others.

    Args:
        into: the folder to keep it in too, row by row where the section has keys; None: nowhere.
        replace: of what is kept already leave out, in the end, the rows that were not measured.
    """
    if section.needs_torch and importlib.util.find_spec("torch") is None:
        raise Unavailable("PyTorch is the peer: pip install torch")
    if before > BUSY:
        note = f"load is {before:.1f}: do not trust times, least of all PyTorch's; repeat when idle"
        print(note, file=sys.stderr)
    rows: list[dict[str, Any]] = []
    figures = {
        "machine": machine(before),
        "date": today(),
        "command": shlex.join(["python", "scripts/bench.py", *command]),
        "rows": rows,
    }
    old = None if into is None else _kept(section, into)
    for row in section.measure(options):
        put(rows, row, section.key)
        if into is not None and section.key is not None:
            _keep(section, merged(old, figures, section.key), into)
    if into is not None:
        _keep(section, merged(old, figures, section.key, replace), into)
    return figures


def _show(section: Section, figures: dict[str, Any]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    for case, (headings, rows) in tables(section, figures["rows"]).items():
        table = Table(title=case or section.title, padding=0)
        for heading in headings:
            table.add_column(heading, justify="right")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for sentence in section.verdicts(figures["rows"]):
        console.print(f"- {sentence}", markup=False, highlight=False)
    about = {**figures["machine"], "date": figures["date"]}
    console.print(", ".join(f"{name} {short(value)}" for name, value in about.items()))


def _keep(section: Section, figures: Mapping[str, Any], into: Path) -> None:
    folder = into / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{section.name}.json", figures)


def _kept(section: Section, into: Path) -> dict[str, Any] | None:
    path = into / "benchmarks" / f"{section.name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _write_page(sections: Sequence[Section], into: Path) -> None:
    found = {section.name: _kept(section, into) for section in sections}
    kept = {name: figures for name, figures in found.items() if figures is not None}
    into.mkdir(parents=True, exist_ok=True)
    write_bytes(into / "BENCHMARKS.md", render(sections, kept).encode())


if __name__ == "__main__":
    # As Ctrl-C: workers are in process groups of their own, and are not to outlive this one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
