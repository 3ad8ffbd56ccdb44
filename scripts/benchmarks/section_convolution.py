"""The layers of VGG-19 directly and by Winograd's way, and what the rule in jaxstyle takes."""

from __future__ import annotations

import argparse
import statistics

import problem
from ours import network
from section import Row, Section, add_cases, verdict
from workers import answer, speedup

from jaxstyle.network.winograd import LEAST_NETWORK, LEAST_WIDTH, wide_layers


def add_options(parser: argparse.ArgumentParser) -> None:
    add_cases(parser, sizes=(512,))
    parser.add_argument("--repeats", type=int, default=7, help="of each side (default: 7)")


def measure(options: argparse.Namespace) -> list[Row]:
    return [
        row for net in options.nets for size in options.sizes for row in _rows(net, size, options)
    ]


def _rows(net: str, size: int, options: argparse.Namespace) -> list[Row]:
    weights = problem.weights(net)
    chosen = wide_layers(network(net).params)
    rows = []
    for name, (kernel, _) in weights.items():
        if name[-1] in "34":
            continue  # as the second of their blocks
        inputs, width = kernel.shape[2:]
        side = size >> (int(name[4]) - 1)
        asked = {"side": side, "inputs": inputs, "outputs": width, "repeats": options.repeats}
        found = answer("convolution_worker.py", asked)
        times = found["times"]
        rows.append(
            {
                "net": net,
                "size": size,
                "layer": name,
                "side": side,
                "inputs": inputs,
                "outputs": width,
                "direct_ms": 1e3 * statistics.median(times["direct"]),
                "winograd_ms": 1e3 * statistics.median(times["winograd"]),
                **speedup(times["winograd"], times["direct"]),
                "direct_error": found["error"]["direct"],
                "winograd_error": found["error"]["winograd"],
                "taken": "Winograd" if name in chosen else "direct",
            }
        )
    return rows


def verdicts(rows: list[Row]) -> list[str]:
    chosen = [row for row in rows if row["taken"] == "Winograd"]
    worst = max((row["winograd_error"] for row in rows), default=0.0)
    found = [
        verdict(
            "error of Winograd's way at unit scale about 1e-4 or less",
            f"at most {worst:.1e}",
            worst <= 1e-4,
        )
    ]
    if chosen:
        least = min(row["speedup"] for row in chosen)
        best = max(row["speedup"] for row in chosen)
        found.append(
            verdict(
                "each layer that is computed so gains",
                f"{least:.2f}x to {best:.2f}x as fast as the direct way",
                least >= 1,
            )
        )
    return found


SECTION = Section(
    name="convolution",
    title="Wide layers by Winograd's way",
    about=(
        "Forward and back (with respect to the input) of single 3x3 convolutions at the sizes they "
        "have in a square picture: XLA's direct convolution, and Winograd's F(4x4, 3x3) written as "
        "matrix products with kernels transformed beforehand, in turn in one process. *Error* is "
        "the largest difference to float64 where values are of order 1."
    ),
    columns={
        "net": "VGG-19",
        "layer": "layer",
        "side": "px",
        "inputs": "in",
        "outputs": "out",
        "direct_ms": "direct, ms",
        "winograd_ms": "Winograd, ms",
        "speedup": "times as fast",
        "speedup_range": "range",
        "direct_error": "direct error",
        "winograd_error": "Winograd error",
        "taken": "taken",
    },
    add_options=add_options,
    measure=measure,
    verdicts=verdicts,
    remarks=(
        f"The choice is a rule, so that results do not depend on a timing: on a CPU, in float32, "
        f"unless `--precision highest` is given, layers of at least {LEAST_WIDTH} channels in and "
        f"out of networks that have a layer of {LEAST_NETWORK}. The slim network gains too little "
        "to make up for the longer compilation."
    ),
)
