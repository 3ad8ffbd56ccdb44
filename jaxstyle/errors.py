"""The one kind of exception whose message is meant for whoever runs the program."""

from __future__ import annotations


class InputError(ValueError):
    """Something that the user gave cannot be used.

    The message is one line: what was got, what is needed, what to do. The command line prints it
    without a traceback and exits with code 2.
    """
