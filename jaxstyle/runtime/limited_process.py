"""A Python process with limits, for code that a hostile file may hang, bloat or crash."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

GRACE = 10
"""Seconds after which a process is ended from outside, where it does not end itself."""

_PROGRAM = (
    "import json, sys\n"
    "sys.path[:], *job = json.loads(sys.argv[1])\n"
    "from jaxstyle.runtime.limited_process import work\n"
    "work(*job, *sys.argv[2:])\n"
)


class Limits(NamedTuple):
    """What a process may take, beyond what it has when it begins its work.

    Attributes:
        seconds: of the processor's time. Not on Windows.
        patience: seconds by the clock.
        memory: in bytes. On Linux alone.
    """

    seconds: int
    patience: int
    memory: int


class ProcessEnded(Exception):
    """The process did not come to its end; the text says why, beginning with a verb."""


def run_limited(
    function: Callable[[str], Iterable[bytes]], argument: str | os.PathLike[str], limits: Limits
) -> bytes:
    """Run a function of a module in a new Python process, and collect what it yields.

    The process is another one of this Python, with the same folders of modules and no environment
    variables of Python's. It ends with this one, by Ctrl-C, or at its limits.

    Args:
        function: what its module imports is loaded anew: let that be little.

    Raises:
        ProcessEnded: it crashed, or went beyond its limits.
    """
    job = [list(map(str, sys.path)), function.__module__, function.__qualname__, limits]
    # Not multiprocessing, which would run the user's own script again to begin with.
    command = [sys.executable, "-I", "-c", _PROGRAM, json.dumps(job), os.fspath(argument)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limits.patience + GRACE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # starts quicker
        )
    except subprocess.TimeoutExpired:
        raise ProcessEnded(f"takes more than {limits.patience} s") from None
    if done.returncode:
        raise ProcessEnded(_reason(done.returncode, limits))
    return done.stdout


def _reason(returncode: int, limits: Limits) -> str:
    name = ""
    with suppress(ValueError):
        name = signal.Signals(-returncode).name
    match name:
        case "SIGXCPU":
            return f"takes more than {limits.seconds} s of computing"
        case "SIGALRM":
            return f"takes more than {limits.patience} s"
        case "SIGKILL":
            return "was ended from outside, perhaps for want of memory"
    return f"crashes ({name or f'exit code {returncode}'})"


def work(module: str, name: str, limits: list[int], argument: str) -> None:
    """Do the job of ``run_limited``, in the new process."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # libraries do not see KeyboardInterrupt
    function = getattr(import_module(module), name)
    _limit(Limits(*limits))
    for data in function(argument):
        sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _limit(limits: Limits) -> None:
    """Bound this process. The system ends it, whatever it is at, also when nobody waits for it."""
    try:
        import resource
    except ImportError:  # on Windows
        return

    def lower(kind: int, value: int) -> None:
        hard = resource.getrlimit(kind)[1]
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(ValueError, OSError):  # where a system knows the limit but not how
            resource.setrlimit(kind, (soft, hard))

    signal.alarm(limits.patience)
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_CPU, math.ceil(time.process_time()) + limits.seconds)
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[5])  # of data and stack
        lower(resource.RLIMIT_DATA, pages * resource.getpagesize() + limits.memory)
