"""What a terminal shows of a run: terms, rate, time left and memory, however wide it is."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from grids import small
from rich.console import Console

from jaxstyle.cli.report import terminal
from jaxstyle.cli.report.reporters import FrameReporter, GridReporter, Reporter
from jaxstyle.display import time_left
from jaxstyle.display.progress import LevelProgress
from jaxstyle.optimize import Progress as Step
from jaxstyle.optimize.vmapped_loop import BatchProgress
from jaxstyle.pipelines.chunks import Progress
from jaxstyle.pipelines.video import Frame

SIZES = ((256, 192), (512, 384))
COMPILED, EACH = 600.0, 45.0  # seconds: a step of 45 s is longer than what rich looks back on


class Terms(NamedTuple):
    content: float = 12345.6
    style: float = 456789.0
    tv: float = 7891.2
    other: float = 0.0


def event(step: int, level: int = 2) -> LevelProgress:
    progress = Step(step, 477025.8, Terms(), 477025.8, 1.0, lambda: np.zeros((1, 1, 3)))
    return LevelProgress(level, 2, *SIZES[level - 1], step, step, progress, 500, "", SIZES)


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """Seconds, as all of a display sees them."""
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time_left.Pace.__init__, "__kwdefaults__", {"clock": lambda: now[0]})
    return now


def screen(monkeypatch, make: Callable[[], Any], width: int) -> tuple[Any, Callable[[], str]]:
    """A display for a terminal of a width, and what is to be seen on it."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=50)
    monkeypatch.setattr(terminal, "Console", lambda **_: console)
    made = make()

    def seen() -> str:
        look = Console(file=io.StringIO(), width=width, record=True, force_terminal=True)
        look.print(made.rows)
        return look.export_text()

    return made, seen


@pytest.mark.parametrize("width", [80, 140])
def test_a_terminal_shows_terms_rate_time_left_and_memory(monkeypatch, clock, width):
    reporter, seen = screen(monkeypatch, lambda: Reporter(quiet=False), width)
    with reporter:
        assert "compiling" in seen()
        for step in range(1, 4):
            clock[0] = COMPILED + step * EACH
            reporter(event(step))
        first, *others = seen().splitlines()
    # 497 steps of 45 s, and none of the minutes that compiling took.
    assert first.startswith("512x384 (2/2) 3/500 ") and "━━━━━━" in first
    assert first.rstrip().endswith("0.0222 steps/s 0:12:15 left 6:12:45")
    told = " ".join(others)
    assert "loss 4.77e+05 = content 1.23e+04 + style 4.57e+05 + tv 7.89e+03" in told
    assert re.search(r"memory [\d.]+ [MG]iB", told) and "…" not in told
    assert max(map(len, [first, *others])) <= width and len(others) <= 2
    clock[0] += 30  # in the middle of a step, the time left goes on
    assert "0:12:45 left 6:12:15" in seen()


def test_nothing_is_cut_off_where_it_is_narrow(monkeypatch, clock):
    reporter, seen = screen(monkeypatch, lambda: Reporter(quiet=False), 38)
    with reporter:
        for step in range(1, 4):
            clock[0] = COMPILED + step * EACH
            reporter(event(step))
        rows = seen().splitlines()
    assert max(map(len, rows)) <= 38 and "━" not in rows[0]
    for part in ("512x384 (2/2) 3/500", "0.0222 steps/s", "0:12:15", "left 6:12:45", "loss 4.77e"):
        assert any(part in row for row in rows), part
    assert "tv" not in " ".join(rows)


def test_plain_lines_say_the_same(capsys, clock):
    reporter = Reporter(quiet=False)
    for step in range(1, 27):
        clock[0] = COMPILED + step * EACH
        reporter(event(step))
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("512x384 (2/2) step 1/500: loss 4.77e+05 = content 1.23e+04 + style")
    assert "steps/s" not in first and "left" not in first
    assert re.search(r"step 25/500: .*, 0.0222 steps/s, memory .*iB, 5:56:15 left$", last)


def grid_event(step: int, done: int = 0, level: int = 2) -> Progress:
    batch = BatchProgress(step, [4.0, math.nan, 8.0], 3, 1.0)
    return Progress(12, done, 4, level, 2, *SIZES[level - 1], 10, batch, SIZES)


def test_a_grid_shows_losses_rate_time_left_and_memory(monkeypatch, clock):
    reporter, seen = screen(monkeypatch, lambda: GridReporter(quiet=False), 80)
    with reporter:
        for step in range(1, 6):
            clock[0] = COMPILED + 10.0 * step
            reporter(grid_event(step))
        told = seen()
        # Five steps of 10 s; then two chunks, each of ten of 10 s and ten of a quarter of that.
        assert "0/12 done, 4 at once, 512x384 (2/2) 5/10" in told
        assert "0.1 steps/s" in told and "left 0:05:00" in told
        assert "losses 4 to 8" in told and "iB" in told
        for step in range(1, 3):
            clock[0] += 10.0
            reporter(grid_event(step, done=8))
        assert "8/12 done" in seen() and "left 0:01:20" in seen()
        assert seen().splitlines()[0].rstrip().endswith("left 0:01:20")


def test_a_video_shows_terms_rate_time_left_and_memory(monkeypatch, clock):
    reporter, seen = screen(monkeypatch, lambda: FrameReporter(quiet=False, count=10), 80)
    result: Any = type("Result", (), {"loss": 1.0, "steps": 4, "seconds": 40.0})
    with reporter:
        for index in range(3):
            for step in range(1, 5):
                clock[0] += 10.0
                reporter(index, event(step)._replace(level=1, levels=1, steps=4, sizes=SIZES[1:]))
            told = seen()
            if index == 0:
                assert "left -:--:--" in told  # of the others nothing is known yet
            else:
                # Each frame that is to come takes 40 s.
                assert f"left {terminal._clock(40 * (9 - index))}" in told
            reporter.finished(Frame(index, np.zeros((1, 1, 3)), result, index == 0, 0.1))
    assert "frame 3/10, 512x384 (1/1) 4/4" in told and "0.1 steps/s" in told
    assert "+ tv 7.89e+03" in told and "iB" in told


def test_cells_that_run_alone_are_told_of():
    told: list[Progress] = []
    small("style_weight=1,2", optimizer="scipy", steps=2, callback=told.append)
    places = [(one.done, one.level, one.batch.step, one.batch.running) for one in told]
    assert places == [(cell, 1, step, step < 2) for cell in (0, 1) for step in (1, 2)]
    assert all(one.cells == 2 and one.chunk == 1 and one.sizes == ((32, 24),) for one in told)


def test_the_time_left_ends_with_max_seconds(clock):
    pace = time_left.Pace(None)
    for step in range(1, 11):
        clock[0] += EACH
        pace.add(event(step)._replace(seconds_left=1000 - clock[0]))
    assert pace.left == 1000 - clock[0]
    clock[0] += 100
    assert pace.left == 900 - 10 * EACH
    pace.add(event(11)._replace(seconds_left=math.inf))
    assert pace.left is not None and pace.left > 10_000
