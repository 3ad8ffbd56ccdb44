"""Where a run has got to: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import NamedTuple, Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jaxstyle.cli.report.messages import tell
from jaxstyle.errors import printable
from jaxstyle.runtime.memory import memory_in_use

PLAIN_EVERY = 25
"""Steps between two plain lines."""
ROOMY = 72
"""Columns of a terminal that hold the terms of the loss, in a row of their own."""
LONGEST_BAR, SHORTEST_BAR = 24, 6


class Shown(NamedTuple):
    """What is to be seen of a run.

    Attributes:
        where: the run is, such as ``512x384 (3/5) 20/300``.
        loss: such as ``loss 1.2``.
        share: of the work that is done, from 0 to 1; None where that is not known.
        rate: steps a second; None where it is not known yet.
        left: seconds, likewise.
    """

    where: str
    loss: str
    share: float | None = None
    rate: float | None = None
    left: float | None = None


class Display(AbstractContextManager["Display"]):
    """A live display on a terminal; all of it, and plain lines, go to standard error.

    Args:
        quiet: show nothing.

    Attributes:
        opening: a line to say before the first step is shown, once nothing can be refused any more.
        bar: None where it is quiet or there is no terminal.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.quiet, self.opening = quiet, ""
        self.console = Console(stderr=True, highlight=False)
        self.bar: Live | None = None
        if not quiet and self.console.is_terminal:
            self.rows = Rows()
            self.bar = Live(self.rows, console=self.console)

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    @property
    def has_room(self) -> bool:
        """For the terms of the loss."""
        return self.bar is None or self.console.width >= ROOMY

    def say(self, line: str) -> None:
        """Print one line, above the live display where there is one; nothing for an empty one."""
        if self.quiet or not line:
            return
        if self.console.is_terminal:
            self.console.print(printable(line), markup=False)
        else:
            tell(line)

    def tell(self, shown: Shown, *, plain: bool) -> None:
        """Show where the run is.

        Args:
            plain: whether it is time for a line, if there is no terminal.
        """
        if self.opening:
            self.say(self.opening)
            self.opening = ""
        if self.bar is not None:
            self.rows.tell(shown)
        elif plain:
            left = [] if shown.left is None else [f"{_clock(shown.left)} left"]
            self.say(f"{shown.where}: {', '.join([shown.loss, *_rate(shown), _memory(), *left])}")


class Rows:
    """The live display: all that there is to see, in as many rows as the terminal's width asks for.

    Nothing is cut off: what does not fit in a row begins the next one. The bar takes what is left
    over of the first row, and goes where that is little.
    """

    def __init__(self) -> None:
        self._started = self._updated = time.monotonic()
        self._shown = Shown("compiling", "")

    def tell(self, shown: Shown) -> None:
        """Show this from now on, its time left getting less."""
        self._shown, self._updated = shown, time.monotonic()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now, shown, width = time.monotonic(), self._shown, options.max_width
        figures = [*_rate(shown), _clock(now - self._started)]
        if shown.share is not None:
            left = None if shown.left is None else max(0.0, shown.left - (now - self._updated))
            figures.append(f"left {'-:--:--' if left is None else _clock(left)}")
        rows = list(_rows([shown.where, *figures], width))
        room = min(LONGEST_BAR, width - len(rows[0]) - 1)
        if len(rows) == 1 and room >= SHORTEST_BAR:
            row, share = Table.grid(padding=(0, 1), pad_edge=False), shown.share
            bar = ProgressBar(1.0, share or 0.0, width=room, pulse=share is None)
            row.add_row(shown.where, bar, " ".join(figures))
            yield row
        else:
            yield from map(Text, rows)
        if shown.loss:
            yield from map(Text, _rows([shown.loss, _memory()], width, ", "))


def _rate(shown: Shown) -> list[str]:
    return [] if shown.rate is None else [f"{shown.rate:.3g} steps/s"]


def _memory() -> str:
    return f"memory {memory_in_use()}"


def _rows(fields: Sequence[str], width: int, between: str = " ") -> Iterator[str]:
    """Fields in rows of a width."""
    row = ""
    for field in fields:
        longer = f"{row}{between}{field}" if row else field
        if row and len(longer) > width:
            yield row
            row = field
        else:
            row = longer
    yield row


def _clock(seconds: float) -> str:
    """Such as ``0:01:05``."""
    return str(timedelta(seconds=round(seconds)))
