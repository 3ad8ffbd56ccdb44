"""Seconds from the command to the file, with an empty and a filled cache of compiled programs.

`jaxstyle stylize` with its defaults, in a process of its own: what a newcomer waits for.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from typing import Any

from benchmarks.workers import JAXSTYLE, ROOT, measured

COLUMNS = {
    "what": "",
    "weights": "network",
    "size": "px",
    "steps": "steps a size",
    "cache": "cache",
    "seconds": "s",
    "peak_mib": "peak MiB",
}
EXAMPLES = ROOT / "examples"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", nargs="+", default=["slim"], help="as of jaxstyle stylize (default: slim)"
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=[512], help="px (default: 512)")
    parser.add_argument("--steps", type=int, default=100, help="of each size (default: 100)")


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    yield _row("jaxstyle --help", measured([*JAXSTYLE, "--help"]))
    for weights in options.weights:
        for size in options.sizes:
            with tempfile.TemporaryDirectory() as folder:
                environment = {"XDG_CACHE_HOME": folder, "JAX_COMPILATION_CACHE_DIR": ""}
                command = [
                    *(*JAXSTYLE, "stylize", EXAMPLES / "content.jpg", EXAMPLES / "style.jpg"),
                    *("--weights", weights, "--size", str(size), "--steps", str(options.steps)),
                    *("--quiet", "-o", f"{folder}/picture.png"),
                ]
                for cache in ("empty", "filled"):
                    row = _row("jaxstyle stylize", measured(list(map(str, command)), environment))
                    about = {"size": size, "steps": options.steps, "cache": cache}
                    yield {**row, "weights": weights.rpartition("/")[2], **about}


def _row(what: str, run: Any) -> dict[str, Any]:
    return {"what": what, "seconds": run.seconds, "peak_mib": run.peak / 2**20}
