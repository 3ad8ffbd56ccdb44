"""A callback that returns True ends a grid or a batch: what runs, and what waits."""

from __future__ import annotations

from typing import Any

import jax
import pytest
from grids import SMALL, STYLE, picture, small

from jaxstyle import stylize_many
from jaxstyle.pipelines.chunks import Limits, Progress

TWO_AT_ONCE = Limits(cells_at_once=2, devices=tuple(jax.devices()[:1]))


def stop_at(step: int, told: list[Progress]):
    def callback(progress: Progress) -> bool:
        told.append(progress)
        return progress.batch.step >= step

    return callback


@pytest.mark.parametrize("optimizer", ["adam", "scipy"], ids=["together", "alone"])
def test_a_sweep_keeps_what_it_has_and_begins_nothing_more(optimizer):
    told: list[Progress] = []
    callback = stop_at(2, told)
    settings: dict[str, Any] = {"steps": 6, "optimizer": optimizer}
    grid = small("style_weight=1,2,3", limits=TWO_AT_ONCE, callback=callback, **settings)
    stopped = 2 if optimizer == "adam" else 1
    messages = ["stopped"] * stopped + ["stopped before it was run"] * (3 - stopped)
    assert [cell.message for cell in grid.cells] == messages
    assert grid.interrupted
    for cell in grid.cells[:stopped]:
        assert cell.result is not None
        assert (cell.result.reason, cell.result.steps) == ("stopped", 2)
    assert {progress.done for progress in told} == {0}


def test_a_sweep_that_is_stopped_saves_no_cell_as_finished(tmp_path):
    axis = "style_weight=1,2"
    small(axis, steps=4, folder=tmp_path, callback=stop_at(2, []))
    assert list(tmp_path.iterdir()) == []
    again = small(axis, steps=4, folder=tmp_path, resume=True)
    assert [cell.message for cell in again.cells] == ["", ""]


def test_levels_that_are_not_run_are_no_end_of_the_steps():
    settings: dict[str, Any] = {"size": 64, "levels": 2}
    grid = small("style_weight=1,2", "steps=2,4", callback=stop_at(3, []), **settings)
    assert [cell.message for cell in grid.cells] == ["stopped"] * 4


def test_a_batch_gives_what_it_has():
    told: list[Progress] = []
    contents, settings = [picture(seed) for seed in range(3)], {**SMALL, "steps": 5}
    options: dict[str, Any] = {"limits": TWO_AT_ONCE, "callback": stop_at(2, told)}
    found = dict(stylize_many(contents, STYLE, **options, **settings))
    reasons = {name: result.reason for name, result in found.items()}
    assert reasons == {"picture-1": "stopped", "picture-2": "stopped"}
    assert {progress.batch.step for progress in told} == {1, 2}


def test_what_a_callback_returns_by_chance_stops_nothing():
    grid = small("style_weight=1,2", callback=lambda progress: progress)
    assert [cell.message for cell in grid.cells] == ["", ""]


def test_a_cell_without_time_for_an_early_level_says_so():
    settings: dict[str, Any] = {"size": 64, "levels": 2, "steps": "100000,1", "max_seconds": 0.2}
    grid = small("style_weight=1,2", **settings)
    assert [cell.result and cell.result.reason for cell in grid.cells] == ["max_seconds"] * 2
