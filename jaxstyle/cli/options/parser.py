"""The parser of every command: errors of one line, a short ``--help`` and a whole one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

from jaxstyle.errors import printable
from jaxstyle.runtime.atomic_files import at_home

RARE = frozenset(
    "animation cells_at_once checkpoint_every content_blend coordinator deterministic devices "
    "distributed loss_plot max_memory more_styles open process processes profile save_every "
    "snapshots strip".split()
)
"""Options that ``--help-all`` alone shows, besides the settings that are not ``common``."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line.

    Attributes:
        shows_all: whether the help is to be whole; else it goes without rare options.
    """

    shows_all = False

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        # What a shell leaves as it is, as in --output=~/out.png.
        self.register("type", None, at_home)
        self.register("type", Path, lambda text: Path(at_home(text)))
        self.add_argument("--help-all", action="help", help="show all options")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        super().exit(status, f"{printable(message.rstrip())}\n" if message else None)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")

    def format_help(self) -> str:
        if self.shows_all:
            return super().format_help()
        for action in self._actions:
            if action.dest in RARE:
                action.help = argparse.SUPPRESS
        more = sum(action.help == argparse.SUPPRESS for action in self._actions)
        words = f"\n{more} more options: {self.prog} --help-all\n" if more else ""
        return super().format_help() + words


class FullHelpParser(Parser):
    """A parser for a command line with ``--help-all``, and the class of its subparsers."""

    shows_all = True
