"""Run a grid for a command, and write it: as one labelled sheet, or however the command does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxstyle.cli.options.checkpoint import deterministic_note
from jaxstyle.cli.options.inputs import left_out_notes
from jaxstyle.cli.options.limits import limits_from
from jaxstyle.cli.options.outputs import check_folder, command_line
from jaxstyle.cli.options.overwrite_guard import CELL, Series, check_overwriting, inputs_of
from jaxstyle.cli.options.settings import given_settings, network_note
from jaxstyle.cli.report.messages import tell
from jaxstyle.errors import InputError, counted
from jaxstyle.runtime.interrupts import EXIT_CODE, begun

if TYPE_CHECKING:
    from jaxstyle.pipelines.sweep import Grid


def run_grid(
    arguments: argparse.Namespace,
    settings: dict[str, Any],
    make: Callable[..., Grid],
    write: Callable[[Grid, str], str],
    folder: Path | None,
) -> int:
    """Run ``make`` with the settings given, show its progress, and write what it gives.

    Args:
        settings: see ``given_settings``.
        make: takes settings and ``limits``, ``folder``, ``note`` and ``callback``.
        write: is called by the first process, with the grid and the command line; returns what to
            say of it.
        folder: of the cells' own files, if any.

    Returns:
        The exit code: 0; 1 if a cell has failed, or something could not be written; 130 if
        interrupted.
    """
    limits = limits_from(arguments)
    check_folder(folder)
    # Imported late: a wrong option or --help should not wait for Flax.
    from jaxstyle.cli.report.reporters import GridReporter
    from jaxstyle.cli.report.sheets import failures
    from jaxstyle.runtime.compilation_cache import keep_compiled_programs
    from jaxstyle.runtime.processes import is_first

    begun()
    keep_compiled_programs(tell)
    command = command_line(settings.get("record", "names"))
    with GridReporter(quiet=arguments.quiet or not is_first()) as reporter:
        reporter.say(deterministic_note(arguments))
        for line in left_out_notes(arguments):
            reporter.say(line)
        reporter.opening = network_note(settings)
        grid = make(
            limits=limits, folder=folder, note={"command": command}, callback=reporter, **settings
        )
    failed = failures(grid)
    if is_first():
        for line in failed:
            # What Ctrl-C has left is no surprise.
            show = reporter.say if grid.interrupted else tell
            show(line)
        try:
            reporter.say(write(grid, command))
        except InputError as error:  # a full disk; the cells may be there all the same
            tell(str(error))
            failed = [*failed, str(error)]
    if grid.interrupted:
        return EXIT_CODE
    return 1 if failed else 0


def run_sheet(arguments: argparse.Namespace, make: Callable[..., Grid], *, title: str) -> int:
    """``run_grid`` for a command that leaves one sheet; see there."""
    settings = given_settings(arguments)
    from jaxstyle.cli.report.sheets import save_sheet, sheet_of
    from jaxstyle.images import check_writable

    check_writable(arguments.output)
    series = [Series("--cells", arguments.cells, CELL)] if arguments.cells else []
    inputs = inputs_of(arguments, settings.get("init", ""))
    check_overwriting(inputs, [("-o", arguments.output)], series)

    def write(grid: Grid, command: str) -> str:
        cells = [
            {"labels": cell.labels, "loss": cell.result and cell.result.loss} for cell in grid.cells
        ]
        sheet = sheet_of(grid, title=title, caption=command, side=arguments.cell_size)
        record = {"command": command, "settings": settings, "cells": cells}
        save_sheet(arguments.output, sheet, record)
        return f"{arguments.output}: {counted(len(grid.cells), 'cell')}"

    return run_grid(arguments, settings, make, write, arguments.cells)
