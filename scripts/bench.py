"""Measure jaxstyle against PyTorch, both in turn in one run.

    pip install -e '.[parity]' && python scripts/bench.py step

gives a table: seconds per value-and-gradient step of VGG-19 at 256 and 512 px, ours and PyTorch
eager (channels_last, all cores), their ratio pair by pair, peak memory of each process, and how
well loss and gradient agree. About five minutes on two CPU cores.

    python scripts/bench.py startup

gives the time to the first step in a fresh process with an empty and with a filled cache.
Timings on shared machines are noisy: read the ratios.
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
    table = Table("")
    for row in rows:
        table.add_column(f"{row['net']} {row['size']} px", justify="right")
    for name in list(rows[0])[2:]:
        table.add_row(name.replace("_", " "), *(_short(row[name]) for row in rows))
    console = Console()
    console.print(table)
    console.print(", ".join(f"{name} {_short(value)}" for name, value in about.items()))


def _short(value: Any) -> str:
    if isinstance(value, list):
        return " - ".join(_short(part) for part in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure jaxstyle against PyTorch.")
    parser.add_argument("what", choices=("step", "startup"))
    parser.add_argument("--nets", nargs="+", choices=("full", "slim"), default=["full", "slim"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 512])
    parser.add_argument("--repeats", type=int, default=7, help="steps of each side")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    if arguments.what == "step" and importlib.util.find_spec("torch") is None:
        parser.error("PyTorch is the peer: pip install torch==2.13.0")
    rows = [
        bench_step(net, size, arguments.repeats)
        if arguments.what == "step"
        else bench_startup(net, size)
        for net in arguments.nets
        for size in arguments.sizes
    ]
    if arguments.json:
        print(json.dumps({"machine": machine(), "rows": rows}, indent=2))
    else:
        show(rows, machine())
    return 0


if __name__ == "__main__":
    sys.exit(main())
