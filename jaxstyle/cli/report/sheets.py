"""Sheets of labelled pictures, and what is said of cells that failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxstyle.cli.report.rescue import save_or_rescue

if TYPE_CHECKING:
    from jaxstyle.pipelines.sweep import Grid


def sheet_of(grid: Grid, *, title: str, caption: str, side: int) -> Any:
    """A grid as one labelled picture: the last axis across, the others down."""
    from jaxstyle.display.figures import contact_sheet, strip

    texts: dict[str, Any] = {"title": title, "caption": caption, "side": side}
    pictures = [
        [cell.message if cell.result is None else cell.result.image for cell in row]
        for row in grid.rows()
    ]
    if len(grid.axes) == 1:
        labels = [f"{grid.axes[0].name} {label}" for label in grid.axes[0].labels]
        if " " in grid.axes[0].name:
            labels = list(grid.axes[0].labels)
        return strip(pictures[0], labels, columns=min(5, len(labels)), **texts)
    down, across = grid.axes[:-1], grid.axes[-1]
    return contact_sheet(
        pictures,
        row_labels=[", ".join(row[0].labels[:-1]) for row in grid.rows()],
        column_labels=across.labels,
        row_title=", ".join(axis.name for axis in down),
        column_title=across.name,
        **texts,
    )


def save_sheet(path: Path, sheet: Any, record: dict[str, Any]) -> None:
    """Write a sheet with what made it, as the setting ``record`` among its ``settings`` has it.

    Raises:
        InputError: as ``save_or_rescue``.
    """
    from jaxstyle.images import save_image
    from jaxstyle.run.record import SHEET_FORMAT, settings_without_folders, versions

    settings = record["settings"]
    detail, quality = settings.get("record", "names"), settings.get("quality", 90)
    if detail != "full":
        record = {**record, "settings": settings_without_folders(settings)}
    record = {"format": SHEET_FORMAT, "versions": versions(), **record}
    text = None if detail == "none" else json.dumps(record, sort_keys=True, default=str)
    save_or_rescue(lambda path: save_image(path, sheet, quality=quality, record=text), path)


def failures(grid: Grid) -> Sequence[str]:
    """A line for every cell that has no result, or none that was written."""
    return [
        f"{', '.join(cell.labels)}: {cell.message}" for cell in grid.cells if cell.message != ""
    ]
