"""Where everything goes on a sheet: pictures of many sizes, labels of any length."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import accumulate
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

    @property
    def box(self) -> tuple[int, int, int, int]:
        width, height = self.content.width, self.content.height
        if self.turned:
            width, height = height, width
        return self.x, self.y, self.x + width, self.y + height


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


class _Grid(NamedTuple):
    """Columns and rows, and all text that belongs to one of them or to a cell."""

    widths: list[int]
    heights: list[int]
    row_labels: list[Paragraph]
    above: list[list[Paragraph]]
    above_heights: list[int]
    messages: dict[tuple[int, int], Paragraph]
    row_title: Paragraph
    column_title: Paragraph


def plan_sheet(rows: Sequence[Sequence[Content]], words: Words, side: int | None) -> Plan:
    """Place cells in columns and rows, each centred, and all text around them.

    Args:
        rows: pictures at their final size, messages of failed cells, None for empty ones.
        side: how large cells are if there is no picture to tell.
    """
    sizes = _measures(rows, side)
    grid = _grid(rows, words, sizes)
    label_width = max((label.width for label in grid.row_labels), default=0)
    gutter = label_width + sizes.gap if label_width else 0
    gutter += grid.row_title.height + sizes.gap if grid.row_title.lines else 0
    left, grid_width = sizes.margin + gutter, _along(grid.widths, sizes.gap)
    inner = max(
        gutter + grid_width,
        min(natural_width(words.title, sizes.title), 16 * sizes.title),
        min(natural_width(words.caption, sizes.caption), 30 * sizes.caption),
    )
    texts: list[Text] = []
    y = sizes.margin
    title = paragraph(words.title, sizes.title, inner)
    if title.lines:
        texts.append(Text(title, sizes.margin, y, "title"))
        y += title.height + sizes.gap
    if grid.column_title.lines:
        x = left + (grid_width - grid.column_title.width) // 2
        texts.append(Text(grid.column_title, x, y, "label", "centre"))
        y += grid.column_title.height + sizes.near
    cells, around = _placed(rows, grid, sizes, left, y)
    texts += around
    first = y + grid.above_heights[0]
    y += _grid_height(grid, sizes)
    if grid.row_title.lines:
        x, top = sizes.margin, first + (y - first - grid.row_title.width) // 2
        texts.append(Text(grid.row_title, x, top, "label", "centre", turned=True))
    caption = paragraph(words.caption, sizes.caption, inner)
    if caption.lines:
        y += max(sizes.gap, sizes.label)
        texts.append(Text(caption, sizes.margin, y, "caption"))
        y += caption.height
    return Plan(inner + 2 * sizes.margin, y + sizes.margin, cells, texts)


def _grid(rows: Sequence[Sequence[Content]], words: Words, sizes: _Measures) -> _Grid:
    widths, heights = _cell_sizes(rows, words, sizes)
    labels = [_row_label(label, sizes) for label in words.rows]
    above = [
        [paragraph(label, sizes.label, width) for label, width in zip(row, widths, strict=False)]
        for row in words.above
    ] or [[] for _ in rows]
    messages = {
        (r, c): paragraph(cell, max(9, round(sizes.label * 0.85)), widths[c] - sizes.gap)
        for r, row in enumerate(rows)
        for c, cell in enumerate(row)
        if isinstance(cell, str)
    }
    for index, label in enumerate(labels):
        heights[index] = max(heights[index], label.height)
    for (index, _), message in messages.items():
        heights[index] = max(heights[index], message.height + sizes.gap)
    grid = _Grid(
        widths,
        heights,
        labels,
        above,
        [max((p.height + sizes.near for p in row if p.lines), default=0) for row in above],
        messages,
        paragraph("", sizes.label, 1),
        paragraph(words.column_title, sizes.label, _along(widths, sizes.gap)),
    )
    beside = _grid_height(grid, sizes) - grid.above_heights[0]
    row_title = paragraph(words.row_title, sizes.label, max(beside, 6 * sizes.label))
    heights[-1] += max(0, row_title.width - beside)
    return grid._replace(row_title=row_title)


def _placed(
    rows: Sequence[Sequence[Content]], grid: _Grid, sizes: _Measures, left: int, y: int
) -> tuple[list[Placed], list[Text]]:
    """Cells, their labels and messages, and the rows' labels; the grid's corner is (left, y)."""
    cells: list[Placed] = []
    texts: list[Text] = []
    lefts = list(accumulate((width + sizes.gap for width in grid.widths), initial=left))
    for r, (row, row_height) in enumerate(zip(rows, grid.heights, strict=True)):
        y += (_gap_above(r, grid, sizes) if r else 0) + grid.above_heights[r]
        for c, label in enumerate(grid.above[r]):
            if label.lines:
                x = lefts[c] + (grid.widths[c] - label.width) // 2
                texts.append(Text(label, x, y - sizes.near - label.height, "label", "centre"))
        if grid.row_labels and (label := grid.row_labels[r]).lines:
            top = y + (row_height - label.height) // 2
            texts.append(Text(label, left - sizes.gap - label.width, top, "label", "right"))
        for c, cell in enumerate(row):
            if cell is None:
                continue
            width, height = _size_of(cell, grid.widths[c], row_height)
            x, top = lefts[c] + (grid.widths[c] - width) // 2, y + (row_height - height) // 2
            cells.append(Placed(None if isinstance(cell, str) else cell, x, top, width, height))
            if (message := grid.messages.get((r, c))) is not None:
                x, top = x + (width - message.width) // 2, top + (height - message.height) // 2
                texts.append(Text(message, x, top, "message", "centre"))
        y += row_height
    return cells, texts


def _along(lengths: Sequence[int], gap: int) -> int:
    return sum(lengths) + gap * (len(lengths) - 1)


def _gap_above(row: int, grid: _Grid, sizes: _Measures) -> int:
    """Wider where labels follow, which are to be nearer to their pictures than to others."""
    return sizes.gap + (sizes.label // 2 if grid.above_heights[row] else 0)


def _grid_height(grid: _Grid, sizes: _Measures) -> int:
    gaps = sum(_gap_above(row, grid, sizes) for row in range(1, len(grid.heights)))
    return sum(grid.heights) + sum(grid.above_heights) + gaps


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


def _cell_sizes(
    rows: Sequence[Sequence[Content]], words: Words, sizes: _Measures
) -> tuple[list[int], list[int]]:
    """Width of each column and height of each row."""
    columns = max(map(len, rows))
    shapes = {
        (r, c): cell.shape
        for r, row in enumerate(rows)
        for c, cell in enumerate(row)
        if isinstance(cell, np.ndarray)
    }
    any_width = max((shape[1] for shape in shapes.values()), default=sizes.side)
    any_height = max((shape[0] for shape in shapes.values()), default=sizes.side)
    widths, heights = [], []
    for column in range(columns):
        width = max((s[1] for (_, c), s in shapes.items() if c == column), default=any_width)
        labels = [row[column] for row in words.above if column < len(row)]
        # A narrow column is widened for words of usual length, so that they are not cut.
        needed = max((longest_word(label, sizes.label) for label in labels), default=0)
        if any(column < len(row) and isinstance(row[column], str) for row in rows):
            needed = max(needed, 6 * sizes.label)
        widths.append(max(width, min(needed, 8 * sizes.label)))
    # The last column takes what the title over all of them lacks.
    grid_width = sum(widths) + sizes.gap * (columns - 1)
    needed = min(longest_word(words.column_title, sizes.label), 8 * sizes.label)
    widths[-1] += max(0, needed - grid_width)
    for index in range(len(rows)):
        heights.append(
            max((s[0] for (r, _), s in shapes.items() if r == index), default=any_height)
        )
    return widths, heights


def _row_label(label: str, sizes: _Measures) -> Paragraph:
    width = min(natural_width(label, sizes.label), 9 * sizes.label)
    return paragraph(label, sizes.label, width)


def _size_of(cell: np.ndarray | str, width: int, height: int) -> tuple[int, int]:
    """Width and height; the box of a failed cell fills its place."""
    return (width, height) if isinstance(cell, str) else (cell.shape[1], cell.shape[0])
