"""Traces of a few steps by JAX's profiler, for xprof and Perfetto."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

from jaxstyle.errors import InputError

SKIPPED, TRACED = 2, 3
"""Calls of a loop's program that go before, as they compile and warm up; and those of a trace."""
MOST_TRACES = 8
"""A batch or video has no end of loops that could be traced."""


class Traces:
    """Where traces go, and how many there are.

    Attributes:
        folder: of all traces; each lies in a folder of its own below ``plugins/profile``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.begun = folder, 0


_traces: list[Traces] = []


@contextmanager
def profiling(folder: Path | None) -> Iterator[None]:
    """Trace some steps of each loop that begins inside; of none where ``folder`` is None.

    Raises:
        InputError: the folder cannot be written to.
    """
    if folder is None:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write traces to {folder}: {error.strerror}") from error
    _traces.append(Traces(folder))
    try:
        yield
    finally:
        _traces.pop()


@contextmanager
def traced_steps() -> Iterator[Callable[[], None]]:
    """A function that a loop calls before each call of its program, so that some are traced."""
    calls, tracing = 0, False

    def begin() -> None:
        nonlocal calls, tracing
        calls += 1
        if tracing and calls == SKIPPED + TRACED + 1:
            tracing = False
            jax.profiler.stop_trace()
        elif _traces and calls == SKIPPED + 1 and _traces[-1].begun < MOST_TRACES:
            options = jax.profiler.ProfileOptions()
            options.python_tracer_level = 0  # else it outweighs what the device does
            jax.profiler.start_trace(_traces[-1].folder, profiler_options=options)
            _traces[-1].begun += 1
            tracing = True

    try:
        yield begin
    finally:
        if tracing:
            jax.profiler.stop_trace()
