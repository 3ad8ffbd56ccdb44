"""What a grid of runs shows while it goes on."""

from __future__ import annotations

import math

from jaxstyle.chunks import Progress
from jaxstyle.commands.reporting import PLAIN_EVERY, Display
from jaxstyle.preview.pace import share_done


class GridReporter(Display):
    """A callback for ``sweep``."""

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
        within = share_done(event.level, event.levels, step / event.steps)
        self.advance(place, spread, event.done + event.chunk * within, event.cells)
