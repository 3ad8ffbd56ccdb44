"""Runs that are killed over and over, at moments of chance, against runs that nobody disturbs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from checkpointed_run import CELLS, RUNS
from conftest import ROOT

PATIENCE = 240
FIRST = {"scipy": 11, "sweep": 6}
"""The step after which a run may be killed: what scipy does is kept between levels alone, and a
sweep by the cell."""
MOST_STEPS = 6
LEAST_CUT = 4


def start(folder: Path, cache: Path, keep: str) -> subprocess.Popen:
    environment = {name: v for name, v in os.environ.items() if not name.startswith("JAX_")}
    environment |= {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    }
    command = [sys.executable, str(ROOT / "tests" / "checkpointed_run.py"), str(folder), keep]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


class Killed(NamedTuple):
    """What undisturbed runs leave, what killed ones do, and what their sweep had when it was."""

    whole: Path
    killed: Path
    cells: dict[Path, int]


def kill_within(process: subprocess.Popen, name: str, chance: random.Random) -> None:
    """Kill a process at a moment of chance, within one of its runs."""
    assert process.stdout is not None
    wait = FIRST.get(name, 1) + chance.randrange(MOST_STEPS)
    for line in process.stdout:
        wait -= line.split()[1] == name
        if wait == 0:
            break
    time.sleep(chance.uniform(0, 0.05))
    process.kill()


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Killed:
    whole, killed, cache = (tmp_path_factory.mktemp(name) for name in ("whole", "killed", "cache"))
    with start(whole, cache, "plain") as process:
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    chance, cut, cells = random.Random(2), 0, {}
    for name in RUNS:
        with start(killed, cache, "keep") as process:
            kill_within(process, name, chance)
        cut += not (killed / f"{name}.npz").exists()
        cells = {path: path.stat().st_mtime_ns for path in killed.glob("sweep/*.json")}
    with start(killed, cache, "keep") as process:
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert cut >= LEAST_CUT  # a busy machine may kill one too late
    return Killed(whole, killed, cells)


@pytest.mark.parametrize("name", RUNS)
def test_the_result_is_the_same_to_the_bit(runs, name):
    whole, killed = (np.load(folder / f"{name}.npz") for folder in runs[:2])
    assert np.ptp(whole["image"]) > 0.5
    for what in ("image", "losses", "loss", "record"):
        np.testing.assert_array_equal(killed[what], whole[what], strict=True)


def test_cells_that_were_finished_are_kept(runs):
    assert runs.cells and len(runs.cells) <= CELLS
    assert {path: path.stat().st_mtime_ns for path in runs.cells} == runs.cells
    assert len([*runs.killed.glob("sweep/*.json")]) == CELLS


def test_nothing_is_left_behind(runs):
    expected = {"sweep", *(f"{name}.npz" for name in RUNS)}
    assert {path.name for path in runs.killed.iterdir()} == expected
    # A file that was being written has a hidden name, which stays: nobody takes it for a cell.
    seen = [path for path in (runs.killed / "sweep").iterdir() if path.name[0] != "."]
    assert len(seen) == 2 * CELLS and {path.suffix for path in seen} == {".json", ".png"}
