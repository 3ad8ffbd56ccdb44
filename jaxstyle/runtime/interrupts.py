"""Ctrl-C before a run has begun: one line and exit code 130, at whatever moment it comes.

Python raises KeyboardInterrupt in the midst of whatever it does. In the seconds in which JAX and
Flax are loaded that is code which makes a traceback or a crash of it, or loses it.
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


@contextmanager
def until_begun() -> Iterator[None]:
    """Within the block, and until ``begun`` is called, Ctrl-C ends the process at once.

    Nothing changes outside the main thread, or where a host program or ``nohup`` has set what
    Ctrl-C does.
    """
    if not _in_main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def begun() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt: all is loaded, and files may be half written."""
    if _in_main_thread() and signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _leave(_signal: int, _frame: Any) -> None:
    os.write(2, f"{LINE}\n".encode())
    os._exit(EXIT_CODE)  # no exception, which an import under way might swallow
