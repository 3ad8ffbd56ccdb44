"""Run a grid of an experiment and write it as one labelled sheet."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

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


def run_grid(arguments: argparse.Namespace, make: Callable[..., Grid], *, title: str) -> int:
    """Run ``make`` with the settings given, show its progress, write the sheet.

    Returns:
        The exit code: 0; 1 if a cell has failed; 130 if interrupted.
    """
    settings = given_settings(arguments)
    config_from(settings)  # a wrong setting is refused at once
    limits = limits_from(arguments)
    check_output(arguments.output)
    ready_folder(arguments.cells)
    from jaxstyle.commands.grid_reporting import GridReporter
    from jaxstyle.compilation_cache import keep_compiled_programs
    from jaxstyle.processes import is_first

    keep_compiled_programs()
    command = command_line()
    with GridReporter(quiet=arguments.quiet or not is_first()) as reporter:
        grid = make(
            limits=limits,
            folder=arguments.cells,
            note={"command": command},
            callback=reporter,
            **settings,
        )
    if is_first():
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
        for line in failures(grid):
            reporter.say(f"  {line}")
        reporter.say(f"{arguments.output}: {len(grid.cells)} cells")
    if grid.interrupted:
        return 130
    return 1 if failures(grid) else 0
