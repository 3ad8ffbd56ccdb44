"""Exceptions that mean something: to whoever runs the program, or to a run that can go on."""

from __future__ import annotations


class InputError(ValueError):
    """Something that the user gave cannot be used.

    The message is one line: what was got, what is needed, what to do. The command line prints it
    without a traceback and exits with code 2.
    """


def is_out_of_memory(error: Exception) -> bool:
    """Whether the backend, or Python, could not get the memory it wanted."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
