"""Speed on a GPU: steps against PyTorch, whole runs, a sweep, and tiles at 48.8 megapixels.

GPUs are lent for minutes: what matters most comes first, each row is kept as it comes, a side that
fails costs its own row, and what there was no time for is left out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks.memory import LARGE_STYLE, run_of
from benchmarks.painting import CONTENT, STYLE
from benchmarks.problem import flops_per_pixel
from benchmarks.step import COMPILE, EAGER, OURS, add_cases, figures, step_of
from benchmarks.sweep import GRID, ONE_BY_ONE, ONE_PROGRAM, our_grid
from benchmarks.workers import Unavailable, WorkerFailed, answer, measured

PRECISIONS = {"highest": "float32", "high": "TF32", "bf16": "bfloat16"}
GRAPHS = "torch.compile, CUDA graphs"
SIDES = {
    OURS: ("jaxstyle_step", {}),
    EAGER: ("torch_step", {}),
    COMPILE: ("torch_step", {"compile": "default"}),
    GRAPHS: ("torch_step", {"compile": "reduce-overhead"}),
}
STEP, RUN, SWEEP, TILES = PARTS = ("steps", "runs", "sweep", "tiles")
TILED_SIZE = 8192, 5957
LEAST_SECONDS = 10
"""With less time left no process is started."""
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""Peak memory is to be what is needed. Processes come one after another: none holds the card's
memory while another runs."""
COLUMNS = {
    "net": "VGG-19",
    "size": "px",
    "precision": "precision",
    "side": "side",
    "steps": "steps",
    "tile": "tile, px",
    "seconds": "s",
    "tflops": "TFLOP/s",
    "speedup": "jaxstyle is times as fast",
    "speedup_range": "range",
    "device_peak_mib": "peak MiB of the GPU",
    "gradient_error": "gradient's error",
    "first_seconds": "s with compiling",
    "note": "note",
}
Row = dict[str, Any]


class Task(NamedTuple):
    """What one process measures: its row without figures, and how to get them in some seconds."""

    about: Row
    measure: Callable[[float], Row]


def add_options(parser: argparse.ArgumentParser) -> None:
    add_cases(parser, nets=("full",), sizes=(512, 1024, 2048))
    parser.add_argument(
        "--platform", choices=("gpu", "cpu"), default="gpu", help="cpu only shows that it works"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--precisions", nargs="+", choices=tuple(PRECISIONS), default=tuple(PRECISIONS)
    )
    parser.add_argument("--sides", nargs="+", choices=tuple(SIDES), default=tuple(SIDES))
    parser.add_argument("--repeats", type=int, default=7, help="turns of each side (default: 7)")
    parser.add_argument("--inner", type=int, default=10, help="steps in a turn (default: 10)")
    parser.add_argument("--run-size", type=int, default=512, help="px of the run (default: 512)")
    parser.add_argument("--steps", type=int, default=500, help="of the run (default: 500)")
    parser.add_argument("--sweep-size", type=int, default=256, help="px of cells (default: 256)")
    parser.add_argument("--sweep-steps", type=int, default=100, help="of cells (default: 100)")
    parser.add_argument(
        "--tiled-size",
        nargs=2,
        type=int,
        default=TILED_SIZE,
        metavar=("WIDTH", "HEIGHT"),
        help="of the picture in tiles (default: 8192 5957, 48.8 megapixels)",
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="for all of it (default: 8)")
    parser.add_argument(
        "--worker-seconds", type=float, default=150.0, help="for each answer (default: 150)"
    )


def measure(options: argparse.Namespace) -> Iterator[Row]:
    until = time.monotonic() + 60 * options.minutes
    device = find(options.platform)
    with tempfile.TemporaryDirectory() as folder:
        for task in Tasks(options, folder).by_importance():
            left = until - time.monotonic()
            if left < LEAST_SECONDS:
                return
            try:
                row = task.measure(min(left, options.worker_seconds))
            except WorkerFailed as error:
                row = {"note": str(error)}
            about = {"table": f"{task.about['what']}, on {device}", "device": device}
            yield {**about, **task.about, **row}


def find(platform: str) -> str:
    """The name of the GPU, or of the CPU if that is asked for.

    Raises:
        Unavailable: there is no GPU that JAX can use.
    """
    program = "import jax; print(jax.default_backend(), jax.local_devices()[0].device_kind)"
    environment = {"JAX_PLATFORMS": "cpu"} if platform == "cpu" else {}
    printed = measured([sys.executable, "-c", program], environment, timeout=120).printed
    backend, _, device = printed.strip().partition(" ")
    if backend != platform:
        raise Unavailable(
            f"JAX finds no GPU here, only {backend}: run this where there is one, after "
            "pip install 'jaxstyle[cuda]', or see with --platform cpu that it works"
        )
    return device


class Tasks:
    """What there is to do; remembers steps that later ones are compared with."""

    def __init__(self, options: argparse.Namespace, folder: str) -> None:
        self.options = options
        on_cpu = options.platform == "cpu"
        self.where = {"platform": "cpu" if on_cpu else None, "device": "cpu" if on_cpu else "cuda"}
        self.taken: dict[tuple[str, int, str, str], Row] = {}
        # One cache for all: with CUDA graphs torch compiles the same once more.
        self.environment = {**ENVIRONMENT, "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor"}

    def by_importance(self) -> list[Task]:
        """The first size against PyTorch, runs, the sweep, the other sizes, and the tiles."""
        options = self.options
        tasks = []
        for net in options.nets:
            for index, size in enumerate(options.sizes):
                if STEP in options.parts:
                    tasks += [
                        self._step(net, size, precision, side)
                        for precision in options.precisions
                        for side in options.sides
                    ]
                if index == 0 and RUN in options.parts:
                    tasks += [
                        self._run(net, precision, optimizer)
                        for precision in options.precisions
                        for optimizer in ("lbfgs", "adam")
                    ]
                if index == 0 and SWEEP in options.parts:
                    tasks += [self._sweep(net, side) for side in (ONE_PROGRAM, ONE_BY_ONE)]
            tasks += [self._tiles(net)] if TILES in options.parts else []
        return tasks

    def _step(self, net: str, size: int, precision: str, side: str) -> Task:
        module, more = SIDES[side]
        asked = {"net": net, "size": size, "precision": precision, **self.where, **more}
        asked |= {"repeats": self.options.repeats, "inner": self.options.inner}
        about = {"what": "One step", "net": net, "size": size, "side": side}
        about["precision"] = PRECISIONS[precision]

        def measure(seconds: float) -> Row:
            how = {"environment": self.environment, "timeout": seconds}
            taken = self.taken[net, size, precision, side] = step_of(module, asked, **how)
            ours = self.taken.get((net, size, precision, OURS))
            exact = self.taken.get((net, size, "highest", EAGER), {}).get("gradient")
            row = figures([ours] if ours and side != OURS else None, [taken], exact)
            if "seconds" in row:
                row["tflops"] = flops_per_pixel(net) * size**2 / row["seconds"] / 1e12
            return row

        return Task(about, measure)

    def _run(self, net: str, precision: str, optimizer: str) -> Task:
        size, steps = self.options.run_size, self.options.steps
        config = {"size": size, "precision": precision, "optimizer": optimizer, "steps": steps}
        asked = {"net": net, "pictures": [str(CONTENT), str(STYLE)], "config": config}
        about = {"what": "A run", "net": net, "size": size, "steps": steps, "side": optimizer}
        return self._minimise({**about, "precision": PRECISIONS[precision]}, asked)

    def _sweep(self, net: str, side: str) -> Task:
        size, steps = self.options.sweep_size, self.options.sweep_steps
        cells = GRID[0] * GRID[1]
        about = {"what": f"A sweep of {cells} cells", "net": net, "size": size, "steps": steps}
        return self._minimise({**about, "side": side}, our_grid(net, size, steps, GRID, side))

    def _minimise(self, about: Row, asked: Row) -> Task:
        def measure(seconds: float) -> Row:
            run = answer("jaxstyle_minimise", asked | self.where, self.environment, seconds)
            return {name: run[name] for name in ("seconds", "first_seconds")}

        return Task(about, measure)

    def _tiles(self, net: str) -> Task:
        size = tuple(self.options.tiled_size)
        about = {"what": "One step in tiles, from file to file", "net": net, "steps": 1}
        about |= {"size": f"{size[0]}x{size[1]}", "side": "adam"}

        def measure(seconds: float) -> Row:
            words = ["--optimizer", "adam", "--steps", "1", "--strategy", "tiled"]
            run = run_of(net, size, words, LARGE_STYLE, seconds)
            return {"seconds": run["seconds"], "tile": run["tile"]}

        return Task(about, measure)
