"""The commands round the experiments: what they write, say and refuse."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from jaxstyle import images
from jaxstyle.cli.main import main

SHALLOW = ["--content-layers", "relu2_1", "--style-layers", "relu1_1"]
FAST = ["--size", "32", "--steps", "2", "--levels", "1", "--devices", "1"]


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Path:
    """A folder, made the current one, with content.png, style.png and other.png."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    y, x = np.mgrid[0:24, 0:32] / 32
    images.save_image("content.png", np.stack([x, y, x * y], -1).astype(np.float32))
    noise = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    images.save_image("style.png", noise[0])
    images.save_image("other.png", noise[1] ** 2)
    return tmp_path


def record_of(path: str) -> dict:
    text = images.read_record(path)
    assert text is not None
    return json.loads(text)


def test_sweep_leaves_sheet_page_table_and_cells(pictures, capsys):
    (pictures / "broken.png").write_bytes(b"no picture")
    axes = ["--axis", "style=style.png,broken.png", "--axis", "tv=0.5,2,8"]
    given = [*FAST, *SHALLOW, "--wavelet-weight", "1e6", *axes]
    assert main(["sweep", "content.png", "style.png", *given, "-o", "out"]) == 1
    error = capsys.readouterr().err
    assert "broken, 0.5: " in error
    assert "broken.png" in error
    assert "out: 6 cells, 1 program compiled, 1 chunk" in error

    with Path("out/losses.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["tv_weight"] for row in rows] == ["0.5", "2", "8"] * 2
    good, bad = rows[:3], rows[3:]
    for row in good:
        assert float(row["other"]) > 0.01 * float(row["loss"])
        total = sum(float(row[term]) for term in ("content", "style", "tv", "other"))
        assert float(row["loss"]) == pytest.approx(total, rel=1e-5)
        assert float(row["style relu1_1"]) == pytest.approx(float(row["style"]), rel=1e-5)
        assert images.load_image(Path("out", row["file"])).size == (32, 24)
        assert record_of(f"out/{row['file']}")["config"]["tv_weight"] == float(row["tv_weight"])
    assert [row["loss"] for row in bad] == [""] * 3
    assert all("broken.png" in row["message"] for row in bad)

    summary = json.loads(Path("out/sweep.json").read_text())
    assert summary["settings"]["size"] == 32
    assert [axis["name"] for axis in summary["axes"]] == ["style", "tv_weight"]
    assert record_of("out/sheet.png")["format"] == "jaxstyle-sheet"
    page = Path("out/index.html").read_text()
    assert all(row["file"] in page for row in good)
    assert "http://" not in page and "https://" not in page


def test_an_axis_keeps_its_column_where_a_result_has_its_name(pictures):
    axes = ["--axis", "steps=2|1", "--axis", "tv=l1,l2"]
    assert main(["sweep", "content.png", "style.png", *FAST, *SHALLOW, *axes, "-o", "out"]) == 0
    with Path("out/losses.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["steps axis"] for row in rows] == [row["steps"] for row in rows]
    assert [row["steps axis"] for row in rows] == ["2", "2", "1", "1"]
    assert [row["tv axis"] for row in rows] == ["l1", "l2", "l1", "l2"]
    assert all(float(row["tv"]) >= 0 for row in rows)


def test_sweep_resumes(pictures, capsys):
    grid = ["sweep", "content.png", "style.png", *FAST, *SHALLOW, "--axis", "seed=0..1"]
    assert main([*grid, "--init", "noise", "-o", "out"]) == 0
    first = Path("out/sheet.png").read_bytes()
    assert main([*grid, "--init", "noise", "-o", "out", "--resume"]) == 0
    assert "0 programs compiled, 0 chunks" in capsys.readouterr().err
    assert len(first) > 0
    with pytest.raises(images.ImageError, match="sheet of several runs"):
        from samples import prepare_replay

        prepare_replay("out/sheet.png")


def test_a_cell_replays(pictures):
    axes = ["--axis", "style_weight=1,4"]
    assert main(["sweep", "content.png", "style.png", *FAST, *SHALLOW, *axes, "-o", "out"]) == 0
    cell = next(Path("out").glob("001_*.png"))
    assert main(["replay", str(cell), "-o", "again.png", "--quiet"]) == 0
    assert record_of("again.png")["config"]["style_weight"] == 4.0
    change = images.load_image(cell).rgb - images.load_image("again.png").rgb
    assert np.abs(change).max() < 0.02


def test_figure_3_is_a_labelled_sheet_with_its_command(pictures, capsys):
    command = ["figure3", "content.png", "style.png", *FAST, "--content-layers", "relu2_1"]
    options = ["--ratios", "1e-4,1e-2", "--layer-sets", "relu1_1|relu1_1,relu2_1"]
    assert main([*command, *options, "-o", "f.png", "--cells", "cells"]) == 0
    assert "f.png: 4 cells" in capsys.readouterr().err
    record = record_of("f.png")
    assert [cell["labels"] for cell in record["cells"]] == [
        ["relu1_1", "1e-04"],
        ["relu1_1", "1e-02"],
        ["relu1_1 to relu2_1", "1e-04"],
        ["relu1_1 to relu2_1", "1e-02"],
    ]
    assert len(list(Path("cells").glob("*.png"))) == 4
    width, height = images.load_image("f.png").size
    assert width > 2 * 32
    assert height > 2 * 24


def test_reconstruct_makes_both_rows(pictures, capsys):
    command = ["reconstruct", "--content", "content.png", "--style", "style.png"]
    options = ["--size", "32", "--steps", "2", "--layers", "conv1_1,conv2_1", "-o", "r.png"]
    assert main([*command, *options, "--layer-sets", "relu1_1", "--cells", "cells"]) == 0
    error = capsys.readouterr().err
    assert "content from conv1_1 (" in error
    assert " dB): loss" in error
    assert "style from relu1_1: loss" in error
    assert sorted(path.name for path in Path("cells").iterdir()) == [
        "content-conv1_1.png", "content-conv2_1.png", "style-relu1_1.png",
    ]  # fmt: skip
    assert len(record_of("r.png")["cells"]) == 3
    # Without a content or a style picture in it, a record replays all the same.
    for cell in ("content-conv2_1", "style-relu1_1"):
        assert main(["replay", f"cells/{cell}.png", "-o", "again.png", "--quiet"]) == 0
        again = images.load_image("again.png").rgb
        np.testing.assert_array_equal(again, images.load_image(f"cells/{cell}.png").rgb)


def test_texture_has_the_shape_asked_for_and_replays(pictures):
    command = ["texture", "style.png", "--shape", "48x32", "--seamless", "--steps", "2"]
    assert main([*command, "--style-layers", "relu1_1", "-o", "t.png", "--quiet"]) == 0
    assert images.load_image("t.png").size == (48, 32)
    assert record_of("t.png")["config"]["padding"] == "circular"
    assert main(["replay", "t.png", "-o", "again.png", "--quiet"]) == 0
    assert Path("again.png").read_bytes() == Path("t.png").read_bytes()


@pytest.mark.parametrize("kind", ["starts", "scales"])
def test_compare(pictures, capsys, kind):
    options = ["--content-layers", "relu2_1"] + (["--seeds", "3"] if kind == "starts" else [])
    assert main(["compare", kind, "content.png", "style.png", *FAST, *options]) == 0
    assert f"{kind}.png: 3 cells" in capsys.readouterr().err
    assert images.load_image(f"{kind}.png").size[0] > 3 * 32


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["sweep", "content.png", "style.png", "--axis", "style_wieght=1"], "did you mean"),
        (["sweep", "content.png", "style.png", "--axis", "seed=5..2"], "5..2 is no range"),
        (["sweep", "none.png", "style.png", "--axis", "seed=0,1"], "none.png"),
        (["sweep", "content.png", "style.png", "--axis", "seed=0", "--max-memory", "much"], "8GiB"),
        (["sweep", "content.png", "style.png", "--axis", "seed=0", "--devices", "99"], "there are"),
        (["figure3", "content.png", "style.png", "--ratios", "x"], "--ratios is 'x'"),
        (["figure3", "content.png", "style.png", "-o", "f.xyz"], "f.xyz"),
        (["reconstruct"], "give --content, --style or both"),
        (["reconstruct", "--content", "content.png", "--layers", "conv9_9"], "unknown layer"),
        (["texture", "style.png", "--shape", "big"], "write it as 512x384"),
        (["texture", "style.png", "--shape", "50x50", "--seamless"], "multiples of 16 px"),
        (["compare", "starts", "content.png", "style.png", "--seeds", "a"], "--seeds is 'a'"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(pictures, capsys, command, message):
    before = sorted(path.name for path in pictures.iterdir())
    assert main(command) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    made = set(path.name for path in pictures.iterdir()) - set(before) - {"cache", "sweep"}
    assert made == set()


@pytest.mark.parametrize("script", ["sweep", "figure3", "reconstruct", "texture", "compare"])
def test_scripts_are_doors_to_the_commands(script, monkeypatch):
    import runpy

    from conftest import ROOT

    path = ROOT / "scripts" / f"{script}.py"
    monkeypatch.setattr("sys.argv", [str(path), "--help"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(path), run_name="__main__")
    assert stop.value.code == 0
