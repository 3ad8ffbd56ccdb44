"""Ctrl-C, and what asks for the same: SIGTERM of a scheduler, SIGHUP of a terminal that is lost.

Before a run has begun it is one line and exit code 130, at whatever moment it comes: Python raises
KeyboardInterrupt in the midst of whatever it does, and in the seconds in which JAX and Flax are
loaded that is code which makes a traceback or a crash of it, or loses it. In a run the step in hand
is finished.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

EXIT_CODE = 130
LINE = "interrupted"

_USUAL: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    **({signal.SIGHUP: signal.SIG_DFL} if hasattr(signal, "SIGHUP") else {}),
}
"""What Python has these signals do; where a host program or ``nohup`` has not, it stays so."""


@contextmanager
def until_begun() -> Iterator[None]:
    """Within the block, and until ``begun`` is called, an interrupt ends the process at once.

    Nothing changes outside the main thread. After ``begun`` SIGTERM and SIGHUP raise
    KeyboardInterrupt too, until the end of the block.
    """
    usual = {
        number: handler for number, handler in _USUAL.items() if signal.getsignal(number) is handler
    }
    if not _in_main_thread() or not usual:
        yield
        return
    for number in usual:
        signal.signal(number, _leave)
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def begun() -> None:
    """From now on they raise KeyboardInterrupt: all is loaded, and files may be half written."""
    for number in _USUAL if _in_main_thread() else ():
        if signal.getsignal(number) is _leave:
            signal.signal(number, signal.default_int_handler)


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """Turn the first interrupt into a flag: a donated state must not be lost halfway in a step.

    A second Ctrl-C raises KeyboardInterrupt as usual. A second SIGTERM or SIGHUP changes nothing,
    also after the block, for those who send them do so more than once. Outside the main thread,
    and where a host program that is not Python handles Ctrl-C, nothing changes.
    """
    flag = threading.Event()
    before = {number: signal.getsignal(number) for number in _USUAL}
    if before[signal.SIGINT] is None or not _in_main_thread():
        yield flag
        return
    raising = signal.default_int_handler
    deferred = {n: h for n, h in before.items() if n == signal.SIGINT or h is raising}

    def note(number: int, _frame: Any) -> None:
        flag.set()
        if number == signal.SIGINT:
            signal.signal(number, before[number])
        else:
            deferred.update(dict.fromkeys(deferred.keys() - {signal.SIGINT}, signal.SIG_IGN))

    for number in deferred:
        signal.signal(number, note)
    try:
        yield flag
    finally:
        for number, handler in deferred.items():
            signal.signal(number, handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _leave(_signal: int, _frame: Any) -> None:
    try:
        os.write(2, f"{LINE}\n".encode())
    finally:
        os._exit(EXIT_CODE)  # no exception, which an import under way might swallow
