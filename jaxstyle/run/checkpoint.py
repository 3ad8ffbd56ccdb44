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
from jaxstyle.run.checkpoint_file import clear_leftovers, read_checkpoint, write_checkpoint
from jaxstyle.run.job import Job
from jaxstyle.run.record import parse_record, record_of
from jaxstyle.run.same_run import difference_from, digest_of_arrays
from jaxstyle.runtime.atomic_files import check_file
from jaxstyle.runtime.processes import gather, is_first

EVERY_SECONDS = 60.0
LEAST_PAUSE = 9.0
"""Pause after a checkpoint, in units of the time it took: at most a tenth goes into them."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is kept, and how often.

    Attributes:
        path: the file; a run goes on from it if it is there. It needs the room of the optimiser's
            state: ``2 * history + 4`` pictures of 12 bytes a pixel for L-BFGS, 4 for Adam.
        every_steps: write it after so many steps; None goes by time.
        every_seconds: write it after so many seconds, or after more where writing takes long.
        note: JSON values to keep in it.
        say: told in one line where a run goes on, and if the file cannot be written. If None the
            latter is a Python warning.
    """

    path: str | os.PathLike[str]
    every_steps: int | None = None
    every_seconds: float = EVERY_SECONDS
    note: Mapping[str, Any] = field(default_factory=dict)
    say: Callable[[str], None] | None = None

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


class Begun(NamedTuple):
    """Where a run begins, or goes on.

    Attributes:
        job: as it was when the run began.
        level: from 0.
        image: what this level starts from, of any size; None for that of the job.
        losses, seconds: of the levels before.
        resume: where this level goes on, if it was in the midst of it.
    """

    job: Job
    level: int = 0
    image: np.ndarray | None = None
    losses: Sequence[list[float]] = ()
    seconds: float = 0.0
    resume: Snapshot | None = None


def begin(job: Job, checkpoint: Checkpoint | None) -> Begun:
    """Find where a job begins: at its start, or where its checkpoint says.

    Raises:
        InputError: the checkpoint is damaged, of another job, or could not be written.
    """
    if checkpoint is None:
        return Begun(job)
    path = checkpoint.path
    found = read_checkpoint(path)
    if _is_shared(job) and len(set(gather(None if found is None else json.dumps(found[0])))) > 1:
        raise InputError(f"the processes do not all see the same {path}: put it where all can")
    if found is None:
        check_file(path)
    if is_first():
        clear_leftovers(path)
    if found is None:
        return Begun(job)
    about, arrays = found
    theirs = parse_record(about["record"])
    # The history may have been cut down to what fits the memory.
    cut = ("history",) if "history" in f"{job.plan} {about['plan']}" else ()
    free = (*names_of("machine", "file"), *cut)
    difference = difference_from(job, theirs, their_arrays=about["inputs"], free=free)
    if difference is not None:
        raise InputError(
            f"{path} belongs to a run with {difference}: give the same, or another checkpoint"
        )
    kept = {name: theirs["config"][name] for name in (*names_of("machine"), "history")}
    job = replace(job, config=replace(job.config, **kept), plan=about["plan"])
    *losses, values = about["losses"]
    begun = Begun(job, about["level"], None, losses, about["seconds"])
    _tell(checkpoint, _going_on(job, path, theirs, begun, len(values)))
    if "image" in arrays:
        return begun._replace(image=np.array(arrays["image"]))
    width, height = job.sizes[begun.level]
    snapshot = Snapshot(arrays, values, about["level_seconds"], about["stalled"])
    return begun._replace(image=np.zeros((height, width, 3), np.float32), resume=snapshot)


class Keeper:
    """Writes a checkpoint when it is due.

    Args:
        begun: where the run began.
    """

    def __init__(self, checkpoint: Checkpoint, begun: Begun) -> None:
        self.checkpoint = checkpoint
        self.shared = _is_shared(begun.job)
        self.inputs = digest_of_arrays(begun.job)
        steps = sum(map(len, begun.losses)) + len(begun.resume.values if begun.resume else ())
        self.next_step = steps + (checkpoint.every_steps or 0)
        self.next_time = time.monotonic() + checkpoint.every_seconds
        self.warned = False

    def before_level(self, at: Begun) -> None:
        """Keep the start of a level, where nothing else can be kept."""
        if at.job.config.optimizer == "scipy" and at.level > 0 and at.image is not None:
            self._write(at, {"image": at.image})

    def after_step(self, at: Begun, progress: Progress, *, ends: bool = False) -> None:
        """Keep a step, if it is time to.

        Args:
            at: the level that the run is in.
            ends: whether the callback has ended the run with this step.
        """
        if progress.snapshot is None or not self._is_due(at, progress, ends):
            return
        started = time.monotonic()
        snapshot = progress.snapshot()
        arrays = snapshot.state
        assert arrays is not None
        if self.shared:  # all have to take part, and none may fail in the midst of it
            arrays = {name: on_host(array) for name, array in arrays.items()}
        written = self._write(at._replace(resume=snapshot), arrays)
        now = time.monotonic()
        self.next_step = _steps(at, progress) + (self.checkpoint.every_steps or 0)
        self.next_time = now + max(
            self.checkpoint.every_seconds, LEAST_PAUSE * (now - started) if written else 0.0
        )
        if written and (ends or progress.interrupted()):
            path = self.checkpoint.path
            _tell(self.checkpoint, f"{path}: holds the run as it is: the same command goes on")

    def _is_due(self, at: Begun, progress: Progress, ends: bool) -> bool:
        if self.checkpoint.every_steps is None:
            due = time.monotonic() >= self.next_time
        else:
            due = _steps(at, progress) >= self.next_step
        due |= ends or progress.interrupted()
        return any(gather(due)) if self.shared else due

    def _write(self, at: Begun, arrays: Mapping[str, Any]) -> bool:
        if self.shared and not is_first():
            return True
        inside = at.resume or Snapshot({}, [], 0.0, False)
        about = {
            "record": record_of(at.job),
            "inputs": self.inputs,
            "plan": at.job.plan,
            "level": at.level,
            "losses": [*at.losses, inside.values],
            "seconds": at.seconds,
            "level_seconds": inside.seconds,
            "stalled": inside.stalled,
            "note": dict(self.checkpoint.note),
        }
        try:
            write_checkpoint(self.checkpoint.path, about, arrays)
        except ImageError as error:
            if not self.warned:
                line = f"{error}: the run goes on, an older checkpoint is kept"
                if self.checkpoint.say is None:
                    warnings.warn(line, RuntimeWarning, stacklevel=2)
                _tell(self.checkpoint, line)
            self.warned = True
            return False
        return True


def _steps(at: Begun, progress: Progress) -> int:
    """Since the start of the run."""
    return sum(map(len, at.losses)) + progress.step


def _is_shared(job: Job) -> bool:
    return job.config.mesh is not None and jax.process_count() > 1


def _tell(checkpoint: Checkpoint, line: str) -> None:
    if checkpoint.say is not None and is_first():
        checkpoint.say(line)


def _going_on(job: Job, path: Any, theirs: dict[str, Any], begun: Begun, steps: int) -> str:
    line = f"{path}: goes on at level {begun.level + 1} of {len(job.sizes)} after step {steps}"
    ours = json.loads(record_of(job))
    was = [
        f"{name} {version}"
        for name, version in theirs["versions"].items()
        if ours["versions"].get(name) != version
    ]
    backend = theirs.get("extra", {}).get("backend")
    was += [] if backend == ours["extra"]["backend"] else [f"on {backend}"]
    return line + (f"; it began with {', '.join(was)}: pixels may differ" if was else "")
