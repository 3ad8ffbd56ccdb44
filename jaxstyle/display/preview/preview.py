"""``Preview``: a callback for a run that shows it on a page."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Self

import numpy as np
from jaxtyping import Float

from jaxstyle.display.loss_curves import Curves, plain
from jaxstyle.display.preview.server import Server
from jaxstyle.display.preview.viewers import Pages
from jaxstyle.display.progress import LevelProgress
from jaxstyle.display.thumbnails import jpeg, small
from jaxstyle.display.time_left import Pace
from jaxstyle.runtime.memory import memory_in_use

LONGEST_SIDE = 1600
"""px of what is sent; the file has it whole."""
THUMBNAIL = 320
PICTURE_EVERY = 1.0
MOST_TIME = 0.03
"""Of the run's time that pictures may take."""
LAST_WORD = 3.0
"""Seconds for which open pages may fetch the last picture."""


class Preview(AbstractContextManager["Preview"]):
    """Shows a run on a page at this machine's own address, until it is closed.

    A picture is made only while a page is before someone's eyes, at most every second, and so
    seldom that it takes at most 3 % of the time. Reaching the end of the ``with`` block closes it.

    >>> import numpy as np
    >>> content = np.zeros((24, 32, 3), np.float32)
    >>> with Preview(title="grey", settings={"size": 32}, content=content) as preview:
    ...     preview.url.startswith("http://127.0.0.1:")
    True

    Args:
        port: 0 takes a free one.
        title: of the page.
        settings: shown in a table.
        content: (height, width, 3) in [0, 1], to compare with; None where there is none.
        style: likewise, shown small.
        output: where the result will be.

    Raises:
        InputError: the port cannot be used.
    """

    def __init__(
        self,
        *,
        title: str,
        settings: Mapping[str, Any],
        content: Float[np.ndarray, "height width 3"] | None = None,
        style: Float[np.ndarray, "style_height style_width 3"] | None = None,
        output: str = "",
        port: int = 0,
    ) -> None:
        self._news = threading.Condition()
        self._pages = Pages()
        self._curves = Curves()
        self._pace = Pace(None)
        self._phase, self._message = "starting", ""
        self._stop = False
        self._place: dict[str, Any] = {}
        self._next_picture = 0.0
        given = (("content", content, LONGEST_SIDE), ("style", style, THUMBNAIL))
        self._pictures = {
            name: (0, jpeg(small(picture, longest)))
            for name, picture, longest in given
            if picture is not None
        }
        self._pixels: np.ndarray | None = None
        self._version = 0
        self._about = {
            "title": title,
            "output": output,
            "settings": {name: _shown(value) for name, value in settings.items()},
            "content": content is not None,
            "style": style is not None,
        }
        self._server = Server(self, port)

    @property
    def url(self) -> str:
        """Where the page is; whoever knows it, and sits at this machine, may look and stop."""
        return self._server.url

    def __call__(self, event: LevelProgress) -> bool:
        """Show one step.

        Returns:
            Whether someone has asked to stop.
        """
        with self._news:
            self._curves.add(event)
            self._pace.add(event)
            # Not the event itself: it would keep the state of this step alive.
            self._place = {
                "level": event.level,
                "levels": event.levels,
                "size": f"{event.width}x{event.height}",
                "step": event.step,
                "steps": self._pace.steps,
                "total": event.total_step,
                "best": plain(event.progress.best),
            }
            if self._phase == "starting":
                self._phase = "running"
            wanted = self._pages.seen and time.monotonic() >= self._next_picture
        if wanted:
            self._take(event)
        return self._stop

    def finish(
        self, image: Float[np.ndarray, "height width 3"] | None = None, message: str = ""
    ) -> None:
        """Tell the pages that the run has ended.

        Args:
            image: the result; None leaves the last picture.
            message: what became of it, such as ``saved to out.png``.
        """
        self._end("finished", message, image)

    def close(self) -> None:
        """Stop serving, once open pages have the last picture, or after three seconds."""
        if not self._ended:
            self._end("finished", "", None)
        end = time.monotonic() + LAST_WORD
        with self._news:
            while self._pages.lack(self._version) and time.monotonic() < end:
                self._news.wait(0.1)
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
            self._end("failed", " ".join(reason.split())[:300] or type(error).__name__, None)
        self.close()

    # What the server asks, on its own threads.

    def about(self) -> dict[str, Any]:
        """What never changes."""
        return self._about

    def state(self, page: str, since: int, *, patience: float = 0.0) -> dict[str, Any]:
        """What is to be shown now.

        Args:
            page: the name of the one that asks.
            since: the last step whose point of the curves it has.
            patience: seconds to wait for the end of the run: so asks a page in the background.
        """
        end = time.monotonic() + patience
        with self._news:
            self._pages.heard(page, sees=patience == 0)
            self._pages.waits(page, True)
            while not self._ended and time.monotonic() < end:
                self._news.wait(max(0.01, end - time.monotonic()))
            self._pages.waits(page, False)
            curves, pace = self._curves, self._pace
            return {
                "phase": self._phase,
                "ended": self._ended,
                "message": self._message,
                "picture": self._version,
                "seconds": pace.seconds,
                "left": pace.left,
                "rate": pace.rate,
                "share": pace.share,
                "memory": str(memory_in_use()),
                "curves": {
                    "names": curves.names,
                    "points": curves.since(since),
                    "breaks": curves.breaks,
                },
                **self._place,
            }

    def picture(self, name: str) -> tuple[int, bytes] | None:
        """Version and JPEG file of ``now``, ``content`` or ``style``; None where there is none."""
        with self._news:
            pixels, version = self._pixels, self._version
            made = self._pictures.get(name)
        if name == "now" and pixels is not None and (made is None or made[0] != version):
            made = version, jpeg(pixels)  # here, for the run need not wait for it
            with self._news:
                self._pictures[name] = made
        return made

    def sent(self, page: str, *, picture: int = 0, end: bool = False) -> None:
        """A page has got the picture of now, in this version, or word of the end."""
        with self._news:
            self._pages.got(page, picture=picture, end=end)
            self._news.notify_all()

    def ask_to_stop(self) -> None:
        """Let the run end after the step in hand."""
        with self._news:
            self._stop = True
            if self._phase in ("starting", "running"):
                self._phase = "stopping"

    @property
    def _ended(self) -> bool:
        return self._phase in ("finished", "failed")

    def _take(self, event: LevelProgress) -> None:
        """Fetch the picture: within the callback, for the state is given away to the next step."""
        start = time.monotonic()
        try:
            pixels = small(event.progress.current(), LONGEST_SIDE)
        except (MemoryError, RuntimeError) as error:  # looking on must not end a run
            with self._news:
                self._message = f"no picture: {' '.join(str(error).split())[:200]}"
            self._next_picture = float("inf")
            return
        now = time.monotonic()
        self._next_picture = now + max(PICTURE_EVERY, (now - start) / MOST_TIME)
        self._show(pixels)

    def _show(self, pixels: np.ndarray) -> None:
        with self._news:
            self._pixels, self._version = pixels, self._version + 1

    def _end(self, phase: str, message: str, image: np.ndarray | None) -> None:
        if image is not None:
            self._show(small(image, LONGEST_SIDE))
        with self._news:
            self._phase, self._message = phase, message
            self._news.notify_all()


def _shown(value: Any) -> str:
    if value is None or value is True or value is False:
        return {None: "none", True: "yes", False: "no"}[value]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
