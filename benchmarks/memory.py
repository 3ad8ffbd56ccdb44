"""What `jaxstyle plan` says that a run needs, against what its process then takes.

Noise read from a PNG, as large a style, one size, saved as PNG, nothing in the cache. And one step
of pictures of 50 megapixels, larger than memory, as the planner chooses with --max-memory 6GB; the
style is of 1024x768 px.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.workers import JAXSTYLE, WorkerFailed, cache_in, measured

CASES = (
    ("slim", 1024, 1024, "adam", 0),
    ("slim", 1280, 960, "lbfgs", 0),
    ("slim", 2048, 2048, "adam", 0),
    ("slim", 2048, 1536, "lbfgs", 0),
    ("full", 512, 512, "adam", 0),
    ("full", 640, 480, "lbfgs", 0),
    ("full", 1024, 768, "adam", 0),
    ("slim", 2048, 2048, "adam", 512),
    ("slim", 2048, 1536, "lbfgs", 512),
    ("slim", 3072, 2048, "adam", 1024),
    ("full", 832, 512, "adam", 512),
    ("full", 832, 512, "lbfgs", 512),
)
"""Network, width, height, optimiser, tile; the picture is whole where that is 0."""
LARGE = (
    ("slim", "adam", []),
    ("slim", "lbfgs", []),
    ("full", "adam", ["--tile", "768", "--style-scale", "0.25"]),
)
"""Network, optimiser, and options, of which the style's is there to save time."""
LARGE_SIZE, LARGE_STYLE, ALLOWED = (8192, 6144), (1024, 768), 6e9
ESTIMATE, LARGER = "Estimate and measurement", "One step of a picture larger than memory"
COLUMNS = {
    "net": "VGG-19",
    "width": "width",
    "height": "height",
    "strategy": "strategy",
    "optimizer": "optimiser",
    "tile": "tile, px",
    "history": "history",
    "content": "content's features",
    "peak_mib": "peak, MiB",
    "estimate_mib": "estimate, MiB",
    "ratio": "estimate / peak",
    "seconds": "s",
    "note": "note",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    for option, table, what in (("--cases", CASES, "rows"), ("--large", LARGE, "large pictures")):
        numbers = range(1, len(table) + 1)
        parser.add_argument(
            option,
            nargs="*",
            type=int,
            choices=numbers,
            default=numbers,
            help=f"which {what}, from 1 (default: all; none after the bare option)",
        )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of all sides, for a trial (default: 1)"
    )
    parser.add_argument("--minutes", type=float, default=150.0, help="for each (default: 150)")


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for index in options.cases:
        net, width, height, optimizer, tile = CASES[index - 1]
        words = ["--optimizer", optimizer, "--steps", "2", "--strategy"]
        words += ["tiled", "--tile", str(round(options.scale * tile))] if tile else ["whole"]
        yield {"table": ESTIMATE, **_row(net, (width, height), words, None, options)}
    for index in options.large:
        net, optimizer, more = LARGE[index - 1]
        words = ["--optimizer", optimizer, "--steps", "1", "--max-memory", f"{ALLOWED:.0f}", *more]
        yield {"table": LARGER, **_row(net, LARGE_SIZE, words, LARGE_STYLE, options)}


def _row(
    net: str,
    size: tuple[int, int],
    words: list[str],
    style: tuple[int, int] | None,
    options: argparse.Namespace,
) -> dict[str, Any]:
    width, height = (round(options.scale * side) for side in size)
    row = {"net": net, "width": width, "height": height, "optimizer": words[1]}
    try:
        return {**row, **run_of(net, (width, height), words, style, 60 * options.minutes)}
    except WorkerFailed as error:
        return {**row, "note": str(error)}


def run_of(
    net: str,
    size: tuple[int, int],
    words: list[str],
    style: tuple[int, int] | None = None,
    timeout: float = math.inf,
) -> dict[str, Any]:
    """Plan and run ``jaxstyle stylize`` from files to a file, at a single size.

    Args:
        size: width and height of the content; those of the style too, if it has none given.
        words: further options of the command.

    Raises:
        WorkerFailed: the run failed, or took longer than ``timeout`` seconds.
    """
    # Late, so that --help need not load JAX.
    from benchmarks.ours import network
    from jaxstyle.network.weights.native import write_native

    with tempfile.TemporaryDirectory() as folder:
        weights, output = f"{folder}/network.h5", f"{folder}/result.png"
        write_native(weights, network(net))
        pictures = [f"{folder}/content.png", f"{folder}/style.png"]
        for seed, (width, height) in enumerate((size, style or size)):
            noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
            Image.fromarray(noise).save(pictures[seed], compress_level=1)
        run = [*pictures, "--weights", weights, "--size", str(max(size)), "--levels", "1", *words]
        planned = measured([*JAXSTYLE, "plan", *run, "--json"], timeout=timeout).printed
        chosen = next(way for way in json.loads(planned)["ways"] if way["chosen"])
        stylize = [*JAXSTYLE, "stylize", *run, "--quiet", "-o", output]
        seconds, peak, _ = measured(stylize, cache_in(folder), timeout)
    return {
        "strategy": chosen["strategy"],
        "tile": chosen["tile"] or None,
        "history": chosen["history"] if "lbfgs" in words else None,
        "content": "again" if chosen["recompute_content"] else "kept",
        "peak_mib": peak / 2**20,
        "estimate_mib": chosen["bytes"] / 2**20,
        "ratio": chosen["bytes"] / peak,
        "seconds": seconds,
    }
