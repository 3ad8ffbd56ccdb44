"""Snapshots, strips, animations and loss plots of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxstyle import images
from jaxstyle.cli.main import main
from jaxstyle.cli.report.recorder import one_two_five, parse_steps
from jaxstyle.errors import InputError

FAST = ["--size", "32", "--levels", "1", "--content-layers", "relu2_1", "--style-layers", "relu1_1"]


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Path:
    """A folder, made the current one, with content.png and style.png."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    y, x = np.mgrid[0:24, 0:32] / 32
    images.save_image("content.png", np.stack([x, y, x * y], -1).astype(np.float32))
    images.save_image("style.png", np.random.default_rng(0).random((32, 32, 3), np.float32))
    return tmp_path


def stylize(*options: str, steps: int = 7) -> int:
    command = ["stylize", "content.png", "style.png", *FAST, "--steps", str(steps), "--quiet"]
    return main([*command, "-o", "out.png", *options])


def test_the_series():
    assert one_two_five(1) == [1]
    assert one_two_five(50) == [1, 2, 5, 10, 20, 50]
    assert one_two_five(300) == [1, 2, 5, 10, 20, 50, 100, 200, 300]


@pytest.mark.parametrize("text", ["", "0", "1,x", "-3", "1.5"])
def test_steps_that_make_no_sense(text):
    with pytest.raises(InputError, match="whole numbers from 1 up"):
        parse_steps(text)


def test_snapshots_are_the_steps_asked_for(pictures):
    assert stylize("--snapshots", "5,1,3") == 0
    names = sorted(path.name for path in pictures.glob("out*.png"))
    assert names == ["out-00001.png", "out-00003.png", "out-00005.png", "out.png"]
    start = images.load_image("content.png").rgb
    changes = [np.abs(images.load_image(name).rgb - start).mean() for name in names]
    assert changes[0] == pytest.approx(0, abs=1e-3)  # the first step has only looked at the start
    assert changes[1] > 0.003


def test_every_kth_step_and_snapshots_go_together(pictures):
    assert stylize("--snapshots", "1", "--save-every", "3") == 0
    names = sorted(path.name for path in pictures.glob("out-*.png"))
    assert names == ["out-00001.png", "out-00003.png", "out-00006.png"]


def test_strip_and_animation_end_with_the_result(pictures):
    assert stylize("--strip", "strip.png", "--animation", "a.webp") == 0
    assert list(pictures.glob("out-*.png")) == []
    with Image.open("a.webp") as animation:
        assert animation.n_frames == 4  # 1, 2, 5 and the result
        animation.seek(3)
        last = np.asarray(animation.convert("RGB"), np.float32) / 255
    assert np.abs(last - images.load_image("out.png").rgb).mean() < 0.06
    assert images.load_image("strip.png").size[0] > 4 * 32


def test_levels_make_frames_of_one_size(pictures):
    options = ["--strip", "s.png", "--animation", "a.gif", "--snapshots", "1,3"]
    assert stylize(*options, "--levels", "2", "--size", "48", steps=2) == 0
    with Image.open("a.gif") as animation:
        assert animation.size == (48, 36)


def test_the_loss_plot(pictures):
    pytest.importorskip("matplotlib")
    assert stylize("--loss-plot", "loss.svg", "--wavelet-weight", "1", "--tv-weight", "1") == 0
    text = Path("loss.svg").read_text()
    assert "<svg" in text
    assert text.count("<!-- tv -->") == text.count("<!-- other -->") == 1


def cut_off(monkeypatch, *options: str, after: int = 4) -> None:
    """Run until a step is done, and end there as by a kill: nothing after it is written."""

    def ended(_reporter, event) -> None:
        if event.total_step > after:
            raise SystemExit("killed")

    with monkeypatch.context() as patched:
        patched.setattr("jaxstyle.cli.report.reporters.Reporter.__call__", ended)
        with pytest.raises(SystemExit, match="killed"):
            stylize("--checkpoint", "run.ckpt", "--checkpoint-every", "1", *options)


SIDE = ["--strip", "s.png", "--animation", "a.webp", "--save-every", "2"]


@pytest.mark.parametrize("again", ["resume", "stylize"])
def test_files_after_a_kill_are_those_of_an_unbroken_run(pictures, monkeypatch, capsys, again):
    assert stylize(*SIDE) == 0
    out = images.load_image("out.png").rgb
    for path in [*pictures.glob("out*.png"), *map(Path, ("s.png", "a.webp"))]:
        path.unlink()
    cut_off(monkeypatch, *SIDE)
    capsys.readouterr()
    if again == "resume":
        assert main(["resume", "run.ckpt"]) == 0
        assert "was not kept" not in capsys.readouterr().err
    else:
        assert stylize("--checkpoint", "run.ckpt", *SIDE) == 0
    np.testing.assert_array_equal(images.load_image("out.png").rgb, out)
    with Image.open("a.webp") as animation:
        assert getattr(animation, "n_frames", 1) == 4  # 1, 2, 5 and the result
    assert Path("s.png").is_file()
    names = sorted(path.name for path in pictures.glob("out-*.png"))
    assert names == ["out-00002.png", "out-00004.png", "out-00006.png"]


def test_curves_are_whole_and_what_is_missing_is_said(pictures, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    cut_off(monkeypatch, "--loss-plot", "loss.svg")
    plotted = []
    monkeypatch.setattr(
        "jaxstyle.display.figures.save_loss_plot",
        lambda path, curves, breaks: plotted.append(curves),
    )
    capsys.readouterr()
    assert main(["resume", "run.ckpt", "--strip", "s.png"]) == 0
    said = capsys.readouterr().err
    assert "--strip: what was before step 4 was not kept, and is missing" in said
    assert len(plotted[0]["total"]) == 7
    assert Path("s.png").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--animation", "a.avi"], "a.avi"),
        (["--strip", "nowhere/s.png"], "nowhere"),
        (["--loss-plot", "loss.txt"], "loss.txt|matplotlib"),
        (["--snapshots", "0"], "--snapshots is '0'"),
        (["--save-every", "-2"], "--save-every is -2"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_run(pictures, capsys, options, message):
    import re

    assert stylize(*options) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not Path("out.png").exists()
