"""One step of a picture of 50 megapixels, larger than memory, from PNG to PNG.

As the planner chooses with --max-memory; the style is of 1024x768 px.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.memory import run_of
from benchmarks.workers import WorkerFailed

CASES = (
    ("slim", "adam", []),
    ("slim", "lbfgs", []),
    ("full", "adam", ["--tile", "768", "--style-scale", "0.25"]),
)
"""Network, optimiser, and options of which the style's is there to save time."""
COLUMNS = {
    "net": "VGG-19",
    "width": "width",
    "height": "height",
    "optimizer": "optimiser",
    "tile": "tile, px",
    "history": "history",
    "content": "content's features",
    "allowed_gb": "allowed, GB",
    "peak_gb": "peak, GB",
    "estimate_gb": "estimate, GB",
    "step_seconds": "step, s",
    "seconds": "in all, s",
    "note": "note",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    numbers = range(1, len(CASES) + 1)
    parser.add_argument(
        "--cases",
        nargs="+",
        type=int,
        choices=numbers,
        default=numbers,
        help="1 slim Adam, 2 slim L-BFGS, 3 full Adam, which takes hours (default: all)",
    )
    parser.add_argument(
        "--size",
        nargs=2,
        type=int,
        default=(8192, 6144),
        metavar=("WIDTH", "HEIGHT"),
        help="in px (default: 8192 6144)",
    )
    parser.add_argument("--allowed", type=float, default=6e9, help="bytes (default: 6e9)")
    parser.add_argument("--minutes", type=float, default=150.0, help="for each (default: 150)")


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    size, how = tuple(options.size), {"style": (1024, 768), "timeout": 60 * options.minutes}
    for index in options.cases:
        net, optimizer, more = CASES[index - 1]
        row = {"net": net, "width": size[0], "height": size[1], "optimizer": optimizer}
        row["allowed_gb"] = options.allowed / 1e9
        words = ["--optimizer", optimizer, "--steps", "1", *more]
        words += ["--max-memory", f"{options.allowed:.0f}"]
        try:
            with tempfile.TemporaryDirectory() as folder:
                run = run_of(net, size, words, Path(folder), **how)
        except WorkerFailed as error:
            yield {**row, "note": str(error)}
            continue
        yield {
            **row,
            "tile": run["tile"],
            "history": run["history"],
            "content": "again" if run["recompute_content"] else "kept",
            "peak_gb": run["peak"] / 1e9,
            "estimate_gb": run["estimate"] / 1e9,
            "seconds": run["seconds"],
        }
