"""What a grid leaves on the disk, and what a later call takes from there."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from grids import CONTENT, SMALL, STYLE, picture, results, same_run, small
from samples import prepare_replay

import jaxstyle.pipelines.sweep
from jaxstyle import Grid, axis
from jaxstyle.errors import InputError
from jaxstyle.images import load_image, read_record, save_image
from jaxstyle.network.weights import load_weights
from jaxstyle.pipelines.cell_files import finished_cell, save_cell
from jaxstyle.pipelines.chunks import Limits, Progress
from jaxstyle.run.job import Job
from jaxstyle.run.prepare import prepare
from jaxstyle.run.record import record_of

AXES = ("style_weight=1,10", "seed=0..2")


@pytest.fixture(autouse=True)
def usual_ctrl_c() -> Iterator[None]:
    """Tests started in the background may find the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> tuple[Path, Path]:
    """Content and style as files."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, pixels in (("content.png", CONTENT), ("style.png", STYLE)):
        save_image(folder / name, pixels)
    return folder / "content.png", folder / "style.png"


def run(pictures: tuple[Path, Path], folder: Path, **options) -> Grid:
    options = {"init": "noise", "content": pictures[0], "style": pictures[1], **options}
    return small(*options.pop("axes", AXES), folder=folder, **options)


@pytest.fixture(scope="module")
def made(pictures, tmp_path_factory) -> tuple[Grid, Path]:
    """A finished grid and its folder, which must stay as it is."""
    folder = tmp_path_factory.mktemp("grid") / "made" / "here"
    return run(pictures, folder), folder


@pytest.fixture
def copy(made, tmp_path) -> Path:
    """The folder of the finished grid, to be damaged."""
    return Path(shutil.copytree(made[1], tmp_path / "copy"))


@pytest.fixture(scope="module")
def job(made, pictures) -> Job:
    """That of the first cell."""
    config = made[0].cells[0].result.config
    return prepare(*pictures, config=config, network=load_weights("slim"))


def first(folder: Path, ending: str) -> Path:
    (path,) = folder.glob(f"000_*.{ending}")
    return path


def test_each_cell_has_a_picture_and_its_figures(made):
    grid, folder = made
    assert len(list(folder.iterdir())) == 2 * 6
    for cell, found in zip(grid.cells, results(grid), strict=True):
        shown = load_image(folder / f"{cell.name}.png").rgb
        np.testing.assert_allclose(shown, found.image, atol=0.51 / 255)
        figures = json.loads((folder / f"{cell.name}.json").read_text())
        assert (figures["loss"], figures["losses"]) == (found.loss, found.losses)
        assert figures["record"] == json.loads(found.record)


def test_what_is_finished_is_not_run_again(made, pictures):
    grid, folder = made
    told: list[Progress] = []
    again = run(pictures, folder, resume=True, callback=told.append)
    assert (again.programs, again.chunks, told) == (0, 0, [])
    for found, expected in zip(results(again), results(grid), strict=True):
        np.testing.assert_allclose(found.image, expected.image, atol=0.51 / 255)
        assert vars(replace(found, image=expected.image)) == vars(expected)


def test_without_resume_all_is_run(made, pictures, copy):
    assert run(pictures, copy).chunks == 1


def test_damaged_cells_are_run_again_and_they_alone(made, pictures, copy):
    grid, _ = made
    names = [cell.name for cell in grid.cells]
    (copy / f"{names[0]}.json").unlink()
    (copy / f"{names[2]}.png").write_bytes((copy / f"{names[2]}.png").read_bytes()[:300])
    (copy / f"{names[5]}.json").write_text('{"loss": 1')
    told: list[Progress] = []
    again = run(pictures, copy, resume=True, callback=told.append)
    assert [progress.chunk for progress in told] == [3, 3, 3]
    assert [progress.done for progress in told] == [3, 3, 3]
    for found, expected in zip(results(again), results(grid), strict=True):
        same_run(replace(found, image=expected.image), expected)
        np.testing.assert_allclose(found.image, expected.image, atol=1.5 / 255)
    assert run(pictures, copy, resume=True).chunks == 0


def damage_json(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = first(folder, "json")
        figures = json.loads(path.read_text())
        change(figures)
        path.write_text(json.dumps(figures))

    return damage


def exchange_pictures(folder: Path) -> None:
    other = next(folder.glob("005_*.png"))
    first(folder, "png").write_bytes(other.read_bytes())


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: first(folder, "png").unlink(),
        lambda folder: first(folder, "json").unlink(),
        lambda folder: first(folder, "json").write_text(""),
        lambda folder: first(folder, "json").write_text("[]"),
        lambda folder: first(folder, "json").write_text("null"),
        lambda folder: first(folder, "json").write_bytes(b"\xff\xfe"),
        lambda folder: first(folder, "json").write_text("[" * 100_000),
        lambda folder: first(folder, "png").write_bytes(b""),
        lambda folder: save_image(first(folder, "png"), CONTENT),
        exchange_pictures,
        damage_json(lambda figures: figures.pop("losses")),
        damage_json(lambda figures: figures.update(record=[])),
        damage_json(lambda figures: figures.update(record=None)),
        damage_json(lambda figures: figures["record"].update(extra=[])),
        damage_json(lambda figures: figures.update(terms={"content": "x"})),
        damage_json(lambda figures: figures["record"]["versions"].update(jax="0.0.1")),
        damage_json(lambda figures: figures["record"]["inputs"]["content"].update(sha256="0")),
    ],
)
def test_a_cell_that_is_damaged_or_of_another_run_is_not_finished(job, made, copy, damage):
    name = made[0].cells[0].name
    assert finished_cell(copy, name, job) is not None
    damage(copy)
    assert finished_cell(copy, name, job) is None


@pytest.mark.parametrize(
    "setting",
    [
        {"seed": 9},
        {"style_weight": 2.0},
        {"steps": 4},
        {"levels": 2},
        {"size": 31},
        {"pooling": "max"},
        {"style_layers": "relu1_1"},
        {"bits": 16},
    ],
)
def test_a_cell_of_other_settings_is_not_finished(job, made, setting):
    other = prepare(job.content, job.style, config=replace(job.config, **setting))
    assert finished_cell(made[1], made[0].cells[0].name, other) is None


def test_another_command_is_no_other_run(job, made):
    other = replace(job, note={"command": "the same with --resume"})
    assert finished_cell(made[1], made[0].cells[0].name, other) is not None


@pytest.mark.parametrize("changed", ["content", "style", "shape", "network", "mask", "freeze"])
def test_arrays_are_told_apart_though_records_do_not_name_them(made, tmp_path, changed):
    network = replace(load_weights("slim"), sha256="")
    other_params = jax.tree.map(lambda leaf: 2 * leaf, network.params)
    mask = picture(5)
    given = {"content": CONTENT, "style": STYLE, "network": network, "mask": mask, "freeze": mask}
    other = {
        "content": picture(8),
        "style": picture(9),
        "shape": STYLE.reshape(32, 24, 3),  # the same bytes
        "network": replace(network, params=other_params),
        "mask": mask / 2,
        "freeze": mask / 2,
    }

    def job_of(given: dict[str, Any]) -> Job:
        masks = {"masks": [given["mask"]], "freeze": given["freeze"]}
        job = prepare(given["content"], given["style"], **masks, **{**SMALL, "network": network})
        return replace(job, network=given["network"].upto("conv1_2"))

    this = job_of(given)
    result = replace(made[0].cells[0].result, record=record_of(this))
    save_cell(tmp_path, "cell", this, result)
    assert finished_cell(tmp_path, "cell", job_of(given)) is not None
    name = "style" if changed == "shape" else changed
    assert finished_cell(tmp_path, "cell", job_of({**given, name: other[changed]})) is None


def test_losses_that_were_not_finite_come_back(job, made, tmp_path):
    losses = [[3.0, float("nan"), 2.0]]
    save_cell(tmp_path, "cell", job, replace(made[0].cells[0].result, losses=losses))
    found = finished_cell(tmp_path, "cell", job)
    assert found is not None
    np.testing.assert_array_equal(found.losses, losses)


def test_a_folder_that_cannot_be_made_is_an_error_before_anything_runs(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        small("seed=0,1", folder=tmp_path / "file" / "cells", callback=lambda _: 1 / 0)


def where_they_are(pictures: tuple[Path, Path]) -> dict[str, str]:
    """The inputs, of which a record has the names alone."""
    return {"content": str(pictures[0]), "style": str(pictures[1])}


def test_a_cell_can_be_replayed(made, pictures):
    grid, folder = made
    for cell in (grid.cells[1], grid.cells[5]):
        job, changed = prepare_replay(folder / f"{cell.name}.png", **where_they_are(pictures))
        assert job.config == cell.result.config
        assert changed == {}
        assert job.note["cell"] == {"style_weight": cell.labels[0], "seed": cell.labels[1]}


def test_a_cell_whose_levels_the_others_decided_is_replayed_with_them(tmp_path, pictures):
    layers = axis("style_layers", ["relu1_1", "relu1_1,pool3"])
    options = {"axes": [layers], "size": 70, "levels": 2, "steps": 1, "shape": (70, 40)}
    grid = run(pictures, tmp_path, **options)
    job, _ = prepare_replay(first(tmp_path, "png"), **where_they_are(pictures))
    assert job.config == grid.cells[0].result.config
    assert job.config.levels == len(job.sizes) == 1
    assert run(pictures, tmp_path, **options, resume=True).chunks == 0


def press_at(reached: Callable[[Progress], bool]) -> Callable[[Progress], None]:
    def press(progress: Progress) -> None:
        if reached(progress):
            os.kill(os.getpid(), signal.SIGINT)

    return press


def test_ctrl_c_keeps_what_is_finished_and_resume_does_the_rest(made, pictures, tmp_path):
    grid = run(
        pictures,
        tmp_path,
        limits=Limits(cells_at_once=2),
        callback=press_at(lambda progress: progress.done == 2 and progress.batch.step == 2),
    )
    assert grid.interrupted
    assert [cell.message for cell in grid.cells] == [
        *[""] * 2, *["interrupted"] * 2, *["interrupted before it was run"] * 2
    ]  # fmt: skip
    assert [cell.result is not None for cell in grid.cells] == [True] * 4 + [False] * 2
    assert grid.cells[2].result.steps == 2
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == [
        cell.name for cell in grid.cells[:2]
    ]
    told: list[Progress] = []
    rest = run(pictures, tmp_path, resume=True, callback=told.append)
    assert not rest.interrupted
    assert {(progress.done, progress.chunk) for progress in told} == {(2, 4)}
    for found, expected in zip(results(rest), results(made[0]), strict=True):
        same_run(replace(found, image=expected.image), expected)


def test_a_cell_that_is_through_with_one_level_of_two_is_not_finished(pictures, tmp_path):
    grid = run(
        pictures,
        tmp_path,
        axes=["steps=1,50"],
        levels=2,
        callback=press_at(lambda progress: progress.batch.step == 3),
    )
    assert [cell.message for cell in grid.cells] == ["interrupted"] * 2
    assert [cell.result.steps for cell in grid.cells] == [1, 3]
    assert [cell.result.image.shape for cell in grid.cells] == [(24, 32, 3)] * 2
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_a_program_is_compiled_keeps_what_is_finished(pictures, tmp_path, monkeypatch):
    real = jaxstyle.pipelines.sweep.run_group

    def interrupted_in_the_second(group, *rest):
        if group[0][1].config.pooling == "max":
            raise KeyboardInterrupt
        return real(group, *rest)

    monkeypatch.setattr(jaxstyle.pipelines.sweep, "run_group", interrupted_in_the_second)
    grid = run(pictures, tmp_path, axes=["pooling=avg,max"])
    assert grid.interrupted
    assert [cell.message for cell in grid.cells] == ["", "interrupted before it was run"]
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_the_record_in_a_cell_is_that_of_its_figures(made):
    for path in made[1].glob("*.png"):
        figures = json.loads(path.with_suffix(".json").read_text())
        assert json.loads(read_record(path)) == figures["record"]
