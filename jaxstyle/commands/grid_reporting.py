"""What a grid of runs shows while it goes on."""

from __future__ import annotations

import math

from jaxstyle.commands.display import PLAIN_EVERY, Display, Shown
from jaxstyle.display.time_left import Pace
from jaxstyle.pipelines.chunks import Progress


class GridReporter(Display):
    """A callback for ``sweep`` and ``run_many``."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.pace = Pace(None)
        self.before: Progress | None = None

    def __call__(self, event: Progress) -> None:
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

    def _pace(self, event: Progress) -> Pace:
        """That of the chunk in hand."""
        before, self.before = self.before, event
        if before is not None and (event.done != before.done or event.level < before.level):
            self.pace = Pace(None)
        self.pace.steps = event.steps
        return self.pace
