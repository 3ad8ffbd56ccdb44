"""Whether a checkpoint is of a job, and if not, what is different."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxstyle.config.stylize_config import names_of
from jaxstyle.images import ImageError, read_record
from jaxstyle.run.job import Job
from jaxstyle.run.record import parse_record, record_of, without_folders

_NAMES = ("path", "source")


def difference_from(
    job: Job,
    theirs: Mapping[str, Any],
    *,
    their_arrays: str | None,
    free: Sequence[str] = names_of("machine", "file"),
) -> str | None:
    """What makes a recorded run another than a job, in words; None if they are the same.

    The one rule by which checkpoints, sweeps, batches and videos know their own results again.

    Args:
        theirs: the record.
        their_arrays: its ``digest_of_arrays``; None where all its inputs are files.
        free: settings that may differ.
    """
    ours, theirs = json.loads(record_of(job, full=False)), without_folders(theirs)
    mine, other = ours["inputs"], theirs["inputs"]
    for name in sorted({*mine, *other}):
        if _hashes(mine.get(name)) != _hashes(other.get(name)):
            where = _first_name(other.get(name))
            return f"other {name}" + (f" ({where})" if where else "")
    free = (*free, "weights")  # a weight file may have moved; its hash is among the inputs
    mine, other = ours["config"], theirs["config"]
    for name in (*mine, *(name for name in other if name not in mine)):
        if name not in free and mine.get(name) != other.get(name):
            return f"{name} {_plain(other.get(name))}, not {_plain(mine.get(name))}"
    mine, other = ours["extra"]["shape"], theirs.get("extra", {}).get("shape")
    if mine != other:
        return f"a size of {other}, not {mine}"
    if their_arrays is not None and their_arrays != digest_of_arrays(job):
        return "other arrays as its inputs"
    return None


def _hashes(entry: Any) -> Any:
    """An entry of a record without what may change: where files lie."""
    if isinstance(entry, dict):
        return {key: _hashes(value) for key, value in entry.items() if key not in _NAMES}
    return [_hashes(value) for value in entry] if isinstance(entry, list) else entry


def _first_name(entry: Any) -> str:
    """The first file that an entry of a record names."""
    if isinstance(entry, dict):
        named = next((entry[key] for key in _NAMES if isinstance(entry.get(key), str)), "")
        return named or next(filter(None, map(_first_name, entry.values())), "")
    return next(filter(None, map(_first_name, entry)), "") if isinstance(entry, list) else ""


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def digest_of_arrays(job: Job) -> str:
    """The hash of all inputs that came as arrays: those of files are in the record."""
    digest = hashlib.sha256()

    def take(value: Any) -> None:
        if isinstance(value, np.ndarray | jax.Array):
            digest.update(f"{value.dtype}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        elif getattr(value, "sha256", ""):
            pass  # of a file
        elif is_dataclass(value):
            for entry in fields(value):
                take(getattr(value, entry.name))
        elif isinstance(value, Mapping):
            take(list(value.values()))
        elif isinstance(value, list | tuple):
            for part in value:
                take(part)

    take(job)
    return digest.hexdigest()


def is_made(path: Path, job: Job) -> bool:
    """Whether a picture is there that is the finished result of just this job.

    Inputs that are no files are not in a picture's record: where there are any, ask
    ``difference_from`` with their digest.
    """
    record = record_in(path)
    return record is not None and is_result_of(job, record)


def record_in(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The record in a picture; None if there is none, or no picture."""
    try:
        return parse_record(read_record(path))
    except ImageError:
        return None


def is_earlier_result(path: str | os.PathLike[str], job: Job) -> bool:
    """Whether a picture is there that a run of this job has made, in this version or an older.

    Also one that was cut short, or a snapshot: to go on with the run is to write over it.
    """
    record = record_in(path)
    return record is not None and difference_from(job, record, their_arrays=None) is None


def is_result_of(job: Job, record: Mapping[str, Any], arrays: str | None = None) -> bool:
    """Whether a finished picture's record says that running ``job`` here gives its very pixels.

    Args:
        arrays: the ``digest_of_arrays`` that was kept with it; None where all inputs are files.
    """
    ours = json.loads(record_of(job))
    same_machine = ours["versions"] == record["versions"] and (
        ours["extra"]["backend"] == record.get("extra", {}).get("backend")
    )
    return same_machine and difference_from(job, record, their_arrays=arrays, free=()) is None
