"""Seconds of one value-and-gradient step, against PyTorch eager and torch.compile.

All sides have the same weights, picture and loss; their processes take turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.problem import WIDTHS
from benchmarks.workers import WorkerFailed, answer

OURS, EAGER, COMPILE = "jaxstyle", "PyTorch eager", "torch.compile"
SIDES: dict[str, tuple[str, Mapping[str, Any]]] = {
    OURS: ("jaxstyle_step", {}),
    EAGER: ("torch_step", {}),
    COMPILE: ("torch_step", {"compile": "default"}),
}
"""Name -> worker, and what it is asked besides."""
LARGEST_EXACT = 256
"""px; a step in float64 takes long and much memory."""
COLUMNS = {
    "net": "VGG-19",
    "size": "px",
    "side": "side",
    "seconds": "s per step",
    "speedup": "jaxstyle is times as fast",
    "speedup_range": "range",
    "first_step_seconds": "s to first step",
    "peak_mib": "peak MiB",
    "loss_difference": "loss differs from ours",
    "gradient_difference": "gradient differs from ours",
    "gradient_error": "gradient's error",
    "note": "note",
}
Answer = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    add_cases(parser)
    parser.add_argument("--repeats", type=int, default=7, help="steps in a turn (default: 7)")
    parser.add_argument("--turns", type=int, default=3, help="of each side (default: 3)")


def add_cases(
    parser: argparse.ArgumentParser,
    nets: tuple[str, ...] = ("full", "slim"),
    sizes: tuple[int, ...] = (256, 512),
) -> None:
    """Add ``--nets`` and ``--sizes`` with these defaults."""
    parser.add_argument(
        "--nets",
        nargs="+",
        choices=tuple(WIDTHS),
        default=nets,
        help=f"VGG-19, or with a quarter of its filters (default: {' '.join(nets)})",
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        default=sizes,
        help=f"sides of the square picture in px (default: {' '.join(map(str, sizes))})",
    )


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for net in options.nets:
        for size in options.sizes:
            asked = {"net": net, "size": size, "repeats": options.repeats, "inner": 1}
            yield from _case(asked, options.turns)


def _case(asked: dict[str, Any], turns: int) -> Iterator[dict[str, Any]]:
    """One row for each side."""
    answers: dict[str, list[Answer]] = {side: [] for side in SIDES}
    for _ in range(turns):
        for side, (module, more) in SIDES.items():
            answers[side].append(step_of(module, {**asked, **more}))
    exact = None
    if asked["size"] <= LARGEST_EXACT:
        exact = step_of("torch_step", {**asked, "precision": "float64"}).get("gradient")
    for side, own in answers.items():
        row = {"net": asked["net"], "size": asked["size"], "side": side}
        yield {**row, **figures(answers[OURS] if side != OURS else None, own, exact)}


def step_of(module: str, asked: Mapping[str, Any], **how: Any) -> Answer:
    """What a worker says, with its gradient (height, width, 3); or the ``note`` why it failed."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/gradient.npy"
        environment = {"TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor"}  # compiled anew
        environment |= how.pop("environment", {})
        try:
            run = answer(module, {**asked, "file": file}, environment, **how)
        except WorkerFailed as error:
            return {"note": str(error)}
        return {**run, "gradient": np.load(file)}


def figures(
    ours: list[Answer] | None, own: list[Answer], exact: np.ndarray | None
) -> dict[str, Any]:
    """The row of a side: its seconds, and how it compares with ours and the exact gradient."""
    last = own[-1]
    if "note" in last:
        return {"note": last["note"]}
    row: dict[str, Any] = {
        "seconds": statistics.median(seconds for turn in own for seconds in turn["times"]),
        "first_step_seconds": last["first_seconds"],
        "peak_mib": last["peak"] / 2**20,
        "device_peak_mib": last["device_peak"] and last["device_peak"] / 2**20,
    }
    if ours is not None and "note" not in ours[-1]:
        ratios = [
            statistics.median(theirs["times"]) / statistics.median(turn["times"])
            for turn, theirs in zip(ours, own, strict=True)
        ]
        row["speedup"] = statistics.median(ratios)
        row["speedup_range"] = [min(ratios), max(ratios)] if len(ratios) > 1 else None
        row["loss_difference"] = abs(ours[-1]["loss"] / last["loss"] - 1)
        row["gradient_difference"] = difference(ours[-1]["gradient"], last["gradient"])
    if exact is not None:
        row["gradient_error"] = difference(last["gradient"], exact)
    return row


def difference(gradient: np.ndarray, reference: np.ndarray) -> float:
    """The norm of the difference, relative to the reference's."""
    return float(np.linalg.norm(gradient - reference) / np.linalg.norm(reference))
