"""Exceptions that mean something: to whoever runs the program, or to a run that can go on."""

from __future__ import annotations

import os


class InputError(ValueError):
    """Something that the user gave cannot be used.

    The message is one line: what was got, what is needed, what to do. The command line prints it
    without a traceback and exits with code 2.
    """


def is_out_of_memory(error: Exception) -> bool:
    """Whether the backend, or Python, could not get the memory it wanted."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


class WeightFileError(InputError):
    """A file of weights cannot be used. The message is one line for the user."""


class ImageError(InputError):
    """A picture that cannot be read, used or written; the message is one line for the user."""


def reason_of(error: BaseException) -> str:
    """What an exception says, in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]


def counted(number: int, noun: str) -> str:
    """Such as ``1 program`` or ``2 programs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def quoted(path: str | os.PathLike[str]) -> str:
    """A path for a message: in quotes, on one line whatever is in it."""
    return repr(os.fsdecode(path))


def printable(text: str) -> str:
    """One line for a terminal: what would move its cursor, ring, or turn the text is escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
