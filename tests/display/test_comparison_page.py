"""The HTML page: one well-formed file with all cells, which loads nothing and runs no label."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jaxstyle.display.figures import PageCell, write_page
from jaxstyle.errors import InputError

chance = np.random.default_rng(0)
VOID = {"meta", "img", "input", "br", "hr", "link"}
EVIL = "<script>alert('1')</script>\"'&<!--"


class Page(HTMLParser):
    """Reads a page and sees to it that what opens also closes, in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        wanted = {name.rstrip("_"): value for name, value in wanted.items()}
        return [own for name, own in self.tags if name == tag and wanted.items() <= own.items()]


def cell(labels: tuple[str, ...], **changes: Any) -> PageCell:
    picture = chance.random((12, 16, 3), np.float32)
    own = PageCell(labels, picture, "", {"loss": 1234.5}, "cells/a b.png")
    return own._replace(**changes)


def page_of(folder: Path, axes: list[tuple[str, list[str]]], cells: list[PageCell], **options):
    about: dict[str, Any] = {
        "title": "Sweep",
        "command": "jaxstyle sweep",
        "settings": {"steps": 5},
    }
    write_page(folder / "p.html", axes=axes, cells=cells, **{**about, **options})
    return Page((folder / "p.html").read_text(encoding="utf-8"))


def grid_cells(*values: list[str]) -> list[PageCell]:
    return [cell(labels) for labels in product(*values)]


ROWS, COLUMNS, SEEDS = ["conv1_1", "conv2_1"], ["1e-5", "1e-4", "1e-3"], ["0", "1"]


def test_two_axes_make_rows_and_columns(tmp_path):
    cells = grid_cells(ROWS, COLUMNS)
    page = page_of(tmp_path, [("layers", ROWS), ("ratio", COLUMNS)], cells[::-1])
    assert page.texts["th"][:2] == ["layers", "ratio"]
    assert [text for text in page.texts["th"] if text in COLUMNS] == COLUMNS
    assert [text for text in page.texts["th"] if text in ROWS] == ROWS
    names = [str(image["alt"]) for image in page.all("img") if image["alt"]]
    assert names == [f"layers {row}, ratio {column}" for row in ROWS for column in COLUMNS]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_any_number_of_axes(tmp_path, count):
    axes = [("a", SEEDS), ("b", SEEDS), ("layers", ROWS), ("ratio", COLUMNS)][4 - count :]
    cells = grid_cells(*(values for _, values in axes))
    page = page_of(tmp_path, axes, cells)
    assert len(page.all("figure")) == len(cells)
    assert len(page.all("section")) == max(1, 2 ** (count - 2))
    if count == 4:
        assert page.texts["h2"][:2] == ["a: 0, b: 0", "a: 0, b: 1"]


def test_pictures_are_inside_and_small_enough(tmp_path):
    y, x = np.mgrid[0:1:500j, 0:1:2000j]
    large = np.stack([x, y, 1 - x], -1).astype(np.float32)
    page = page_of(tmp_path, [("r", ["1", "2"])], [cell(("1",), picture=large), cell(("2",))])
    first, second = (image for image in page.all("img") if image["alt"])
    kind, data = str(first["src"]).split(",")
    assert kind == "data:image/jpeg;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.size == (640, 160) == (int(str(first["width"])), int(str(first["height"])))
    seen = np.asarray(image, np.float32)[::20, ::20] / 255
    expected = large[::62, ::62][: len(seen), : seen.shape[1]]
    assert np.abs(seen[0, :5] - expected[0, :5]).max() < 0.05
    assert (second["width"], second["height"]) == ("16", "12")


def test_failed_and_missing_cells(tmp_path):
    cells = [cell(("1",), picture=None, message=EVIL, file="")]
    page = page_of(tmp_path, [("r", ["1", "2"])], cells)
    assert EVIL in page.texts["div"]
    assert len(page.all("td")) == 2 + 1  # one of the settings
    assert [image for image in page.all("img") if image["alt"]] == []
    assert page.all("a") == []


def test_numbers_settings_and_command_are_there(tmp_path):
    figures = {"style conv1_1": 1.23456e-7, "loss": float("nan"), "np": np.float32(2)}
    settings = {"layers": ["conv1_1"], "name": "ü", "path": Path("x.png"), "none": None}
    page = page_of(
        tmp_path, [("r", ["1"])], [cell(("1",), figures=figures)], settings=settings, command=EVIL
    )
    assert page.texts["dt"] == ["style conv1_1", "loss", "np"]
    assert page.texts["dd"] == ["1.2346e-07", "nan", "2"]
    assert page.texts["pre"] == [EVIL]
    shown = [text for text in page.texts["td"] if text]
    assert shown == ['["conv1_1"]', "ü", '"x.png"', "null"]


def test_nothing_from_outside_becomes_markup(tmp_path):
    cells = [cell((EVIL, EVIL, EVIL), figures={EVIL: 1}, file=EVIL, message=EVIL)]
    axes = [(EVIL, [EVIL])] * 3
    page = page_of(tmp_path, axes, cells, title=EVIL, command=EVIL, settings={EVIL: EVIL})
    plain = page_of(tmp_path, [("a", ["1"])] * 3, [cell(("1", "1", "1"))])
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert [set(own) for _, own in page.tags] == [set(own) for _, own in plain.tags]
    assert page.texts["title"] == page.texts["h1"] == [EVIL]
    assert EVIL in page.texts["th"]


@pytest.mark.parametrize(
    "file",
    ["a b/c#?.png", "//example.org/x", "javascript:alert(1)", "https://example.org", "ü\udcff"],
)
def test_links_stay_beside_the_page(tmp_path, file):
    page = page_of(tmp_path, [("r", ["1"])], [cell(("1",), file=file)])
    (link,) = page.all("a")
    assert re.fullmatch(r"\./[\w%./~-]*", str(link["href"]), re.ASCII)


def test_the_page_loads_nothing(tmp_path):
    page = page_of(tmp_path, [("r", ["1"])], [cell(("1",))])
    for _, own in page.tags:
        for name in ("src", "href", "srcset", "action", "data"):
            assert not re.match(r"\s*(https?:)?//", own.get(name) or "")
        assert "style" not in own  # the policy would not let it
        assert not [name for name in own if name.startswith("on")]
    assert not page.all("link")
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy["content"]).split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("style", "script"):
        (text,) = page.texts[tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
        assert "http" not in text
        assert "url(" not in text


def test_the_script_finds_what_it_looks_for(tmp_path):
    page = page_of(tmp_path, [("r", ["1"])], [cell(("1",))])
    (script,) = page.texts["script"]
    ids = {own["id"] for _, own in page.tags if "id" in own}
    asked = set(re.findall(r'getElementById\("(\w+)"\)', script))
    assert asked
    assert asked <= ids
    classes = {name for _, own in page.tags for name in (own.get("class") or "").split()}
    assert set(re.findall(r'querySelector(?:All)?\("\.(\w+)', script)) <= classes


def test_axes_that_name_a_label_twice_show_each_cell(tmp_path):
    cells = [cell(("x.jpg",)), cell(("x.jpg",))]
    page = page_of(tmp_path, [("style", ["x.jpg", "x.jpg"])], cells)
    assert len(page.all("figure")) == 2
    assert len(page.all("td")) == 1 + 1  # one of the settings


def test_the_same_page_again_and_refusals(tmp_path):
    axes, cells = [("r", ["1"])], [cell(("1",))]
    page_of(tmp_path, axes, cells)
    before = (tmp_path / "p.html").read_bytes()
    page_of(tmp_path, axes, cells)
    assert (tmp_path / "p.html").read_bytes() == before
    for labels in [("2",), (), ("1", "1")]:
        with pytest.raises(InputError, match="which are not on its axes"):
            page_of(tmp_path, axes, [cell(labels)])
    with pytest.raises(InputError, match=r"shape \(3, 4\)"):
        page_of(tmp_path, axes, [cell(("1",), picture=np.zeros((3, 4), np.float32))])
    assert (tmp_path / "p.html").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
