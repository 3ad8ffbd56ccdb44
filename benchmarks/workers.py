"""Processes of their own for what is measured: they answer with lines of JSON.

A worker is a script of this folder. Each says at the end of a line what it found, and may say
before where it is (``{"at": ...}``); of what one that fails says on its standard error the line
that names the error is passed on.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from resident import peak_resident

FOLDER = Path(__file__).resolve().parent
NAMES_ERROR = re.compile(r"[\w.]*(Error|Exception|Failed|Interrupt)(:|$)")
"""How the last line of a traceback begins; messages can have more lines, and notes follow them."""
ENVIRONMENT = {"JAX_TRACEBACK_FILTERING": "off"}
"""Of all workers: filtered, JAX's tracebacks end with a note about that."""


class WorkerFailed(Exception):
    """A process ended without an answer; the message says which, and what it failed for."""


class WorkerLate(WorkerFailed):
    """A process was stopped, as it took longer than it was given.

    Attributes:
        at: where it was, if it said so.
        peak: most bytes that it had held until then, where the system says so.
    """

    def __init__(self, message: str, at: str | None = None, peak: int | None = None) -> None:
        super().__init__(message)
        self.at, self.peak = at, peak


class Limit(NamedTuple):
    """How long a worker may take for an answer.

    Attributes:
        each: seconds.
        until: and not after this time, as ``time.monotonic`` has it.
    """

    each: float = math.inf
    until: float = math.inf

    def seconds(self) -> float:
        """From now."""
        return min(self.each, max(self.until - time.monotonic(), 0.1))


NO_LIMIT = Limit()


class Worker:
    """A side that is told by lines when to do its steps (``problem.serve`` is the other end).

    ``ready`` is what it answers once it can begin; where that is ``{"error": ...}`` it has ended.
    """

    def __init__(
        self,
        script: str,
        settings: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
        limit: Limit = NO_LIMIT,
    ) -> None:
        self.name, self._limit = script, limit
        self._at: str | None = None
        self._late: WorkerLate | None = None
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [sys.executable, str(FOLDER / script), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **ENVIRONMENT, **(environment or {})},
            process_group=0,
        )
        try:
            self.ready = self._answer()
        except BaseException:
            self._kill()
            self._end()
            raise

    def step(self, count: int = 1) -> float:
        """Seconds of one more step, as the mean of ``count``."""
        self._tell(f"step {count}")
        return self._answer()["seconds"] / count

    def close(self) -> dict[str, Any]:
        """Ask for the end; peak memory in bytes, loss."""
        self._tell("end")
        return self._answer()

    def finish(self) -> None:
        """Wait until it has ended by itself, without more orders."""
        self._process.communicate()
        if self._process.returncode:
            raise self._failure()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
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
        seconds = self._limit.seconds()
        timer = threading.Timer(seconds, self._stop, (seconds,)) if seconds < math.inf else None
        if timer is not None:
            timer.start()
        try:
            for line in self._process.stdout:
                if line.startswith("{"):  # libraries print too
                    found = json.loads(line)
                    if "at" not in found:
                        return found
                    self._at = found["at"]
        finally:
            if timer is not None:
                timer.cancel()
        raise self._failure()

    def _stop(self, seconds: float) -> None:
        self._late = WorkerLate(
            f"{self.name} stopped after {seconds:.0f} s", self._at, _peak(self._process.pid)
        )
        self._kill()

    def _kill(self) -> None:
        """With the compilers that it has started: they hold its output open."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _failure(self) -> WorkerFailed:
        code = self._process.wait()
        if self._late is not None:
            return self._late
        self._errors.seek(0)
        return _failed(self.name, code, self._errors.read())


def answer(
    script: str,
    settings: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
    limit: Limit = NO_LIMIT,
) -> dict[str, Any]:
    """Run a worker to its end; the last line of what it says.

    Raises:
        WorkerLate: it took too long.
        WorkerFailed: it ended without an answer.
    """
    with Worker(script, settings, environment, limit) as worker:
        worker.finish()
        return worker.ready


def _peak(process: int) -> int | None:
    try:
        return peak_resident(process)
    except OSError:
        return None


def _failed(name: str, code: int, errors: str) -> WorkerFailed:
    killed = " (killed, as for want of memory)" if code == -signal.SIGKILL else ""
    return WorkerFailed(f"{name} ended with {code}{killed}: {_reason(errors)}")


def _reason(errors: str) -> str:
    """The line that names the error, of the last traceback; the last line where there is none."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    named = [line for line in lines if NAMES_ERROR.match(line)]
    return (named or lines or ["no message"])[-1]


def speedup(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """How many times as fast ours is, pair by pair: the median and the range."""
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return {"speedup": statistics.median(ratios), "speedup_range": [min(ratios), max(ratios)]}
