"""How fast each optimiser gets down, ours and PyTorch's, by evaluations and by seconds.

All compute the same loss of the example pictures, without bounds on the pixels, from the same
start at a single size.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.painting import CONTENT, STYLE, painting
from benchmarks.workers import WorkerFailed, answer

MARKS = (25, 50, 100, 200)
NEAR = 1.01
"""Times PyTorch's lowest loss: close to it. Runs from other noise differ by more than that."""
AGREE = 1e-5
"""Most that first losses may differ by, relatively."""
PEER = "PyTorch L-BFGS"
OURS, TORCH = "jaxstyle_minimise", "torch_minimise"
SIDES = {
    "L-BFGS": (OURS, "lbfgs", 10),
    "PyTorch L-BFGS, 10 pairs": (TORCH, "lbfgs", 10),
    "L-BFGS, 100 pairs": (OURS, "lbfgs", 100),
    PEER: (TORCH, "lbfgs", 100),
    "Adam": (OURS, "adam", 10),
    "PyTorch Adam": (TORCH, "adam", 10),
    "scipy L-BFGS-B": (OURS, "scipy", 10),
    "PyTorch L-BFGS, strong Wolfe": (TORCH, "wolfe", 100),
}
"""Name -> worker, its optimiser, and how many pairs L-BFGS remembers."""
COLUMNS = {
    "optimiser": "",
    "evaluations": "evaluations",
    "seconds": "s",
    **{f"loss_{mark}": f"loss after {mark}" for mark in MARKS},
    "result": "loss of the result",
    "evaluations_to_near": f"evaluations to 1 % above {PEER}'s lowest",
    "seconds_to_near": "s to that",
    "evaluations_to_peer": "evaluations to its lowest",
    "seconds_to_peer": "s to it",
    "diverged": "diverged",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=int, default=256, help="longest side in px (default: 256)")
    parser.add_argument(
        "--evaluations", type=int, default=MARKS[-1], help="of each run (default: 200)"
    )
    parser.add_argument(
        "--starts", nargs="+", choices=("content", "noise"), default=("content", "noise")
    )
    parser.add_argument("--weights", default="slim", help="the network (default: slim)")


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every optimiser from every start, ours and PyTorch's in turn."""
    for start in options.starts:
        runs: dict[str, dict[str, Any]] = {}
        with tempfile.TemporaryDirectory() as folder:
            ours, torch = painting(options.size, options.weights, start, Path(folder))
            for name, (module, optimizer, history) in SIDES.items():
                how = {"optimizer": optimizer, "history": history}
                if module == OURS:
                    steps = {"steps": options.evaluations, "clamp": False}
                    asked = {"config": {**ours, **how, **steps}, "watched": True}
                    asked["pictures"] = [str(CONTENT), str(STYLE)]
                else:
                    asked = {**torch, **how, "evaluations": options.evaluations}
                run = answer(module, asked)
                if module == OURS:
                    *losses, result = run["runs"][0]
                    run = {"losses": losses, "times": run["times"], "result": result}
                runs[name] = run
        _check_same(start, {name: run["losses"][0] for name, run in runs.items()})
        for name, run in runs.items():
            yield {"table": f"from {start}", "optimiser": name, **_row(run, runs[PEER])}


def _check_same(start: str, first: Mapping[str, float]) -> None:
    for name, value in first.items():
        if abs(value / first[PEER] - 1) > AGREE:
            raise WorkerFailed(
                f"from {start}, {name} begins with a loss of {value} and {PEER} with "
                f"{first[PEER]}: they do not compute the same"
            )


def _row(run: Mapping[str, Any], peer: Mapping[str, Any]) -> dict[str, Any]:
    losses, times = run["losses"], run["times"]
    lowest = _lowest(peer["losses"])
    at, near = _reached(losses, lowest), _reached(losses, NEAR * lowest)
    return {
        "evaluations": len(losses),
        "seconds": times[-1],
        **{
            f"loss_{mark}": _lowest(losses[:mark]) if mark <= len(losses) else None
            for mark in MARKS
        },
        "result": run["result"],
        "evaluations_to_near": None if near is None else near + 1,
        "seconds_to_near": None if near is None else times[near],
        "evaluations_to_peer": None if at is None else at + 1,
        "seconds_to_peer": None if at is None else times[at],
        "diverged": "no" if all(map(math.isfinite, losses)) else "yes",
        "first_loss": losses[0],
    }


def _lowest(losses: Sequence[float]) -> float:
    return min(filter(math.isfinite, losses))


def _reached(losses: Sequence[float], target: float) -> int | None:
    return next((index for index, value in enumerate(losses) if value <= target), None)
