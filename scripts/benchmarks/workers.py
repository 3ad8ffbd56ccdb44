"""Processes of their own for what is measured: they answer with lines of JSON.

A worker is a script of this folder. Each says at the end of a line what it found; one that fails
says why on its standard error, of which the last line is passed on.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent


class WorkerFailed(Exception):
    """A process ended without an answer; the message says which, and its last words."""


class Worker:
    """A side that is told by lines when to do its steps (``problem.serve`` is the other end).

    ``ready`` is what it answers once it can begin; where that is ``{"error": ...}`` it has ended.
    """

    def __init__(
        self, script: str, settings: Mapping[str, Any], environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = script
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [sys.executable, str(FOLDER / script), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.ready = self._answer()

    def step(self, count: int = 1) -> float:
        """Seconds of one more step, as the mean of ``count``."""
        self._tell(f"step {count}")
        return self._answer()["seconds"] / count

    def close(self) -> dict[str, Any]:
        """Ask for the end; peak memory in bytes, loss."""
        self._tell("end")
        return self._answer()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # without more orders it ends by itself
        self._errors.close()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # libraries print too
                return json.loads(line)
        raise self._failure()

    def _failure(self) -> WorkerFailed:
        code = self._process.wait()
        self._errors.seek(0)
        return _failed(self.name, code, self._errors.read())


def answer(
    script: str, settings: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run a worker to its end; the last line of what it says."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), json.dumps(settings)],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise _failed(script, done.returncode, done.stderr)
    return json.loads(lines[-1])


def _failed(name: str, code: int, errors: str) -> WorkerFailed:
    last = next((line for line in reversed(errors.splitlines()) if line.strip()), "no message")
    return WorkerFailed(f"{name} ended with {code}: {last.strip()}")


def speedup(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """How many times as fast ours is, pair by pair: the median and the range."""
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return {"speedup": statistics.median(ratios), "speedup_range": [min(ratios), max(ratios)]}
