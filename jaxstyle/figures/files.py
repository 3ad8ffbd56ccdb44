"""Files of any kind that are either whole or not there."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jaxstyle.errors import InputError
from jaxstyle.images.picture import quoted, reason_of


def extension_of(path: str | os.PathLike[str]) -> str:
    """The ending that says what kind of file is meant, in lower case: ``.gif``."""
    return os.path.splitext(os.fsdecode(path))[1].lower()


def check_file(path: str | os.PathLike[str], extensions: Sequence[str] = ()) -> None:
    """See before a long run whether a file can be written there.

    Args:
        extensions: those that are possible; any if empty.

    Raises:
        InputError: unknown extension, no such folder, no right to write into it, or something
            other than a file has that name.
    """
    extension = extension_of(path)
    if extensions and extension not in extensions:
        what = f"its extension is {extension!r}" if extension else "it has no extension"
        raise InputError(f"cannot write {quoted(path)}: {what}: use one of {' '.join(extensions)}")
    try:
        temporary = _temporary(_target(path))
        try:
            temporary.touch(exist_ok=False)
        finally:
            temporary.unlink(missing_ok=True)
    except InputError:  # a ValueError, too
        raise
    except (OSError, ValueError) as error:  # ValueError: NUL in a path
        raise _cannot_write(path, error) from None


@contextmanager
def new_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name to write to within the block; at its end the file gets the name ``path``.

    If the block raises, whatever had that name stays as it was and nothing else is left.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        target = _target(path)
        temporary = _temporary(target)
        try:
            temporary.touch(exist_ok=False)
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())  # a full disk may speak up only now
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except InputError:
        raise
    except OSError as error:
        raise _cannot_write(path, error) from None


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Put ``data`` into a file, replacing one of that name at once.

    Raises:
        InputError: the file cannot be written.
    """
    with new_file(path) as temporary:
        temporary.write_bytes(data)


def _target(path: str | os.PathLike[str]) -> Path:
    """Where a path really leads."""
    try:
        target = Path(os.path.realpath(path))
        mode = os.lstat(target).st_mode if os.path.lexists(target) else None
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from None
    if not target.parent.is_dir():
        raise InputError(
            f"cannot write {quoted(path)}: there is no folder {quoted(target.parent)}: "
            "create it first"
        )
    # Replacing a device or a pipe by a file is never what was meant.
    if mode is not None and not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise InputError(f"cannot write {quoted(path)}: it is {what}: choose another name")
    return target


def _temporary(target: Path) -> Path:
    # Not tempfile: its files are for their owner alone, these are to have the usual permissions.
    return target.parent / f".jaxstyle-{secrets.token_hex(8)}.tmp"


def _cannot_write(path: str | os.PathLike[str], error: BaseException) -> InputError:
    return InputError(f"cannot write {quoted(path)}: {reason_of(error)}")
