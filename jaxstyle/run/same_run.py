"""Whether a checkpoint is of a job, and if not, what is different."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxstyle.images import read_record
from jaxstyle.objective.pytrees import model_of
from jaxstyle.run.job import Job
from jaxstyle.run.record import record_of

OF_THE_MACHINE = ("strategy", "tile", "offload", "recompute_content")
"""Settings that free memory decides: a run goes on with those that it began with."""
OF_THE_FILE = ("bits", "quality")
"""Settings that only the result's file depends on."""

_NAMES = ("path", "source")


def difference_from(
    job: Job, theirs: Mapping[str, Any], their_plan: str, their_arrays: str
) -> str | None:
    """What makes a recorded run another than a job, in words; None if they are the same.

    Args:
        theirs: the record.
        their_plan: see ``Job``.
        their_arrays: its ``digest_of_arrays``.
    """
    ours = json.loads(record_of(job))
    mine, other = ours["inputs"], theirs["inputs"]
    for name in sorted({*mine, *other}):
        if _hashes(mine.get(name)) != _hashes(other.get(name)):
            where = _first_name(other.get(name))
            return f"other {name}" + (f" ({where})" if where else "")
    free = {*OF_THE_MACHINE, *OF_THE_FILE, "weights"}  # a weight file may have moved
    if "history" in f"{job.plan} {their_plan}":
        free.add("history")  # cut down to what fits the memory
    mine, other = ours["config"], theirs["config"]
    for name in (*mine, *(name for name in other if name not in mine)):
        if name not in free and mine.get(name) != other.get(name):
            return f"{name} {_plain(other.get(name))}, not {_plain(mine.get(name))}"
    mine, other = ours["extra"]["shape"], theirs.get("extra", {}).get("shape")
    if mine != other:
        return f"a size of {other}, not {mine}"
    if their_arrays != digest_of_arrays(job):
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
    """Whether a picture is there whose record is of just this job, whose inputs are files."""
    try:
        return _essence(json.loads(read_record(path))) == _essence(json.loads(record_of(job)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _essence(record: dict[str, Any]) -> dict[str, Any]:
    """What makes the pixels; the command in the note may have changed by ``--resume`` alone."""
    extra = record["extra"]
    return {
        "config": record["config"],
        "inputs": record["inputs"],
        "versions": record["versions"],
        "extra": {name: extra[name] for name in ("backend", "shape")},
    }


def _arrays_of(job: Job) -> str:
    """A hash of the inputs that are of no file, which a record does not tell apart."""
    digest = hashlib.sha256()
    pictures = [one.picture for one in job.contents] + [style.image for style in job.styles]
    for picture in pictures:
        if not picture.sha256:  # no file of targets, which always has one
            for part in (picture.rgb, picture.alpha):
                digest.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
    masks = [region.mask for region in job.regions] + [style.mask for style in job.styles]
    for mask in (*masks, job.freeze):
        if mask is not None and not mask.sha256:
            digest.update(np.ascontiguousarray(mask.values).tobytes())
    if not job.network.sha256:
        for leaf in jax.tree.leaves(model_of(job.network)):
            digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()
