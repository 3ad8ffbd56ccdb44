"""What the planner says that a run needs, against what a process then takes."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from noise_files import write_network, write_picture
from section import Row, Section, verdict
from workers import NO_LIMIT, Limit, answer

WITHIN = 0.2
WORTH, MOST_SLOWER = 0.15, 0.5
"""What recomputing blocks would have to save of the memory, and the time it may take for that."""
REMATERIALISED = "Rematerialised"


class Case(NamedTuple):
    """A run: the strategy is whole where there is no tile."""

    net: str
    width: int
    height: int
    optimizer: str
    tile: int = 0


CASES = (
    Case("slim", 1024, 1024, "adam"),
    Case("slim", 1280, 960, "lbfgs"),
    Case("slim", 2048, 2048, "adam"),
    Case("slim", 2048, 1536, "lbfgs"),
    Case("full", 512, 512, "adam"),
    Case("full", 640, 480, "lbfgs"),
    Case("full", 1024, 768, "adam"),
    Case("slim", 2048, 2048, "adam", tile=512),
    Case("slim", 2048, 1536, "lbfgs", tile=512),
    Case("slim", 3072, 2048, "adam", tile=1024),
    Case("full", 832, 512, "adam", tile=512),
    Case("full", 832, 512, "lbfgs", tile=512),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cases",
        nargs="*",
        type=int,
        default=list(range(1, len(CASES) + 1)),
        help="which rows of the table, from 1 (default: all)",
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of all sides, for a trial (default: 1)"
    )
    parser.add_argument("--steps", type=int, default=2, help="of each run (default: 2)")
    parser.add_argument(
        "--remat-sizes",
        nargs="*",
        type=int,
        default=[256, 512],
        help="sides at which blocks are recomputed (default: 256 512)",
    )


def measure(options: argparse.Namespace) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        for index in options.cases:
            yield _estimate(CASES[index - 1], options.scale, options.steps, Path(folder))
    for side in options.remat_sizes:
        for net in ("slim", "full"):
            yield {"net": net, "width": side, "height": side, **_rematerialised(net, side)}


def _estimate(case: Case, scale: float, steps: int, folder: Path) -> Row:
    width, height = (round(scale * side) for side in (case.width, case.height))
    run: dict[str, Any] = {
        "optimizer": case.optimizer,
        "strategy": "tiled" if case.tile else "whole",
        "steps": steps,
    }
    if case.tile:
        run["tile"] = round(scale * case.tile)
    found = run_of(case.net, width, height, folder, run)
    return {
        "net": case.net,
        "width": width,
        "height": height,
        "strategy": found["strategy"],
        "tile": found["tile"],
        "optimizer": case.optimizer,
        "floor_mib": found["floor"] / 2**20,
        "peak_mib": found["peak"] / 2**20,
        "estimate_mib": found["estimate"] / 2**20,
        "ratio": found["estimate"] / found["peak"],
        "seconds": found["seconds"],
    }


def run_of(
    net: str,
    width: int,
    height: int,
    folder: Path,
    settings: dict[str, Any],
    max_memory: int | None = None,
    style: tuple[int, int] | None = None,
    limit: Limit = NO_LIMIT,
) -> dict[str, Any]:
    """A run in a process of its own, from files to a file; what ``memory_worker.py`` found.

    Args:
        style: width and height of the style picture; those of the content if not given.
    """
    sizes = {"content": (width, height), "style": style or (width, height)}
    pictures = {
        name: write_picture(folder / f"{name}.png", *size, seed)
        for seed, (name, size) in enumerate(sizes.items())
    }
    run = {"levels": 1, **settings, "size": max(width, height)}
    run["weights"] = write_network(folder, net)
    asked = {**pictures, "output": str(folder / "result.png"), "max_memory": max_memory, "run": run}
    # No cache of compiled programs: what compiling takes is part of a first run.
    return answer("memory_worker.py", asked, {"JAX_COMPILATION_CACHE_DIR": ""}, limit)


def _rematerialised(net: str, size: int) -> Row:
    plain, again = (
        answer("remat_worker.py", {"net": net, "size": size, "remat": remat})
        for remat in (False, True)
    )
    return {
        "plain_mib": plain["temporaries"] / 2**20,
        "remat_mib": again["temporaries"] / 2**20,
        "plain_seconds": plain["seconds"],
        "remat_seconds": again["seconds"],
        "saved": 1 - again["temporaries"] / plain["temporaries"],
        "slower": again["seconds"] / plain["seconds"] - 1,
        "loss_difference": abs(again["loss"] / plain["loss"] - 1),
    }


def key(row: Row) -> tuple[Any, ...]:
    names = ("net", "width", "height", "strategy", "tile", "optimizer")
    return tuple(row.get(name) for name in names)


def case(row: Row) -> str:
    return REMATERIALISED if "saved" in row else "Estimate and measurement"


def verdicts(rows: list[Row]) -> list[str]:
    found = []
    estimates = [row for row in rows if "ratio" in row]
    if estimates:
        within = [row for row in estimates if abs(row["ratio"] - 1) <= WITHIN]
        worst = max(estimates, key=lambda row: abs(row["ratio"] - 1))
        tiled = f"tiles of {worst['tile']} px" if worst["tile"] else "whole"
        found.append(
            verdict(
                f"estimates within {WITHIN:.0%} of the peak over {len(estimates)} cases",
                f"{len(within)} are; the worst is {worst['ratio'] - 1:+.0%} ({worst['net']}, "
                f"{worst['width']}x{worst['height']}, {tiled}, {worst['optimizer']})",
                len(within) == len(estimates),
            )
        )
    again = [row for row in rows if "saved" in row]
    if again:
        best = max(again, key=lambda row: row["saved"])
        gained = any(row["saved"] >= WORTH and row["slower"] <= MOST_SLOWER for row in again)
        worth = "worth" if gained else "not worth"
        found.append(
            f"rematerialising each block saves {best['saved']:.0%} of the temporaries at best "
            f"({best['net']}, {best['width']} px) for {best['slower']:+.0%} of time: {worth} it"
        )
    return found


SECTION = Section(
    name="memory",
    title="Memory: estimate and measurement",
    about=(
        "What `jaxstyle plan` says that a run needs, and what a process takes that does that run: "
        "noise read from a PNG, as large a style, one size, two steps and the evaluation of the "
        "result, saved as PNG, with nothing in the cache of compiled programs. *Peak* is the most "
        "that the whole process held (resident, as the kernel has it), *floor* what it did once "
        "Python and JAX were up and a first array had been made. Then a table of XLA's own account "
        "of the temporaries of one value and gradient, and its time, as jaxstyle does it and with "
        "`jax.checkpoint` around each block of VGG."
    ),
    columns={
        "net": "VGG-19",
        "width": "width",
        "height": "height",
        "strategy": "strategy",
        "tile": "tile, px",
        "optimizer": "optimiser",
        "floor_mib": "floor, MiB",
        "peak_mib": "peak, MiB",
        "estimate_mib": "estimate, MiB",
        "ratio": "estimate / peak",
        "plain_mib": "temporaries, MiB",
        "remat_mib": "rematerialised, MiB",
        "plain_seconds": "s",
        "remat_seconds": "rematerialised, s",
    },
    add_options=add_options,
    measure=measure,
    verdicts=verdicts,
    remarks=(
        "Most of the memory is the first block's features, which the way back through that very "
        "block needs whether they are kept or computed again; so recomputing blocks gains little: "
        "jaxstyle has no rematerialised strategy, and `plan` no row for it. "
        "What does gain is the order of operations: programs are compiled with XLA's "
        "memory-optimised schedule for CPU, which is the same to the bit and no slower "
        "(`jaxstyle/memory_first.py`), here on both sides. Python and JAX, memory that the C "
        "library keeps after it has been freed, and that of the compiler, are in the estimate as a "
        "constant."
    ),
    case=case,
    key=key,
)
