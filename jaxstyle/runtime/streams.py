"""Standard streams that are not there, or end early: cron, pythonw, ``>&-``, ``| head -1``."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from jaxstyle.errors import reason_of

_NOBODY_READS = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ESHUTDOWN)
"""A reader that has gone away, or a terminal that is lost."""


class Stream:
    """A text stream to write to, after whose first failure nothing is written any more.

    Attributes:
        failure: why not, in words; empty where all is well, or there is nobody to read it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.failure = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text; what the encoding has no letter for, as ``\\udcff``."""
        try:
            return self.stream.write(text)
        except UnicodeEncodeError:
            encoding = self.stream.encoding
            return self.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except (OSError, ValueError) as error:  # ValueError: it is closed
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Write what is waiting to be."""
        try:
            self.stream.flush()
        except (OSError, ValueError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno not in _NOBODY_READS:
            self.failure = reason_of(error)
        # Else Python tries again as it ends, and complains.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())
            self.stream.flush()


@contextmanager
def standard_streams() -> Iterator[Stream]:
    """Within the block, standard output and error can be written to whatever becomes of them.

    Returns:
        Standard output.
    """
    # Else the next file that is opened, such as a picture, gets what libraries say to number 2.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w") as nothing:
        output, errors = (Stream(stream or nothing) for stream in before)
        sys.stdout, sys.stderr = output, errors
        try:
            yield output
        finally:
            output.flush()
            errors.flush()
            sys.stdout, sys.stderr = before
