"""``jaxstyle targets``: a style as a file of its targets."""

from __future__ import annotations

import argparse
from pathlib import Path

from jaxstyle.cli.options.limits import add_memory_option, memory_from
from jaxstyle.cli.options.overwrite_guard import check_overwriting, inputs_of
from jaxstyle.cli.options.settings import add_settings, settings_from
from jaxstyle.cli.report.messages import tell
from jaxstyle.config.stylize_config import names_of
from jaxstyle.runtime.interrupts import begun


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "targets",
        description="Save what the network sees in a style, at each size that a run of --size "
        "works through. Give the file to stylize, batch, sweep or video in the place of the "
        "picture: the result is the same, and the style need not be there or be looked at again.",
        epilog="Example: jaxstyle targets painting.jpg -o painting.npz --size 512 && jaxstyle "
        "stylize photo.jpg painting.npz",
    )
    parser.add_argument(
        "style",
        nargs="+",
        help="a picture; several, folders and patterns are blended, a.jpg:0.7 b.jpg:0.3",
    )
    parser.add_argument(
        "-o", "--output", type=Path, help="where to write it, .npz (default: STYLE.npz)"
    )
    parser.add_argument("--quiet", action="store_true", help="show nothing but errors")
    add_memory_option(parser)
    add_settings(parser, leave_out=names_of("painting", "file"))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compute and write."""
    config, memory = settings_from(arguments), memory_from(arguments)
    # Imported late: a wrong option or --help should not wait for Flax.
    from jaxstyle.run.inputs import without_options
    from jaxstyle.run.save_style import save_targets
    from jaxstyle.runtime.compilation_cache import keep_compiled_programs
    from jaxstyle.runtime.memory import format_bytes

    begun()
    first, _ = without_options(arguments.style[0])
    output = arguments.output or Path(f"{Path(first).stem}.npz")
    check_overwriting(inputs_of(arguments), [("-o", output)])
    keep_compiled_programs(tell)
    saved = save_targets(output, arguments.style, config=config, max_memory=memory)
    if not arguments.quiet:
        styles = f"{len(saved.inputs)} styles blended" if len(saved.inputs) > 1 else "1 style"
        tell(
            f"{output}: {styles}, {','.join(saved.taps)} for results of "
            f"{', '.join(map(str, saved.known))} px, {format_bytes(output.stat().st_size)}"
        )
    return 0
