"""A run to look at in a Jupyter notebook: the picture, the figures and the loss, in one display.

IPython is not needed to install jaxstyle; where there is a notebook it is there.
"""

from __future__ import annotations

import base64
import sys
import time
from html import escape
from typing import Any

import numpy as np

from jaxstyle.display.loss_curves import Curves
from jaxstyle.display.progress import LevelProgress
from jaxstyle.display.thumbnails import jpeg, small
from jaxstyle.display.time_left import Pace
from jaxstyle.errors import InputError
from jaxstyle.runtime.memory import memory_in_use

_MOST_TIME = 0.05  # of the run's, that the display may take
# Seen on white and on black alike.
_COLOURS = ("currentColor", "#2f8fd0", "#e06a10", "#0a9c74", "#b0609a", "#9a8200")


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook, and not a terminal or a script."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__)


class NotebookProgress:
    """A callback for ``stylize`` that keeps one display of a notebook up to date.

    ``stylize`` uses one by itself in a notebook, unless it is given ``callback``. To stop a run,
    interrupt the kernel: the picture so far is returned.

    Args:
        every: least seconds between two updates; 0 shows each step, whatever that costs.
        longest: of the picture shown, in px.
        steps: of each level, if known: then the time left is shown from the start.

    Raises:
        InputError: IPython is not installed.
    """

    def __init__(self, *, every: float = 1.0, longest: int = 512, steps: int | None = None) -> None:
        try:
            from IPython import display
        except ImportError:
            raise InputError(
                "NotebookProgress shows a run in a notebook and needs IPython: pip install ipython"
            ) from None
        self.every, self.longest, self.steps = every, longest, steps
        self._display = display
        self._begin()

    def _begin(self) -> None:
        self._handle: Any = None
        self._next = 0.0
        self._curves, self._pace = Curves(most=400), Pace(self.steps)

    def __call__(self, event: LevelProgress) -> None:
        """Show one step, if it is time to; the last one always."""
        if event.total_step == 1 and self._curves.names:  # used for a second run
            self._begin()
        self._curves.add(event)
        self._pace.add(event)
        start = time.monotonic()
        last = event.level == event.levels and event.step == self._pace.steps
        if start < self._next and not last:
            return
        page = self._display.HTML(self._page(event))
        if self._handle is None:
            self._handle = self._display.display(page, display_id=True)
        else:
            self._handle.update(page)
        now = time.monotonic()
        self._next = now + (max(self.every, (now - start) / _MOST_TIME) if self.every else 0)

    def _page(self, event: LevelProgress) -> str:
        picture = small(np.asarray(event.progress.current()), self.longest)
        height, width = picture.shape[:2]
        data = base64.b64encode(jpeg(picture, 85)).decode()
        # Early levels are small: shown as large as the last ones, as far as they are known.
        wide = self.longest if width >= height else round(self.longest * width / height)
        return (
            f'<div style="display:inline-block;max-width:100%;vertical-align:top">'
            f'<img alt="the picture so far" src="data:image/jpeg;base64,{data}" '
            f'style="display:block;width:{wide}px;max-width:100%;height:auto">'
            f'<div style="font-size:90%;max-width:{wide}px">{escape(self._line(event))}</div></div>'
            f'<div style="display:inline-block;vertical-align:top;padding-left:1em">'
            f"{curves_svg(self._curves)}</div>"
        )

    def _line(self, event: LevelProgress) -> str:
        pace = self._pace
        of = "" if pace.steps is None else f"/{pace.steps:g}"
        parts = [
            f"{event.width}x{event.height} ({event.level}/{event.levels})",
            f"step {event.step}{of}",
            f"loss {event.progress.best:.4g}",
            f"{pace.seconds:.0f} s",
        ]
        if pace.left is not None:
            parts.append(f"about {pace.left:.0f} s left")
        return ", ".join([*parts, f"memory {memory_in_use()}"])


def curves_svg(curves: Curves, width: int = 320, height: int = 200) -> str:
    """The curves as an SVG element, on a logarithmic scale, each named with its last value."""
    rows = [row for row in curves.points if row[1]]
    values = [value for row in rows for value in row[1:] if value is not None and value > 0]
    if not values:
        return ""
    high = max(values)
    low = max(min(values), high * 1e-4)
    first, last = curves.points[0][0] or 0, curves.points[-1][0] or 0
    left, top, bottom = 8.0, 16.0, height - 8.0

    def place(step: float, value: float) -> str:
        across = (step - first) / max(1.0, last - first)
        up = np.log(value / low) / max(1e-9, np.log(high / low))
        return f"{left + across * (width - 2 * left):.1f} {bottom - up * (bottom - top):.1f}"

    drawn: list[str] = []
    for step, size in curves.breaks:
        x = place(step, low).split()[0]
        drawn.append(
            f'<path d="M{x} {top}V{bottom}" stroke="gray" stroke-dasharray="2 3"/>'
            f'<text x="{x}" y="{top - 5}" font-size="10" fill="gray">{escape(size)}</text>'
        )
    names, lines = [], []
    for index, name in enumerate(curves.names):
        colour = _COLOURS[index % len(_COLOURS)]
        points = [place(row[0] or 0, v) for row in rows if (v := row[index + 1]) and v >= low]
        if points:
            path = "L".join(points)
            lines.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if value := rows[-1][index + 1]:
            names.append(
                f'<span style="color:{colour};margin-right:1em">{escape(name)} {value:.3g}</span>'
            )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'style="overflow:visible" role="img" aria-label="loss by term over the steps">'
        f'{"".join(drawn + lines[::-1])}</svg><div style="font-size:85%">{"".join(names)}</div>'
    )
