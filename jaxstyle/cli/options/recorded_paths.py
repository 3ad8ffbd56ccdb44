"""Paths that a checkpoint names to be written to."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from jaxstyle.errors import InputError, quoted


def seen_from(checkpoint: str | os.PathLike[str], path: str | os.PathLike[str]) -> str:
    """A path to write to as a checkpoint names it: from the folder that it lies in."""
    folder, name = os.path.split(os.path.abspath(path))
    where, start = os.path.join(os.path.realpath(folder), name), _folder_of(checkpoint)
    try:
        return os.path.relpath(where, start)
    except ValueError:  # another drive
        return where


def below(checkpoint: str | os.PathLike[str], named: str, option: str) -> Path:
    """A path that a checkpoint names to write to: nothing but what lies below its own folder.

    Raises:
        InputError: it leads elsewhere, perhaps by a link, and ``option`` has to name a file.
    """
    folder = _folder_of(checkpoint)
    with suppress(OSError, ValueError):  # ValueError: NUL in it
        where = Path(os.path.realpath(os.path.join(folder, named)))
        if where.is_relative_to(folder):
            return where
    raise InputError(
        f"{checkpoint} would write to {quoted(named)}, which is not below its folder: say where to "
        f"by {option} FILE"
    )


def _folder_of(path: str | os.PathLike[str]) -> str:
    return os.path.realpath(os.path.dirname(os.path.abspath(path)))
