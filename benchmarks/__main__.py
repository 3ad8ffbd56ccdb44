"""Measure jaxstyle: against PyTorch, against itself, and against the machine.

    pip install -e '.[parity]' && python -m benchmarks step

prints a table and what it was taken on. ``python -m benchmarks NAME --help`` says what a section
measures and takes; each is a module of this folder.

    python -m benchmarks step --json     # the figures as JSON, with more columns
    python -m benchmarks step --keep     # also keeps them, for their table in docs/benchmarks.md
    python -m benchmarks memory --cases --large 2 --keep --add    # beside the figures kept before
    python -m benchmarks page            # writes the page's tables anew from what is kept

Timings on shared machines are noisy: read the ratios. Those to PyTorch hold on an idle machine
alone: where others compute too, its threads lose much time waiting for each other.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import BUSY, machine, today
from benchmarks.tables import circumstances, fill, markdown
from benchmarks.workers import ROOT, Unavailable, WorkerFailed
from jaxstyle.display.figures import write_json
from jaxstyle.runtime.atomic_files import write_bytes

NAMES = ("step", "peers", "optimise", "sweep", "memory", "gpu")
NEEDS_MORE = 2
"""Exit code: this machine, or what is installed on it, is not enough."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(words)
    if options.section == "page":
        write_page(options.into)
        return 0
    command = [word for word in words if word not in ("--json", "--keep", "--add")]
    try:
        measurement = measure(options, shlex.join(["python", "-m", "benchmarks", *command]))
    except (Unavailable, WorkerFailed) as error:
        print(f"{options.section}: {error}", file=sys.stderr)
        return NEEDS_MORE if isinstance(error, Unavailable) else 1
    if options.json:
        print(json.dumps(measurement, indent=2))
    else:
        print(markdown([measurement], _section(options.section).COLUMNS), end="\n\n")
        print(circumstances(measurement))
    if options.keep:
        write_page(options.into)
    return 0


def measure(options: argparse.Namespace, command: str) -> dict[str, Any]:
    """Run a section; with ``--keep`` its rows are kept as they come."""
    about = machine()
    if about["load"] > BUSY:
        print(f"load is {about['load']}: do not trust times; repeat when idle", file=sys.stderr)
    rows: list[dict[str, Any]] = []
    measurement = {"machine": about, "date": today(), "command": command, "rows": rows}
    earlier = kept(options.section, options.into) if options.add else []
    for row in _section(options.section).measure(options):
        rows.append(row)
        if options.keep:
            path = figures_path(options.section, options.into)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, [*earlier, measurement])
    return measurement


def kept(name: str, into: Path) -> list[dict[str, Any]]:
    """The measurements of a section, the oldest first; none where it has not been measured."""
    path = figures_path(name, into)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def figures_path(name: str, into: Path) -> Path:
    """Where the figures of a section are kept."""
    return into / "benchmarks" / f"{name}.json"


def write_page(into: Path) -> None:
    """Write the tables of ``benchmarks.md`` anew; the text around them stays."""
    page = into / "benchmarks.md"
    text = page.read_text(encoding="utf-8")
    for name in NAMES:
        text = fill(text, name, kept(name, into), _section(name).COLUMNS)
    write_bytes(page, text.encode())


def _section(name: str) -> Any:
    return importlib.import_module(f"benchmarks.{name}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").split("\n")[0]
    )
    into = argparse.ArgumentParser(add_help=False)
    into.add_argument(
        "--into",
        type=Path,
        default=ROOT / "docs",
        help="folder of benchmarks.md and of benchmarks/, the figures kept (default: docs)",
    )
    printing = argparse.ArgumentParser(add_help=False, parents=[into])
    printing.add_argument("--json", action="store_true", help="print JSON instead of a table")
    printing.add_argument("--keep", action="store_true", help="keep the figures for the page")
    printing.add_argument("--add", action="store_true", help="with --keep: beside those of before")
    sections = parser.add_subparsers(dest="section", required=True, metavar="NAME")
    for name in NAMES:
        about = (_section(name).__doc__ or "").strip()
        own = sections.add_parser(
            name, help=about.split("\n")[0].rstrip("."), description=about, parents=[printing]
        )
        _section(name).add_options(own)
    sections.add_parser("page", help="write the page's tables anew", parents=[into])
    return parser


if __name__ == "__main__":
    # As Ctrl-C: workers are in process groups of their own, and are not to outlive this one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
