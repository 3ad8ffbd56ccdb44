"""``jaxstyle sweep``: a grid of runs along any axes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxstyle.cli.grid_command import run_grid
from jaxstyle.cli.options.inputs import add_input_options, inputs_from
from jaxstyle.cli.options.limits import add_limit_options
from jaxstyle.cli.options.overwrite_guard import (
    CELL,
    Series,
    axis_inputs,
    check_overwriting,
    inputs_of,
)
from jaxstyle.cli.options.settings import add_settings, given_settings
from jaxstyle.cli.report.manifests import check_manifest, head_of
from jaxstyle.cli.report.sheets import save_sheet, sheet_of
from jaxstyle.errors import InputError, counted
from jaxstyle.pipelines.axes import parse_axis

if TYPE_CHECKING:
    from jaxstyle.pipelines.sweep import Grid

FILES = ("sheet.png", "index.html", "losses.csv", "sweep.json")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "sweep",
        description="Run every combination of some settings, as one vmapped program where they "
        "allow it, spread over all devices. Leaves a folder with a labelled sheet (sheet.png), a "
        "page to compare the cells (index.html), every cell as a file of its own, and their "
        "losses (losses.csv, sweep.json).",
        epilog="Example: jaxstyle sweep photo.jpg painting.jpg --axis style_weight=0.1,1,10 "
        "--axis seed=0..3 --init noise -o out/",
    )
    add_input_options(parser)
    parser.add_argument(
        "--axis",
        action="append",
        required=True,
        metavar="NAME=VALUES",
        help="a setting and its values, such as style_weight=0.1,1,10, seed=0..3, "
        "init=content,noise, style=a.jpg,b.jpg, preset=gatys-code,johnson, or "
        "'style_layers=conv1_1|conv1_1,conv2_1' where values hold commas; the last axis runs "
        "across the sheet",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("sweep"), help="the folder (default: sweep)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep what an earlier run finished in the folder"
    )
    parser.add_argument(
        "--cell-size",
        type=int,
        default=256,
        metavar="PX",
        help="longest side of a picture on the sheet (default: 256)",
    )
    parser.add_argument("--quiet", action="store_true", help="show nothing but errors")
    add_limit_options(parser)
    add_settings(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the grid and write its folder.

    Returns:
        The exit code: 0; 1 if a cell has failed; 130 if interrupted.
    """
    axes = [parse_axis(text) for text in arguments.axis]
    inputs, settings = inputs_from(arguments), given_settings(arguments)
    along_axes = [dict(values) for axis in axes for values in axis.settings]
    check_overwriting(
        [*inputs_of(arguments, settings.get("init", "")), *axis_inputs(along_axes)],
        [("-o", arguments.output / name) for name in FILES],
        [Series("-o", arguments.output, CELL)],
    )
    check_manifest(arguments.output / "sweep.json", "sweep")

    def make(**options: Any) -> Grid:
        from jaxstyle.pipelines.sweep import sweep

        return sweep(axes=axes, resume=arguments.resume, **inputs, **options)

    def write(grid: Grid, command: str) -> str:
        write_folder(arguments.output, grid, command, settings, arguments.cell_size)
        cells, programs, chunks = (
            counted(number, noun)
            for number, noun in (
                (len(grid.cells), "cell"),
                (grid.programs, "program"),
                (grid.chunks, "chunk"),
            )
        )
        more = "; go on with --resume" if grid.interrupted else ""
        return f"{arguments.output}: {cells}, {programs} compiled, {chunks}{more}"

    return run_grid(arguments, settings, make, write, arguments.output)


def write_folder(folder: Path, grid: Grid, command: str, settings: dict, cell_size: int) -> None:
    """Write sheet.png, index.html, losses.csv and sweep.json, as many as can be.

    Raises:
        InputError: some cannot.
    """
    from jaxstyle.display.figures import PageCell, write_csv, write_json, write_page
    from jaxstyle.run.record import settings_without_folders

    told = settings
    if settings.get("record") != "full":
        told = settings_without_folders(settings)
    rows = [_figures(grid, index) for index in range(len(grid.cells))]
    records = [cell.result.record for cell in grid.cells if cell.result is not None]
    names = " x ".join(axis.name for axis in grid.axes)
    manifest = {
        **head_of("sweep", records),
        "settings": told,
        "axes": [{"name": axis.name, "labels": list(axis.labels)} for axis in grid.axes],
        "cells": rows,
    }
    sheet = sheet_of(grid, title=names, caption=command, side=cell_size)
    record = {name: value for name, value in manifest.items() if name != "format"}
    cells = [
        PageCell(
            cell.labels,
            None if cell.result is None else cell.result.image,
            cell.message,
            {name: value for name, value in row.items() if isinstance(value, float)},
            row["file"],
        )
        for cell, row in zip(grid.cells, rows, strict=True)
    ]
    page = {
        "title": f"jaxstyle sweep: {names}",
        "command": command,
        "settings": told,
        "axes": [(axis.name, list(axis.labels)) for axis in grid.axes],
        "cells": cells,
    }
    errors = []
    for write in (
        lambda: write_csv(folder / "losses.csv", rows),
        lambda: write_json(folder / "sweep.json", manifest),
        lambda: save_sheet(folder / "sheet.png", sheet, record),
        lambda: write_page(folder / "index.html", **page),
    ):
        try:
            write()
        except InputError as error:
            errors.append(str(error))
    if errors:
        raise InputError("; ".join(errors))


def _figures(grid: Grid, index: int) -> dict[str, Any]:
    """One cell's labels, losses by term and layer, and how it ended."""
    cell = grid.cells[index]
    # Some axes have the name of a result.
    taken = ("file", "loss", "content", "style", "tv", "other", "steps", "reason", "message")
    names = [f"{axis.name} axis" if axis.name in taken else axis.name for axis in grid.axes]
    row: dict = dict(zip(names, cell.labels, strict=True))
    result = cell.result
    if result is None:
        return {**row, "file": "", "message": cell.message}
    row |= {"file": f"{cell.name}.png" if cell.message == "" else "", "loss": result.loss}
    row |= {term: result.terms[term] for term in ("content", "style", "tv", "other")}
    for term in ("content", "style"):
        row |= {f"{term} {tap}": value for tap, value in result.terms[f"{term}_layers"].items()}
    return {**row, "steps": result.steps, "reason": result.reason, "message": cell.message}
