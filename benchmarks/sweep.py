"""A grid of runs as one program, in chunks, one by one, and in PyTorch.

Style weights by seeds from noise, a few steps of L-BFGS each; seconds are without compiling.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from typing import Any

from benchmarks.problem import CONTENT, STYLE
from benchmarks.step import add_cases
from benchmarks.workers import answer

ONE_PROGRAM, ONE_BY_ONE, PYTORCH = "one program", "one by one", "PyTorch"
GRID = 4, 5
COLUMNS = {
    "side": "side",
    "devices": "devices",
    "seconds": "s",
    "compile_seconds": "compile, s",
    "ratio_to_one_by_one": "s to one by one",
    "ratio_to_pytorch": "s to PyTorch",
    "peak_mib": "peak MiB",
    "first_loss_difference": "first loss differs",
    "result_difference": "last loss differs",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    add_cases(parser, nets=("slim",), sizes=(256,))
    parser.add_argument(
        "--grid",
        nargs=2,
        type=int,
        default=GRID,
        metavar=("WEIGHTS", "SEEDS"),
        help="how many style weights and seeds (default: 4 5)",
    )
    parser.add_argument("--steps", type=int, default=20, help="of each cell (default: 20)")
    parser.add_argument("--chunk", type=int, default=4, help="cells in one program (default: 4)")
    parser.add_argument(
        "--devices",
        nargs="+",
        type=int,
        default=(1, 2),
        help="of the CPU, to spread a sweep over (default: 1 2)",
    )


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for net in options.nets:
        for size in options.sizes:
            yield from _grid(net, size, options)


def our_grid(net: str, size: int, steps: int, grid: tuple[int, int], side: str) -> dict[str, Any]:
    """What ``jaxstyle_minimise`` is asked."""
    config = {"size": size, "steps": steps, "init": "noise", "tv_weight": 0.0}
    config |= {"content_layers": CONTENT, "style_layers": ",".join(STYLE)}
    config["clamp"] = False  # torch's optimiser knows no bounds
    axes = _axes(grid)
    if side == ONE_BY_ONE:
        cells = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
        return {"net": net, "config": config, "cells": cells}
    return {"net": net, "config": config, "axes": axes, "chunk": 0}


def _axes(grid: tuple[int, int]) -> dict[str, list[float]]:
    weights, seeds = grid
    return {
        "style_weight": [10.0 ** (power - 1) for power in range(weights)],
        "seed": list(range(seeds)),
    }


def _grid(net: str, size: int, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row for each side."""
    grid, steps = tuple(options.grid), options.steps
    answers: dict[tuple[str, int], dict[str, Any]] = {}
    for side, chunk in ((ONE_PROGRAM, 0), (f"chunks of {options.chunk}", options.chunk)):
        for devices in options.devices:
            asked = our_grid(net, size, steps, grid, side) | {"chunk": chunk, "devices": devices}
            answers[side, devices] = answer("jaxstyle_minimise", asked)
    alone = answer("jaxstyle_minimise", our_grid(net, size, steps, grid, ONE_BY_ONE))
    asked = {"net": net, "size": size, "steps": steps, **_axes(grid)}
    peer = answer("torch_minimise", asked)
    answers |= {(ONE_BY_ONE, 1): alone, (PYTORCH, 1): peer}
    for (side, devices), own in answers.items():
        yield {
            "table": f"{net} net, {size} px, {grid[0] * grid[1]} cells, {steps} steps",
            "side": side,
            "devices": devices,
            "evaluations": sum(map(len, own["runs"])),
            "seconds": own["seconds"],
            "compile_seconds": max(0.0, own["first_seconds"] - own["seconds"]),
            "ratio_to_one_by_one": own["seconds"] / alone["seconds"],
            "ratio_to_pytorch": own["seconds"] / peer["seconds"],
            "peak_mib": own["peak"] / 2**20,
            "first_loss_difference": _difference(own["runs"], peer["runs"], 0),
            "result_difference": _difference(own["runs"], alone["runs"], -1),
        }


def _difference(ours: list[list[float]], theirs: list[list[float]], index: int) -> float:
    """The largest relative one among the cells, of the losses at an index in their runs."""
    return max(abs(a[index] / b[index] - 1) for a, b in zip(ours, theirs, strict=True))
