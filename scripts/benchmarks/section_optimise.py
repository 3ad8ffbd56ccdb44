"""``bench.py optimise``: how fast each optimiser gets down, ours and PyTorch's."""

# pyright: reportMissingImports=false
from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from given import arrays_of, weights_of
from jaxstyle.run.level_pictures import content_at, style_at
from optimise_plot import save_curves
from section import Row, Section, Unavailable, verdict
from workers import WorkerFailed, answer

from jaxstyle.display.figures.loss_plot import check_plot_path
from jaxstyle.errors import InputError
from jaxstyle.run.level_targets import start_of
from jaxstyle.run.prepare import prepare

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CONTENT, STYLE = EXAMPLES / "content.jpg", EXAMPLES / "style.jpg"
COMMON: dict[str, Any] = {"weights": "slim", "levels": 1, "clamp": False}
"""Fields of ``StylizeConfig`` over its defaults; torch's optimisers know no bounds."""
MARKS = (25, 50, 100, 200)
NEAR = 1.01
"""Times PyTorch's lowest loss: close to it. Runs from other noise differ by more than that."""
AGREE = 1e-5
"""Most that first losses may differ by, relatively."""
PEER = "PyTorch L-BFGS"
DEFAULT, PEER_SHORT = "L-BFGS", "PyTorch L-BFGS, 10 pairs"
_JAXSTYLE, _TORCH = "optimise_jaxstyle.py", "optimise_torch.py"
SIDES = {
    DEFAULT: (_JAXSTYLE, "lbfgs", 10),
    PEER_SHORT: (_TORCH, "lbfgs", 10),
    "L-BFGS, 100 pairs": (_JAXSTYLE, "lbfgs", 100),
    PEER: (_TORCH, "lbfgs", 100),
    "Adam": (_JAXSTYLE, "adam", 10),
    "PyTorch Adam": (_TORCH, "adam", 10),
    "scipy L-BFGS-B": (_JAXSTYLE, "scipy", 10),
    "PyTorch L-BFGS, strong Wolfe": (_TORCH, "wolfe", 100),
}
"""Name -> worker, its optimiser, and how many pairs L-BFGS remembers."""
OURS = (DEFAULT, "L-BFGS, 100 pairs", "Adam", "scipy L-BFGS-B")

ABOUT = """\
`vgg19-slim`, `examples/content.jpg` painted as `examples/style.jpg`: jaxstyle's default loss at a
single size, without bounds on the pixels, from the same start. Every optimiser computes the same
loss over the same network: the first losses agree to 1e-5, or there is no table. PyTorch's L-BFGS
is as in its tutorial (learning rate 1, no line search, 100 pairs remembered; its tolerances off,
or it would end before it begins at losses of this size), with 10 pairs, and with its strong Wolfe
search; its Adam has our learning rate of 0.05. Ours, without a line search too, remembers 10 pairs
by default; 100 take ten times the memory.

Losses are the lowest so far after so many evaluations of loss and gradient. "Loss of the result" is
that of the picture returned, which for our Adam is an average over iterates. The last columns say
when an optimiser was first within 1 % of the lowest that PyTorch's L-BFGS ever was, and when first
as low: a sharp test, for late in a run it is won and lost by the third digit. Seconds are without
compiling. A diverged run met a loss that is not finite."""

REMARKS = """\
In evaluations the optimisers are alike; in seconds PyTorch's are ahead by what its step is faster
with the slim network at this size (see the first section). With the full network it is the other
way round.

From noise the runs end in different minima. In a trial at 128 px ours ended between 0.915 and 0.929
with three seeds of the noise, and not one step of L-BFGS was refused.

![The loss of each over evaluations and seconds](benchmarks/optimise.png)"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Size, evaluations, starts, and the plot."""
    parser.add_argument("--size", type=int, default=256, help="longest side in px (default: 256)")
    parser.add_argument(
        "--evaluations", type=int, default=MARKS[-1], help="of each run (default: 200)"
    )
    parser.add_argument(
        "--starts", nargs="+", choices=("content", "noise"), default=["content", "noise"]
    )
    parser.add_argument(
        "--picture", type=Path, default=None, help="draw the losses to this .png or .svg"
    )


def measure(options: argparse.Namespace) -> list[Row]:
    """Every optimiser from every start, ours and PyTorch's in turn."""
    if options.picture is not None:
        try:
            check_plot_path(options.picture)
        except InputError as error:
            raise Unavailable(str(error)) from None
    config = {**COMMON, "size": options.size}
    runs: dict[tuple[str, str], dict[str, Any]] = {}
    for start in options.starts:
        with tempfile.TemporaryDirectory() as folder:
            asked = _problem(config, start, f"{folder}/problem.npz")
            asked["evaluations"] = options.evaluations
            for name, (script, optimizer, history) in SIDES.items():
                settings = {**asked, "optimizer": optimizer, "history": history}
                runs[start, name] = answer(script, settings)
        _check_same(start, {name: runs[start, name]["losses"][0] for name in SIDES})
    if options.picture is not None:
        save_curves(options.picture, runs)
    return [_row(start, name, run, runs[start, PEER]) for (start, name), run in runs.items()]


def _problem(config: Mapping[str, Any], start: str, file: str) -> dict[str, Any]:
    """What the workers are asked; the arrays of it that PyTorch needs are in the file."""
    job = prepare(CONTENT, STYLE, init=start, **config)
    try:
        arrays = arrays_of(job.network)
    except ValueError as error:
        raise Unavailable(str(error)) from None
    np.savez(
        file,
        allow_pickle=False,
        content=content_at(job, 0),
        style=style_at(job, 0),
        start=start_of(job),
        **arrays,
    )
    return {
        "content": str(CONTENT),
        "style": str(STYLE),
        "config": dict(config),
        "init": start,
        "file": file,
        "weights": weights_of(job.config),
        "learning_rate": job.config.learning_rate,
    }


def _check_same(start: str, first: Mapping[str, float]) -> None:
    for name, value in first.items():
        if abs(value / first[PEER] - 1) > AGREE:
            raise WorkerFailed(
                f"from {start}, {name} begins with a loss of {value} and {PEER} with "
                f"{first[PEER]}: they do not compute the same"
            )


def _row(start: str, name: str, run: Mapping[str, Any], peer: Mapping[str, Any]) -> Row:
    losses, times = run["losses"], run["times"]
    lowest = _lowest(peer["losses"])
    place, near = _reached(losses, lowest), _reached(losses, NEAR * lowest)
    return {
        "start": start,
        "optimiser": name,
        "evaluations": len(losses),
        "seconds": times[-1],
        **{
            f"loss_{mark}": _lowest(losses[:mark]) if mark <= len(losses) else None
            for mark in MARKS
        },
        "lowest": _lowest(losses),
        "result": run["result"],
        "evaluations_to_near": None if near is None else near + 1,
        "seconds_to_near": None if near is None else times[near],
        "evaluations_to_peer": None if place is None else place + 1,
        "seconds_to_peer": None if place is None else times[place],
        "diverged": "no" if all(map(math.isfinite, losses)) else "yes",
        "first_loss": losses[0],
        "first_loss_difference": abs(losses[0] / peer["losses"][0] - 1),
    }


def _lowest(losses: Sequence[float]) -> float:
    return min(filter(math.isfinite, losses))


def _reached(losses: Sequence[float], target: float) -> int | None:
    return next((place for place, value in enumerate(losses) if value <= target), None)


def verdicts(rows: list[Row]) -> list[str]:
    """Whether the best of ours is as low as PyTorch's L-BFGS with no more work and time."""
    found = []
    for start in dict.fromkeys(row["start"] for row in rows):
        by_name = {row["optimiser"]: row for row in rows if row["start"] == start}
        peer = by_name[PEER]
        for goal, unit in product(("near", "peer"), ("evaluations", "seconds")):
            what = "1 % above the lowest loss" if goal == "near" else "the lowest loss"
            wanted = f"from {start}, {what} of {PEER} in no more {unit} than it takes"
            key = f"{unit}_to_{goal}"
            reached = {name: by_name[name][key] for name in OURS if by_name[name][key] is not None}
            if not reached:
                found.append(verdict(wanted, "never by any of ours", False))
                continue
            best = min(reached, key=lambda name: reached[name])
            figures = f"{_number(reached[best])} against {_number(peer[key])} {unit}"
            found.append(verdict(wanted, f"{best}, {figures}", reached[best] <= peer[key]))
        ours, short = by_name[DEFAULT], by_name[PEER_SHORT]
        found.append(
            verdict(
                f"from {start}, 10 pairs on both sides, at least as low in the end",
                f"{ours['lowest']:.4g} against {short['lowest']:.4g}",
                ours["lowest"] <= short["lowest"],
            )
        )
        diverged = [name for name in OURS if by_name[name]["diverged"] == "yes"]
        wanted = f"from {start}, none of ours meets a loss that is not finite"
        found.append(verdict(wanted, ", ".join(diverged) or "none does", not diverged))
    return found


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3g}"


SECTION = Section(
    name="optimise",
    title="Optimisers: loss against evaluations and time",
    about=ABOUT,
    columns={
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
    },
    add_options=add_options,
    measure=measure,
    verdicts=verdicts,
    remarks=REMARKS,
    case=lambda row: f"from {row['start']}",
    picture="optimise.png",
    needs_torch=True,
)
