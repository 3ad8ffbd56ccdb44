"""What a run shows while it goes on: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from jaxstyle.api import LevelProgress

PLAIN_EVERY = 25
"""Steps between two plain lines."""


class Reporter(AbstractContextManager["Reporter"]):
    """A callback for ``stylize``; everything it shows goes to standard error.

    Args:
        quiet: show nothing.
        steps: per level.
    """

    def __init__(self, *, quiet: bool, steps: int) -> None:
        self.quiet, self.steps = quiet, steps
        self.console = Console(stderr=True, highlight=False)
        self.bar: Progress | None = None
        self.finished = 0.0
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

    def __enter__(self) -> Reporter:
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

    def __call__(self, event: LevelProgress) -> None:
        """Show one step."""
        if self.quiet:
            return
        terms, rate = event.progress.terms, event.step / max(event.progress.seconds, 1e-9)
        loss = (
            f"loss {event.progress.best:.4g} = content {terms.content:.3g} + style "
            f"{terms.style:.3g} + tv {terms.tv:.3g}, {rate:.3g} steps/s"
        )
        place = f"{event.width}x{event.height} ({event.level}/{event.levels})"
        if self.bar is not None:
            self._advance(event, f"{place} {event.step}/{self.steps}", loss)
        elif event.step == 1 or event.step % PLAIN_EVERY == 0 or event.step == self.steps:
            self.say(f"{place} step {event.step}/{self.steps}: {loss}")

    def _advance(self, event: LevelProgress, place: str, loss: str) -> None:
        assert self.bar is not None
        # Work is counted in pixels and steps, so that the time left is right across the levels:
        # each level has twice the pixels of the one before.
        share = 2.0 ** (event.level - event.levels)
        before = sum(2.0 ** (level - event.levels) for level in range(1, event.level))
        total = sum(2.0 ** (level - event.levels) for level in range(1, event.levels + 1))
        done = before + share * event.step / self.steps
        self.bar.update(self.task, description=place, completed=done, total=total, loss=loss)


class PanelReporter(AbstractContextManager["PanelReporter"]):
    """A callback for runs one after another, each with a name."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.panel = ""
        self.reporter: Reporter | None = None

    def __enter__(self) -> PanelReporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
