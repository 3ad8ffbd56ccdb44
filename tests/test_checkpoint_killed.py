"""Runs that are killed over and over, at moments of chance, against runs that nobody disturbs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from checkpointed_run import RUNS
from conftest import ROOT

LEAST_KILLS, MOST_KILLS = 3, 5
PATIENCE = 240


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


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """What undisturbed runs leave, and what killed ones do."""
    whole, killed, cache = (tmp_path_factory.mktemp(name) for name in ("whole", "killed", "cache"))
    with start(whole, cache, "plain") as process:
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    chance, kills, end = random.Random(2), 0, time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with start(killed, cache, "keep") as process:
            assert process.stdout is not None
            process.stdout.readline()  # the first step: it has started
            time.sleep(chance.uniform(0, 0.6))
            if kills < MOST_KILLS:
                process.kill()
            process.communicate(timeout=PATIENCE)
        if process.returncode == 0:
            break
        kills += 1
    assert process.returncode == 0
    assert kills >= LEAST_KILLS
    return whole, killed


@pytest.mark.parametrize("name", RUNS)
def test_the_result_is_the_same_to_the_bit(folders, name):
    whole, killed = (np.load(folder / f"{name}.npz") for folder in folders)
    assert np.ptp(whole["image"]) > 0.5
    for what in ("image", "losses", "loss", "record"):
        np.testing.assert_array_equal(killed[what], whole[what], strict=True)


def test_nothing_is_left_behind(folders):
    assert {path.name for path in folders[1].iterdir()} == {f"{name}.npz" for name in RUNS}
