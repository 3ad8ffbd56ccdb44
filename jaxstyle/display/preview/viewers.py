"""Who looks at a preview: the pages that are open, and what they have been sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

MOST_PAGES = 50
FORGOTTEN = 3.0
"""Seconds without a word after which a page counts as closed."""


@dataclass
class _Page:
    heard: float
    sees: bool = False
    waiting: int = 0
    picture: int = 0
    told: bool = False


class Pages:
    """Open pages by a name that each gives itself; not safe for threads by itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pages: dict[str, _Page] = {}

    def heard(self, name: str, *, sees: bool) -> None:
        """A page asks for news; ``sees`` if it is before someone's eyes and not in the background.

        The one that was silent for longest is forgotten where there are too many.
        """
        page = self._pages.pop(name, None) or _Page(0.0)
        page.heard, page.sees = self._clock(), sees
        self._pages[name] = page  # the order is that of the last words
        while len(self._pages) > MOST_PAGES:
            self._pages.pop(next(iter(self._pages)))

    def waits(self, name: str, waiting: bool) -> None:
        """A page begins, or ends, to wait for news: it is open although it says nothing."""
        if (page := self._pages.get(name)) is not None:
            page.waiting += 1 if waiting else -1
            page.heard = self._clock()

    def got(self, name: str, *, picture: int = 0, end: bool = False) -> None:
        """A page has been sent a picture, or word that the run has ended."""
        if (page := self._pages.get(name)) is not None:
            page.heard = self._clock()
            page.picture = max(page.picture, picture)
            page.told = page.told or end

    @property
    def seen(self) -> bool:
        """Whether someone is looking now."""
        return any(page.sees for page in self._open())

    def lack(self, picture: int) -> bool:
        """Whether an open page does not know of the end, or has only an earlier picture."""
        return any(page.picture < picture or not page.told for page in self._open())

    def _open(self) -> list[_Page]:
        now = self._clock()
        return [
            page for page in self._pages.values() if page.waiting or now - page.heard < FORGOTTEN
        ]
