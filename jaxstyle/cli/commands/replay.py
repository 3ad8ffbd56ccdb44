"""``jaxstyle replay``: make a picture again from the record inside it."""

from __future__ import annotations

import argparse

from jaxstyle.cli.options.checkpoint import add_deterministic_option
from jaxstyle.cli.options.inputs import add_moved_options, moved_inputs
from jaxstyle.cli.run_and_save import add_output_options, run_and_save
from jaxstyle.runtime.interrupts import begun


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "replay", description="Run again what is recorded in a picture made by jaxstyle."
    )
    parser.add_argument("picture", help="a result of jaxstyle stylize")
    add_moved_options(parser)
    add_output_options(parser, required=True)
    add_deterministic_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read the record, run it, save."""
    from jaxstyle.images import check_writable
    from jaxstyle.run.replay import prepare_recorded, record_to_replay

    begun()
    record = record_to_replay(arguments.picture)
    job, changed = prepare_recorded(record, arguments.picture, **moved_inputs(arguments))
    check_writable(arguments.output, bits=job.config.bits)
    versions = ", ".join(f"{name} {version}" for name, version in changed.items())
    notes = [f"made with other versions ({versions}): pixels may differ"] if changed else []
    extra = record.get("extra", {})
    if "together" in extra:
        notes.append(
            f"made in one program with others ({extra['together']} at once), now alone: pixels may "
            "differ by rounding; for the same ones run all of them again"
        )
    return run_and_save(job, arguments.output, arguments, "; ".join(notes))
