"""``examples/make_gallery.py``: its table, its pages, and a figure of it made twice."""

from __future__ import annotations

import importlib
import re
import shutil
import sys

import pytest
from conftest import ROOT

EXAMPLES = ROOT / "examples"


@pytest.fixture
def make_gallery(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("make_gallery")


def test_commands_name_pictures_that_are_there(make_gallery):
    named = re.findall(r"examples/[\w/.]+\w", (EXAMPLES / "gallery.toml").read_text("utf-8"))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == ["examples/make_gallery.py"][
        :0
    ]


def test_pages_are_those_of_the_table(make_gallery):
    way = make_gallery.Way("slim", None)
    for folder, page in (
        ("gallery", make_gallery.gallery_page(way)),
        ("controls", make_gallery.controls_page(way)),
    ):
        assert (EXAMPLES / folder / "README.md").read_text("utf-8") == page
        for picture in re.findall(r"!\[.*\]\((.*)\)", page):
            assert (EXAMPLES / folder / picture).exists()


def test_what_is_there_is_not_made_again(make_gallery, monkeypatch, tmp_path):
    """With a stand-in for jaxstyle: the second call runs what the first had not come to."""
    commands: list[list[str]] = []

    def jaxstyle(words: list[str]) -> int:
        commands.append(words)
        if len(commands) == 3:
            return 2
        shutil.copy(EXAMPLES / "content.jpg", words[-2])
        return 0

    monkeypatch.setattr(make_gallery, "jaxstyle", jaxstyle)
    monkeypatch.setattr(make_gallery, "ROOT", tmp_path)
    (tmp_path / "examples").symlink_to(EXAMPLES)
    monkeypatch.chdir(tmp_path)
    words = ["make_gallery.py", "--only", "styles", "--weights", "vgg19", "--size", "64"]
    monkeypatch.setattr(sys, "argv", [*words, "--into", "made"])
    with pytest.raises(SystemExit):
        make_gallery.main()
    monkeypatch.setattr(sys, "argv", [*words, "--into", "made"])
    monkeypatch.chdir(tmp_path)
    assert make_gallery.main() == 0
    pictures = [words[-2] for words in commands]
    assert pictures[2] == pictures[3] and len(set(pictures)) == 4
    settings = ["--size", "64", "--steps", "100,50", "--weights", "vgg19"]
    assert commands[0][3:] == [*settings, "-o", pictures[0], "--quiet"]
    assert (tmp_path / "made" / "controls" / "styles.jpg").exists()
