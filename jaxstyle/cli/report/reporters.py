"""What commands show while they run: one picture, panels, a grid, a video."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from jaxstyle.cli.report.terminal import PLAIN_EVERY, Display, Shown
from jaxstyle.display.time_left import Pace

if TYPE_CHECKING:
    from jaxstyle.display.progress import LevelProgress
    from jaxstyle.optimize import Progress
    from jaxstyle.pipelines import chunks
    from jaxstyle.pipelines.video import Frame


def loss_line(progress: Progress, *, terms: bool) -> str:
    """The loss of this step, as the sum of its terms; the best one too, where that is another."""
    loss, best = f"{progress.value:.4g}", f"{progress.best:.4g}"
    parts = {name: getattr(progress.terms, name) for name in ("content", "style", "tv", "other")}
    if not parts["other"]:
        del parts["other"]
    total = " = " + " + ".join(f"{name} {part:.3g}" for name, part in parts.items())
    return f"loss {loss}{total if terms else ''}" + (f", best {best}" if best != loss else "")


def level_line(event: LevelProgress | chunks.Progress) -> str:
    """Such as ``512x384 (3/5)``."""
    return f"{event.width}x{event.height} ({event.level}/{event.levels})"


class Reporter(Display):
    """A callback for ``stylize``.

    Args:
        quiet: show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.begin()

    def begin(self) -> None:
        """Begin a run."""
        self.pace, self.plan = Pace(None), ""

    def __call__(self, event: LevelProgress) -> None:
        """Show one step."""
        if self.quiet:
            return
        if self.plan and event.plan != self.plan:
            self.say(f"strategy {event.plan}")
        self.plan = event.plan
        self.pace.add(event)
        loss = loss_line(event.progress, terms=self.has_room)
        step = f"{event.step}/{event.steps}"
        where = f"{level_line(event)} {step if self.bar is not None else f'step {step}'}"
        shown = Shown(where, loss, self.pace.share, self.pace.rate, self.pace.left)
        often = event.step == 1 or event.step % PLAIN_EVERY == 0
        self.tell(shown, plain=often or event.step == event.steps)


class PanelReporter(Reporter):
    """A reporter of runs one after another, each with a name; ``panel_step`` is its callback."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.panel = ""

    def panel_step(self, panel: str, event: LevelProgress) -> None:
        """Show one step of a panel."""
        if panel != self.panel:
            self.panel = panel
            self.say(panel)
            self.begin()
        self(event)


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
        step, pace = event.batch.step, self._pace_of_chunk(event)
        pace.note(event.level, event.levels, step, event.sizes)
        values = [value for value in event.batch.values if math.isfinite(value)]
        low, high = (f"{value:.3g}" for value in (min(values), max(values))) if values else ("", "")
        loss = f"loss {low}" if low == high else f"losses {low} to {high}"
        done = event.done + event.chunk * (pace.share or 0.0)
        left, later = pace.left, event.cells - event.done - event.chunk
        if left is not None and pace.whole is not None:
            left += pace.whole * later / event.chunk  # their program is compiled
        where = (
            f"{event.done}/{event.cells} done, {event.chunk} at once, "
            f"{level_line(event)} {step}/{event.steps}"
        )
        shown = Shown(where, loss if low else "no finite loss", done / event.cells, pace.rate, left)
        often = step == 1 or step % PLAIN_EVERY == 0
        self.tell(shown, plain=often or event.batch.running == 0)

    def _pace_of_chunk(self, event: chunks.Progress) -> Pace:
        before, self.before = self.before, event
        if before is not None and (event.done != before.done or event.level < before.level):
            self.pace = Pace(None)
        self.pace.steps, self.pace.level_steps = event.steps, event.level_steps
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
        self.made = 0
        self.seconds_each: float | None = None
        self._begin_frame()

    def __call__(self, index: int, event: LevelProgress) -> None:
        """Show one step."""
        if self.quiet:
            return
        self.pace.add(event)
        frame = f"frame {index + 1}/{self.count or '?'}"
        where = f"{frame}, {level_line(event)} {event.step}/{event.steps}"
        share = (index + (self.pace.share or 0.0)) / self.count if self.count else None
        loss = loss_line(event.progress, terms=self.has_room)
        self.tell(Shown(where, loss, share, self.pace.rate, self._left(index)), plain=False)

    def finished(self, frame: Frame) -> None:
        """Show one frame."""
        if frame.result is None:
            return
        # The first frame takes more steps, and the next one compiles the program of the others.
        self.made += 1
        if self.made > 2 and not frame.anew:
            self.seconds_each = time.monotonic() - self.begun
        self._begin_frame()
        how = "begun anew" if frame.anew else f"{frame.flicker:.4f} from the last"
        self.say(
            f"frame {frame.index + 1}: loss {frame.result.loss:.4g} after {frame.result.steps} "
            f"steps, {frame.result.seconds:.1f} s, {how}"
        )

    def _begin_frame(self) -> None:
        self.begun, self.pace = time.monotonic(), Pace(None)

    def _left(self, index: int) -> float | None:
        """Seconds; None before it is known what a frame takes that begins with the last one."""
        if self.pace.left is None or not self.count:
            return None
        later = self.count - index - 1
        each = self.pace.whole if self.seconds_each is None and self.made else self.seconds_each
        if each is None:
            return self.pace.left if later == 0 else None
        return self.pace.left + later * each
