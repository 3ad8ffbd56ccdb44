"""The benchmark's sections on memory and tiles, at their smallest."""

from __future__ import annotations

import argparse
import sys

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

sys.path.insert(0, str(ROOT / "scripts" / "benchmarks"))

import section_memory
import section_tile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def measured(module, *arguments: str) -> list[dict]:
    parser = argparse.ArgumentParser()
    module.SECTION.add_options(parser)
    return list(module.SECTION.measure(parser.parse_args(arguments)))


def test_an_estimate_stands_against_what_was_taken():
    (row,) = measured(
        section_memory, "--cases", "1", "--scale", "0.0625", "--steps", "1", "--remat-sizes"
    )
    assert (row["width"], row["height"], row["strategy"]) == (64, 64, "whole")
    assert row["floor_mib"] < row["peak_mib"]
    assert row["ratio"] == pytest.approx(row["estimate_mib"] / row["peak_mib"])


def test_rematerialised_blocks_give_the_same_loss():
    row = section_memory._rematerialised("slim", 64)
    assert row["loss_difference"] < 1e-5
    assert row["plain_mib"] > 0
    assert section_memory.case(row) == section_memory.REMATERIALISED


def test_tiles_are_compared_with_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(section_tile, "CASES", (section_tile.Case("slim", 208, 64, 192),))
    picture = tmp_path / "difference.png"
    (row,) = measured(
        section_tile, "--cases", "1", "--steps", "1", "--no-large", "--picture", str(picture)
    )
    assert row["gradient_difference"] < section_tile.EXACT
    assert row["picture_difference"] < 1e-3
    with Image.open(picture) as drawn:
        assert drawn.width > 3 * 64


def test_verdicts_on_estimates_count_those_within():
    rows = [
        {"net": "slim", "width": 64, "height": 64, "tile": None, "optimizer": "adam", "ratio": r}
        for r in (0.9, 1.3)
    ]
    (told,) = section_memory.verdicts(rows)
    assert "1 are; the worst is +30% (slim, 64x64, whole, adam), not reached" in told
    assert "2 are" in section_memory.verdicts([rows[0], rows[0]])[0]


def test_verdicts_on_large_pictures():
    row = {
        "net": "full", "optimizer": "adam", "width": 8192, "height": 6144,
        "peak_gb": 5.5, "allowed_gb": 6.0,
    }  # fmt: skip
    (told,) = section_tile.verdicts([row])
    assert told.endswith("resident size below 6 GB: 5.50 GB, reached")
    assert section_tile.verdicts([{**row, "peak_gb": 6.01}])[0].endswith("not reached")


def test_large_pictures_run_as_the_planner_says():
    (row,) = measured(section_tile, "--large-only", "1", "--large-size", "320", "256")
    assert np.isfinite(row["loss"])
    assert row["history"] is None
    assert 0 < row["peak_gb"] < row["allowed_gb"]


def test_a_large_picture_that_takes_too_long_says_how_far_it_came():
    (row,) = measured(
        section_tile, "--large-only", "1", "--large-size", "64", "48", "--minutes", "0.01"
    )
    assert row["note"].startswith("stopped after 0.01 minutes")
    assert row["note"].endswith(" GB at most")
    (told,) = section_tile.verdicts([row])
    assert told == f"64x48, slim, adam: {row['note']}, not reached"
    assert section_tile.key({**row, "tile": 512, "peak_gb": 1.0}) == section_tile.key(row)


def test_verdicts_on_recomputing_weigh_memory_against_time():
    row = {"net": "full", "width": 512, "saved": 0.2, "slower": 0.3}
    assert section_memory.verdicts([row])[0].endswith("+30% of time: worth it")
    for other in ({"slower": 1.4}, {"saved": 0.1}):
        assert section_memory.verdicts([{**row, **other}])[0].endswith("not worth it")
