"""``jaxstyle texture``: a picture of any size with the texture of another."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from jaxstyle.cli.options.checkpoint import add_deterministic_option
from jaxstyle.cli.options.limits import add_memory_option, memory_from
from jaxstyle.cli.options.outputs import command_line
from jaxstyle.cli.options.settings import add_settings, given_settings
from jaxstyle.cli.run_and_save import add_output_options, run_and_save
from jaxstyle.config.command_defaults import TEXTURE
from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.errors import InputError
from jaxstyle.runtime.interrupts import begun

_SHAPE = re.compile(r"(\d{1,5})[xX](\d{1,5})")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "texture",
        description="Make a picture of any size that has the texture of another one, from noise "
        "(Gatys, Ecker and Bethge 2015, texture synthesis), coarse to fine.",
        epilog="Example: jaxstyle texture bark.jpg -o tile.png --shape 512x512 --seamless",
    )
    parser.add_argument("style", help="the picture to take the texture from")
    parser.add_argument(
        "--shape",
        default="512x512",
        metavar="WxH",
        help="width and height of the result in pixels (default: %(default)s)",
    )
    parser.add_argument(
        "--seamless",
        action="store_true",
        help="let the borders fit together, so that copies tile; needs multiples of 16 px",
    )
    add_output_options(parser, required=False, default="STYLE-texture.png")
    add_memory_option(parser)
    add_deterministic_option(parser)
    add_settings(parser, TEXTURE, leave_out=("size",))
    parser.add_argument(
        "--size",
        type=int,
        default=argparse.SUPPRESS,
        metavar="INT",
        help="longest side that the original is scaled to (default: that of the result): smaller "
        "means finer",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Synthesise and save."""
    match = _SHAPE.fullmatch(arguments.shape)
    if match is None:
        raise InputError(f"--shape is {arguments.shape!r}: write it as 512x384, width first")
    settings = given_settings(arguments)
    config = StylizeConfig(**settings)
    output = arguments.output or Path(f"{Path(arguments.style).stem}-texture.png")
    from jaxstyle.images import check_writable
    from jaxstyle.pipelines.paper import prepare_texture

    begun()
    check_writable(output, bits=config.bits)
    job = prepare_texture(
        arguments.style,
        int(match[1]),
        int(match[2]),
        seamless=arguments.seamless,
        note={"command": command_line(config.record)},
        max_memory=memory_from(arguments),
        **settings,
    )
    return run_and_save(job, output, arguments)
