from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest
from conftest import ROOT


def bench(*options: str) -> list[dict]:
    command = [sys.executable, str(ROOT / "scripts" / "bench.py"), *options]
    command += ["--nets", "slim", "--sizes", "32", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["rows"]


needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is the peer"
)


@needs_torch
def test_both_sides_compute_the_same_step():
    (row,) = bench("step", "--repeats", "2")
    assert row["loss_difference"] < 1e-5
    assert row["gradient_difference"] < 1e-4
    assert row["ratio_range"][0] <= row["ratio_median"] <= row["ratio_range"][1]
    assert row["jaxstyle_peak_mib"] > 50


def test_startup_is_measured_cold_and_warm():
    (row,) = bench("startup")
    assert row["filled_compile_seconds"] < row["empty_compile_seconds"]


@needs_torch
def test_all_sides_run_the_same_grid():
    rows = bench("sweep", "--grid", "2", "2", "--steps", "2", "--chunk", "2", "--devices", "2")
    sides = {row["side"]: row for row in rows}
    assert list(sides) == ["one program", "chunks of 2", "one by one", "PyTorch"]
    assert [row["chunks"] for row in rows] == [1, 2, 4, 4]
    for row in rows:
        assert row["evaluations"] == 4 * 3
        assert row["first_loss_difference"] < 1e-5
        assert row["seconds"] > 0
        assert row["peak_mib"] > 50
    for side in ("one program", "chunks of 2"):
        assert sides[side]["result_difference"] < 1e-4
        assert sides[side]["devices"] == 2
        assert sides[side]["compile_seconds"] > 0
    assert sides["one by one"]["ratio_to_one_by_one"] == sides["PyTorch"]["ratio_to_pytorch"] == 1
