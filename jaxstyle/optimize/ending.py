"""Why a minimisation ended."""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    """Why a minimisation ended; where several reasons hold, the later one here is the graver.

    As text it is its own name in small letters, so that records and callers may compare strings.
    """

    STEPS = "steps"
    """All steps were made."""
    TOLERANCE = "tolerance"
    """The loss no longer fell by as much as was asked for."""
    STALLED = "stalled"
    """The algorithm can make no further progress."""
    MAX_SECONDS = "max_seconds"
    """The time was up."""
    STOPPED = "stopped"
    """The callback returned True."""
    INTERRUPTED = "interrupted"
    """Ctrl-C was pressed."""

    @property
    def cut_short(self) -> bool:
        """Whether somebody ended it: no further level, frame or picture is to be begun."""
        return self in (Ending.STOPPED, Ending.INTERRUPTED)


def graver(*reasons: Ending) -> Ending:
    """The gravest of some reasons."""
    return max(reasons, key=list(Ending).index)
