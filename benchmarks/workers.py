"""Processes of their own for what is measured.

A worker is a module of this folder that is given its settings as JSON and answers with a line of
JSON; a command is any program, measured from its start to its end.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
NAMES_ERROR = re.compile(r"[\w.]*(Error|Exception|Failed|Interrupt)(:|$)")
"""How the last line of a traceback begins; messages can have more lines, and notes follow them."""
ENVIRONMENT = {
    "JAX_TRACEBACK_FILTERING": "off",  # filtered, tracebacks end with a note about that
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
}
JAXSTYLE = (sys.executable, "-m", "jaxstyle")


class WorkerFailed(Exception):
    """A process ended without an answer; the message says which, and what it failed for."""


class Unavailable(Exception):
    """This machine lacks what a section measures; the message says what, in one line."""


def cache_in(folder: str) -> dict[str, str]:
    """Variables for a command whose compiled programs are kept in a folder, at first none."""
    return {"XDG_CACHE_HOME": folder, "JAX_COMPILATION_CACHE_DIR": ""}


class Measured(NamedTuple):
    """A command from its start to its end.

    Attributes:
        seconds: with all that it loads and compiles.
        peak: the most memory that its process held, in bytes (Linux; elsewhere 0).
        printed: its standard output.
    """

    seconds: float
    peak: int
    printed: str


def measured(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    timeout: float = math.inf,
) -> Measured:
    """Run a command.

    Raises:
        WorkerFailed: it failed, or took longer than ``timeout`` seconds.
    """
    name, peak = command[2], 0
    variables = {**os.environ, **ENVIRONMENT, **(environment or {})}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=errors, env=variables, process_group=0
        )
        try:
            while process.poll() is None:
                peak = max(peak, peak_resident(process.pid))
                if time.perf_counter() - started > timeout:
                    held = f", having held {peak / 1e9:.2f} GB at most"
                    raise WorkerFailed(f"{name} stopped after {timeout:.0f} s{held}")
                time.sleep(0.02)
        finally:
            if process.returncode is None:
                _kill(process)
                process.wait()
        seconds = time.perf_counter() - started
        for file in (output, errors):
            file.seek(0)
        if process.returncode:
            raise _failed(name, process.returncode, errors.read())
        return Measured(seconds, peak, output.read())


def answer(
    module: str,
    settings: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
    timeout: float = math.inf,
) -> dict[str, Any]:
    """What a worker says, and its ``peak`` memory in bytes.

    Raises:
        WorkerFailed: it ended without an answer, or took longer than ``timeout`` seconds.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", json.dumps(settings)]
    run = measured(command, environment, timeout)
    lines = [line for line in run.printed.splitlines() if line.startswith("{")]  # libraries print
    if not lines:
        raise WorkerFailed(f"{module} ended without an answer")
    return {**json.loads(lines[-1]), "peak": run.peak}


def peak_resident(process: int) -> int:
    """The most memory that a process has held, in bytes; 0 where it is gone or nothing says so.

    Unlike ``getrusage`` this knows nothing of the process that started it, whose size that counts
    in.
    """
    with suppress(OSError):
        status = Path(f"/proc/{process}/status").read_text()
        if size := re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE):
            return int(size[1]) * 1024
    return 0


def _kill(process: subprocess.Popen[Any]) -> None:
    """With the compilers that it has started: they hold its output open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _failed(name: str, code: int, errors: str) -> WorkerFailed:
    """With the line that names the error; the last line where there is none."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    named = [line for line in lines if NAMES_ERROR.match(line)]
    killed = " (killed, as for want of memory)" if code == -signal.SIGKILL else ""
    return WorkerFailed(f"{name} ended with {code}{killed}: {(named or lines or ['?'])[-1]}")
