"""One way for every reader to say no."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import IO, TypeVar

from jaxstyle.errors import WeightFileError

Result = TypeVar("Result")

_LONGEST_PATH = 1000


def weight_reader(
    read: Callable[[IO[bytes]], Result],
) -> Callable[[str | os.PathLike[str]], Result]:
    """Make a reader of open files one of paths, which says no in one line.

    It raises a WeightFileError if the file is missing, damaged or malicious, or is no VGG.
    """

    @wraps(read)
    def read_path(path: str | os.PathLike[str]) -> Result:
        with refusals(path), Path(path).open("rb") as file:
            return read(file)

    return read_path


@contextmanager
def refusals(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever goes wrong in the block into one line that names the file.

    Raises:
        WeightFileError: there is no such file, it is no regular file, or the block failed.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise WeightFileError(f"{path} is not a file")
    try:
        yield
    except WeightFileError as error:
        raise WeightFileError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise WeightFileError(f"there is no weight file {path}") from None
    except MemoryError:
        raise WeightFileError(f"{path}: reading it takes absurdly much memory") from None
    except Exception as error:  # libraries raise all kinds of them on damaged files
        reason = getattr(error, "strerror", None)
        if not reason:
            reason = f"{str(error) or type(error).__name__}: if it is cut short, download it again"
        raise WeightFileError(f"cannot read weights from {path}: {shown(reason, 160)}") from error


def path_within(prefix: str, name: object) -> str:
    """A name behind that of the group it is in; summed along nesting they may take gigabytes.

    Raises:
        WeightFileError: it is absurdly long.
    """
    path = f"{prefix}{name}"
    if len(path) > _LONGEST_PATH:
        raise WeightFileError(f"{shown(path)} is absurdly long for the name of a layer")
    return path


def shown(text: object, length: int = 60) -> str:
    """Text from a file made fit for one line of a message: printable ASCII, cut to ``length``."""
    line = ascii(str(text)[:length])[1:-1]
    return line if len(line) <= length else line[:length] + "..."
