"""``--profile``: traces of steady steps."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from samples import landscape, waves

from jaxstyle import stylize
from jaxstyle.errors import InputError
from jaxstyle.runtime.profile import MOST_TRACES, SKIPPED, TRACED, profiling, traced_steps

SETTINGS = {
    "size": 48, "levels": 1, "content_layers": "relu2_1", "style_layers": "relu1_1",
}  # fmt: skip


def traces(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.trace.json.gz"))


@pytest.fixture
def loops(monkeypatch):
    """What the profiler is told, in place of a real one."""
    told = []
    monkeypatch.setattr(jax.profiler, "start_trace", lambda *_, **__: told.append("start"))
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: told.append("stop"))
    return told


def loop(steps: int, told: list[str]) -> None:
    with traced_steps() as step_begins:
        for step in range(steps):
            step_begins()
            told.append(str(step))


def test_the_steps_between_are_traced(loops, tmp_path):
    with profiling(tmp_path):
        loop(SKIPPED + TRACED + 2, loops)
    assert loops == ["0", "1", "start", "2", "3", "4", "stop", "5", "6"]


def test_a_loop_that_ends_early_ends_its_trace(loops, tmp_path):
    with profiling(tmp_path):
        loop(SKIPPED + 1, loops)
        loop(SKIPPED, loops)
    assert loops == ["0", "1", "start", "2", "stop", "0", "1"]


def test_only_the_first_loops_are_traced(loops, tmp_path):
    with profiling(tmp_path):
        for _ in range(MOST_TRACES + 2):
            loop(SKIPPED + 1, loops)
    assert loops.count("start") == loops.count("stop") == MOST_TRACES


def test_nothing_is_traced_unasked(loops):
    with profiling(None):
        loop(10, loops)
    assert "start" not in loops


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write traces to"), profiling(tmp_path / "file"):
        pass


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_real_trace_names_the_parts_of_a_step(tmp_path):
    with profiling(tmp_path / "traces"):
        result = stylize(landscape(32, 48), waves(32), **SETTINGS, steps=6)
    (file,) = traces(tmp_path / "traces")
    events = json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]
    assert len(events) > 20
    plain = stylize(landscape(32, 48), waves(32), **SETTINGS, steps=6)
    np.testing.assert_array_equal(result.image, plain.image)
