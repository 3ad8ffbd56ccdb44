"""A process with limits: it gives what it found, or ends by itself, whatever it is at."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time

import pytest

from jaxstyle.runtime.limited_process import Limits, ProcessEnded, run_limited

LIMITS = Limits(seconds=20, patience=60, memory=2**27)


def doubled(text):
    yield os.fsencode(text)
    yield os.fsencode(text)


def crash(_):
    yield b"the beginning"
    ctypes.string_at(0)


def compute(_):
    yield str(sum(iter(int, 1))).encode()


def wait(_):
    time.sleep(60)
    yield b""


def allocate(_):
    yield bytes(2**28)


def fail(_):
    yield b"the beginning"
    raise ValueError


@pytest.mark.parametrize("text", ["a/b c", "größe", os.fsdecode(b"\xff")], ids=ascii)
def test_gives_all_that_the_function_yields(text):
    assert run_limited(doubled, text, LIMITS) == os.fsencode(text) * 2


@pytest.mark.skipif(not hasattr(signal, "SIGXCPU"), reason="this system has no such limits")
@pytest.mark.parametrize(
    ("function", "changes", "reason"),
    [
        (crash, {}, r"crashes \(SIGSEGV\)"),
        (compute, {"seconds": 1}, "takes more than 1 s of computing"),
        (wait, {"patience": 1}, "takes more than 1 s$"),
        (fail, {}, r"crashes \(exit code 1\)"),
    ],
)
def test_says_how_the_process_ended(function, changes, reason):
    begin = time.monotonic()
    with pytest.raises(ProcessEnded, match=reason):
        run_limited(function, "", LIMITS._replace(**changes))
    assert time.monotonic() - begin < 20


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_memory_is_limited():
    with pytest.raises(ProcessEnded, match="exit code 1"):
        run_limited(allocate, "", LIMITS)
    assert len(run_limited(allocate, "", LIMITS._replace(memory=2**30))) == 2**28


def test_the_clock_alone_ends_it_where_a_system_has_no_limits(monkeypatch):
    monkeypatch.setattr("jaxstyle.runtime.limited_process.GRACE", -59)
    with pytest.raises(ProcessEnded, match="takes more than 60 s"):
        run_limited(compute, "", LIMITS)


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_ctrl_c_ends_it():
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from test_limited_process import LIMITS, compute, run_limited\n"
        "print('begun', flush=True)\n"
        "run_limited(compute, '', LIMITS)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, os.path.dirname(__file__)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that the group is known by which to look for the process
    )
    with parent:
        assert parent.stdout is not None and parent.stdout.readline() == b"begun\n"
        time.sleep(0.5)
        parent.send_signal(signal.SIGINT)
        parent.wait(15)
    assert parent.returncode == -signal.SIGINT
    with pytest.raises(ProcessLookupError):
        os.killpg(parent.pid, 0)
