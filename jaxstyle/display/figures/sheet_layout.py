"""Where everything goes on a sheet: pictures of many sizes, labels of any length."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxstyle.display.figures.sheet_text import Paragraph, longest_word, natural_width, paragraph

_ALONE = 256
"""Pixels on a side of a cell when no picture says how large cells are."""


class Words(NamedTuple):
    """All text around the cells; ``above`` has for each row its cells' labels, or is empty."""

    rows: Sequence[str]
    above: Sequence[Sequence[str]]
    row_title: str
    column_title: str
    title: str
    caption: str


class Text(NamedTuple):
    """A paragraph in its place; a turned one reads upwards in a box of exchanged sides."""

    content: Paragraph
    x: int
    y: int
    role: str
    align: str = "left"
    turned: bool = False


class Placed(NamedTuple):
    """A picture, or the grey box of a failed cell, with its left upper corner."""

    picture: np.ndarray | None
    x: int
    y: int
    width: int
    height: int


class Plan(NamedTuple):
    width: int
    height: int
    cells: list[Placed]
    texts: list[Text]


class _Measures(NamedTuple):
    """Sizes in px that follow from the cells' size."""

    side: int
    label: int
    title: int
    caption: int
    gap: int
    near: int
    margin: int


Content = np.ndarray | str | None

_NOTHING = Paragraph((), 0, 0, 0)


class _Row(NamedTuple):
    """Pictures and messages with the label beside them, or the labels above them.

    Attributes:
        gap: px to the row before.
    """

    cells: Sequence[np.ndarray | Paragraph | None]
    height: int
    gap: int
    beside: Paragraph = _NOTHING
    labels: bool = False


def plan_sheet(rows: Sequence[Sequence[Content]], words: Words, side: int | None) -> Plan:
    """Lay out a sheet: title, then column title, labels and cells, then caption.

    Args:
        rows: pictures; a text is the message of a failed cell, None leaves its place empty.
        side: pixels on a side of a cell, if no picture says.
    """
    sizes = _measures(rows, side)
    widths = _column_widths(rows, words, sizes)
    table = _table(rows, words, widths, sizes)
    header = table[0].height + table[1].gap if table[0].labels else 0
    height = sum(row.gap + row.height for row in table) - header
    row_title = paragraph(words.row_title, sizes.label, max(height, 6 * sizes.label))
    table[-1] = table[-1]._replace(height=table[-1].height + max(0, row_title.width - height))
    label_width = max(row.beside.width for row in table)
    grid_width = sum(widths) + sizes.gap * (len(widths) - 1)
    gutter = _with_gap(row_title.height, sizes) + _with_gap(label_width, sizes)
    inner = max(
        gutter + grid_width,
        min(natural_width(words.title, sizes.title), 16 * sizes.title),
        min(natural_width(words.caption, sizes.caption), 30 * sizes.caption),
    )
    title = paragraph(words.title, sizes.title, inner)
    column_title = paragraph(words.column_title, sizes.label, grid_width)
    caption = paragraph(words.caption, sizes.caption, inner)

    left, y = sizes.margin + gutter, sizes.margin
    texts = [Text(title, sizes.margin, y, "title")]
    y += _with_gap(title.height, sizes)
    x = left + (grid_width - column_title.width) // 2
    texts.append(Text(column_title, x, y, "label", "centre"))
    y += column_title.height + sizes.near if column_title.lines else 0
    cells: list[Placed] = []
    top = y + header
    for row in table:
        y += row.gap
        _place(row, widths, sizes, left, y, cells, texts)
        y += row.height
    x, top = sizes.margin, top + (y - top - row_title.width) // 2
    texts.append(Text(row_title, x, top, "label", "centre", turned=True))
    if caption.lines:
        y += max(sizes.gap, sizes.label)
    texts.append(Text(caption, sizes.margin, y, "caption"))
    height = y + caption.height + sizes.margin
    return Plan(
        inner + 2 * sizes.margin, height, cells, [text for text in texts if text.content.lines]
    )


def _with_gap(length: int, sizes: _Measures) -> int:
    """What text takes with the distance to what follows; nothing where there is none."""
    return length + sizes.gap if length else 0


def _measures(rows: Sequence[Sequence[Content]], side: int | None) -> _Measures:
    sides = [max(cell.shape) for row in rows for cell in row if isinstance(cell, np.ndarray)]
    typical = round(statistics.median(sides)) if sides else side or _ALONE
    label = min(40, max(11, round(typical / 15)))
    return _Measures(
        side=typical,
        label=label,
        title=round(1.5 * label),
        caption=max(11, round(0.75 * label)),
        gap=max(6, round(typical / 25)),
        near=max(3, round(0.35 * label)),
        margin=max(12, round(1.5 * label)),
    )


def _column_widths(rows: Sequence[Sequence[Content]], words: Words, sizes: _Measures) -> list[int]:
    """Those of the pictures; a narrow column is widened for words of usual length."""
    any_width = max((cell.shape[1] for row in rows for cell in _pictures(row)), default=sizes.side)
    widths = []
    for column in range(max(map(len, rows))):
        cells = [row[column] for row in rows if column < len(row)]
        labels = [row[column] for row in words.above if column < len(row)]
        needed = max((longest_word(label, sizes.label) for label in labels), default=0)
        if any(isinstance(cell, str) for cell in cells):
            needed = max(needed, 6 * sizes.label)
        width = max((cell.shape[1] for cell in _pictures(cells)), default=any_width)
        widths.append(max(width, min(needed, 8 * sizes.label)))
    # The last column takes what the title over all of them lacks.
    needed = min(longest_word(words.column_title, sizes.label), 8 * sizes.label)
    widths[-1] += max(0, needed - sum(widths) - sizes.gap * (len(widths) - 1))
    return widths


def _pictures(cells: Sequence[Content]) -> list[np.ndarray]:
    return [cell for cell in cells if isinstance(cell, np.ndarray)]


def _table(
    rows: Sequence[Sequence[Content]], words: Words, widths: Sequence[int], sizes: _Measures
) -> list[_Row]:
    any_height = max((cell.shape[0] for row in rows for cell in _pictures(row)), default=sizes.side)
    table: list[_Row] = []
    for index, row in enumerate(rows):
        gap = sizes.gap if table else 0
        above = words.above[index] if words.above else ()
        labels = [
            paragraph(label, sizes.label, width)
            for label, width in zip(above, widths, strict=False)
        ]
        if label_height := max((label.height for label in labels), default=0):
            # Labels are to be nearer to their pictures than to others.
            gap += sizes.label // 2 if table else 0
            table.append(_Row(labels, label_height, gap, labels=True))
            gap = sizes.near
        beside = _NOTHING
        if words.rows:
            label = words.rows[index]
            width = min(natural_width(label, sizes.label), 9 * sizes.label)
            beside = paragraph(label, sizes.label, width)
        small = max(9, round(sizes.label * 0.85))
        cells = [
            paragraph(cell, small, width - sizes.gap) if isinstance(cell, str) else cell
            for cell, width in zip(row, widths, strict=False)
        ]
        heights = [cell.shape[0] for cell in _pictures(row)] or [any_height]
        heights += [cell.height + sizes.gap for cell in cells if isinstance(cell, Paragraph)]
        table.append(_Row(cells, max(*heights, beside.height), gap, beside))
    return table


def _place(
    row: _Row,
    widths: Sequence[int],
    sizes: _Measures,
    left: int,
    y: int,
    cells: list[Placed],
    texts: list[Text],
) -> None:
    """Add what is in a row, whose left upper corner is (left, y), to the cells and the texts."""
    middle = y + (row.height - row.beside.height) // 2
    texts.append(Text(row.beside, left - sizes.gap - row.beside.width, middle, "label", "right"))
    for cell, width in zip(row.cells, widths, strict=False):
        if isinstance(cell, np.ndarray):
            tall, wide = cell.shape[:2]
            x, top = left + (width - wide) // 2, y + (row.height - tall) // 2
            cells.append(Placed(cell, x, top, wide, tall))
        elif cell is not None:
            x, free = left + (width - cell.width) // 2, row.height - cell.height
            if row.labels:
                texts.append(Text(cell, x, y + free, "label", "centre"))
            else:
                cells.append(Placed(None, left, y, width, row.height))
                texts.append(Text(cell, x, y + free // 2, "message", "centre"))
        left += width + sizes.gap
