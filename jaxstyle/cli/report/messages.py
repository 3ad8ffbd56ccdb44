"""Where commands say something: the one place at which messages are printed."""

from __future__ import annotations

import sys

from jaxstyle.errors import printable

LONGEST = 4000
"""Characters of a line: who writes files for others to read may have much to say."""


def tell(line: str) -> None:
    """Print a line to standard error, whatever text of strangers is in it."""
    shown = printable(line)
    more = "" if len(shown) <= LONGEST else " ..."
    print(shown[:LONGEST] + more, file=sys.stderr, flush=True)
