"""Files of any kind that are either whole or not there."""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO

from jaxstyle.errors import ImageError, quoted, reason_of

_PREFIX = ".jaxstyle-"
_DAY = 86400.0
"""Seconds after which a file that is half written belongs to nobody any more."""


def at_home(path: str | os.PathLike[str]) -> str:
    """A path with the user's home in the place of a leading ``~``, as a shell would give it."""
    with suppress(ValueError):  # NUL in it: it is refused where it is opened
        return os.path.expanduser(os.fsdecode(path))
    return os.fsdecode(path)


def extension_of(path: str | os.PathLike[str]) -> str:
    """The ending that says what kind of file is meant, in lower case: ``.gif``."""
    return os.path.splitext(os.fsdecode(path))[1].lower()


def check_extension(path: str | os.PathLike[str], extensions: Sequence[str]) -> str:
    """The extension of a path, which must be one of those.

    Raises:
        ImageError: it is none of them.
    """
    extension = extension_of(path)
    if extension not in extensions:
        what = f"its extension is {extension!r}" if extension else "it has no extension"
        raise ImageError(f"cannot write {quoted(path)}: {what}: use one of {' '.join(extensions)}")
    return extension


def check_file(path: str | os.PathLike[str], extensions: Sequence[str] = ()) -> None:
    """See before a long run whether a file can be written there.

    Args:
        extensions: those that are possible; any if empty.

    Raises:
        ImageError: unknown extension, no such folder, no right to write into it, or something
            other than a file has that name.
    """
    if extensions:
        check_extension(path, extensions)
    with replacing(path, give_up=True):
        pass


@contextmanager
def new_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name to write to within the block; at its end the file gets the name ``path``.

    If the block raises, whatever had that name stays as it was and nothing else is left.

    Raises:
        ImageError: the file cannot be written.
    """
    with replacing(path) as file:
        yield Path(file.name)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Put ``data`` into a file, replacing one of that name at once.

    Raises:
        ImageError: the file cannot be written.
    """
    with replacing(path) as file:
        file.write(data)


def target_of(path: str | os.PathLike[str]) -> Path:
    """Where a path really leads.

    Raises:
        ImageError: no such folder, or something other than a file has that name.
    """
    mode = None
    try:
        target = Path(os.path.realpath(at_home(path)))
        with suppress(FileNotFoundError, NotADirectoryError):
            mode = os.lstat(target).st_mode
    except (OSError, ValueError) as error:  # ValueError: NUL in a path
        raise cannot_write(path, error) from None
    if not target.parent.is_dir():
        raise ImageError(
            f"cannot write {quoted(path)}: there is no folder {quoted(target.parent)}: "
            "create it first"
        )
    # Replacing a device or a pipe by a file is never what was meant.
    if mode is not None and not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise ImageError(f"cannot write {quoted(path)}: it is {what}: choose another name")
    return target


@contextmanager
def replacing(
    path: str | os.PathLike[str], *, prefix: str = _PREFIX, give_up: bool = False
) -> Iterator[IO[bytes]]:
    """A new file that gets the name ``path`` at the end of the block; nothing of it stays else.

    Who may read and write it is as with the file that it replaces, or else as the umask has it.

    Args:
        prefix: of its name until then.
        give_up: see whether it can be made, and leave it at that.

    Raises:
        ImageError: the file cannot be written.
    """
    target = target_of(path)
    _remove_old_leftovers(target.parent)
    mode = _permissions(target)
    # Not tempfile: its files are for their owner alone, these are to have the usual permissions.
    temporary = target.parent / f"{prefix}{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "xb", opener=None if mode is None else _opened_by_owner) as file:
            yield file
            if give_up:
                return
            file.flush()
            if mode is not None and hasattr(os, "fchmod"):  # not on Windows
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())  # a full disk may speak up only now
        os.replace(temporary, target)
    except OSError as error:
        raise cannot_write(path, error) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _permissions(target: Path) -> int | None:
    """Who may read and write a file; None if there is none."""
    with suppress(OSError):
        return os.stat(target).st_mode & 0o777
    return None


def _opened_by_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@lru_cache(maxsize=64)
def _remove_old_leftovers(folder: Path) -> None:
    remove_leftovers(folder, _PREFIX, least_age=_DAY)


def remove_leftovers(folder: Path, prefix: str, *, least_age: float = 0.0) -> None:
    """Remove what processes that were killed while writing have left in a folder.

    Args:
        prefix: that ``replacing`` was given.
        least_age: seconds; a file that is younger may be being written.
    """
    with suppress(OSError):
        for entry in os.scandir(folder):
            if not re.fullmatch(rf"{re.escape(prefix)}[0-9a-f]+\.tmp", entry.name):
                continue
            status = entry.stat(follow_symlinks=False)
            own = os.name != "posix" or status.st_uid == os.geteuid()
            if own and stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime >= least_age:
                os.unlink(entry.path)


def cannot_write(path: str | os.PathLike[str], error: BaseException) -> ImageError:
    return ImageError(f"cannot write {quoted(path)}: {reason_of(error)}")
