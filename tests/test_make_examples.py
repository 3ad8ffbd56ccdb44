"""The example pictures: sizes, tones, repeatability and the command line of the script."""

from __future__ import annotations

import importlib
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

SCRIPTS = ROOT / "scripts"
SCRIPT = SCRIPTS / "make_examples.py"
SIZE = 96
NAMES = ("content", "mosaic", "stained_glass", "still_life", "style", "woodcut")

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def make() -> Make:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        return importlib.import_module("example_art.gallery").make


@pytest.fixture(scope="module")
def made(make: Make, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("examples")
    return {name: make(name, folder, SIZE, seed=0) for name in NAMES}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32) / 255


@pytest.mark.parametrize("name", NAMES)
def test_longest_side_is_the_size_asked_for(made: dict[str, Path], name: str) -> None:
    picture = pixels(made[name])
    assert max(picture.shape[:2]) == SIZE
    assert min(picture.shape[:2]) >= SIZE // 2


@pytest.mark.parametrize("name", NAMES)
def test_tones_range_widely_and_no_quarter_is_empty(made: dict[str, Path], name: str) -> None:
    grey = pixels(made[name]).mean(-1)
    low, high = np.percentile(grey, [5, 95])
    assert high - low > 0.35
    for half in np.array_split(grey, 2):
        for quarter in np.array_split(half, 2, axis=1):
            assert quarter.std() > 0.05


@pytest.mark.parametrize("name", NAMES)
def test_colours_are_not_grey(made: dict[str, Path], name: str) -> None:
    picture = pixels(made[name])
    assert np.ptp(picture, axis=-1).mean() > 0.08


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_gives_the_same_bytes(
    make: Make, made: dict[str, Path], tmp_path: Path, name: str
) -> None:
    again = make(name, tmp_path, SIZE, seed=0)
    assert again.read_bytes() == made[name].read_bytes()


@pytest.mark.parametrize("seed", [1, 9999])
def test_another_seed_gives_another_picture(
    make: Make, made: dict[str, Path], tmp_path: Path, seed: int
) -> None:
    other = make("style", tmp_path, SIZE, seed=seed)
    assert np.abs(pixels(other) - pixels(made["style"])).mean() > 0.02


def test_command_line_makes_only_what_is_asked_for(made: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    asked = ["--only", "style", "--only", "woodcut", "--size", str(SIZE), "--out", str(folder)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *asked], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["style.jpg", "woodcut.jpg"]
    assert all(f"{name}.jpg" in done.stdout for name in ("style", "woodcut"))
    assert (folder / "style.jpg").read_bytes() == made["style"].read_bytes()


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], int]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return runpy.run_path(str(SCRIPT))["main"]


def test_the_script_makes_every_picture_that_is_tested(
    main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "{" + ",".join(NAMES) + "}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--size", "5"], "--size is 5; it must be 64 to 4096 px"),
        (["--seed", "-1"], "--seed is -1; it must be 0 to 9999"),
    ],
)
def test_wrong_numbers_are_refused_before_anything_is_written(
    main: Callable[[list[str]], int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--out", str(tmp_path / "art"), *arguments])
    assert stop.value.code == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "art").exists()


def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    main: Callable[[list[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["--out", str(tmp_path / "file" / "art")]) == 2
    told = capsys.readouterr().err
    assert str(tmp_path / "file" / "art") in told
    assert told.count("\n") == 1
