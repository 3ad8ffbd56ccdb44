"""Grids in portions: what fits the memory, several devices, memory that runs out."""

from __future__ import annotations

from typing import Any

import jax
import pytest
from grids import results, same_run, small

from jaxstyle import Grid
from jaxstyle.errors import InputError
from jaxstyle.pipelines.chunk_program import Sweep
from jaxstyle.pipelines.chunks import Limits, Progress, most_steps


@pytest.fixture(scope="module")
def whole() -> Grid:
    """Five cells at once, on one device."""
    return small("seed=0..4", init="noise")


def test_steps_and_tolerance_may_differ_within_a_program():
    grid = small("steps=1..3", "tolerance=0,0.1")
    assert grid.programs == 1
    assert [found.steps for found in results(grid)] == [1, 1, 2, 2, 3, 3]


def test_time_is_shared_by_the_most_steps_of_any_cell():
    class Cell:
        def __init__(self, *steps: int) -> None:
            self.steps = steps

    cells: Any = [Cell(400, 1), Cell(1, 300)]
    assert most_steps(cells) == most_steps(cells[::-1]) == (400, 300)
    assert most_steps(cells[:1]) == (400, 1)


def test_chunks_of_few_cells_are_one_program(whole):
    told: list[Progress] = []
    cut = small("seed=0..4", init="noise", limits=Limits(cells_at_once=2), callback=told.append)
    assert (cut.programs, cut.chunks) == (1, 3)
    assert sorted({(progress.done, progress.chunk) for progress in told}) == [
        (0, 2),
        (2, 2),
        (4, 1),
    ]
    for one, other in zip(results(cut), results(whole), strict=True):
        same_run(one, other)


def test_cells_at_once_holds_however_many_devices_there_are():
    grid = small("seed=0..2", limits=Limits(cells_at_once=2, devices=tuple(jax.devices()[:8])))
    assert (len(results(grid)), grid.chunks) == (3, 2)


@pytest.mark.parametrize("devices", [3, 8])
def test_a_grid_over_devices_that_do_not_divide_it(whole, devices):
    spread = small("seed=0..4", init="noise", limits=Limits(devices=tuple(jax.devices()[:devices])))
    assert (spread.programs, spread.chunks) == (1, 1)
    for found, expected in zip(results(spread), results(whole), strict=True):
        same_run(found, expected)


class Memory:
    """What each size of chunk needs, as the planner is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.needed: dict[int, int] = {}
        real = Sweep.bytes_needed

        def noted(sweep: Sweep, size: int, *rest: Any) -> int:
            self.needed[size] = real(sweep, size, *rest)
            return self.needed[size]

        monkeypatch.setattr(Sweep, "bytes_needed", noted)


def test_a_grid_that_the_memory_cannot_hold_is_cut_up(whole, monkeypatch):
    memory = Memory(monkeypatch)
    small("seed=0..4", init="noise", steps=1)
    monkeypatch.setattr(
        "jaxstyle.run.memory_estimate.PROCESS", 0
    )  # more than a grid of such pictures
    limit = memory.needed.pop(5) * 3 // 4
    cut = small("seed=0..4", init="noise", limits=Limits(max_memory=limit))
    size = min(memory.needed)
    assert memory.needed[size] <= limit
    assert size < 5 and cut.chunks == -(-5 // size)
    assert cut.programs == len(memory.needed) <= 3
    for found, expected in zip(results(cut), results(whole), strict=True):
        same_run(found, expected)


def test_where_not_even_one_cell_fits_it_is_an_error():
    with pytest.raises(InputError, match=r"32x24 needs about .* of 97.7 KiB allowed"):
        small("seed=0..4", limits=Limits(max_memory=100_000))


def test_where_a_cell_needs_more_than_was_thought_each_says_so(monkeypatch):
    memory = Memory(monkeypatch)
    small("seed=0", steps=1)
    monkeypatch.setattr("jaxstyle.run.memory_estimate.whole_bytes", lambda *_: 1.0)
    grid = small("seed=0..2", limits=Limits(max_memory=memory.needed[1] - 1))
    for cell in grid.cells:
        assert cell.result is None
        assert cell.message.startswith("1 cells of 32x24 need ")
        assert "allow more, or use a smaller size" in cell.message
    assert not grid.interrupted


def run_out(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let chunks of more than ``most`` cells run out of memory; gives the sizes tried."""
    tried: list[int] = []
    real = Sweep.run

    def limited(sweep: Sweep, size: int, *rest: Any) -> Any:
        tried.append(size)
        if size > most:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")
        return real(sweep, size, *rest)

    monkeypatch.setattr(Sweep, "run", limited)
    return tried


def test_a_chunk_that_does_not_fit_after_all_is_halved(whole, monkeypatch):
    tried = run_out(monkeypatch, 2)
    grid = small("seed=0..4", init="noise")
    assert tried == [5, 2, 2, 2]
    for found, expected in zip(results(grid), results(whole), strict=True):
        same_run(found, expected)


def test_cells_that_do_not_fit_as_a_batch_of_one_run_by_themselves(whole, monkeypatch):
    tried = run_out(monkeypatch, 0)
    grid = small("seed=0..4", init="noise")
    assert tried == [5, 2, 1]
    for found, expected in zip(results(grid), results(whole), strict=True):
        same_run(found, expected)


def test_memory_that_holds_no_cell_at_all_is_told_in_each(monkeypatch):
    run_out(monkeypatch, 0)

    def full(*_: Any) -> Any:
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr("jaxstyle.pipelines.chunks.run", full)
    for cell in small("seed=0..1").cells:
        assert cell.message.startswith("out of memory with this cell alone")


def test_other_errors_come_through(monkeypatch):
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(Sweep, "run", broken)
    with pytest.raises(ZeroDivisionError):
        small("seed=0..2")
