"""Run a grid for a command, and write it: as one labelled sheet, or however the command does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxstyle.commands.outputs import (
    check_output,
    command_line,
    failures,
    limits_from,
    ready_folder,
    save_sheet,
    sheet_of,
)
from jaxstyle.commands.settings import given_settings
from jaxstyle.config import config_from

if TYPE_CHECKING:
    from jaxstyle.grid import Grid


def run_grid(
    arguments: argparse.Namespace,
    make: Callable[..., Grid],
    write: Callable[[Grid, str, dict[str, Any]], str],
    folder: Path | None,
) -> int:
    """Run ``make`` with the settings given, show its progress, and write what it gives.

    Args:
        make: takes settings and ``limits``, ``folder``, ``note`` and ``callback``.
        write: is called by the first process, with the grid, the command line and the settings
            given; returns what to say of it.
        folder: of the cells' own files, if any.

    Returns:
        The exit code: 0; 1 if a cell has failed; 130 if interrupted.
    """
    settings = given_settings(arguments)
    config_from(settings)  # a wrong setting is refused at once
    limits = limits_from(arguments)
    ready_folder(folder)
    # Imported late: a wrong option or --help should not wait for Flax.
    from jaxstyle.commands.grid_reporting import GridReporter
    from jaxstyle.compilation_cache import keep_compiled_programs
    from jaxstyle.processes import is_first

    keep_compiled_programs()
    command = command_line()
    with GridReporter(quiet=arguments.quiet or not is_first()) as reporter:
        grid = make(
            limits=limits, folder=folder, note={"command": command}, callback=reporter, **settings
        )
    if is_first():
        told = write(grid, command, settings)
        for line in failures(grid):
            reporter.say(f"  {line}")
        reporter.say(told)
    if grid.interrupted:
        return 130
    return 1 if failures(grid) else 0


def run_sheet(arguments: argparse.Namespace, make: Callable[..., Grid], *, title: str) -> int:
    """``run_grid`` for a command that leaves one sheet; see there."""
    check_output(arguments.output)

    def write(grid: Grid, command: str, settings: dict[str, Any]) -> str:
        record = {
            "command": command,
            "settings": settings,
            "cells": [
                {"labels": cell.labels, "loss": cell.result and cell.result.loss}
                for cell in grid.cells
            ],
        }
        sheet = sheet_of(grid, title=title, caption=command, side=arguments.cell_size)
        save_sheet(arguments.output, sheet, record, settings.get("quality", 90))
        return f"{arguments.output}: {len(grid.cells)} cells"

    return run_grid(arguments, make, write, arguments.cells)
