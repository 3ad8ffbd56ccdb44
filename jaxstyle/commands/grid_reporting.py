"""What a grid of runs shows while it goes on: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
from contextlib import AbstractContextManager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from jaxstyle.chunks import Progress

PLAIN_EVERY = 25
"""Steps between two plain lines."""


class GridReporter(AbstractContextManager["GridReporter"]):
    """A callback for ``sweep``; everything it shows goes to standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.console = Console(stderr=True, highlight=False)
        self.bar: Bar | None = None
        self.last_step = (-1, -1, -1)
        if not quiet and self.console.is_terminal:
            self.bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[loss]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(elapsed_when_finished=False),
                console=self.console,
            )
            self.task = self.bar.add_task("compiling", total=None, loss="")

    def __enter__(self) -> GridReporter:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def say(self, line: str) -> None:
        """Print one line, above the bar where there is one."""
        if self.quiet:
            return
        if self.console.is_terminal:
            self.console.print(line, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def __call__(self, event: Progress) -> None:
        """Show one step."""
        if self.quiet:
            return
        values = [value for value in event.batch.values if math.isfinite(value)]
        spread = f"losses {min(values):.3g} to {max(values):.3g}" if values else "no finite loss"
        step = event.batch.step
        place = (
            f"{event.done}/{event.cells} cells done, {event.chunk} at once, "
            f"{event.width}x{event.height} ({event.level}/{event.levels}) {step}/{event.steps}"
        )
        if self.bar is None:
            if step == 1 or step % PLAIN_EVERY == 0 or event.batch.running == 0:
                self.say(f"{place}: {spread}")
            return
        # Each level has about twice the pixels of the one before.
        shares = [2.0 ** (level - event.levels) for level in range(1, event.levels + 1)]
        within = sum(shares[: event.level - 1]) + shares[event.level - 1] * step / event.steps
        done = event.done + event.chunk * within / sum(shares)
        self.bar.update(
            self.task, description=place, completed=done, total=event.cells, loss=spread
        )
