"""Time to the first step with an empty and a filled cache, and what donation saves."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

from section import Row, Section, add_cases
from workers import Worker, answer

STEPS = 3
DONATION_STEPS = 4


def add_options(parser: argparse.ArgumentParser) -> None:
    add_cases(parser)
    parser.add_argument(
        "--donation-size",
        type=int,
        default=1024,
        help="side of the picture that donation is looked at with; 0 leaves it out (default: 1024)",
    )


def measure(options: argparse.Namespace) -> list[Row]:
    rows = [
        row for net in options.nets for size in options.sizes for row in _first_steps(net, size)
    ]
    if options.donation_size:
        rows += [_donation(options.donation_size, donate) for donate in (False, True)]
    return rows


def _first_steps(net: str, size: int) -> list[Row]:
    """From an empty and from a filled compilation cache, a fresh process each time."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {"XDG_CACHE_HOME": folder, "JAX_COMPILATION_CACHE_DIR": ""}
        for cache in ("empty", "filled"):
            asked = {"net": net, "size": size, "file": f"{folder}/gradient.npy"}
            asked["spawned"] = time.time()
            with Worker("jaxstyle_step.py", asked, environment) as worker:
                each = statistics.median(worker.step() for _ in range(STEPS))
            found = {"net": net, "size": size, "cache": cache, **worker.ready}
            rows.append({**found, "steps_per_second": 1 / each})
    return rows


def _donation(size: int, donate: bool) -> Row:
    asked = {"net": "slim", "size": size, "donate": donate, "steps": DONATION_STEPS}
    found = answer("jaxstyle_donation.py", asked)
    return {
        "net": "slim",
        "size": size,
        "donated": "yes" if donate else "no",
        "state_mib": found["state"] / 2**20,
        "peak_mib": found["peak"] / 2**20,
        "seconds": found["seconds"],
    }


def case(row: Row) -> str:
    return "First step" if "cache" in row else "L-BFGS with and without donation of its state"


def verdicts(rows: list[Row]) -> list[str]:
    """Nothing was wanted in figures; what they say."""
    found = []
    for row in rows:
        if row.get("cache") != "filled":
            continue
        empty = next(
            other
            for other in rows
            if other.get("cache") == "empty"
            and (other["net"], other["size"]) == (row["net"], row["size"])
        )
        saved = empty["process_seconds"] - row["process_seconds"]
        found.append(f"{row['net']} at {row['size']} px: a filled cache saves {saved:.1f} s")
    peaks = {row["donated"]: row for row in rows if "donated" in row}
    if {"yes", "no"} <= set(peaks):
        saved = peaks["no"]["peak_mib"] - peaks["yes"]["peak_mib"]
        state = peaks["yes"]["state_mib"]
        found.append(f"donation saves {saved:.0f} MiB of peak memory; the state has {state:.0f}")
    return found


SECTION = Section(
    name="startup",
    title="Time to the first step",
    about=(
        "A fresh process each time, with an empty and with a filled cache of compiled programs "
        "(the cache is on by default, in the user's cache folder). *Import* is from the process's "
        "start to the end of all imports, *compile* that of the step alone, *first step* from the "
        "process's start, with reading weights and making targets. Then, what it saves that the "
        "optimiser's loop donates picture and state to each step, so that the new ones take "
        "their place."
    ),
    columns={
        "net": "VGG-19",
        "size": "px",
        "cache": "cache",
        "import_seconds": "import, s",
        "compile_seconds": "compile, s",
        "process_seconds": "first step, s",
        "steps_per_second": "then steps per s",
        "donated": "donated",
        "state_mib": "state, MiB",
        "peak_mib": "peak MiB",
        "seconds": "s per step",
    },
    add_options=add_options,
    measure=measure,
    verdicts=verdicts,
    case=case,
)
