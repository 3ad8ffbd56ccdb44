"""``jaxstyle figure3``: the paper's grid of style layers against content over style."""

from __future__ import annotations

import argparse

from jaxstyle.cli.grid_command import run_sheet
from jaxstyle.cli.options.inputs import add_layer_sets, layer_sets_from
from jaxstyle.cli.options.limits import add_limit_options
from jaxstyle.cli.options.outputs import add_sheet_options
from jaxstyle.cli.options.settings import add_settings
from jaxstyle.config.command_defaults import FIGURE3, RATIOS
from jaxstyle.errors import InputError


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "figure3",
        description="Figure 3 of Gatys et al. 2015 for any pair: growing sets of style layers "
        "down, content over style across, all in one vmapped program.",
        epilog="Example: jaxstyle figure3 photo.jpg painting.jpg -o figure3.png",
    )
    parser.add_argument("content", help="the picture to paint")
    parser.add_argument("style", help="the picture to take the style from")
    parser.add_argument(
        "--ratios",
        default=",".join(f"{ratio:g}" for ratio in RATIOS),
        help="content over style in the paper's numbers; 0.001 is the balance of the convention "
        "jaxstyle, in others they are taken literally (default: %(default)s)",
    )
    add_layer_sets(parser)
    add_sheet_options(parser, "figure3.png")
    add_limit_options(parser)
    add_settings(parser, FIGURE3)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the grid and write the sheet."""
    ratios = _numbers(arguments.ratios)
    layer_sets = layer_sets_from(arguments)
    from jaxstyle.pipelines.paper import figure3

    return run_sheet(
        arguments,
        lambda **options: figure3(
            arguments.content, arguments.style, ratios=ratios, layer_sets=layer_sets, **options
        ),
        title="Style layers and content over style (Gatys et al. 2015, Figure 3)",
    )


def _numbers(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(0 <= number < float("inf") for number in numbers):
        raise InputError(f"--ratios is {text!r}: give numbers of at least 0 such as 1e-4,1e-3")
    return numbers
