"""``jaxstyle compare``: the same pair from several starts, or at several scales of the style."""

from __future__ import annotations

import argparse

from jaxstyle.cli.grid_command import run_sheet
from jaxstyle.cli.options.limits import add_limit_options
from jaxstyle.cli.options.outputs import add_sheet_options
from jaxstyle.cli.options.settings import add_settings
from jaxstyle.config.command_defaults import SCALES, STARTS
from jaxstyle.errors import InputError


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command and its two kinds."""
    parser = subparsers.add_parser(
        "compare",
        description="One pair side by side: from several starts, or at several style scales.",
    )
    kinds = parser.add_subparsers(dest="kind", metavar="starts|scales", required=True)
    for kind, settings, words in (
        ("starts", STARTS, "from the content, from the style and from noise of several seeds"),
        ("scales", SCALES, "the style cropped large, whole, and through its first layers alone"),
    ):
        one = kinds.add_parser(
            kind,
            help=words,
            description=f"The same pair {words}.",
            epilog=f"Example: jaxstyle compare {kind} photo.jpg painting.jpg -o {kind}.png",
        )
        one.add_argument("content", help="the picture to paint")
        one.add_argument("style", help="the picture to take the style from")
        if kind == "starts":
            one.add_argument(
                "--seeds",
                default="0,1,2",
                help="seeds of the noise, separated by commas (default: %(default)s)",
            )
        add_sheet_options(one, f"{kind}.png")
        add_limit_options(one)
        add_settings(one, settings)
        one.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the grid and write the sheet."""
    if arguments.kind == "scales":
        from jaxstyle.pipelines.paper import compare_scales

        return run_sheet(
            arguments,
            lambda **options: compare_scales(arguments.content, arguments.style, **options),
            title="Scale of the style",
        )
    try:
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
    except ValueError:
        raise InputError(f"--seeds is {arguments.seeds!r}: give whole numbers, as 0,1,2") from None
    from jaxstyle.pipelines.paper import compare_starts

    pair = arguments.content, arguments.style
    return run_sheet(
        arguments,
        lambda **options: compare_starts(*pair, seeds=seeds, **options),
        title="Where the run starts",
    )
