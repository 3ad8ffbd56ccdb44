"""What a video shows while it goes on."""

from __future__ import annotations

import time

from jaxstyle.commands.display import Display, Shown
from jaxstyle.commands.reporting import loss_line
from jaxstyle.display.progress import LevelProgress
from jaxstyle.display.time_left import Pace
from jaxstyle.pipelines.video import Frame


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
