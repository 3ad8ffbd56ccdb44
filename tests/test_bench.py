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


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is the peer")
def test_both_sides_compute_the_same_step():
    (row,) = bench("step", "--repeats", "2")
    assert row["loss_difference"] < 1e-5
    assert row["gradient_difference"] < 1e-4
    assert row["ratio_range"][0] <= row["ratio_median"] <= row["ratio_range"][1]
    assert row["jaxstyle_peak_mib"] > 50


def test_startup_is_measured_cold_and_warm():
    (row,) = bench("startup")
    assert row["filled_compile_seconds"] < row["empty_compile_seconds"]
