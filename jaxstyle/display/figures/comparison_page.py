"""Cells side by side in one HTML file that needs nothing else: no server, no network."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from jaxstyle.display.thumbnails import jpeg
from jaxstyle.errors import InputError
from jaxstyle.images import checked_rgb, fit_longest_side, resize
from jaxstyle.runtime.atomic_files import write_bytes

_LONGEST_SIDE = 640  # px of an embedded picture; its own file has it whole
_QUALITY = 88


class PageCell(NamedTuple):
    """One result.

    Attributes:
        labels: its value on each axis, in the axes' order.
        picture: (h, w, 3) in [0, 1]; None if it failed.
        message: why it failed, else empty.
        figures: numbers to show below, such as the loss by term.
        file: its own file relative to the page, linked; none if empty.
    """

    labels: tuple[str, ...]
    picture: np.ndarray | None
    message: str
    figures: Mapping[str, float]
    file: str


Axes = Sequence[tuple[str, Sequence[str]]]


def write_page(
    path: str | os.PathLike[str],
    *,
    title: str,
    command: str,
    settings: Mapping[str, Any],
    axes: Axes,
    cells: Sequence[PageCell],
) -> None:
    """Write a page of all cells; click to enlarge, pick two to compare with a slider.

    The last axis makes columns, the one before rows, and each combination of the others has a
    section. Pictures are embedded, scaled down to 640 px. The page's own policy forbids it to
    load anything.

    Args:
        axes: name and labels of each axis.
        cells: in any order; places without a cell stay empty.

    Raises:
        InputError: a cell's labels are not on the axes, or the file cannot be written.
        ImageError: a cell's picture is none.
    """
    for cell in cells:
        _check_place(cell, axes)
    style, script = _part("page.css"), _part("page.js")
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )
    page = Template(_part("page.html")).substitute(
        policy=policy,
        title=escape(title),
        style=style,
        sections="\n".join(_sections(axes, cells)),
        command=escape(command),
        settings=_settings(settings),
        script=script,
    )
    # Undecodable bytes of file names must not stop the page.
    write_bytes(path, page.encode("utf-8", errors="replace"))


def _part(name: str) -> str:
    return files("jaxstyle.display.figures").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _check_place(cell: PageCell, axes: Axes) -> None:
    fits = len(cell.labels) == len(axes)
    if not fits or any(label not in on for label, (_, on) in zip(cell.labels, axes, strict=True)):
        raise InputError(
            f"a cell of the page has the labels {cell.labels}, which are not on its axes "
            f"{tuple(name for name, _ in axes)}"
        )


def _sections(axes: Axes, cells: Sequence[PageCell]) -> Iterator[str]:
    """A grid for each combination of labels of all but the last two axes."""
    places: dict[tuple[str, ...], list[str]] = {}
    for cell in cells:
        places.setdefault(tuple(cell.labels), []).append(_figure(cell, axes))
    values = [list(dict.fromkeys(labels)) for _, labels in axes]
    outer = len(values[:-2])
    for section in itertools.product(*values[:-2]):
        if section:
            named = zip((name for name, _ in axes), section, strict=False)
            heading = ", ".join(f"{name}: {label}" for name, label in named)
            yield f"<section><h2>{escape(heading)}</h2>"
        else:
            yield "<section>"
        rows = values[outer] if len(values) > 1 else None
        columns = values[-1] if values else None
        yield '<div class="scroll"><table class="grid">'
        yield from _heads(axes, rows, columns)
        yield "<tbody>"
        for row in rows or [None]:
            yield "<tr>"
            if row is not None:
                yield f'<th scope="row">{escape(row)}</th>'
            for column in columns or [None]:
                inner = tuple(label for label in (row, column) if label is not None)
                yield f"<td>{''.join(places.get(section + inner, []))}</td>"
            yield "</tr>"
        yield "</tbody></table></div></section>"


def _heads(axes: Axes, rows: list[str] | None, columns: list[str] | None) -> Iterator[str]:
    if columns is None:
        return
    name = escape(axes[-1][0])
    corner = "" if rows is None else f'<th class="axis" rowspan="2">{escape(axes[-2][0])}</th>'
    yield f'<thead><tr>{corner}<th class="axis" colspan="{len(columns)}">{name}</th></tr><tr>'
    yield from (f'<th scope="col">{escape(label)}</th>' for label in columns)
    yield "</tr></thead>"


def _figure(cell: PageCell, axes: Axes) -> str:
    named = zip((name for name, _ in axes), cell.labels, strict=True)
    text = escape(", ".join(f"{name} {label}" for name, label in named) or "result")
    numbers = "".join(
        f"<dt>{escape(name)}</dt><dd>{value:.5g}</dd>" for name, value in cell.figures.items()
    )
    link = f'<a href="{_href(cell.file)}">{escape(cell.file)}</a>' if cell.file else ""
    if cell.picture is None:
        seen = f'<div class="failed">{escape(cell.message or "failed")}</div>'
        start, pick = "<figure>", ""
    else:
        width, height, source = _embedded(cell.picture)
        seen = (
            f'<button class="look" type="button"><img src="{source}" alt="{text}" '
            f'width="{width}" height="{height}"></button>'
        )
        start = '<figure data-picture="">'
        pick = '<button class="pick" type="button" aria-pressed="false">compare</button>'
    numbers = f"<dl>{numbers}</dl>" if numbers else ""
    row = f'<div class="row">{pick}{link}</div>'
    return f"{start}{seen}<figcaption>{row}{numbers}</figcaption></figure>"


def _href(file: str) -> str:
    """Always relative to the page: neither another scheme nor another server."""
    return escape("./" + quote(os.fsencode(file.replace(os.sep, "/"))))


def _embedded(picture: np.ndarray) -> tuple[int, int, str]:
    """Width, height and data URL."""
    picture = checked_rgb(picture, "a cell of the page")
    height, width = picture.shape[:2]
    if max(width, height) > _LONGEST_SIDE:
        width, height = fit_longest_side(width, height, _LONGEST_SIDE)
        picture = resize(picture, width, height)
    pixels = np.rint(np.clip(np.nan_to_num(picture), 0, 1) * 255).astype(np.uint8)
    data = base64.b64encode(jpeg(pixels, _QUALITY)).decode()
    return width, height, f"data:image/jpeg;base64,{data}"


def _settings(settings: Mapping[str, Any]) -> str:
    rows = "\n".join(
        f"<tr><th>{escape(name)}</th><td>{escape(_shown(value))}</td></tr>"
        for name, value in settings.items()
    )
    return f'<h2>Settings</h2>\n<table class="settings">\n{rows}\n</table>' if rows else ""


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
