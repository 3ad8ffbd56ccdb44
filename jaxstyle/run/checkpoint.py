"""Runs that survive: kept in a file as they go, and gone on with as if they had never ended."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxstyle.config.stylize_config import names_of
from jaxstyle.errors import InputError
from jaxstyle.images import ImageError
from jaxstyle.optimize import Progress
from jaxstyle.optimize.snapshot import Snapshot, on_host
from jaxstyle.run.checkpoint_file import (
    clear_leftovers,
    damaged,
    read_checkpoint,
    write_checkpoint,
)
from jaxstyle.run.job import Job
from jaxstyle.run.level import Level
from jaxstyle.run.record import parse_record, record_of
from jaxstyle.run.same_run import difference_from, digest_of_arrays
from jaxstyle.runtime.atomic_files import check_file
from jaxstyle.runtime.json_schema import Each, misfit
from jaxstyle.runtime.processes import gather, is_first

EVERY_SECONDS = 60.0
FILES = "files/"
"""How the names of arrays begin that are the bytes of ``Checkpoint.files``."""
LEAST_PAUSE = 9.0
"""Pause after a checkpoint, in units of the time it took: at most a tenth goes into them."""
_ABOUT = {
    "record": str,
    "inputs": str,
    "plan": str,
    "level": int,
    "losses": Each(Each(float), most=1000),
    "seconds": float,
    "level_seconds": float,
    "stalled": bool,
    "out_of_time?": bool,
    "note": dict,
}


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is kept, and how often.

    Attributes:
        path: the file; a run goes on from it if it is there. It needs the room of the optimiser's
            state: ``2 * history + 4`` pictures of 12 bytes a pixel for L-BFGS, 4 for Adam.
        every_steps: write it after so many steps; None goes by time.
        every_seconds: write it after so many seconds, or after more where writing takes long.
        note: JSON values to keep in it, as they are when it is written.
        say: told in one line where a run goes on, and if the file cannot be written. If None the
            latter is a Python warning.
        files: name -> bytes, kept in it like the note.
    """

    path: str | os.PathLike[str]
    every_steps: int | None = None
    every_seconds: float = EVERY_SECONDS
    note: Mapping[str, Any] = field(default_factory=dict)
    say: Callable[[str], None] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.every_steps is not None and self.every_steps < 1:
            raise InputError(f"a checkpoint every {self.every_steps} steps: give 1 or more")
        if not self.every_seconds >= 0:
            raise InputError(f"a checkpoint every {self.every_seconds} s: give 0 or more")

    def remove(self) -> None:
        """Delete the file, for the run's result has been saved."""
        if is_first():
            Path(self.path).unlink(missing_ok=True)
            clear_leftovers(self.path)


class RunState(NamedTuple):
    """Where a run begins a level, or goes on in one.

    Attributes:
        job: with the strategy that is in force.
        level: from 0.
        image: what this level starts from, of any size.
        losses, seconds: of the levels before.
        resume: where this level goes on, if it was in the midst of it.
        out_of_time: whether a level before was ended by ``max_seconds``.
    """

    job: Job
    level: int
    image: np.ndarray
    losses: Sequence[list[float]] = ()
    seconds: float = 0.0
    resume: Snapshot | None = None
    out_of_time: bool = False

    @property
    def steps(self) -> int:
        """Made in the levels before."""
        return sum(map(len, self.losses))


def begin(job: Job, checkpoint: Checkpoint | None) -> RunState:
    """Find where a job begins: at its start, or where its checkpoint says.

    Raises:
        InputError: the checkpoint is damaged, of another job, or could not be written.
    """
    content = None if checkpoint is None else _content(checkpoint.path, _is_shared(job))
    if checkpoint is None or content is None:
        return RunState(job, 0, Level(job, 0).start())
    about, arrays = content
    record = parse_record(about["record"])
    job = _as_begun(job, checkpoint.path, about, record)
    _check_fits(job, checkpoint.path, about, arrays)
    *losses, values = about["losses"]
    line = f"goes on at level {about['level'] + 1} of {len(job.sizes)} after step {len(values)}"
    _say(checkpoint, f"{checkpoint.path}: {line}{_other_versions(job, record)}")
    if "image" in arrays:
        image, snapshot = np.array(arrays["image"]), None
    else:
        width, height = job.sizes[about["level"]]
        image = np.zeros((height, width, 3), np.float32)
        state = {name: array for name, array in arrays.items() if not name.startswith(FILES)}
        snapshot = Snapshot(state, values, about["level_seconds"], about["stalled"])
    late = about.get("out_of_time", False)
    return RunState(job, about["level"], image, losses, about["seconds"], snapshot, late)


def read_run(
    path: str | os.PathLike[str],
) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """Read a checkpoint that ``Keeper`` has written; None if there is no such file.

    Raises:
        InputError: as ``read_checkpoint``, or it holds something else than a run.
    """
    content = read_checkpoint(path)
    if content is not None and (wrong := misfit(content[0], _ABOUT)):
        raise damaged(path, f"{wrong} is missing or not as it should be")
    return content


def files_in(arrays: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """The ``Checkpoint.files`` among the arrays of a checkpoint that has been read."""
    return {
        name.removeprefix(FILES): array.tobytes()
        for name, array in arrays.items()
        if name.startswith(FILES)
    }


class Keeper:
    """Writes a checkpoint when it is due.

    Args:
        begun: where the run began.
    """

    def __init__(self, checkpoint: Checkpoint, begun: RunState) -> None:
        self.checkpoint = checkpoint
        self.shared = _is_shared(begun.job)
        self.inputs = digest_of_arrays(begun.job)
        steps = begun.steps + len(begun.resume.values if begun.resume else ())
        self.next_step = steps + (checkpoint.every_steps or 0)
        self.next_time = time.monotonic() + checkpoint.every_seconds
        self.warned = False

    def before_level(self, state: RunState) -> None:
        """Keep the start of a level, where nothing else can be kept."""
        if state.job.config.optimizer == "scipy" and state.level > 0:
            self._write(state, {"image": state.image})

    def after_step(self, state: RunState, progress: Progress, *, ends: bool = False) -> None:
        """Keep a step, if it is time to.

        Args:
            state: how the level began.
            ends: whether the callback has ended the run with this step.
        """
        ends |= progress.interrupted()
        steps = state.steps + progress.step
        if progress.snapshot is None or not self._is_due(steps, ends):
            return
        started = time.monotonic()
        snapshot = progress.snapshot()
        arrays = snapshot.state
        assert arrays is not None
        if self.shared:  # all have to take part, and none may fail in the midst of it
            arrays = {name: on_host(array) for name, array in arrays.items()}
        written = self._write(state._replace(resume=snapshot), arrays)
        now = time.monotonic()
        self.next_step = steps + (self.checkpoint.every_steps or 0)
        self.next_time = now + max(
            self.checkpoint.every_seconds, LEAST_PAUSE * (now - started) if written else 0.0
        )
        if written and (ends or progress.interrupted()):
            path = self.checkpoint.path
            _say(self.checkpoint, f"{path}: holds the run as it is: the same command goes on")

    def _is_due(self, steps: int, ends: bool) -> bool:
        if self.checkpoint.every_steps is None:
            due = ends or time.monotonic() >= self.next_time
        else:
            due = ends or steps >= self.next_step
        return any(gather(due)) if self.shared else due

    def _write(self, state: RunState, arrays: Mapping[str, Any]) -> bool:
        if self.shared and not is_first():
            return True
        inside = state.resume or Snapshot({}, [], 0.0, False)
        about = {
            "record": record_of(state.job, full=True),  # to find its inputs by
            "inputs": self.inputs,
            "plan": state.job.plan,
            "level": state.level,
            "losses": [*state.losses, inside.values],
            "seconds": state.seconds,
            "out_of_time": state.out_of_time,
            "level_seconds": inside.seconds,
            "stalled": inside.stalled,
            "note": dict(self.checkpoint.note),
        }
        files = {
            FILES + name: np.frombuffer(content, np.uint8)
            for name, content in self.checkpoint.files.items()
        }
        try:
            write_checkpoint(self.checkpoint.path, about, {**arrays, **files})
        except ImageError as error:
            if not self.warned:
                line = f"{error}: the run goes on, an older checkpoint is kept"
                if self.checkpoint.say is None:
                    warnings.warn(line, RuntimeWarning, stacklevel=2)
                _say(self.checkpoint, line)
            self.warned = True
            return False
        return True


def _is_shared(job: Job) -> bool:
    return job.config.mesh is not None and jax.process_count() > 1


def _say(checkpoint: Checkpoint, line: str) -> None:
    if checkpoint.say is not None and is_first():
        checkpoint.say(line)


def _content(path: Any, shared: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """What a checkpoint holds; None if there is none yet, but one can be written."""
    content = read_run(path)
    if shared and len(set(gather(content and json.dumps(content[0])))) > 1:
        raise InputError(f"the processes do not all see the same {path}: put it where all can")
    if content is None:
        check_file(path)
    if is_first():
        clear_leftovers(path)
    return content


def _as_begun(job: Job, path: Any, about: dict[str, Any], record: dict[str, Any]) -> Job:
    """A job with the settings that its run began with, where free memory decides them.

    Raises:
        InputError: it is another job.
    """
    # The history may have been cut down to what fits the memory.
    cut = ("history",) if "history" in f"{job.plan} {about['plan']}" else ()
    free = (*names_of("machine", "file"), *cut)
    difference = difference_from(job, record, their_arrays=about["inputs"], free=free)
    if difference is not None:
        raise InputError(
            f"{path} belongs to a run with {difference}: give the same, or another checkpoint"
        )
    names = (*names_of("machine"), "history")
    kept = {name: record["config"][name] for name in names if name in record["config"]}
    return replace(job, config=replace(job.config, **kept), plan=about["plan"])


def _check_fits(
    job: Job, path: Any, about: dict[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Refuse what no run of the job can have left: a level it has not, or another picture."""
    level, has_image = about["level"], "image" in arrays
    fits = 0 <= level < len(job.sizes) and len(about["losses"]) == level + 1
    if fits and has_image:
        picture = arrays["image"]
        shapes = [(height, width, 3) for width, height in job.sizes[max(0, level - 1) : level + 1]]
        fits = picture.dtype == np.float32 and picture.shape in shapes
        fits = fits and bool(np.isfinite(picture).all())
    if not fits or has_image != (job.config.optimizer == "scipy"):
        raise damaged(path, "the level or the picture in it is of no such run")


def _other_versions(job: Job, record: dict[str, Any]) -> str:
    """What a run began with that is another now, in words; empty if nothing is."""
    ours = json.loads(record_of(job))
    began_with = [
        f"{name} {version}"
        for name, version in record["versions"].items()
        if ours["versions"].get(name) != version
    ]
    backend = record.get("extra", {}).get("backend")
    if backend != ours["extra"]["backend"]:
        began_with.append(f"on {backend}")
    return f"; it began with {', '.join(began_with)}: pixels may differ" if began_with else ""
