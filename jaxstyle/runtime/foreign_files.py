"""Files that somebody else has made or named: opened only if they are files."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from jaxstyle.errors import ImageError, reason_of
from jaxstyle.runtime.atomic_files import at_home


@contextmanager
def opened(
    path: str | os.PathLike[str], where: str, *, kind: str = "file", most: int | None = None
) -> Iterator[BufferedReader]:
    """Open a file to read, if it is one: pipes hang, devices never end or do things when opened.

    Args:
        where: how messages begin, such as ``style image 'a.jpg'``.
        kind: what the file is to be, for messages.
        most: bytes; any number if None.

    Raises:
        ImageError: there is no such file, it is no regular one, too large, or cannot be opened.
    """
    path = at_home(path)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{where} is a folder, not a {kind}: name a file in it")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{where} is not a regular file: save the {kind} to one first")
        if most is not None and status.st_size > most:
            raise ImageError(
                f"{where} has {status.st_size:,} bytes, a {kind} at most {most:,}: name another"
            )
        file = open(path, "rb")
    except FileNotFoundError:
        raise ImageError(f"{where} does not exist: check the path") from None
    except ImageError:
        raise
    except (OSError, ValueError) as error:  # ValueError: NUL in a path
        raise ImageError(f"{where} cannot be opened: {reason_of(error)}") from None
    with file:
        yield file


def is_plain_file(path: str | os.PathLike[str], most: int) -> bool:
    """Whether there is a regular file, of at most so many bytes, and not empty as those of /proc.

    The one question that is asked of a path out of a file before anything there is read.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and 0 < status.st_size <= most


def matching(pattern: str, folder: str | os.PathLike[str] = "") -> list[str]:
    """What fits a pattern, as ``glob.glob``; ``**`` goes into folders, and not where links lead.

    Links that lead back up would be gone round without end.
    """
    parts = Path(pattern).parts
    if "**" not in parts:
        return glob.glob(pattern, root_dir=folder or None)
    place = parts.index("**")
    before, after = os.path.join("", *parts[:place]), os.path.join("", *parts[place + 1 :]) or "*"
    found: dict[str, None] = {}
    for start in matching(before, folder) if before else [""]:
        top = os.path.join(folder, start) or os.curdir
        for inside, folders, _ in os.walk(top):
            folders[:] = [name for name in folders if not name.startswith(".")]
            where = os.path.normpath(os.path.join(start, os.path.relpath(inside, top)))
            found |= dict.fromkeys(
                os.path.normpath(os.path.join(where, match)) for match in matching(after, inside)
            )
    return list(found)
