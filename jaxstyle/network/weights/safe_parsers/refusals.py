"""One way for every reader to say no."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import IO, TypeVar

from jaxstyle.network.network import WeightFileError

Result = TypeVar("Result")


def weight_reader(
    *kinds: type[Exception],
) -> Callable[[Callable[[IO[bytes]], Result]], Callable[[str | os.PathLike[str]], Result]]:
    """Make a reader of open files one of paths, which says no in one line.

    It raises a WeightFileError if the file is missing, damaged or malicious, or is no VGG.

    Args:
        kinds: what the libraries that it uses raise on damaged files, besides ``OSError``.
    """

    def decorate(read: Callable[[IO[bytes]], Result]) -> Callable[..., Result]:
        @wraps(read)
        def read_path(path: str | os.PathLike[str]) -> Result:
            with refusals(path, *kinds), Path(path).open("rb") as file:
                return read(file)

        return read_path

    return decorate


@contextmanager
def refusals(path: str | os.PathLike[str], *kinds: type[Exception]) -> Iterator[None]:
    """Turn whatever goes wrong in the block into one line that names the file.

    Args:
        kinds: what the libraries used in the block raise on damaged files, besides ``OSError``.

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
    except (OSError, *kinds) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise WeightFileError(f"cannot read weights from {path}: {shown(reason, 160)}") from None


def shown(text: object, length: int = 60) -> str:
    """Text from a file made fit for one line of a message: printable ASCII, cut to ``length``."""
    line = ascii(str(text)[:length])[1:-1]
    return line if len(line) <= length else line[:length] + "..."
