"""Checkpoints of strangers, their checksums right: refused in one line, whatever they hold."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import CASES, bounded, json_mutations, mutations
from samples import landscape, waves

from jaxstyle.cli.options.checkpoint import recorded_in
from jaxstyle.errors import InputError
from jaxstyle.run.checkpoint import Checkpoint, begin
from jaxstyle.run.checkpoint_file import read_checkpoint, write_checkpoint
from jaxstyle.run.job import Job
from jaxstyle.run.prepare import prepare
from jaxstyle.run.record import record_of
from jaxstyle.run.same_run import digest_of_arrays

LIMITS = 2.0, 300 * 2**20
SETTINGS: dict[str, Any] = {
    "size": 64, "steps": 5, "levels": 2, "weights": "slim", "optimizer": "scipy",
    "content_layers": "relu1_1", "style_layers": "relu1_1",
}  # fmt: skip
IMAGE = np.full((24, 32, 3), 0.5, np.float32)


@pytest.fixture(scope="module")
def job() -> Job:
    return prepare(np.asarray(landscape(48, 64)), np.asarray(waves(40)), **SETTINGS)


@pytest.fixture
def about(job) -> dict[str, Any]:
    """What a checkpoint at the second of two levels says."""
    curves = {name: [1.0, 0.5] for name in ("content", "style", "tv", "total", "other")}
    options = {"save_every": 0, "snapshots": None, "strip": "strip.png"}
    return {
        "record": record_of(job, full=True),
        "inputs": digest_of_arrays(job),
        "plan": job.plan,
        "level": 1,
        "losses": [[1.0, 0.5], []],
        "seconds": 1.5,
        "level_seconds": 0.0,
        "stalled": False,
        "note": {
            "output": "out.png",
            "recording": {"options": options, "curves": curves, "breaks": [1]},
        },
    }


def gone_on_with(path: Path, job: Job) -> None:
    begin(job, Checkpoint(path))
    recorded_in(path)


def checksummed(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


def assert_only_refused(path: Path, job: Job, case: object) -> bool:
    try:
        with bounded(*LIMITS):
            gone_on_with(path, job)
    except InputError as error:
        assert "\n" not in str(error)
        return True
    except BaseException as error:
        error.add_note(f"case {case}")
        raise
    return False


def test_a_whole_one_is_taken(tmp_path, job, about):
    write_checkpoint(tmp_path / "run.ckpt", about, {"image": IMAGE})
    gone_on_with(tmp_path / "run.ckpt", job)


def test_whatever_it_says(tmp_path, job, about):
    path, refused = tmp_path / "run.ckpt", 0
    about["record"] = json.loads(about["record"])
    for number, changed in enumerate(json_mutations(about, seed=1, count=CASES // 6)):
        if isinstance(changed.get("record"), dict):
            changed["record"] = json.dumps(changed["record"])
        write_checkpoint(path, changed, {"image": IMAGE})
        refused += assert_only_refused(path, job, f"{number}: {json.dumps(changed)[:3000]}")
    assert refused > CASES // 24


def test_whatever_bytes_it_has(tmp_path, job, about):
    path, refused = tmp_path / "run.ckpt", 0
    write_checkpoint(path, about, {"image": IMAGE})
    content = path.read_bytes()[:-32]
    for number, changed in enumerate(mutations(content, seed=2, count=CASES // 6)):
        path.write_bytes(checksummed(changed))
        refused += assert_only_refused(path, job, number)
    assert refused > CASES // 24


def test_whatever_its_header_says(tmp_path, job, about):
    path = tmp_path / "run.ckpt"
    write_checkpoint(path, about, {"image": IMAGE})
    content = path.read_bytes()[:-32]
    size = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:size])
    start = {"format": "jaxstyle-checkpoint", "version": "1"}
    for number, changed in enumerate(json_mutations(header, seed=3, count=CASES // 6)):
        if isinstance(changed.get("__metadata__"), dict):
            changed["__metadata__"] = start | changed["__metadata__"]
        text = json.dumps(changed, separators=(",", ":")).encode()
        path.write_bytes(checksummed(len(text).to_bytes(8, "little") + text + content[size:]))
        assert_only_refused(path, job, f"{number}: {text[-2000:]!r}")


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((24, 31, 3), np.float32),
        np.zeros((24, 32, 3), np.float64),
        np.zeros((24, 32), np.float32),
        np.full((24, 32, 3), np.nan, np.float32),
        np.zeros(0, np.float32),
    ],
)
def test_pictures_of_no_level(tmp_path, job, about, image):
    write_checkpoint(tmp_path / "run.ckpt", about, {"image": image})
    with pytest.raises(InputError, match="damaged"):
        gone_on_with(tmp_path / "run.ckpt", job)


@pytest.mark.parametrize("level", [-1, 0, 2, 10**6])
def test_levels_that_are_none(tmp_path, job, about, level):
    write_checkpoint(tmp_path / "run.ckpt", {**about, "level": level}, {"image": IMAGE})
    with pytest.raises(InputError, match="damaged"):
        gone_on_with(tmp_path / "run.ckpt", job)


def test_headers_without_end(tmp_path):
    path = tmp_path / "run.ckpt"
    begin = b'{"__metadata__":{"format":"jaxstyle-checkpoint","version":"1"'
    for size, more in ((2**62, b""), (2**25, b" " * 2**25), (2**23, b"," + b"[]," * 2**21)):
        path.write_bytes(checksummed(size.to_bytes(8, "little") + begin + more))
        with bounded(*LIMITS), pytest.raises(InputError, match="damaged"):
            read_checkpoint(path)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with bounded(*LIMITS), pytest.raises(InputError, match="cannot read"):
            read_checkpoint(path)
    with bounded(*LIMITS), pytest.raises(InputError, match="not a checkpoint"):
        read_checkpoint("/proc/self/pagemap")
