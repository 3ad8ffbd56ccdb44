"""The command line: ``jaxstyle COMMAND ...``. One module of ``commands`` per command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module

from jaxstyle._version import __version__
from jaxstyle.cli.options.parser import FullHelpParser, Parser
from jaxstyle.cli.report.messages import tell
from jaxstyle.errors import InputError, is_out_of_memory
from jaxstyle.runtime.interrupts import EXIT_CODE, LINE, until_begun
from jaxstyle.runtime.streams import standard_streams

COMMANDS = {
    "stylize": "paint a content picture in the style of another",
    "studio": "paint on a page of this machine, with knobs that act at once",
    "convert-weights": "download or convert VGG weights, and verify them",
    "plan": "memory and time of a run, before it runs",
    "batch": "many pictures in the same style",
    "video": "the frames of a video, each from the last",
    "targets": "save what the network sees in a style, for many runs",
    "sweep": "many runs at once, along any settings",
    "figure3": "the paper's Figure 3: style layers against content over style",
    "reconstruct": "the paper's Figure 1: pictures from single layers, and from their statistics",
    "texture": "a picture of any size with the texture of another",
    "compare": "one pair from several starts, or at several style scales",
    "replay": "run again what is recorded in a picture",
    "resume": "go on with a run that was cut off",
}
"""What each command does, for the help."""


def build_parser(argv: Sequence[str]) -> Parser:
    """The parser of a command line: whole for its command, of which alone the module is loaded."""
    # Options may be cut short, as --help-al.
    whole = any(len(word) > len("--help") and "--help-all".startswith(word) for word in argv)
    kind = FullHelpParser if whole else Parser
    parser = kind(prog="jaxstyle", description="Neural style transfer in JAX and Flax.")
    parser.add_argument("--version", action="version", version=f"jaxstyle {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    given = next((word for word in argv if word in COMMANDS), None)
    for name, summary in COMMANDS.items():
        if name == given:
            module = {"convert-weights": "convert_weights.command"}.get(name, name)
            import_module(f"jaxstyle.cli.commands.{module}").add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """As ``parse_args``, but styles may also follow after options."""
    parser = build_parser(argv)
    arguments, rest = parser.parse_known_args(argv)
    late_styles = "more_styles" in arguments and not any(text.startswith("-") for text in rest)
    if rest and not late_styles:
        prog = f"{parser.prog} {arguments.command}"
        words = f"unrecognized arguments: {' '.join(rest)}"
        parser.exit(2, f"{prog}: error: {words} (see {prog} --help)\n")
    if rest:
        arguments.style = [*arguments.style, *rest]
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0, 1 for a result that is not whole, 2 for input that cannot be used (one
        line on standard error), 130 after Ctrl-C, SIGTERM or SIGHUP (one line too, if there is
        nothing to save).
    """
    with standard_streams() as output:
        with until_begun():
            code = _run(_parsed(sys.argv[1:] if argv is None else argv))
        output.flush()
        if output.failure:
            tell(f"cannot write to standard output: {output.failure}")
        return code or (1 if output.failure else 0)


def _run(arguments: argparse.Namespace) -> int:
    from jaxstyle.cli.options.checkpoint import set_deterministic
    from jaxstyle.cli.options.outputs import check_current_folder

    try:
        check_current_folder()
        set_deterministic(arguments)
        with _profiled(arguments):
            return arguments.run(arguments)
    except KeyboardInterrupt:
        tell(LINE)
        return EXIT_CODE
    except Exception as error:
        message = _explained(error)
        if not message:
            raise
    tell(f"jaxstyle {arguments.command}: error: {message}")
    return 2


def _profiled(arguments: argparse.Namespace) -> AbstractContextManager[None]:
    """The block that ``--profile`` traces."""
    if getattr(arguments, "profile", None) is None:
        return nullcontext()
    from jaxstyle.runtime.profile import profiling

    return profiling(arguments.profile)


def _explained(error: Exception) -> str:
    """What an error means to who gave the command, in one line; empty for one of our own making."""
    alone = isinstance(error, InputError) and error.__context__ is None
    platforms = os.environ.get("JAX_PLATFORMS")
    # Of several JAX may have begun one, and forgotten the other.
    unknown = "Unable to initialize backend" in str(error)
    if platforms and (unknown or (not alone and not _has_devices())):
        return (
            f"JAX_PLATFORMS is {platforms!r}, and JAX finds no such devices here: unset it, or "
            "install JAX for them"
        )
    if isinstance(error, InputError):
        return " ".join(str(error).split())
    if is_out_of_memory(error):
        return "out of memory: use a smaller --size, fewer --history steps or --optimizer adam"
    return ""


def _has_devices() -> bool:
    import jax

    try:
        return bool(jax.local_devices())
    except Exception:  # a RuntimeError, or an AssertionError where a plugin is missing
        return False


if __name__ == "__main__":
    sys.exit(main())
