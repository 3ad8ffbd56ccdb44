"""A grid of runs as one program, in chunks, one by one, and in PyTorch."""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from section import Row, Section, add_cases
from workers import answer

ONE_BY_ONE, PYTORCH = "one by one", "PyTorch"
Answers = list[dict[str, Any]]


def add_options(parser: argparse.ArgumentParser) -> None:
    add_cases(parser, nets=("slim",), sizes=(256,))
    parser.add_argument("--repeats", type=int, default=1, help="rounds (default: 1)")
    parser.add_argument(
        "--grid",
        nargs=2,
        type=int,
        default=[4, 5],
        metavar=("WEIGHTS", "SEEDS"),
        help="how many style weights and seeds (default: 4 5)",
    )
    parser.add_argument(
        "--steps", type=int, default=20, help="of L-BFGS, for each cell (default: 20)"
    )
    parser.add_argument(
        "--chunk", nargs="+", type=int, default=[4], help="cells in one program (default: 4)"
    )
    parser.add_argument(
        "--devices",
        nargs="+",
        type=int,
        default=[1, 2],
        help="of the CPU, to spread a sweep over (default: 1 2)",
    )


def measure(options: argparse.Namespace) -> list[Row]:
    return [
        row for net in options.nets for size in options.sizes for row in _grid(net, size, options)
    ]


def _grid(net: str, size: int, options: argparse.Namespace) -> list[Row]:
    """Run the grid once per side and round, the sides in turn: A B C D A B C D ..."""
    style_weights, seeds = options.grid
    settings = {
        "net": net,
        "size": size,
        "steps": options.steps,
        "style_weights": [10.0 ** (place - 1) for place in range(style_weights)],
        "seeds": list(range(seeds)),
    }
    sides = [("one program", devices, 0) for devices in options.devices]
    sides += [
        (f"chunks of {chunk}", devices, chunk)
        for chunk in options.chunk
        for devices in options.devices
    ]
    sides += [(ONE_BY_ONE, 1, 0), (PYTORCH, 1, 0)]
    answers: dict[tuple[str, int], Answers] = {side[:2]: [] for side in sides}
    for _ in range(options.repeats):
        for name, devices, chunk in sides:
            asked = {**settings, "side": name, "devices": devices, "chunk": chunk}
            script = "torch_sweep.py" if name == PYTORCH else "jaxstyle_sweep.py"
            answers[name, devices].append(answer(script, asked))
    alone, peer = answers[ONE_BY_ONE, 1], answers[PYTORCH, 1]
    return [
        {
            "side": name,
            "devices": devices,
            "evaluations": sum(map(len, found[0]["runs"])),
            "chunks": found[0]["chunks"],
            "seconds": _median(found, "seconds"),
            "compile_seconds": _median(found, "compile_seconds"),
            "ratio_to_one_by_one": _ratio(found, alone),
            "ratio_to_pytorch": _ratio(found, peer),
            "peak_mib": _median(found, "peak") / 2**20,
            "first_loss_difference": _difference(found, peer, 0),
            "result_difference": _difference(found, alone, -1),
            "platform": found[0]["platform"],
            "net": net,
            "size": size,
            "cells": style_weights * seeds,
            "steps": options.steps,
        }
        for (name, devices), found in answers.items()
    ]


def _median(answers: Answers, name: str) -> float:
    return statistics.median(found[name] for found in answers)


def _ratio(ours: Answers, theirs: Answers) -> float:
    """Of the seconds, round by round."""
    return statistics.median(a["seconds"] / b["seconds"] for a, b in zip(ours, theirs, strict=True))


def _difference(ours: Answers, theirs: Answers, place: int) -> float:
    """The largest relative one among the cells, of the losses at a place in their runs."""
    pairs = zip(ours[0]["runs"], theirs[0]["runs"], strict=True)
    return max(abs(a[place] / b[place] - 1) for a, b in pairs)


def case(row: Row) -> str:
    return "{net} net, {size} px, {cells} cells, {steps} steps".format_map(row)


def verdicts(rows: list[Row]) -> list[str]:
    """No figure was wanted; which of our ways was the fastest."""
    found = []
    for name in dict.fromkeys(map(case, rows)):
        own = [row for row in rows if case(row) == name and row["side"] != PYTORCH]
        best = min(own, key=lambda row: row["seconds"])
        found.append(
            f"{name}: the fastest of ours is {best['side']} on {best['devices']} device(s), in "
            f"{best['ratio_to_pytorch']:.2f} of PyTorch's seconds"
        )
    return found


SECTION = Section(
    name="sweep",
    title="A grid of runs",
    about=(
        "A grid of style weights by seeds from noise, a few steps of L-BFGS each: as one vmapped "
        "program, vmapped in chunks, its runs one after another, and one after another in PyTorch "
        "(`torch.optim.LBFGS` without line search). Every run makes steps + 1 evaluations on each "
        "side. Seconds are without compiling (as JAX reports it), which is given apart; a ratio "
        "*below* 1 is faster than what it is compared with. The largest relative differences of "
        "any cell's first loss to PyTorch's, and of its last to that of one by one, say whether "
        "the sides do the same."
    ),
    columns={
        "side": "side",
        "devices": "devices",
        "seconds": "s",
        "compile_seconds": "compile, s",
        "ratio_to_one_by_one": "s to one by one",
        "ratio_to_pytorch": "s to PyTorch",
        "peak_mib": "peak MiB",
        "first_loss_difference": "first loss differs",
        "result_difference": "last loss differs",
    },
    add_options=add_options,
    measure=measure,
    verdicts=verdicts,
    remarks=(
        "On a CPU one run fills all cores, so more runs at once gain nothing by themselves, and "
        "compile once for all instead of once. A core for each half of the grid "
        "(`JAX_NUM_CPU_DEVICES=2`) does gain: its convolutions wait for no other. PyTorch's step "
        "is the faster one for the slim network (see the first section)."
    ),
    case=case,
    needs_torch=True,
)
