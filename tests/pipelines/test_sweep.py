"""Grids of runs: one program where that is possible, each cell what it would be alone."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from grids import CONTENT, SMALL, STYLE, picture, results, same_run, small

from jaxstyle import axis, stylize
from jaxstyle.errors import InputError
from jaxstyle.images import save_image
from jaxstyle.pipelines.sweep import _file_name

CONTENTS, STYLES = [CONTENT, picture(2)], [STYLE, picture(3, 30, 20)]


@pytest.fixture(scope="module")
def everything():
    """Numbers, layers, starts and pictures, all on axes."""
    return small(
        axis("style_weight", [0.1, 10.0]),
        "style_layers=relu1_1:2|relu1_1,pool1:3",
        "seed=0..1",
        "init=content,content+noise:0.5",
        axis("style", STYLES),
        axis("content", CONTENTS),
        note={"command": "a test"},
    )


def test_a_grid_over_all_that_is_no_structure_is_one_program(everything):
    assert len(results(everything)) == 2**6
    assert (everything.programs, everything.chunks) == (1, 1)
    assert not everything.interrupted


@pytest.mark.parametrize("place", [(0, 0, 0, 0, 0, 0), (1, 0, 1, 1, 0, 1), (1, 1, 0, 1, 1, 0)])
def test_a_cell_is_what_stylize_gives(everything, place):
    (cell,) = (cell for cell in everything.cells if cell.place == place)
    settings = {one.name: one.settings[i][one.name] for one, i in zip(
        everything.axes[:4], place[:4], strict=True
    )}  # fmt: skip
    alone = stylize(CONTENTS[place[5]], STYLES[place[4]], **{**SMALL, **settings})
    assert cell.labels[0] == f"{settings['style_weight']:g}"
    same_run(cell.result, alone)


def test_cells_are_in_order_and_none_are_alike_that_should_not_be(everything):
    places = [cell.place for cell in everything.cells]
    assert places == sorted(places)
    assert [len(row) for row in everything.rows()] == [2] * 32
    assert everything.rows()[1][0].place == (0, 0, 0, 0, 1, 0)
    assert len({cell.name for cell in everything.cells}) == 64
    losses = {cell.place: cell.result.losses[0][0] for cell in everything.cells}
    # The seed decides nothing where there is no noise; all else does.
    assert all(losses[0, 0, 0, 0, *p] == losses[0, 0, 1, 0, *p] for p in [(0, 0), (1, 1)])
    assert len(set(losses.values())) == 64 - 16


def test_a_bad_picture_and_a_loss_that_overflows_are_told_in_their_cells(tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    save_image(good, STYLE)
    bad.write_bytes(b"no picture")
    missing = tmp_path / "missing.png"
    grid = small(axis("style", [good, bad, missing]), "style_weight=1,3e38", init="noise")
    messages = {cell.labels: cell.message for cell in grid.cells}
    assert messages["good", "1"] == ""
    assert "loss of the starting picture" in messages["good", "3e+38"]
    for weight in ("1", "3e+38"):
        assert "bad.png" in messages["bad", weight]
        assert "missing.png" in messages["missing", weight]
    assert [cell.result is not None for cell in grid.cells] == [True] + [False] * 5
    assert not grid.interrupted
    alone = stylize(CONTENT, good, **{**SMALL, "init": "noise", "style_weight": 1.0})
    same_run(grid.cells[0].result, alone)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (["style=a-missing.png,b-missing.png"], "a-missing.png"),
        (["style_layers=conv9_1"], "unknown layer 'conv9_1'"),
        (["style_weight=-1,-2"], "style_weight is -1.0; it must be at least 0"),
        (["size=1,2", "style_layers=relu5_1"], "relu5_1 needs at least 16 px"),
        ([], "needs at least one axis"),
    ],
)
def test_where_no_cell_can_be_run_it_is_an_error(axes, message):
    with pytest.raises(InputError, match=message):
        small(*axes)


def test_settings_go_over_a_preset_on_an_axis_and_axes_over_settings():
    grid = small("preset=gatys2016,johnson", "steps=1,2", steps=9, style_weight=7.0)
    first, _, second, last = [found.config for found in results(grid)]
    assert (first.convention, first.pooling, first.content_weight) == ("gatys", "avg", 1.0)
    assert (second.convention, second.pooling, second.content_weight) == ("johnson", "max", 5.0)
    assert {first.style_weight, second.style_weight} == {7.0}
    assert (first.optimizer, first.style_layers) == ("adam", "relu1_1,pool1")
    assert (first.steps, last.steps) == ("1", "2")
    assert grid.programs == 2


def test_names_of_files_tell_cells_apart_and_suit_any_system(everything):
    assert everything.cells[0].name.startswith("000_style_weight=0.1_style_layers=relu1_1-2_seed=0")
    odd = axis("seed", [1, 2], ["a/b: c*?", "a/b: c*!" + 200 * "x"])
    names = [_file_name(index, [odd], [label]) for index, label in enumerate(odd.labels)]
    for name in [*names, *(cell.name for cell in everything.cells)]:
        assert Path(name).name == name
        assert not set(name) & set('/\\:*?"<>| ')
        assert len(name) < 128
    assert names[0] != names[1]


def test_a_record_says_which_cell_it_was(everything):
    extra = json.loads(everything.cells[3].result.record)["extra"]
    assert extra["command"] == "a test"
    assert extra["cell"]["style_weight"] == "0.1"
    assert extra["cell"]["content"] == "content 2"
    assert all(math.isfinite(found.loss) for found in results(everything))
