"""What `jaxstyle plan` says that a run needs, against what its process then takes.

Noise read from a PNG, as large a style, one size, saved as PNG, nothing in the cache.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.workers import JAXSTYLE, NO_CACHE, measured


class Case(NamedTuple):
    """A run: of the whole picture where there is no tile."""

    net: str
    width: int
    height: int
    optimizer: str
    tile: int = 0


CASES = (
    Case("slim", 1024, 1024, "adam"),
    Case("slim", 1280, 960, "lbfgs"),
    Case("slim", 2048, 2048, "adam"),
    Case("slim", 2048, 1536, "lbfgs"),
    Case("full", 512, 512, "adam"),
    Case("full", 640, 480, "lbfgs"),
    Case("full", 1024, 768, "adam"),
    Case("slim", 2048, 2048, "adam", tile=512),
    Case("slim", 2048, 1536, "lbfgs", tile=512),
    Case("slim", 3072, 2048, "adam", tile=1024),
    Case("full", 832, 512, "adam", tile=512),
    Case("full", 832, 512, "lbfgs", tile=512),
)
COLUMNS = {
    "net": "VGG-19",
    "width": "width",
    "height": "height",
    "strategy": "strategy",
    "tile": "tile, px",
    "optimizer": "optimiser",
    "peak_mib": "peak, MiB",
    "estimate_mib": "estimate, MiB",
    "ratio": "estimate / peak",
    "seconds": "s",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    count = len(CASES)
    parser.add_argument(
        "--cases",
        nargs="*",
        type=int,
        choices=range(1, count + 1),
        default=range(1, count + 1),
        help="which rows of the table, from 1 (default: all)",
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of all sides, for a trial (default: 1)"
    )
    parser.add_argument("--steps", type=int, default=2, help="of each run (default: 2)")


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        for index in options.cases:
            case = CASES[index - 1]
            size = round(options.scale * case.width), round(options.scale * case.height)
            words = ["--optimizer", case.optimizer, "--steps", str(options.steps)]
            words += ["--strategy", "tiled" if case.tile else "whole"]
            if case.tile:
                words += ["--tile", str(round(options.scale * case.tile))]
            run = run_of(case.net, size, words, Path(folder))
            yield {
                "net": case.net,
                "width": size[0],
                "height": size[1],
                "optimizer": case.optimizer,
                "strategy": run["strategy"],
                "tile": run["tile"],
                "peak_mib": run["peak"] / 2**20,
                "estimate_mib": run["estimate"] / 2**20,
                "ratio": run["estimate"] / run["peak"],
                "seconds": run["seconds"],
            }


def run_of(
    net: str,
    size: tuple[int, int],
    words: list[str],
    folder: Path,
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

    write_native(folder / "network.h5", network(net))
    pictures = [str(folder / "content.png"), str(folder / "style.png")]
    for seed, (width, height) in enumerate((size, style or size)):
        noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(noise).save(pictures[seed], compress_level=1)
    run = [*pictures, "--weights", str(folder / "network.h5"), "--size", str(max(size))]
    run += ["--levels", "1", *words]
    printed = measured([*JAXSTYLE, "plan", *run, "--json"], timeout=timeout).printed
    plan = json.loads(printed)
    chosen = next(way for way in plan["ways"] if way["chosen"])
    output = str(folder / "result.png")
    stylize = [*JAXSTYLE, "stylize", *run, "--quiet", "-o", output]
    seconds, peak, _ = measured(stylize, NO_CACHE, timeout)
    return {
        "strategy": chosen["strategy"],
        "tile": chosen["tile"] or None,
        "history": chosen["history"] if "lbfgs" in words else None,
        "recompute_content": chosen["recompute_content"],
        "estimate": chosen["bytes"],
        "peak": peak,
        "seconds": seconds,
    }
