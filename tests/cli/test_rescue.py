"""Full disks, wrong pictures and options without a use: what a run says, and what it saves."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest
from grids import SMALL, picture

from jaxstyle.cli.main import main
from jaxstyle.errors import InputError
from jaxstyle.images import load_image, save_image

SETTINGS = [
    text for name, value in SMALL.items() for text in (f"--{name.replace('_', '-')}", str(value))
]
DETERMINISTIC = (
    "stylize resume replay batch video sweep texture reconstruct figure3 compare".split()
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Made the current one: pictures c, s and t."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("c", "s", "t")):
        save_image(f"{name}.png", picture(seed))
    return tmp_path


def stylize(*options: str) -> int:
    return main(["stylize", "c.png", "s.png", *SETTINGS, "--quiet", "-o", "o.png", *options])


def full_disk(monkeypatch, *names: str) -> None:
    """No file of such a name can be written any more in the current folder."""
    real, here = os.replace, os.path.realpath(".")

    def replace(source, target):
        where = os.path.realpath(target)
        if os.path.basename(target) in names and where.startswith(here):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(source, target)

    monkeypatch.setattr(os, "replace", replace)


def test_a_result_that_cannot_be_written_is_somewhere_else(folder, capsys, monkeypatch):
    assert stylize() == 0
    expected = load_image("o.png").rgb
    Path("o.png").unlink()
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    full_disk(monkeypatch, "o.png")
    assert stylize() == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    found = re.search(r"No space left on device: the picture is in (\S+o\.png) instead", said)
    assert found is not None, said
    np.testing.assert_array_equal(load_image(found[1]).rgb, expected)


def test_or_in_the_checkpoint(folder, capsys, monkeypatch):
    assert stylize() == 0
    expected = load_image("o.png").rgb
    Path("o.png").unlink()
    with monkeypatch.context() as patched:
        full_disk(patched, "o.png")
        assert stylize("--checkpoint", "run.ckpt", "--checkpoint-every", "1") == 2
    assert "make room, and `jaxstyle resume run.ckpt` writes it" in capsys.readouterr().err
    assert main(["resume", "run.ckpt", "--quiet"]) == 0
    np.testing.assert_array_equal(load_image("o.png").rgb, expected)
    assert not Path("run.ckpt").exists()


def test_a_picture_that_was_not_used_is_refused(folder, capsys, monkeypatch):
    with monkeypatch.context() as patched:
        full_disk(patched, "o.png")
        assert stylize("--checkpoint", "run.ckpt", "--checkpoint-every", "1") == 2
    save_image("made.png", picture(0))  # c.png again, elsewhere
    assert stylize("-o", "done.png") == 0
    capsys.readouterr()
    for command in (["resume", "run.ckpt"], ["replay", "done.png"]):
        for option, name in (("--content", "t.png"), ("--style", "c.png"), ("--masks", "t.png")):
            assert main([*command, option, name, "-o", "x.png", "--quiet"]) == 2
            assert f"{name} is not the " in capsys.readouterr().err
        assert main([*command, "--content", "none.png", "-o", "x.png"]) == 2
        assert "--content none.png is no file that is there" in capsys.readouterr().err
        assert not Path("x.png").exists()
    assert main(["replay", "done.png", "--content", "made.png", "-o", "x.png", "--quiet"]) == 0


def test_how_often_needs_a_checkpoint(capsys):
    assert stylize("--checkpoint-every", "20") == 2
    assert "give --checkpoint FILE too" in capsys.readouterr().err
    assert stylize("--checkpoint", "run.ckpt", "--checkpoint-every", "0") == 2
    assert "--checkpoint-every is '0'" in capsys.readouterr().err
    assert not Path("o.png").exists()


@pytest.mark.parametrize("command", DETERMINISTIC)
def test_all_that_paints_can_be_deterministic(command, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr("jaxstyle.runtime.deterministic.set_flags", lambda: seen.append(1))
    words = {
        "stylize": ["gone.png", "s.png"],
        "resume": ["gone.ckpt"],
        "replay": ["gone.png", "-o", "x.png"],
        "batch": ["gone.png", "--style", "s.png"],
        "video": ["gone", "s.png"],
        "sweep": ["gone.png", "s.png", "--axis", "seed=0,1"],
        "texture": ["gone.png"],
        "reconstruct": ["--content", "gone.png"],
        "figure3": ["gone.png", "s.png"],
        "compare": ["starts", "gone.png", "s.png"],
    }[command]
    assert main([command, *words, "--deterministic"]) == 2
    assert "gone" in capsys.readouterr().err
    assert seen == [1]


def test_a_cell_that_cannot_be_written_does_not_end_the_others(folder, capsys, monkeypatch):
    full_disk(monkeypatch, "000_seed=0.png", "sweep.json")
    command = ["sweep", "c.png", "s.png", "--axis", "seed=0,1,2", "-o", "out", "--devices", "1"]
    assert main([*command, *SETTINGS, "--init", "noise", "--quiet"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0].startswith("0: cannot write") and "sweep.json" in said[1]
    made = sorted(path.name for path in Path("out").glob("*.png"))
    assert made == ["001_seed=1.png", "002_seed=2.png", "sheet.png"]
    assert Path("out/index.html").is_file()


def test_a_manifest_that_cannot_be_written_does_not_end_a_batch(folder, capsys, monkeypatch):
    full_disk(monkeypatch, "manifest.json")
    command = ["batch", "c.png", "t.png", "--style", "s.png", "-o", "out", "--devices", "1"]
    assert main([*command, *SETTINGS, "--quiet"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "manifest.json" in said
    assert sorted(path.name for path in Path("out").iterdir()) == ["c.png", "t.png"]


def test_a_sheet_is_rescued_too(folder, capsys, monkeypatch):
    from jaxstyle.cli.report.sheets import save_sheet

    elsewhere = folder.parent / "for-sheets"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    full_disk(monkeypatch, "sheet.png")
    with pytest.raises(InputError, match=r"the picture is in \S+sheet\.png instead"):
        save_sheet(Path("sheet.png"), picture(0), {"settings": {}})
    assert len(list(elsewhere.rglob("sheet.png"))) == 1


def test_side_files_that_cannot_be_written_do_not_end_the_run(folder, capsys, monkeypatch):
    full_disk(monkeypatch, "o-00002.png", "strip.png")
    assert stylize("--save-every", "2", "--strip", "strip.png", "--animation", "a.gif") == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "o-00002.png" in said and "; and 1 more" in said
    assert Path("o.png").is_file() and Path("a.gif").is_file()
