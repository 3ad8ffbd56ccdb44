"""What a run shows while it goes on."""

from __future__ import annotations

import math
import sys
import time
from contextlib import AbstractContextManager
from typing import Self

from jaxstyle.cli.report.terminal import PLAIN_EVERY, Display, Shown
from jaxstyle.display.progress import LevelProgress
from jaxstyle.display.time_left import Pace
from jaxstyle.optimize import Progress
from jaxstyle.pipelines import chunks
from jaxstyle.pipelines.video import Frame


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


class GridReporter(Display):
    """A callback for ``sweep`` and ``run_many``."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.pace = Pace(None)
        self.before: chunks.Progress | None = None

    def __call__(self, event: chunks.Progress) -> None:
        """Show one step."""
        if self.quiet:
            return
        step, pace = event.batch.step, self._pace(event)
        pace.note(event.level, event.levels, step, event.sizes)
        values = [value for value in event.batch.values if math.isfinite(value)]
        low, high = (f"{value:.3g}" for value in (min(values), max(values))) if values else ("", "")
        loss = f"loss {low}" if low == high else f"losses {low} to {high}"
        done = event.done + event.chunk * (pace.share or 0.0)
        left, later = pace.left, event.cells - event.done - event.chunk
        if left is not None and pace.whole is not None:
            left += pace.whole * later / event.chunk  # their program is compiled
        place = (
            f"{event.done}/{event.cells} done, {event.chunk} at once, "
            f"{event.width}x{event.height} ({event.level}/{event.levels}) {step}/{event.steps}"
        )
        shown = Shown(place, loss if low else "no finite loss", done / event.cells, pace.rate, left)
        often = step == 1 or step % PLAIN_EVERY == 0
        self.tell(shown, plain=often or event.batch.running == 0)

    def _pace(self, event: chunks.Progress) -> Pace:
        """That of the chunk in hand."""
        before, self.before = self.before, event
        if before is not None and (event.done != before.done or event.level < before.level):
            self.pace = Pace(None)
        self.pace.steps = event.steps
        return self.pace


class FrameReporter(Display):
    """A callback for ``stylize_video``.

    Args:
        quiet: show nothing.
        count: of the frames; 0 if that is not known.
    """

    def __init__(self, *, quiet: bool, count: int) -> None:
        super().__init__(quiet=quiet)
        self.count = count
        self._begin()
        self.made = 0
        self.each: float | None = None

    def __call__(self, index: int, event: LevelProgress) -> None:
        """Show one step."""
        if self.quiet:
            return
        self.pace.add(event)
        place = (
            f"frame {index + 1}/{self.count or '?'}, {event.width}x{event.height} "
            f"({event.level}/{event.levels}) {event.step}/{event.steps}"
        )
        share = (index + (self.pace.share or 0.0)) / self.count if self.count else None
        loss = loss_line(event.progress, terms=self.has_room)
        self.tell(Shown(place, loss, share, self.pace.rate, self._left(index)), plain=False)

    def finished(self, frame: Frame) -> None:
        """Show one frame."""
        if frame.result is None:
            return
        # The first frame takes more steps, and the next one compiles the program of the others.
        self.made += 1
        if self.made > 2 and not frame.anew:
            self.each = time.monotonic() - self.begun
        self._begin()
        how = "begun anew" if frame.anew else f"{frame.flicker:.4f} from the last"
        self.say(
            f"frame {frame.index + 1}: loss {frame.result.loss:.4g} after {frame.result.steps} "
            f"steps, {frame.result.seconds:.1f} s, {how}"
        )

    def _begin(self) -> None:
        self.begun, self.pace = time.monotonic(), Pace(None)

    def _left(self, index: int) -> float | None:
        """Seconds; None before it is known what a frame takes that begins with the last one."""
        each = self.each if self.each is not None or self.made == 0 else self.pace.whole
        if self.pace.left is None or not self.count:
            return None
        later = self.count - index - 1
        if each is None:
            return self.pace.left if later == 0 else None
        return self.pace.left + later * each
