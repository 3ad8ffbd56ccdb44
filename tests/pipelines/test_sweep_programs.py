"""Which cells share a program, and that it does not matter to them."""

from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
import pytest
from grids import CONTENT, SMALL, STYLE, picture, results, same_run, small

import jaxstyle.pipelines.sweep
from jaxstyle import stylize
from jaxstyle.network.weights import load_weights
from jaxstyle.pipelines.axes import Axis
from jaxstyle.pipelines.chunks import Progress
from jaxstyle.pipelines.grouping import Cell, grouped
from jaxstyle.run.prepare import prepare


def test_docstring_example_runs():
    failures, examples = doctest.testmod(jaxstyle.pipelines.sweep)
    assert examples > 0
    assert failures == 0


def test_cells_of_different_structure_run_one_kind_after_the_other():
    kinds = Axis(
        "kind",
        ({"pooling": "max"}, {"optimizer": "scipy"}, {"optimizer": "lbfgs"}),
        ("max", "scipy", "lbfgs"),
    )
    told: list[Progress] = []
    grid = small("seed=0,1", kinds, init="content+noise:0.2", callback=told.append)
    assert grid.programs == 2  # scipy has none of this kind
    for cell, found in zip(grid.cells, results(grid), strict=True):
        settings = {**kinds.settings[cell.place[1]], "seed": cell.place[0]}
        alone = stylize(CONTENT, STYLE, **{**SMALL, "init": "content+noise:0.2", **settings})
        assert found.config == alone.config
        np.testing.assert_allclose(found.losses, alone.losses, rtol=1e-3)
    assert [(progress.done, progress.chunk, progress.batch.step) for progress in told] == [
        *[(0, 2, step) for step in (1, 2, 3)],
        *[(2, 1, step) for step in (1, 2, 3)],  # one of scipy's, alone
        *[(3, 2, step) for step in (1, 2, 3)],
        *[(5, 1, step) for step in (1, 2, 3)],
    ]
    assert {(p.cells, p.level, p.levels, p.width, p.height, p.steps) for p in told} == {
        (6, 1, 1, 32, 24, 3)
    }


def groups_of(*settings: dict) -> list[list[int]]:
    """Which of several jobs share a program."""
    jobs = [prepare(CONTENT, STYLE, **{**SMALL, **own}) for own in settings]
    cells = [(index, Cell((), (), "", job)) for index, job in enumerate(jobs)]
    return [[index for index, _ in group] for group in grouped(cells)]


@pytest.mark.parametrize(
    "setting",
    [
        {"style_weight": 3.0},
        {"content_layers": ""},
        {"style_layers": "relu3_1:2"},
        {"seed": 5},
        {"init": "noise"},
        {"style_scale": 1.5},
        {"style_crop": 0.5},
        {"steps": 9},
        {"tolerance": 0.1},
        {"match_histogram": True},
        {"bits": 16},
        {"coarse_layers": "relu1_1:0.5"},
        {"learning_rate": 0.1},
        {"average": 0.5},
        {"tile": 64},
    ],
)
def test_what_shares_a_program(setting):
    assert groups_of({}, setting, {}) == [[0, 1, 2]]


@pytest.mark.parametrize(
    "setting",
    [
        {"size": 31},
        {"pooling": "max"},
        {"padding": "reflect"},
        {"convention": "paper"},
        {"tv": "l1"},
        {"optimizer": "lbfgs"},
        {"optimizer": "lbfgs", "history": 3},
        {"clamp": False},
        {"steps_per_call": 3},
        {"max_seconds": 5.0},
        {"levels": 2},
        {"strategy": "tiled"},
    ],
)
def test_what_does_not(setting):
    assert groups_of({}, setting, {}) == [[0, 2], [1]]


def test_rates_and_averages_of_adam_share_a_program_and_are_obeyed():
    grid = small("learning_rate=0.01,0.05,0.2", "average=0,0.9", init="style")
    assert grid.programs == 1
    for cell, found in zip(grid.cells, results(grid), strict=True):
        if sum(cell.place) in (0, 3):
            own = {"learning_rate": float(cell.labels[0]), "average": float(cell.labels[1])}
            same_run(found, stylize(CONTENT, STYLE, **{**SMALL, "init": "style", **own}))
    assert len({found.loss for found in results(grid)}) == 6


def test_shallow_and_deep_layers_share_the_levels_that_suit_all():
    deep = small(
        "style_layers=relu1_1|relu1_1,pool3", size=71, levels=2, steps=1, content=picture(0, 44, 71)
    )
    assert deep.programs == deep.chunks == 1
    shallow, other = results(deep)
    assert shallow.config.levels == 1
    assert len(shallow.losses) == len(other.losses) == 1
    assert shallow.image.shape == other.image.shape == (44, 71, 3)
    both = small("style_layers=relu1_1|relu1_2", size=71, levels=2, content=picture(0, 44, 71))
    assert both.programs == 2  # one for each level
    assert all(len(found.losses) == found.config.levels == 2 for found in results(both))


def test_a_network_of_no_file_is_one_network():
    network = replace(load_weights("slim"), sha256="")
    grid = small("style_layers=relu1_1|relu1_1,pool1|conv1_1", network=network, weights=None)
    assert (len(results(grid)), grid.programs) == (3, 1)


def test_textures_and_reconstructions_are_grids_too():
    texture = small("seed=0..1", content=None, content_layers="", init="noise", shape=(20, 28))
    assert [found.image.shape for found in results(texture)] == [(28, 20, 3)] * 2
    assert texture.programs == 1
