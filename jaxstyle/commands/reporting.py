"""What a run shows while it goes on."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Self

from jaxstyle.commands.display import PLAIN_EVERY, Display, Shown
from jaxstyle.display.progress import LevelProgress
from jaxstyle.display.time_left import Pace
from jaxstyle.optimize import Progress


class Reporter(Display):
    """A callback for ``stylize``.

    Args:
        quiet: show nothing.
        steps: per level.
    """

    def __init__(self, *, quiet: bool, steps: int) -> None:
        super().__init__(quiet=quiet)
        self.steps = steps
        self.pace = Pace(steps)
        self.plan = ""

    def __call__(self, event: LevelProgress) -> None:
        """Show one step."""
        if self.quiet:
            return
        if self.plan and event.plan != self.plan:
            self.say(f"strategy {event.plan}")
        self.plan = event.plan
        self.pace.add(event)
        loss = loss_line(event.progress, terms=self.has_room)
        place = f"{event.width}x{event.height} ({event.level}/{event.levels})"
        step = f"{event.step}/{self.steps}"
        place += f" {step}" if self.bar is not None else f" step {step}"
        shown = Shown(place, loss, self.pace.share, self.pace.rate, self.pace.left)
        often = event.step == 1 or event.step % PLAIN_EVERY == 0
        self.tell(shown, plain=often or event.step == self.steps)


def loss_line(progress: Progress, *, terms: bool) -> str:
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
