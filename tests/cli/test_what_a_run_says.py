"""What a run says of itself: levels that it lacks, captions, files that have moved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from conftest import ROOT

from jaxstyle import images
from jaxstyle.cli import run_and_save
from jaxstyle.cli.main import main
from jaxstyle.errors import counted

FAST = [
    "--size", "48", "--levels", "1", "--weights", "slim",
    "--content-layers", "relu1_1", "--style-layers", "relu1_1",
]  # fmt: skip


def stylize(*options: str) -> int:
    return main(["stylize", "content.png", "style.png", *FAST, "--steps", "3", *options])


def test_levels_that_do_not_fit_are_told(pictures, capsys):
    deep = ["--content-layers", "relu4_1", "--style-layers", "relu5_1", "--steps", "1"]
    assert stylize("-o", "out.png", *deep, "--levels", "3") == 0
    told = capsys.readouterr().err
    assert "--levels 3: 1 level of it, for at a smaller size the deepest layer" in told
    assert stylize("-o", "out.png", "--levels", "2") == 0
    assert "--levels" not in capsys.readouterr().err


def test_the_card_of_the_small_network_is_named_with_its_folder(pictures, capsys):
    assert stylize("-o", "out.png") == 0
    assert f"(see {run_and_save.CARD})" in capsys.readouterr().err
    card = (ROOT / run_and_save.CARD).read_text(encoding="utf-8")
    assert "vgg19_slim.h5" in card and ".npz" not in card and "MIT" in card


def test_numbers_have_nouns_that_fit(pictures, capsys):
    nouns = [counted(number, "program") for number in (0, 1, 2)]
    assert nouns == ["0 programs", "1 program", "2 programs"]
    pair = ["content.png", "style.png", *FAST, "--steps", "1", "--devices", "1"]
    assert main(["sweep", *pair, "--axis", "style_weight=1,2", "-o", "grid"]) == 0
    assert "grid: 2 cells, 1 program compiled, 1 chunk\n" in capsys.readouterr().err
    assert stylize("-o", "out.png", "--steps", "1") == 0
    assert "after 1 step, " in capsys.readouterr().err
    assert main(["plan", *pair[:-2]]) == 0
    assert "48x36, 1 size of 1 steps" in capsys.readouterr().out


def test_an_initial_picture_that_has_moved_is_found_by_its_option(pictures, capsys):
    images.save_image("start.png", np.random.default_rng(1).random((36, 48, 3), np.float32))
    assert stylize("-o", "out.png", "--init", "start.png+noise:0.3", "--quiet") == 0
    Path("elsewhere").mkdir()
    Path("start.png").rename("elsewhere/begin.png")
    again = ["replay", "out.png", "-o", "again.png", "--quiet"]
    assert main(again) == 2
    told = capsys.readouterr().err
    assert "the initial picture start.png is not there: say where it is by --init" in told
    assert main([*again, "--init", "style.png"]) == 2
    assert "style.png is not the initial picture that was used" in capsys.readouterr().err
    assert main([*again, "--init", "elsewhere/begin.png"]) == 0
    np.testing.assert_array_equal(
        images.load_image("out.png").rgb, images.load_image("again.png").rgb
    )


def test_a_strip_names_the_command_that_began_the_run(pictures, monkeypatch):
    captions = []
    monkeypatch.setattr(
        "jaxstyle.cli.report.recorder.Recorder.finish",
        lambda _self, _image, caption: captions.append(caption) or [],
    )
    monkeypatch.setattr("sys.argv", ["jaxstyle", "stylize", "content.png"])
    assert stylize("-o", "out.png", "--strip", "strip.png", "--quiet") == 0
    monkeypatch.setattr("sys.argv", ["jaxstyle", "replay", "out.png"])
    assert main(["replay", "out.png", "-o", "again.png", "--strip", "b.png", "--quiet"]) == 0
    assert captions == ["jaxstyle stylize content.png"] * 2
    assert json.loads(images.read_record("out.png"))["extra"]["command"] == captions[0]
