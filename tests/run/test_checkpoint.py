"""A run that was cut off and goes on from its checkpoint is the run that never was."""

from __future__ import annotations

import errno
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import landscape, waves

from jaxstyle import stylize
from jaxstyle.errors import InputError
from jaxstyle.images import save_image
from jaxstyle.optimize import Progress
from jaxstyle.optimize.snapshot import Snapshot
from jaxstyle.run import checkpoint as module
from jaxstyle.run.checkpoint import Checkpoint, Keeper, RunState, files_in
from jaxstyle.run.checkpoint_file import read_checkpoint, write_checkpoint
from jaxstyle.run.coarse_to_fine import run
from jaxstyle.run.job import Job
from jaxstyle.run.level import Level
from jaxstyle.run.prepare import prepare
from jaxstyle.run.result import Stylized

SETTINGS: dict[str, Any] = {
    "size": 64, "steps": 5, "levels": 2, "weights": "slim",
    "content_layers": "relu1_1", "style_layers": "relu1_1",
}  # fmt: skip
WAYS: dict[str, dict[str, Any]] = {
    "lbfgs": {"optimizer": "lbfgs", "init": "content+noise:0.3", "seed": 4},
    "adam": {"optimizer": "adam"},
    "tiled": {"optimizer": "lbfgs", "strategy": "tiled", "tile": 32},
    "fused": {"optimizer": "lbfgs", "steps_per_call": 2, "steps": 4},
    "mesh": {"optimizer": "lbfgs", "mesh": "2x1"},
    "scipy": {"optimizer": "scipy"},
}
CONTENT, STYLE = np.asarray(landscape(48, 64)), np.asarray(waves(40))


class Killed(Exception):
    pass


def job_of(**settings: Any) -> Job:
    return prepare(CONTENT, STYLE, **{**SETTINGS, **settings})


def run_until(step: int, job: Job, checkpoint: Checkpoint) -> None:
    """As far as a step, in whose callback it dies."""

    def die(event: Any) -> None:
        if event.total_step == step:
            raise Killed

    with pytest.raises(Killed):
        run(job, die, checkpoint)


def same(found: Stylized, expected: Stylized) -> None:
    np.testing.assert_array_equal(found.image, expected.image)
    assert found.losses == expected.losses
    assert (found.loss, found.terms) == (expected.loss, expected.terms)
    assert (found.steps, found.reason, found.record) == (
        expected.steps,
        expected.reason,
        expected.record,
    )


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.ckpt"


@pytest.fixture(scope="module")
def expected() -> Stylized:
    return run(job_of())


def begun(path: Path, every: int = 2, step: int = 6) -> Path:
    """A checkpoint of the plain run, cut off at a step."""
    run_until(step, job_of(), Checkpoint(path, every))
    return path


@pytest.mark.parametrize("way", WAYS)
def test_cut_off_again_and_again_it_ends_in_the_same_bits(path, way):
    job = job_of(**WAYS[way])
    unbroken, told = run(job), []
    checkpoint = Checkpoint(path, every_steps=1, say=told.append)
    for step in (2, 5, 8):
        run_until(step, job, checkpoint)
    same(run(job, None, checkpoint), unbroken)
    went_on = ["1 of 2 after step 1", "1 of 2 after step 4", "2 of 2 after step 2"]
    if way == "fused":
        went_on = ["1 of 2 after step 4", "2 of 2 after step 2"]
    if way == "scipy":
        went_on = ["2 of 2 after step 0"]
    assert [line.partition(" level ")[2] for line in told] == went_on


def test_stylize_removes_what_is_finished(path, expected):
    begun(path)
    same(stylize(CONTENT, STYLE, checkpoint=path, **SETTINGS), expected)
    assert list(path.parent.iterdir()) == []


def test_run_leaves_it_to_whoever_saves_the_result(path, expected):
    checkpoint = Checkpoint(path, 2)
    same(run(job_of(), None, checkpoint), expected)
    assert path.is_file()
    same(run(job_of(), None, checkpoint), expected)  # killed before it was saved
    checkpoint.remove()
    checkpoint.remove()
    assert list(path.parent.iterdir()) == []


def test_ctrl_c_keeps_the_very_last_step(path, expected):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:

        def press(event: Any) -> None:
            if event.total_step == 8:
                os.kill(os.getpid(), signal.SIGINT)

        told: list[str] = []
        checkpoint = Checkpoint(path, every_seconds=1e6, say=told.append)
        result = stylize(CONTENT, STYLE, callback=press, checkpoint=checkpoint, **SETTINGS)
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.reason == "interrupted"
    assert told == [f"{path}: holds the run as it is: the same command goes on"]
    steps: list[int] = []
    again = stylize(
        CONTENT, STYLE, callback=lambda event: steps.append(event.total_step),
        checkpoint=path, **SETTINGS,
    )  # fmt: skip
    assert steps == [9, 10]
    same(again, expected)


def test_a_run_that_its_callback_stops_can_be_gone_on_with(path):
    expected = stylize(CONTENT, STYLE, **SETTINGS)
    checkpoint = Checkpoint(path, every_seconds=1e9)
    result = stylize(
        CONTENT, STYLE, callback=lambda event: event.total_step == 4,
        checkpoint=checkpoint, **SETTINGS,
    )  # fmt: skip
    assert result.reason == "stopped"
    steps = []
    again = stylize(
        CONTENT, STYLE, callback=lambda event: steps.append(event.total_step),
        checkpoint=checkpoint, **SETTINGS,
    )  # fmt: skip
    assert steps[0] == 5
    same(again, expected)
    assert not path.exists()


def refusal(path: Path, job: Job) -> str:
    before = path.read_bytes()
    with pytest.raises(InputError) as said:
        run(job, None, Checkpoint(path))
    assert path.read_bytes() == before
    assert "\n" not in str(said.value)
    assert str(path) in str(said.value)
    return str(said.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"style_weight": 2.0}, "a run with style_weight 1, not 2"),
        ({"seed": 9}, "a run with seed 0, not 9"),
        ({"steps": 6}, "a run with steps 5, not 6"),
        ({"optimizer": "adam"}, "a run with optimizer lbfgs, not adam"),
        ({"history": 5}, "a run with history 10, not 5"),
        ({"max_seconds": 9.0}, "a run with max_seconds none, not 9"),
        ({"style_layers": "relu2_1"}, "a run with style_layers relu1_1, not relu2_1"),
    ],
)
def test_another_setting_is_refused_by_name(path, change, words):
    assert words in refusal(begun(path), job_of(**change))


def test_other_pictures_are_refused(path, tmp_path):
    begun(path)
    other = prepare(CONTENT[::-1], STYLE, **SETTINGS)
    assert "other arrays as its inputs" in refusal(path, other)
    path.unlink()
    names = [str(tmp_path / name) for name in ("a.png", "b.png", "c.png")]
    for name, picture in zip(names, (CONTENT, STYLE, CONTENT[::-1]), strict=True):
        save_image(name, picture)
    run_until(4, prepare(names[0], names[1], **SETTINGS), Checkpoint(path, 1))
    changed = prepare(names[2], names[1], **SETTINGS)
    assert "a run with other content (a.png)" in refusal(path, changed)
    changed = prepare(names[0], names[2], **SETTINGS)
    assert "a run with other styles (b.png)" in refusal(path, changed)
    os.rename(names[0], tmp_path / "moved.png")  # the same picture elsewhere is the same job
    run(prepare(str(tmp_path / "moved.png"), names[1], **SETTINGS), None, Checkpoint(path))


def test_other_weights_are_refused(path):
    job = job_of()
    begun(path)
    changed = replace(job, network=replace(job.network, sha256="0" * 64))
    assert f"a run with other weights ({job.network.source})" in refusal(path, changed)


def test_a_damaged_or_foreign_file_is_refused(path):
    path.write_text("something else")
    assert "is not a checkpoint of jaxstyle" in refusal(path, job_of())
    path.unlink()
    begun(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "is damaged" in refusal(path, job_of())


def test_what_only_the_file_depends_on_may_change(path, expected):
    begun(path)
    result = run(job_of(bits=16, quality=50), None, Checkpoint(path))
    np.testing.assert_array_equal(result.image, expected.image)
    assert result.config.bits == 16


def test_it_goes_on_with_the_strategy_that_it_began_with(path):
    tiled = job_of(**WAYS["tiled"])
    unbroken = run(tiled)
    run_until(4, tiled, Checkpoint(path, 1))
    result = run(job_of(strategy="whole"), None, Checkpoint(path))
    same(result, unbroken)
    assert (result.config.strategy, result.config.tile) == ("tiled", tiled.config.tile)


def test_a_level_that_ran_out_of_memory_is_kept_as_it_went_on(path, monkeypatch):
    from jaxstyle.run import coarse_to_fine

    plain = coarse_to_fine.minimise_level

    def exhausted(level: Level, *rest: Any) -> Any:
        if level.job.config.strategy == "whole":
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")
        return plain(level, *rest)

    monkeypatch.setattr(coarse_to_fine, "minimise_level", exhausted)
    job = job_of(size=96, tile=32, strategy="whole")
    unbroken = run(job)
    assert unbroken.config.strategy == "tiled"
    run_until(3, job, Checkpoint(path, 1))
    monkeypatch.undo()  # now there is memory enough
    same(run(job, None, Checkpoint(path)), unbroken)


def test_other_versions_are_told_of(path):
    begun(path)
    found = read_checkpoint(path)
    assert found is not None
    about, arrays = found
    record = json.loads(about["record"])
    record["versions"]["jax"] = "0.1.2"
    write_checkpoint(path, {**about, "record": json.dumps(record)}, dict(arrays))
    told: list[str] = []
    run(job_of(), None, Checkpoint(path, say=told.append))
    assert told[0].endswith("after step 4; it began with jax 0.1.2: pixels may differ")


def test_a_full_disk_is_told_once_and_the_run_goes_on(path, expected, monkeypatch):
    begun(path)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    told: list[str] = []
    same(run(job_of(), None, Checkpoint(path, 1, say=told.append)), expected)
    assert path.read_bytes() == before
    assert len(told) == 2  # that it goes on from the older one is the other
    assert "No space left on device: the run goes on" in told[1]
    with pytest.warns(RuntimeWarning, match="No space left on device") as warned:
        run(job_of(), None, Checkpoint(path, 1))
    assert len(warned) == 1


def test_a_folder_that_is_not_there_is_refused_at_once(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        run(job_of(), lambda _: pytest.fail("it ran"), Checkpoint(tmp_path / "none" / "run.ckpt"))


@pytest.mark.parametrize("wrong", [{"every_steps": 0}, {"every_seconds": -1.0}])
def test_an_interval_that_makes_no_sense_is_refused(path, wrong):
    with pytest.raises(InputError, match="a checkpoint every"):
        Checkpoint(path, **wrong)


def test_time_spent_before_counts(path):
    begun(path)
    found = read_checkpoint(path)
    assert found is not None
    about, arrays = found
    write_checkpoint(path, {**about, "seconds": 100.0, "level_seconds": 20.0}, dict(arrays))
    result = run(job_of(), None, Checkpoint(path))
    assert result.seconds >= 120 if about["level"] == 1 else result.seconds >= 20


def test_writing_takes_a_tenth_of_the_time_at_most(path, monkeypatch):
    """By a clock that writing moves on by 4 s, and each step by 1 s."""
    now, written = [0.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def write(*_: Any) -> None:
        written.append(now[0])
        now[0] += 4

    monkeypatch.setattr(module, "write_checkpoint", write)
    start = RunState(job_of(), 0, CONTENT)
    keeper = Keeper(Checkpoint(path, every_seconds=10), start)
    for step in range(1, 100):
        now[0] += 1
        taken = Snapshot({}, [1.0] * step, 0.0, False)
        keeper.after_step(
            start, Progress(step, 1.0, None, 1.0, 0.0, lambda: CONTENT, lambda taken=taken: taken)
        )
    assert written == [10, 50, 90]


def test_files_are_kept_beside_the_state(path, expected):
    files = {"frame-00002.png": b"\x89PNG\r\n", "empty": b""}
    run_until(6, job_of(), Checkpoint(path, 1, files=files))
    content = read_checkpoint(path)
    assert content is not None
    assert files_in(content[1]) == files
    same(run(job_of(), None, Checkpoint(path)), expected)
