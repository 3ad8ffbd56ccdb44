"""Pictures side by side, labelled: what one shows to others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from jaxstyle.display.figures.sheet_layout import Content, Plan, Words, plan_sheet
from jaxstyle.display.figures.sheet_text import mask_of
from jaxstyle.images import ImageError, checked_rgb, fit_longest_side, resize

_COLORS = {"title": "#222222", "label": "#333333", "caption": "#777777", "message": "#8a3030"}
_FAILED = "#e6e6e6"
_MOST_LETTERS = 400  # of a message in a cell


def contact_sheet(
    cells: Sequence[Sequence[np.ndarray | str | None]],
    *,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    row_title: str = "",
    column_title: str = "",
    title: str = "",
    caption: str = "",
    side: int | None = None,
) -> Float[np.ndarray, "height width 3"]:
    """Rows of pictures on white, with labels on the left and on top.

    Pictures are centred in their column and row. Text follows their size; where it is long it is
    wrapped, or made smaller, and the sheet grows: nothing is cut off.

    Args:
        cells: rows of (h, w, 3) pictures in [0, 1]; a text is a failed cell's message, None leaves
            a place empty. Rows may differ in length.
        row_labels, column_labels: one for each row or column, or none at all.
        row_title, column_title: what the labels are values of.
        caption: small, below; the command, say.
        side: pictures with a longer side are scaled down to it, in pixels.

    Raises:
        ImageError: there is no cell, labels do not fit in number, or a cell is no picture.
    """
    rows = _prepared(cells, side)
    for what, labels, count in (
        ("row", row_labels, len(rows)),
        ("column", column_labels, max(map(len, rows))),
    ):
        if labels and len(labels) != count:
            raise ImageError(f"got {len(labels)} {what} labels for {count} {what}s: give one each")
    above = [list(column_labels), *([] for _ in rows[1:])] if column_labels else []
    words = Words(row_labels, above, row_title, column_title, title, caption)
    return _drawn(plan_sheet(rows, words, side))


def strip(
    pictures: Sequence[np.ndarray | str | None],
    labels: Sequence[str],
    *,
    title: str = "",
    caption: str = "",
    side: int | None = None,
    columns: int | None = None,
) -> Float[np.ndarray, "height width 3"]:
    """Pictures in a row, each with its label above.

    Args:
        pictures: as the cells of ``contact_sheet``.
        labels: one for each picture.
        side: pictures with a longer side are scaled down to it, in pixels.
        columns: go on in a new row after so many.

    Raises:
        ImageError: there is no picture, there are not as many labels, or ``columns`` is below 1.
    """
    if columns is not None and columns < 1:
        raise ImageError(f"cannot make a strip of {columns} columns: at least 1 is needed")
    if len(labels) != len(pictures):
        raise ImageError(f"got {len(labels)} labels for {len(pictures)} pictures: give one each")
    step = columns or max(1, len(pictures))
    starts = range(0, len(pictures), step)
    rows = _prepared([pictures[at : at + step] for at in starts], side)
    above = [labels[at : at + step] for at in starts]
    return _drawn(plan_sheet(rows, Words((), above, "", "", title, caption), side))


def _prepared(
    cells: Sequence[Sequence[np.ndarray | str | None]], side: int | None
) -> list[list[Content]]:
    if side is not None and side < 1:
        raise ImageError(f"cannot scale pictures to {side} px: at least 1 px is needed")
    rows = [[_scaled(cell, side) for cell in row] for row in cells]
    if not any(rows):
        raise ImageError("cannot make a sheet of no pictures: give at least one cell")
    return rows


def _scaled(cell: np.ndarray | str | None, side: int | None) -> Content:
    if cell is None:
        return None
    if isinstance(cell, str):
        text = " ".join(cell.split()) or "failed"
        return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 3] + "..."
    picture = checked_rgb(cell, "a cell of a sheet")
    if not np.isfinite(picture).all():
        return "the picture has values that are not finite"
    height, width = picture.shape[:2]
    if side is not None and max(height, width) > side:
        picture = resize(picture, *fit_longest_side(width, height, side))
    return np.clip(picture, 0, 1)


def _drawn(plan: Plan) -> Float[np.ndarray, "height width 3"]:
    image = Image.new("RGB", (plan.width, plan.height), "white")
    draw = ImageDraw.Draw(image)
    for cell in plan.cells:
        if cell.picture is None:
            corner = (cell.x + cell.width - 1, cell.y + cell.height - 1)
            draw.rectangle(((cell.x, cell.y), corner), fill=_FAILED)
    for text in plan.texts:
        mask = mask_of(text.content, align=text.align)
        if text.turned:
            mask = mask.transpose(Image.Transpose.ROTATE_90)
        image.paste(_COLORS[text.role], (text.x, text.y), mask)
    sheet = np.asarray(image, np.float32) / 255
    for cell in plan.cells:  # after the text, because in full depth
        if cell.picture is not None:
            sheet[cell.y : cell.y + cell.height, cell.x : cell.x + cell.width] = cell.picture
    return sheet
