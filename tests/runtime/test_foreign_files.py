"""Files that strangers name or make: what is no file stays shut, and JSON is what it should be."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any

import pytest
from fuzzing import bounded
from hypothesis import given
from hypothesis import strategies as st

from jaxstyle.errors import ImageError, printable
from jaxstyle.runtime.foreign_files import is_plain_file, matching, opened
from jaxstyle.runtime.json_schema import MOST_JSON, Each, Named, misfit, parsed_json, read_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4)
    ),
)
SCHEMA = {
    "a": str,
    "b?": Each(float, least=1, most=2),
    "c": ({"d": (str, None), "e?": int}, None),
    "f?": Named(bool, most=2),
}


def test_what_is_no_file_is_not_opened(tmp_path):
    pipe, folder, link = tmp_path / "pipe", tmp_path / "folder", tmp_path / "link"
    os.mkfifo(pipe)
    folder.mkdir()
    link.symlink_to("/dev/zero")
    for path, words in (
        (pipe, "it is not a regular file"),
        (link, "it is not a regular file"),
        (folder, "it is a folder, not a thing"),
        (tmp_path / "none", "it does not exist"),
        ("a\0b", "it cannot be opened"),
    ):
        with pytest.raises(ImageError, match=words), opened(path, "it", kind="thing"):
            pass
        assert not is_plain_file(path, 2**40)


def test_size_is_bounded(tmp_path):
    large = tmp_path / "large"
    with open(large, "wb") as file:
        file.truncate(2**40)
    with (
        pytest.raises(ImageError, match="1,099,511,627,776 bytes"),
        opened(large, "it", most=2**31),
    ):
        pass
    assert not is_plain_file(large, 2**31)
    assert is_plain_file(large, 2**40)
    with pytest.raises(ValueError), bounded(2, 300 * 2**20):
        read_json(large)


def test_files_of_the_kernel_are_not_plain():
    assert not is_plain_file("/proc/self/pagemap", 2**31)  # a regular file that never ends


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1000 + "]" * 1000,
        "[" + "[]," * 500_000 + "[]]",
        "[" + "{}," * 500_000 + "{}]",
        " " * (MOST_JSON + 1),
        "9" * 5000,
        "{",
    ],
    ids=["deep", "lists", "objects", "long", "number", "cut"],
)
def test_json_that_is_refused(text):
    for form in (text, text.encode()):
        with bounded(2, 300 * 2**20), pytest.raises(ValueError):
            parsed_json(form)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": "", "c": None}, ""),
        ({"a": "x", "b": [1, 2.5], "c": {"d": None, "e": 3}, "f": {"g": True}, "more": []}, ""),
        ([], "it"),
        ({"c": None}, "a"),
        ({"a": 1, "c": None}, "a"),
        ({"a": ""}, "c"),
        ({"a": "", "c": {}}, "c.d"),
        ({"a": "", "c": {"d": None, "e": True}}, "c"),
        ({"a": "", "c": {"d": None, "e": 2**63}}, "c"),
        ({"a": "", "c": None, "b": []}, "b"),
        ({"a": "", "c": None, "b": [1, 2, 3]}, "b"),
        ({"a": "", "c": None, "b": [1, True]}, "b"),
        ({"a": "", "c": None, "f": {"g": 1}}, "f"),
        ({"a": "", "c": None, "f": {"g": True, "h": True, "i": True}}, "f"),
        ({"a": "x" * (2**20 + 1), "c": None}, "a"),
    ],
)
def test_where_json_does_not_fit(value, place):
    assert misfit(value, SCHEMA) == place


@given(JSON)
def test_any_json_fits_or_not(value: Any):
    assert isinstance(misfit(value, SCHEMA), str)
    assert misfit(value, object) in ("", "it")


@given(st.text())
def test_what_is_printed_moves_no_cursor(text):
    shown = printable(text)
    assert shown.isprintable()
    assert text != shown or text.isprintable()


def test_escapes_are_legible():
    assert printable("a\x1b]0;b\x07\r\n\x9b31m\u202e é 漢") == (
        "a\\x1b]0;b\\x07\\r\\n\\x9b31m\\u202e é 漢"
    )


@pytest.mark.parametrize(
    "pattern",
    ["**/*.png", "a/**/*.png", "**", "**/b/*.png", "*/**/x.png", "{here}/**/*.png", "**/**/*.png",
     "*.png", "none/**/*.png", "a/b/**"],
)  # fmt: skip
def test_patterns_find_what_glob_finds(tmp_path, monkeypatch, pattern):
    for name in ("x.png", "a/x.png", "a/b/x.png", "a/b/c/y.png", "a/.hidden/x.png", ".x.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    pattern = pattern.format(here=tmp_path)
    expected = {path for path in glob.glob(pattern, recursive=True) if Path(path).is_file()}
    found = [path for path in matching(pattern) if Path(path).is_file()]
    assert len(found) == len(set(found))
    assert set(found) == expected
    inside = [path for path in matching(pattern, tmp_path) if (tmp_path / path).is_file()]
    assert set(inside) == expected


def test_patterns_end_where_links_lead_back(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").touch()
    for name in "pqr":
        (tmp_path / "a" / name).symlink_to(tmp_path, target_is_directory=True)
    with bounded(2, 300 * 2**20):
        assert matching(f"{tmp_path}/**/*.png") == [str(tmp_path / "a" / "x.png")]
