"""``jaxstyle stylize``: the main job."""

from __future__ import annotations

import argparse

from jaxstyle.cli.options.checkpoint import add_checkpoint_options
from jaxstyle.cli.options.inputs import add_input_options, default_output, inputs_from
from jaxstyle.cli.options.limits import (
    add_memory_option,
    add_process_options,
    join_if_asked,
    memory_from,
)
from jaxstyle.cli.options.outputs import command_line
from jaxstyle.cli.options.settings import add_settings, settings_from
from jaxstyle.cli.run_and_save import add_output_options, run_and_save
from jaxstyle.errors import InputError
from jaxstyle.runtime.interrupts import begun


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "stylize",
        description="Paint a content picture in the style of another.",
        epilog="Example: jaxstyle stylize photo.jpg painting.jpg -o out.png --size 512",
    )
    add_input_options(parser)
    add_output_options(parser, required=False)
    add_memory_option(parser)
    add_checkpoint_options(parser)
    add_process_options(
        parser.add_argument_group("several processes"),
        "one of several processes whose devices share the picture by --mesh; process 0 writes",
    )
    add_settings(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Stylize, report, save."""
    config = settings_from(arguments)
    inputs = inputs_from(arguments)
    output = arguments.output or default_output(arguments)
    # Imported late: a wrong option or --help should not wait for Flax.
    from jaxstyle.images import check_writable
    from jaxstyle.run.prepare import prepare

    begun()
    check_writable(output, bits=config.bits)
    if arguments.distributed and config.mesh is None:
        raise InputError("--distributed shares one picture by --mesh: give that, such as 2x1")
    join_if_asked(arguments)
    note, memory = {"command": command_line(config.record)}, memory_from(arguments)
    job = prepare(**inputs, config=config, note=note, max_memory=memory)
    return run_and_save(job, output, arguments)
