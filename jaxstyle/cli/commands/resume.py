"""``jaxstyle resume``: go on with a run that was cut off."""

from __future__ import annotations

import argparse
from pathlib import Path

from jaxstyle.cli.options.checkpoint import add_checkpoint_options
from jaxstyle.cli.options.inputs import add_moved_options, moved_inputs
from jaxstyle.cli.options.limits import add_process_options, join_if_asked
from jaxstyle.cli.report.recorder import take_options
from jaxstyle.cli.run_and_save import add_output_options, run_and_save
from jaxstyle.errors import InputError
from jaxstyle.runtime.interrupts import begun


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "resume",
        description="Go on from a file of --checkpoint, and write the picture that the unbroken "
        "run would have written.",
        epilog="Example: jaxstyle resume run.ckpt",
    )
    parser.add_argument("checkpoint", type=Path, help="a file of jaxstyle stylize --checkpoint")
    add_moved_options(parser)
    add_output_options(parser, required=False, default="where the run was to write it")
    add_checkpoint_options(parser, named=False)
    add_process_options(
        parser.add_argument_group("several processes"),
        "one of several processes whose devices share the picture",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read the checkpoint, make its job, run the rest of it, save."""
    join_if_asked(arguments)
    from jaxstyle.images import check_writable
    from jaxstyle.run.checkpoint_file import read_checkpoint
    from jaxstyle.run.record import parse_record
    from jaxstyle.run.replay import prepare_recorded

    begun()
    path = arguments.checkpoint
    checkpoint = read_checkpoint(path)
    if checkpoint is None:
        raise InputError(f"there is no checkpoint {path}: give a file of stylize --checkpoint")
    about, _ = checkpoint
    job, changed = prepare_recorded(parse_record(about["record"]), path, **moved_inputs(arguments))
    if "mesh" in changed:
        raise InputError(f"{path} needs the devices of its mesh {changed['mesh']}: go on there")
    output = arguments.output or about["note"].get("output")
    if output is None:
        raise InputError(f"{path} does not say where the result goes: give -o FILE")
    check_writable(output, bits=job.config.bits)
    take_options(arguments, about["note"].get("recording", {}))
    return run_and_save(job, Path(output), arguments)
