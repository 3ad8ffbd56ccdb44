"""``scripts/bench.py``: what it measures, says and keeps, each section at its smallest."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

import bench
import page
import problem
import section_gpu
import section_startup
import section_step
from section import Section, Unavailable, add_cases, no_options, no_verdicts, short, verdict

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is the peer"
)
SMALL = ("--nets", "slim", "--sizes", "32")


def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "bench.py"), *options]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=variables)


def measured(*options: str, **environment: str) -> list[dict]:
    done = run(*options, *SMALL, "--json", **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["rows"]


@needs_torch
def test_both_sides_compute_the_same_step_and_a_peer_that_cannot_says_so():
    ours, eager, compiled = measured("step", "--repeats", "2", CXX="no-such-g++")
    assert (ours["side"], eager["side"]) == ("jaxstyle", "PyTorch eager")
    assert eager["loss_difference"] < 1e-5
    assert eager["gradient_difference"] < 1e-4
    assert eager["speedup_range"][0] <= eager["speedup"] <= eager["speedup_range"][1]
    for row in (ours, eager):
        assert 0 < row["gradient_error"] < 1e-4
        assert row["peak_mib"] > 50
        assert min(row["seconds"], row["first_step_seconds"]) > 0
    assert compiled["side"] == "torch.compile"
    assert "seconds" not in compiled
    assert "InvalidCxxCompiler" in compiled["note"]


def test_startup_is_measured_cold_and_warm():
    empty, filled, held, donated = rows = measured("startup", "--donation-size", "64")
    assert (empty["cache"], filled["cache"]) == ("empty", "filled")
    assert filled["compile_seconds"] < empty["compile_seconds"]
    for row in (empty, filled):
        assert 0 < row["import_seconds"] < row["process_seconds"]
        assert row["steps_per_second"] > 0
    assert (held["donated"], donated["donated"]) == ("no", "yes")
    assert held["state_mib"] == pytest.approx(24 * 64 * 64 * 3 * 4 / 2**20, rel=0.3)
    first, second = section_startup.verdicts(rows)
    assert first.startswith("slim at 32 px: a filled cache saves ")
    assert second.startswith("donation saves ")


@needs_torch
def test_all_sides_run_the_same_grid():
    rows = measured("sweep", "--grid", "2", "2", "--steps", "2", "--chunk", "2", "--devices", "2")
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


@needs_torch
def test_the_gpu_section_runs_to_its_end_on_a_cpu():
    options = "--precisions bf16 --peers eager --optimizers adam --repeats 1 --inner 2"
    options += " --matrix 64 --run-size 32 --steps 4 --fused 2 --platform cpu"
    rows = measured("gpu", *options.split())
    assert [row["side"] for row in rows] == ["JAX", "PyTorch", "jaxstyle", "PyTorch eager", "adam"]
    products, steps, whole = rows[:2], rows[2:4], rows[4]
    rate = max(row["tflops"] for row in products)
    for row in steps:
        assert row["floor_seconds"] == pytest.approx(
            problem.flops_per_pixel("slim") * 32**2 / rate / 1e12
        )
        assert row["share"] == pytest.approx(row["floor_seconds"] / row["seconds"])
    assert steps[1]["loss_difference"] < 0.05
    assert steps[1]["gradient_difference"] < 0.3  # bfloat16 on both sides
    assert 0 < whole["seconds"] < whole["first_seconds"]
    assert section_gpu.verdicts(rows) == []  # nothing is wanted of a CPU


@needs_torch
def test_without_a_gpu_it_refuses_in_one_line():
    done = run("gpu", JAX_PLATFORMS="cpu")
    assert done.returncode == 2
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("gpu: JAX finds no GPU here, only cpu: run this where there is one")


@needs_torch
def test_a_cuda_graph_need_not_copy_what_the_peer_holds():
    import torch
    import torch_loss
    from torch._dynamo.utils import get_static_address_type

    loss = torch_loss.make_loss("slim", 16)
    torch.compile(loss, backend="eager")(torch.rand(16, 16, 3), 1.0)
    assert {name for name, held in loss.named_buffers() if get_static_address_type(held)} == {
        *(f"{layer}_{part}" for layer in problem.weights("slim") for part in ("kernel", "bias")),
        *(f"{tap}_gram" for tap in problem.STYLE),
        *("mean", "std", "content"),
    }


def test_arithmetic_of_a_step():
    """Of VGG-19 to conv5_1: 722304 forward, counted by hand from the table, and as many back."""
    assert problem.flops_per_pixel("full") == 2 * 722304


def test_wanted_speed_of_a_step_goes_both_ways():
    row = {"net": "full", "size": 512, "side": "PyTorch eager", "speedup_range": [1.4, 1.8]}
    assert section_step.verdicts([{**row, "speedup": 1.62}]) == [
        "VGG-19 at 512 px at least 1.5 times as fast as PyTorch eager: "
        "1.62 times (1.40 to 1.80), reached"
    ]
    (missed,) = section_step.verdicts([{**row, "speedup": 1.49}])
    assert missed.endswith("1.49 times (1.40 to 1.80), not reached")
    assert section_step.verdicts([{**row, "net": "slim", "speedup": 9.0}]) == []
    (failed,) = section_step.verdicts(
        [{"net": "full", "size": 512, "side": "torch.compile", "note": "no compiler"}]
    )
    assert failed.endswith("not measured, no compiler")


def gpu_rows(speedup: float, share: float, seconds: float) -> list[dict]:
    step = {"what": "One step", "net": "full", "size": 2048, "precision": "bf16"}
    step["device"] = "a card"
    return [
        {**step, "side": "jaxstyle", "seconds": 0.01, "share": share},
        {**step, "side": "PyTorch eager", "speedup": 3.0},
        {**step, "side": "torch.compile", "speedup": speedup},
        {**step, "side": "torch.compile, CUDA graphs", "note": "out of memory"},
        {**step, "what": "A run", "size": 512, "steps": 500, "side": "adam", "seconds": seconds},
    ]


def test_what_is_wanted_of_a_gpu_goes_both_ways():
    assert section_gpu.verdicts(gpu_rows(1.25, 0.56, 1.5)) == [
        "full net, 2048 px, bfloat16: at least 1.2 times as fast as the best PyTorch: "
        "1.25 times (torch.compile; without figures: torch.compile, CUDA graphs), reached",
        "2048 px in bfloat16 at 50% or more of the matrix products: 56%, reached",
        "500 steps of adam at 512 px in less than 2 s: 1.50 s in bfloat16, reached",
    ]
    other = [{**row, "device": "another"} for row in gpu_rows(1.1, 0.44, 2.5)]
    both = section_gpu.verdicts([*gpu_rows(1.25, 0.56, 1.5), *other])
    assert [one.partition(": ")[0] for one in both] == ["a card"] * 3 + ["another"] * 3
    missed = section_gpu.verdicts(gpu_rows(1.1, 0.44, 2.5))
    assert [sentence.rpartition(", ")[2] for sentence in missed] == ["not reached"] * 3


def made_up(**changes) -> Section:
    section = Section(
        name="made-up",
        title="Made up",
        about="About | it.",
        columns={"net": "net", "seconds": "s", "range": "range", "note": "note"},
        add_options=no_options,
        measure=lambda _: [{"net": "slim", "seconds": 0.12345, "range": [1.0, 2.5]}],
        verdicts=no_verdicts,
    )
    return section._replace(**changes)


MACHINE = {"cpu": "A processor", "cores": 2, "memory_gib": 23.5, "load": 0.1, "jax": "0.10.2"}
FIGURES = {"machine": MACHINE, "date": "2026-01-02", "command": "python scripts/bench.py made-up"}


def test_the_page_has_tables_verdicts_and_circumstances():
    section = made_up(
        remarks="A remark.",
        case=lambda row: f"{row['net']} net",
        verdicts=lambda rows: [
            verdict(f"{row['net']} in 0.2 s", f"{row['seconds']:.3f} s", row["seconds"] < 0.2)
            for row in rows
        ],
    )
    rows = [
        {"net": "slim", "seconds": 0.12345, "range": [1.0, 2.5], "note": None},
        {"net": "full", "seconds": 1234.5, "note": "a | b"},
    ]
    text = page.render(
        [section, made_up(name="other", title="Other")], {"made-up": {**FIGURES, "rows": rows}}
    )
    body = text.partition("## Made up\n\n")[2]
    assert body == (
        "About | it.\n\n"
        "**slim net**\n\n"
        "| net | s | range |\n| --- | ---: | ---: |\n| slim | 0.123 | 1 - 2.5 |\n\n"
        "**full net**\n\n"
        "| net | s | note |\n| --- | ---: | --- |\n| full | 1234 | a \\| b |\n\n"
        "- slim in 0.2 s: 0.123 s, **reached**\n- full in 0.2 s: 1234.500 s, **not reached**\n\n"
        "A remark.\n\n"
        "<sub>A processor, 2 cores, 23.5 GiB; jax 0.10.2; 2026-01-02; load before 0.10; "
        "`python scripts/bench.py made-up`</sub>\n\n"
        "## Other\n\nAbout | it.\n\nNot measured: run `python scripts/bench.py other --keep`.\n"
    )


def test_the_page_warns_of_figures_from_a_busy_machine():
    busy = {
        **FIGURES,
        "machine": {**MACHINE, "load": 1.7},
        "rows": made_up().measure(argparse.Namespace()),
    }
    text = page.render([made_up()], {"made-up": busy})
    assert "load before 1.70 (others were computing: do not trust its times)" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.000123456, "0.000123"), (1.5e-7, "1.5e-07"), (98765.4, "98765"), (12, "12"), (None, "-")],
)
def test_figures_have_three_digits(value, text):
    assert short(value) == text


def test_what_is_kept_is_what_the_page_is_made_of(tmp_path, monkeypatch, capsys):
    sections = {"made-up": made_up(), "gone": made_up(name="gone", title="Gone")}
    monkeypatch.setattr(bench, "section_names", lambda: list(sections))
    monkeypatch.setattr(bench, "load", lambda names: [sections[name] for name in names])
    into = ["--into", str(tmp_path)]
    assert bench.main(["made-up", "--json", "--keep", *into]) == 0
    kept = json.loads((tmp_path / "benchmarks" / "made-up.json").read_text())
    assert kept == json.loads(capsys.readouterr().out)
    assert kept["rows"] == made_up().measure(argparse.Namespace())
    assert kept["machine"]["cores"] == os.cpu_count()
    text = (tmp_path / "BENCHMARKS.md").read_text()
    assert "| slim | 0.123 | 1 - 2.5 |" in text
    assert "Not measured: run `python scripts/bench.py gone --keep`." in text
    assert bench.main(["page", *into]) == 0
    assert (tmp_path / "BENCHMARKS.md").read_text() == text


def test_one_failure_does_not_end_all(tmp_path, monkeypatch, capsys):
    def lacking(_: argparse.Namespace) -> list:
        raise Unavailable("there is no such thing here")

    def failing(_: argparse.Namespace) -> list:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(bench, "load_of_others", lambda: 0.0)
    able, last = made_up(name="able"), made_up(name="last", add_options=add_cases)
    assert bench._all([able, made_up(name="gone", measure=lacking), last], tmp_path) == 0
    assert "gone: there is no such thing here" in capsys.readouterr().err
    assert bench._all([made_up(name="bad", measure=failing), able], tmp_path) == 1
    kept = {path.name for path in (tmp_path / "benchmarks").iterdir()}
    assert kept == {"able.json", "last.json"}
    command = json.loads((tmp_path / "benchmarks" / "able.json").read_text())["command"]
    assert command == "python scripts/bench.py able"


def test_every_section_is_found_under_its_name():
    names = bench.section_names()
    assert {"step", "startup", "sweep", "gpu"} <= set(names)
    assert names == sorted(names, key=bench.ORDER.index)
    for name in ("step", "startup", "sweep", "gpu"):
        (section,) = bench.load([name])
        assert section.name == name
