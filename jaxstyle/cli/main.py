"""The command line: ``jaxstyle COMMAND ...``. One module of ``commands`` per command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from jaxstyle._version import __version__
from jaxstyle.errors import InputError, is_out_of_memory
from jaxstyle.runtime.interrupts import EXIT_CODE, LINE, until_begun


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    # Imported late: they load JAX, and Ctrl-C should be in good hands by then.
    from jaxstyle.cli.commands import (
        batch,
        compare,
        figure3,
        plan,
        reconstruct,
        replay,
        resume,
        stylize,
        sweep,
        targets,
        texture,
        video,
    )
    from jaxstyle.cli.commands.convert_weights import command as convert_weights

    parser = Parser(prog="jaxstyle", description="Neural style transfer in JAX and Flax.")
    parser.add_argument("--version", action="version", version=f"jaxstyle {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in (
        stylize,
        convert_weights,
        plan,
        batch,
        video,
        targets,
        sweep,
        figure3,
        reconstruct,
        texture,
        compare,
        replay,
        resume,
    ):
        command.add_parser(subparsers)
    return parser


def _parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """As ``parse_args``, but styles may also follow after options."""
    arguments, rest = parser.parse_known_args(argv)
    late_styles = "more_styles" in arguments and not any(text.startswith("-") for text in rest)
    if rest and not late_styles:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.style = [*arguments.style, *rest]
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0, 2 for input that cannot be used (one line on standard error), 130 after
        Ctrl-C (one line too, if there is nothing to save).
    """
    with until_begun():
        return _run(_parsed(build_parser(), argv))


def _run(arguments: argparse.Namespace) -> int:
    from jaxstyle.cli.options.checkpoint import set_deterministic

    try:
        set_deterministic(arguments)
        return arguments.run(arguments)
    except InputError as error:
        message = " ".join(str(error).split())
    except KeyboardInterrupt:
        print(LINE, file=sys.stderr)
        return EXIT_CODE
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        message = "out of memory: use a smaller --size, fewer --history steps or --optimizer adam"
    print(f"jaxstyle {arguments.command}: error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
