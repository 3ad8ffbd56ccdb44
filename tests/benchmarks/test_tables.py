"""The tables and the page of ``python -m benchmarks``, without measuring anything."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import types

import pytest
from conftest import ROOT

from benchmarks import __main__ as bench
from benchmarks import problem, step
from benchmarks.tables import fill, markdown, short
from benchmarks.workers import Unavailable, WorkerFailed, measured

COLUMNS = {"net": "net", "seconds": "s", "range": "range", "note": "note"}
MACHINE = {"cpu": "A processor", "cores": 2, "memory_gib": 23.5, "load": 0.1, "jax": "0.10.2"}


def measurement(*rows: dict, **changes) -> dict:
    about = {"machine": MACHINE, "date": "2026-01-02", "command": "python -m benchmarks made_up"}
    return {**about, **changes, "rows": list(rows)}


def test_tables_have_a_heading_each_and_no_empty_columns():
    first = {"table": "slim net", "net": "slim", "seconds": 0.12345, "range": [1.0, 2.5]}
    second = {"table": "full net", "net": "full", "seconds": 1234.5, "note": "a | b"}
    assert markdown([measurement({**first, "note": None}, second)], COLUMNS) == (
        "**slim net**\n\n"
        "| net  |     s |   range |\n| ---- | ----: | ------: |\n| slim | 0.123 | 1 - 2.5 |\n\n"
        "**full net**\n\n"
        "| net  |    s | note   |\n| ---- | ---: | ------ |\n| full | 1234 | a \\| b |"
    )


def test_the_page_gets_tables_and_circumstances_and_keeps_its_text():
    page = "Before.\n<!-- made_up -->\nold\n<!-- /made_up -->\nAfter."
    row = {"net": "slim", "seconds": 1.0}
    text = fill(page, "made_up", [measurement(row)], COLUMNS)
    assert text.startswith("Before.\n<!-- made_up -->\n\n| net ")
    assert text.endswith(
        "<sub>A processor, 2 cores, 23.5 GiB; jax 0.10.2; 2026-01-02; load before 0.10; "
        "`python -m benchmarks made_up`</sub>\n\n<!-- /made_up -->\nAfter."
    )
    busy = measurement(row, machine={**MACHINE, "load": 1.7})
    both = fill(text, "made_up", [measurement(row), busy], COLUMNS)
    assert "| measured in |" in both
    assert "<sub>2: A processor" in both
    assert "load before 1.70 (others were computing: do not trust its times)" in both
    none = fill(both, "made_up", [], COLUMNS)
    assert "Not measured yet: `python -m benchmarks made_up --keep`." in none
    with pytest.raises(ValueError, match="the page has 0 places for other"):
        fill(page, "other", [], COLUMNS)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.000123456, "0.000123"), (1.5e-7, "1.5e-07"), (98765.4, "98765"), (12, "12"), (None, "-")],
)
def test_figures_have_three_digits(value, text):
    assert short(value) == text


def test_the_page_shows_what_is_kept(tmp_path):
    shutil.copytree(ROOT / "docs" / "benchmarks", tmp_path / "benchmarks")
    shutil.copy(ROOT / "docs" / "benchmarks.md", tmp_path)
    assert bench.main(["page", "--into", str(tmp_path)]) == 0
    text = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert text == (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name in bench.NAMES:
        own = text.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0]
        assert ("<sub>" in own) == (tmp_path / "benchmarks" / f"{name}.json").exists()


@pytest.fixture
def section(monkeypatch, tmp_path):
    """A section without processes, and an empty page for it."""
    made_up = types.SimpleNamespace(
        __doc__="Made up.", COLUMNS=COLUMNS, add_options=lambda _: None, measure=None
    )
    monkeypatch.setattr(bench, "NAMES", ("made_up",))
    monkeypatch.setattr(bench, "_section", lambda _: made_up)
    (tmp_path / "benchmarks.md").write_text("<!-- made_up --><!-- /made_up -->")
    return made_up


def test_rows_are_kept_as_they_come(section, tmp_path, capsys):
    def failing(_: argparse.Namespace):
        yield {"net": "slim", "seconds": 1.0}
        raise WorkerFailed("it broke")

    section.measure = failing
    words = ["made_up", "--keep", "--into", str(tmp_path)]
    assert bench.main(words) == 1
    assert "made_up: it broke" in capsys.readouterr().err
    path = tmp_path / "benchmarks" / "made_up.json"
    (kept,) = json.loads(path.read_text())
    assert kept["rows"] == [{"net": "slim", "seconds": 1.0}]
    assert kept["machine"]["cores"] == os.cpu_count()

    section.measure = lambda _: [{"net": "full", "seconds": 2.0}]
    assert bench.main([*words, "--add"]) == 0
    assert [one["rows"][0]["net"] for one in json.loads(path.read_text())] == ["slim", "full"]
    assert "| full |" in (tmp_path / "benchmarks.md").read_text()
    assert bench.main([*words, "--json"]) == 0
    assert [one["rows"][0]["net"] for one in json.loads(path.read_text())] == ["full"]


def test_what_a_machine_lacks_is_said_in_one_line(section, capsys):
    def lacking(_: argparse.Namespace):
        raise Unavailable("there is no such thing here")

    section.measure = lacking
    assert bench.main(["made_up"]) == bench.NEEDS_MORE
    assert "made_up: there is no such thing here" in capsys.readouterr().err


def test_a_command_that_fails_or_is_late_says_why():
    command = [sys.executable, "-c", "raise KeyError('the key')"]
    with pytest.raises(WorkerFailed, match="ended with 1: KeyError: 'the key'"):
        measured(command)
    with pytest.raises(WorkerFailed, match="stopped after 0 s"):
        measured([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_arithmetic_of_a_step():
    """Of VGG-19 to conv5_1: 722304 forward, counted by hand from the table, and as many back."""
    assert problem.flops_per_pixel("full") == 2 * 722304


def test_turns_are_compared_pair_by_pair():
    def turn(seconds: float, loss: float) -> dict:
        about = {"first_seconds": 3.0, "peak": 2**20, "device_peak": None, "loss": loss}
        return {**about, "times": [seconds] * 3, "gradient": problem.noise(2, 0) * loss}

    ours, theirs = [turn(1.0, 1.0), turn(2.0, 1.0)], [turn(2.0, 2.0), turn(3.0, 2.0)]
    row = step.figures(ours, theirs, problem.noise(2, 0))
    assert (row["speedup"], row["speedup_range"]) == (1.75, [1.5, 2.0])
    assert (row["loss_difference"], row["peak_mib"]) == (0.5, 1.0)
    assert row["gradient_difference"] == pytest.approx(0.5)
    assert row["gradient_error"] == pytest.approx(1.0)
    failed = step.figures(ours, [{"note": "no compiler"}], None)
    assert failed == {"note": "no compiler"}
