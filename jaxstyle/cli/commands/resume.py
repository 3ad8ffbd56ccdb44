"""``jaxstyle resume``: go on with a run that was cut off."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxstyle.cli.options.checkpoint import add_checkpoint_options, recording_of
from jaxstyle.cli.options.inputs import add_moved_options, moved_inputs
from jaxstyle.cli.options.limits import add_process_options, join_if_asked
from jaxstyle.cli.options.recorded_paths import below
from jaxstyle.cli.report.recorder import snapshot_names, take_options
from jaxstyle.cli.run_and_save import add_output_options, run_and_save
from jaxstyle.errors import InputError, quoted
from jaxstyle.runtime.interrupts import begun

if TYPE_CHECKING:
    from jaxstyle.run.job import Job


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
    parser.add_argument(
        "--force",
        action="store_true",
        help="write where the checkpoint says also over files that no run of it has made",
    )
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
    from jaxstyle.run.checkpoint import read_run
    from jaxstyle.run.record import parse_record
    from jaxstyle.run.replay import prepare_recorded

    begun()
    path = arguments.checkpoint
    checkpoint = read_run(path)
    if checkpoint is None:
        raise InputError(f"there is no checkpoint {path}: give a file of stylize --checkpoint")
    about, _ = checkpoint
    job, changed = prepare_recorded(parse_record(about["record"]), path, **moved_inputs(arguments))
    if "mesh" in changed:
        raise InputError(f"{path} needs the devices of its mesh {changed['mesh']}: go on there")
    output = _take_paths(arguments, about, job)
    check_writable(output, bits=job.config.bits)
    return run_and_save(job, output, arguments)


def _take_paths(arguments: argparse.Namespace, about: dict[str, Any], job: Job) -> Path:
    """Where the result goes; options that the run was begun with are set where none are given.

    What the checkpoint names and the command line does not may be a stranger's choice: it lies
    below the checkpoint's folder, and replaces nothing but what the run itself has made.

    Raises:
        InputError: it does not, or would.
    """
    from jaxstyle.run.same_run import is_earlier_result

    path = arguments.checkpoint

    def free(file: Path, option: str) -> Path:
        if file.exists() and not arguments.force and not is_earlier_result(file, job):
            raise InputError(
                f"{path} would write over {quoted(file)}, and nothing in that says that this run "
                f"has made it: give --force, or another file by {option}"
            )
        return file

    def path_of(named: str, option: str) -> Path:
        return free(below(path, named, option), option)

    output, named = arguments.output, about["note"].get("output")
    if output is None and not isinstance(named, str):
        raise InputError(f"{path} does not say where the result goes: give -o FILE")
    if output is None:
        output = path_of(named, "-o")
    taken = take_options(arguments, recording_of(about, path), path_of)
    if {"save_every", "snapshots"} & {*taken} and output.parent.is_dir():
        for file in sorted(output.parent.iterdir()):
            if re.fullmatch(snapshot_names(output), file.name):
                free(file, "-o")
    return output
