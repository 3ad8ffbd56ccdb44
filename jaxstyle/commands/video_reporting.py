"""What a video shows while it goes on."""

from __future__ import annotations

from jaxstyle.api import LevelProgress
from jaxstyle.commands.reporting import Display
from jaxstyle.video import Frame


class FrameReporter(Display):
    """A callback for ``stylize_video``.

    Args:
        quiet: show nothing.
        count: of the frames; 0 if that is not known.
    """

    def __init__(self, *, quiet: bool, count: int) -> None:
        super().__init__(quiet=quiet)
        self.count = count

    def __call__(self, index: int, event: LevelProgress) -> None:
        """Show one step."""
        if self.bar is not None:
            place = f"frame {index + 1}/{self.count or '?'} {event.width}x{event.height}"
            loss = f"step {event.total_step}, loss {event.progress.best:.4g}"
            self.advance(place, loss, index, max(self.count, index + 1))

    def finished(self, frame: Frame) -> None:
        """Show one frame."""
        if frame.result is None:
            return
        how = "begun anew" if frame.anew else f"{frame.flicker:.4f} from the last"
        self.say(
            f"frame {frame.index + 1}: loss {frame.result.loss:.4g} after {frame.result.steps} "
            f"steps, {frame.result.seconds:.1f} s, {how}"
        )
