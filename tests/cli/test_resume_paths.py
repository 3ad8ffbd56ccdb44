"""``resume``: a stranger's checkpoint decides neither where is written to, nor over what."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import landscape, waves

from jaxstyle import images
from jaxstyle.cli.main import main
from jaxstyle.cli.options.recorded_paths import below, seen_from
from jaxstyle.errors import InputError
from jaxstyle.run.checkpoint import Checkpoint
from jaxstyle.run.checkpoint_file import read_checkpoint, write_checkpoint
from jaxstyle.run.coarse_to_fine import run
from jaxstyle.run.prepare import prepare

SETTINGS: dict[str, Any] = {
    "size": 32, "steps": 2, "levels": 1, "weights": "slim", "optimizer": "adam",
    "content_layers": "relu1_1", "style_layers": "relu1_1",
}  # fmt: skip
Make = Callable[..., None]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Path:
    """A folder with the pictures of a run, and the checkpoint that it was stopped with."""
    folder = tmp_path_factory.mktemp("stopped")
    images.save_image(folder / "content.png", np.asarray(landscape(24, 32)))
    images.save_image(folder / "style.png", np.asarray(waves(24)))
    job = prepare(str(folder / "content.png"), str(folder / "style.png"), **SETTINGS)
    run(job, lambda _: True, Checkpoint(folder / "run.ckpt", 1))
    return folder


@pytest.fixture
def make(stopped, tmp_path, monkeypatch) -> Make:
    """Puts a checkpoint into the current folder that names files as it is told to."""
    found = read_checkpoint(stopped / "run.ckpt")
    assert found is not None
    about, arrays = found
    (tmp_path / "shared").mkdir()
    monkeypatch.chdir(tmp_path / "shared")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write(output: Any = "out.png", **options: Any) -> None:
        note = {"output": output, "recording": {"options": options}}
        write_checkpoint("run.ckpt", {**about, "note": note}, arrays)

    return write


def resumed(*options: str) -> int:
    return main(["resume", "run.ckpt", "--quiet", *options])


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "named",
    ["../out.png", "{above}/out.png", "link/out.png", "link.png", "a/../../out.png", "a\0b.png"],
)
@pytest.mark.parametrize("option", ["-o", "--strip"])
def test_nothing_is_written_elsewhere(make, tmp_path, capsys, named, option):
    Path("link").symlink_to(tmp_path)
    Path("link.png").symlink_to(tmp_path / "out.png")
    named = named.format(above=tmp_path)
    make(**({"output": named} if option == "-o" else {"strip": named}))
    before = files_in(tmp_path)
    assert resumed("--force") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"is not below its folder: say where to by {option} FILE" in said
    assert files_in(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "there", "option"),
    [
        ({}, "out.png", "-o"),
        ({"strip": "strip.png"}, "strip.png", "--strip"),
        ({"animation": "all.gif"}, "all.gif", "--animation"),
        ({"save_every": 1}, "out-00007.png", "-o"),
    ],
)
def test_what_is_not_of_the_run_stays(make, capsys, options, there, option):
    make(**options)
    images.save_image(Path(there).with_suffix(".png"), np.zeros((8, 8, 3), np.float32))
    Path(there).with_suffix(".png").rename(there)
    before = files_in(Path())
    assert resumed() == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert there in said and f"give --force, or another file by {option}" in said
    assert files_in(Path()) == before


def test_force_and_names_of_our_own_write_over_it(make):
    for options in (["--force"], ["-o", "out.png"], ["-o", "../out.png"]):
        make(strip="strip.png")
        images.save_image("out.png", np.zeros((8, 8, 3), np.float32))
        assert resumed(*options) == 0
        written = Path(options[-1] if "-o" in options else "out.png")
        assert images.image_size(written) == (32, 24)
        assert not Path("run.ckpt").exists()


def test_what_the_run_has_made_is_replaced(make):
    make(strip="strip.png", save_every=1)
    assert resumed() == 0
    made = {path.name for path in Path().iterdir()}
    assert made == {"out.png", "strip.png", "out-00002.png"}
    make(strip="strip.png", save_every=1)
    assert resumed() == 0
    assert {path.name for path in Path().iterdir()} == made


def test_names_are_as_seen_from_the_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.makedirs("runs/pictures")
    named = seen_from("runs/run.ckpt", "runs/pictures/out.png")
    assert named == os.path.join("pictures", "out.png")
    os.rename("runs", "moved")
    assert below("moved/run.ckpt", named, "-o") == tmp_path / "moved" / "pictures" / "out.png"
    with pytest.raises(InputError, match="not below its folder"):
        below("moved/run.ckpt", seen_from("moved/run.ckpt", "out.png"), "-o")
