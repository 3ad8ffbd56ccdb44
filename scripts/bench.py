"""Measure jaxstyle against PyTorch, both in turn in one run.

    pip install -e '.[parity]' && python scripts/bench.py step

gives a table: seconds per value-and-gradient step of VGG-19 at 256 and 512 px, ours and PyTorch
eager (channels_last, all cores), their ratio pair by pair, peak memory of each process, and how
well loss and gradient agree. About five minutes on two CPU cores.

    python scripts/bench.py startup

gives the time to the first step in a fresh process with an empty and with a filled cache.

    python scripts/bench.py sweep --chunk 4 --devices 1 2

runs a grid of 4 style weights by 5 seeds from noise, 256 px, slim net, 20 steps of L-BFGS: as one
vmapped program, vmapped in chunks, its runs one after another, and one after another in PyTorch
(torch.optim.LBFGS without line search). Each in a process of its own, in turn; every run makes
steps + 1 evaluations on each side. Seconds are without compiling (as JAX reports it), which is
given apart; a ratio below 1 is faster than what it is compared with. The largest relative
differences of any cell's first loss to PyTorch's, and of its last to that of one by one, say
whether the sides do the same. Fewer ``--steps`` make it shorter.

Timings on shared machines are noisy: read the ratios. Those to PyTorch hold on an idle machine
alone: where others compute too, its threads lose much time waiting for each other.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

WORKERS = Path(__file__).resolve().parent / "benchmarks"
ONE_BY_ONE, PYTORCH = "one by one", "PyTorch"
BUSY = 0.5
"""Load from which on the ratios to PyTorch are not to be trusted."""
SWEEP_COLUMNS = {
    "side": "",
    "devices": "de-\nvices",
    "seconds": "s",
    "compile_seconds": "com-\npile s",
    "ratio_to_one_by_one": "to one\nby one",
    "ratio_to_pytorch": "to Py-\nTorch",
    "peak_mib": "peak\nMiB",
    "first_loss_difference": "first\nloss",
    "result_difference": "re-\nsult",
}
"""What the table shows of a sweep, and its headings; JSON has more."""
PACKAGES = ("jax", "jaxlib", "flax", "torch", "numpy")


class Worker:
    """One side, in a process of its own that is told by lines when to do a step."""

    def __init__(self, side: str, net: str, size: int, folder: str, **environment: str) -> None:
        command = [sys.executable, str(WORKERS / f"{side}_step.py"), net, str(size), folder]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.ready = self._answer()

    def step(self) -> float:
        """Seconds of one more step."""
        assert self.process.stdin is not None
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        return self._answer()["seconds"]

    def close(self) -> dict[str, Any]:
        """End the process; its peak memory in bytes, its loss."""
        assert self.process.stdin is not None
        self.process.stdin.write("end\n")
        self.process.stdin.flush()
        answer = self._answer()
        self.process.communicate()
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(line)


def bench_step(net: str, size: int, repeats: int) -> dict[str, Any]:
    """Time both sides in turn: A B A B ..."""
    with tempfile.TemporaryDirectory() as folder:
        workers = {side: Worker(side, net, size, folder) for side in ("jaxstyle", "torch")}
        times = {side: [] for side in workers}
        for _ in range(repeats):
            for side, worker in workers.items():
                times[side].append(worker.step())
        ends = {side: worker.close() for side, worker in workers.items()}
        ours, theirs = (np.load(f"{folder}/{side}.npy") for side in ("jaxstyle", "torch"))
    ratios = [a / b for a, b in zip(times["jaxstyle"], times["torch"], strict=True)]
    return {
        "net": net,
        "size": size,
        "jaxstyle_seconds": statistics.median(times["jaxstyle"]),
        "torch_seconds": statistics.median(times["torch"]),
        "ratio_median": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "jaxstyle_peak_mib": ends["jaxstyle"]["peak"] / 2**20,
        "torch_peak_mib": ends["torch"]["peak"] / 2**20,
        "loss_difference": abs(ends["jaxstyle"]["loss"] / ends["torch"]["loss"] - 1),
        "gradient_difference": float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)),
    }


def bench_startup(net: str, size: int) -> dict[str, Any]:
    """From an empty and from a filled compilation cache, a fresh process each time."""
    found: dict[str, Any] = {"net": net, "size": size}
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("empty", "filled"):
            worker = Worker("jaxstyle", net, size, folder, XDG_CACHE_HOME=folder)
            found[f"{cache}_compile_seconds"] = worker.ready["compile_seconds"]
            found[f"{cache}_first_step_seconds"] = worker.ready["first_step_seconds"]
            worker.close()
    return found


def bench_sweep(net: str, size: int, options: argparse.Namespace) -> list[dict[str, Any]]:
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
    answers: dict[tuple[str, int], list[dict[str, Any]]] = {side[:2]: [] for side in sides}
    for _ in range(options.repeats):
        for name, devices, chunk in sides:
            own = {"side": name, "devices": devices, "chunk": chunk}
            answers[name, devices].append(_run_side(name, {**settings, **own}))
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


def _run_side(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    worker = WORKERS / ("torch_sweep.py" if name == PYTORCH else "jaxstyle_sweep.py")
    command = [sys.executable, str(worker), json.dumps(settings)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def _median(answers: list[dict[str, Any]], name: str) -> float:
    return statistics.median(answer[name] for answer in answers)


def _ratio(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> float:
    """Of the seconds, round by round."""
    return statistics.median(a["seconds"] / b["seconds"] for a, b in zip(ours, theirs, strict=True))


def _difference(ours: list[dict[str, Any]], theirs: list[dict[str, Any]], place: int) -> float:
    """The largest relative one among the cells, of the losses at a place in their runs."""
    pairs = zip(ours[0]["runs"], theirs[0]["runs"], strict=True)
    return max(abs(a[place] / b[place] - 1) for a, b in pairs)


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ] if Path("/proc/cpuinfo").is_file() else [platform.processor()]  # fmt: skip
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {"cpu": names[0], "cores": os.cpu_count(), "load": os.getloadavg()[0], **versions}


def show(rows: list[dict[str, Any]], about: dict[str, Any]) -> None:
    """Print the rows as a table and what they were taken on."""
    console = Console()
    if "side" in rows[0]:
        for case in {_case(row): None for row in rows}:
            console.print(_sweep_table([row for row in rows if _case(row) == case], case))
    else:
        table = Table("")
        for row in rows:
            table.add_column(f"{row['net']} {row['size']} px", justify="right")
        for name in list(rows[0])[2:]:
            table.add_row(name.replace("_", " "), *(_short(row[name]) for row in rows))
        console.print(table)
    console.print(", ".join(f"{name} {_short(value)}" for name, value in about.items()))


def _sweep_table(rows: list[dict[str, Any]], title: str) -> Table:
    table = Table(title=title, padding=0)
    for heading in SWEEP_COLUMNS.values():
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*(_short(row[name]) for name in SWEEP_COLUMNS))
    return table


def _case(row: dict[str, Any]) -> str:
    return "{net} net, {size} px, {cells} cells, {steps} steps".format_map(row)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return " - ".join(_short(part) for part in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure jaxstyle against PyTorch.")
    parser.add_argument("what", choices=("step", "startup", "sweep"))
    parser.add_argument(
        "--nets", nargs="+", choices=("full", "slim"), help="default: both; sweep: slim"
    )
    parser.add_argument("--sizes", nargs="+", type=int, help="default: 256 512; sweep: 256")
    parser.add_argument(
        "--repeats", type=int, help="steps of each side (default 7); sweep: rounds (default 1)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    grid = parser.add_argument_group("sweep")
    grid.add_argument(
        "--grid",
        nargs=2,
        type=int,
        default=[4, 5],
        metavar=("WEIGHTS", "SEEDS"),
        help="how many style weights and seeds (default: 4 5)",
    )
    grid.add_argument("--steps", type=int, default=20, help="of L-BFGS, for each cell")
    grid.add_argument(
        "--chunk", nargs="+", type=int, default=[4], help="cells in one program (default: 4)"
    )
    grid.add_argument(
        "--devices", nargs="+", type=int, default=[1], help="to spread a sweep over (default: 1)"
    )
    arguments = parser.parse_args()
    if arguments.what != "startup" and importlib.util.find_spec("torch") is None:
        parser.error("PyTorch is the peer: pip install torch==2.13.0")
    sweeping = arguments.what == "sweep"
    arguments.repeats = arguments.repeats or (1 if sweeping else 7)
    about = machine()  # before: the load is to be that of others
    if about["load"] > BUSY:
        note = f"load is {about['load']:.1f}: do not trust ratios to PyTorch, repeat when idle"
        print(note, file=sys.stderr)
    rows: list[dict[str, Any]] = []
    for net in arguments.nets or (["slim"] if sweeping else ["full", "slim"]):
        for size in arguments.sizes or ([256] if sweeping else [256, 512]):
            if sweeping:
                rows += bench_sweep(net, size, arguments)
            elif arguments.what == "step":
                rows.append(bench_step(net, size, arguments.repeats))
            else:
                rows.append(bench_startup(net, size))
    if arguments.json:
        print(json.dumps({"machine": about, "rows": rows}, indent=2))
    else:
        show(rows, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
