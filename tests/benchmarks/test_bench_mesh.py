"""``scripts/bench.py mesh``, at its smallest."""

from __future__ import annotations

import argparse
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts" / "benchmarks"))

from section_mesh import SECTION  # pyright: ignore[reportMissingImports]


def measured(*words: str) -> list[dict]:
    parser = argparse.ArgumentParser()
    SECTION.add_options(parser)
    return list(SECTION.measure(parser.parse_args(words)))


def test_a_small_picture_on_two_devices():
    small = "--blocks", "2", "--sizes", "96x33", "--paddings", "reflect"
    divided, dealt = measured(*small, "--meshes", "1x2", "--tile", "48")
    for row in (divided, dealt):
        assert row["loss_difference"] < 1e-5
        assert row["gradient_difference"] < 1e-5
        assert (row["size"], row["padding"], row["mesh"]) == ("96x33", "reflect", "1x2")
    assert divided["share"] == pytest.approx(2 * divided["device_mib"] / divided["whole_mib"])
    assert divided["collective-permute"] > 0 and divided["all-reduce"] > 0
    assert divided["all-gather"] == divided["all-to-all"] == 0
    assert dealt["tile_share"] == pytest.approx(1, abs=0.01)
    assert dealt["tiles"] > 2
    assert [dealt[kind] for kind in ("all-gather", "collective-permute", "all-reduce")] == [0] * 3
    assert [SECTION.case(row).split()[0] for row in (divided, dealt)] == ["Divided", "Tiles"]


def test_verdicts_say_how_many_rows_reach_what_was_wanted():
    row = {"loss_difference": 1e-7, "gradient_difference": 2e-6, "share": 1.2, "all-gather": 0}
    rows = [row, {**row, "share": 1.4, "gradient_difference": 3e-5}]
    assert SECTION.verdicts(rows) == [
        "loss of one device within 1e-5: 2 of 2 rows, at most 1.0e-07, reached",
        "gradient of one device within 1e-5: 1 of 2 rows, at most 3.0e-05, not reached",
        "temporaries of each device at most 1.3 times its share of the whole's: 1 of 2 rows, "
        "at most 1.40, not reached",
        "no all-gather: 2 of 2 rows, at most 0, reached",
    ]
    dealt = {**row, "tile": "48x33", "tile_share": 1.0}
    assert SECTION.verdicts([dealt])[-1].endswith("1 of 1 rows, at most 1.000, reached")


@pytest.mark.parametrize("words", ["512", "axb", "4x"])
def test_sizes_are_written_as_two_numbers(words):
    with pytest.raises(SystemExit, match="write two numbers, such as 4x2"):
        measured("--sizes", words)
