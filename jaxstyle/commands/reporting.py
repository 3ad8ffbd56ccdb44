"""What a run shows while it goes on: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from jaxstyle.api import LevelProgress
from jaxstyle.optimize import Progress as Step
from jaxstyle.preview.pace import share_done
from jaxstyle.usage import memory_in_use

PLAIN_EVERY = 25
"""Steps between two plain lines."""
ROOMY = 120
"""Columns of a terminal that hold the bar and the terms of the loss."""


class Display(AbstractContextManager["Display"]):
    """A live bar on a terminal; all of it, and plain lines, go to standard error.

    Args:
        quiet: show nothing.

    Attributes:
        bar: None where it is quiet or there is no terminal.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.console = Console(stderr=True, highlight=False)
        self.bar: Progress | None = None
        if not quiet and self.console.is_terminal:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[loss]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(elapsed_when_finished=False),
                console=self.console,
            )
            self.task = self.bar.add_task("compiling", total=None, loss="")

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *_exception: object) -> None:
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

    def advance(self, place: str, loss: str, done: float, total: float) -> None:
        """Move the bar, which there must be."""
        assert self.bar is not None
        self.bar.update(self.task, description=place, completed=done, total=total, loss=loss)


class Reporter(Display):
    """A callback for ``stylize``.

    Args:
        quiet: show nothing.
        steps: per level.
    """

    def __init__(self, *, quiet: bool, steps: int) -> None:
        super().__init__(quiet=quiet)
        self.steps = steps
        self.plan = ""

    def __call__(self, event: LevelProgress) -> None:
        """Show one step."""
        if self.quiet:
            return
        if self.plan and event.plan != self.plan:
            self.say(f"strategy {event.plan}")
        self.plan = event.plan
        rate = event.step / max(event.progress.seconds, 1e-9)
        # Where there is little room, what is left of the run counts more than the terms.
        roomy = self.bar is None or self.console.width >= ROOMY
        loss = f"{loss_line(event.progress, terms=roomy)}, {rate:.3g} steps/s, {memory_in_use()}"
        place = f"{event.width}x{event.height} ({event.level}/{event.levels})"
        if self.bar is not None:
            done = share_done(event.level, event.levels, event.step / self.steps)
            self.advance(f"{place} {event.step}/{self.steps}", loss, done, 1)
        elif event.step == 1 or event.step % PLAIN_EVERY == 0 or event.step == self.steps:
            self.say(f"{place} step {event.step}/{self.steps}: {loss}")


def loss_line(progress: Step, *, terms: bool) -> str:
    """The loss of this step, as the sum of its terms; the best one too, where that is another."""
    found, best = f"{progress.value:.4g}", f"{progress.best:.4g}"
    parts = {name: getattr(progress.terms, name) for name in ("content", "style", "tv", "other")}
    if not parts["other"]:
        del parts["other"]
    total = " = " + " + ".join(f"{name} {part:.3g}" for name, part in parts.items())
    return f"loss {found}{total if terms else ''}" + (f", best {best}" if best != found else "")


class PanelReporter(AbstractContextManager["PanelReporter"]):
    """A callback for runs one after another, each with a name."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.panel = ""
        self.reporter: Reporter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end()

    def say(self, line: str) -> None:
        """Print one line."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def __call__(self, panel: str, event: LevelProgress, steps: int) -> None:
        """Show one step of a panel."""
        if self.quiet:
            return
        if panel != self.panel:
            self._end()
            self.panel = panel
            self.say(panel)
            self.reporter = Reporter(quiet=False, steps=steps)
            self.reporter.__enter__()
        assert self.reporter is not None
        self.reporter(event)

    def _end(self) -> None:
        if self.reporter is not None:
            self.reporter.__exit__(None, None, None)
        self.reporter = None
