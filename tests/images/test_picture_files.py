"""Folders and patterns give the pictures that can be read, and say what they leave out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import odd_pictures as odd
import pytest
from picture_checks import RGB8, refusal
from PIL import Image, features

from jaxstyle.images import image_size, load_image, pillow, save_image
from jaxstyle.images.picture_files import left_out_of, listing, pictures_at

PNG = odd.encoded(Image.fromarray(RGB8), "PNG")


def names(paths: list[str] | None) -> list[str]:
    assert paths is not None
    return [Path(path).name for path in paths]


def fill(folder: Path, *files: str) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNG)
    return folder


READ = "a.PNG b.jfif c.jpe d.jp2 e.tga f.tiff g.webp h.bmp i.gif j.ppm k.ico l.pgm m.JPG".split()


def test_a_folder_gives_all_that_can_be_read_and_says_what_it_leaves_out(tmp_path):
    hidden = ["._a.png", ".DS_Store", ".hidden.jpg"]
    others = ["manual.pdf", "notes.txt", "sketch.psd", "w.eps", "x"]
    fill(tmp_path, *READ, *hidden, *others, "sub.png/y.png")
    assert names(pictures_at(tmp_path)) == READ
    assert left_out_of(tmp_path) == (
        f"{tmp_path}: 5 files are left out, no pictures by their endings: manual.pdf, notes.txt, "
        "sketch.psd and 2 more"
    )
    (tmp_path / "one").mkdir()
    fill(tmp_path / "one", "a.png", "b.txt")
    assert "one: 1 file is left out, no pictures by their endings: b.txt" in left_out_of(
        tmp_path / "one"
    )
    assert left_out_of(tmp_path / "a.PNG") == ""
    fill(tmp_path / "odd", "two\nlines.txt")
    assert left_out_of(tmp_path / "odd").endswith(": 'two\\nlines.txt'")


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
def test_avif_is_a_picture(tmp_path):
    fill(tmp_path, "a.avif")
    assert names(pictures_at(tmp_path)) == ["a.avif"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("art [1]/*.png", ["a.png", "b [x].png"]),
        ("art [1]/*", ["a.png", "b [x].png", "c.jp2"]),
        ("art [1]/b [[]x].png", ["b [x].png"]),
        ("art [1]/b [x]*.png", ["b [x].png"]),
        ("**/art [1]/*.png", ["a.png", "b [x].png"]),
        ("a?? [1]/[ab]*.png", ["a.png", "b [x].png"]),
        ("art [1]/[!b]*.*", ["a.png", "c.jp2"]),
        ("**/*.jp2", ["c.jp2"]),
        ("art [1]/*.txt", ["d.txt"]),
        ("art [1]", ["a.png", "b [x].png", "c.jp2"]),
        ("no [1]/*.png", []),
    ],
)
def test_brackets_in_names_and_in_patterns(tmp_path, monkeypatch, pattern, found):
    fill(tmp_path / "art [1]", "a.png", "b [x].png", "c.jp2", "d.txt", "._a.png")
    monkeypatch.chdir(tmp_path)
    assert names(pictures_at(pattern)) == found
    assert names(pictures_at(tmp_path / pattern)) == found


def test_the_name_of_a_file_is_no_pattern(tmp_path):
    fill(tmp_path, "b [x].png", "bx.png")
    assert listing(tmp_path / "b [x].png") is None
    assert listing(tmp_path / "none.png") is None


def test_odd_folders(tmp_path):
    assert listing(tmp_path) == ([], [])
    assert listing("") is None
    assert "cannot be read: embedded null byte" in refusal(listing, "a\0b/*.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    assert names(pictures_at(tmp_path)) == ["gone.png", "pipe.png"]
    assert "does not exist" in refusal(load_image, tmp_path / "gone.png")
    if os.geteuid():
        (tmp_path / "shut").mkdir(mode=0)
        assert "cannot be read: Permission denied" in refusal(listing, tmp_path / "shut")


@pytest.mark.skipif(sys.platform == "win32", reason="a home by HOME")
def test_home_is_expanded_wherever_a_path_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "art", "a.png")
    assert names(pictures_at("~/art")) == names(pictures_at("~/art/*.png")) == ["a.png"]
    picture = load_image("~/art/a.png")
    assert picture.source == str(tmp_path / "art" / "a.png")
    assert image_size("~/art/a.png") == picture.size
    save_image("~/art/b.png", picture.rgb)
    assert (tmp_path / "art" / "b.png").is_file()
    assert "'~/none.png' does not exist" in refusal(load_image, "~/none.png")
    assert "cannot be opened" in refusal(load_image, "~a\0b/x.png")


def test_heic_is_read_where_pillow_heif_is(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32] = (200, 40, 40)
    heif.from_pillow(Image.fromarray(pixels)).save(tmp_path / "a.heic", quality=100)
    fill(tmp_path, "b.txt")
    np.testing.assert_allclose(load_image(tmp_path / "a.heic").rgb, pixels / 255, atol=0.03)
    assert names(pictures_at(tmp_path)) == ["a.heic"]


def test_heic_without_pillow_heif_is_told_what_it_needs(tmp_path, monkeypatch):
    data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
    (tmp_path / "a.HEIC").write_bytes(data)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    extensions = {k: v for k, v in Image.registered_extensions().items() if v != "HEIF"}
    monkeypatch.setattr(Image, "EXTENSION", extensions)
    for cached in (pillow.picture_endings, pillow._load_formats):
        cached.cache_clear()
    try:
        assert "is HEIC: HEIC needs pillow-heif: pip install 'jaxstyle[heic]'" in refusal(
            load_image, tmp_path / "a.HEIC"
        )
        assert pictures_at(tmp_path) == []
        assert left_out_of(tmp_path).endswith(
            "a.HEIC; HEIC needs pillow-heif: pip install 'jaxstyle[heic]'"
        )
    finally:
        monkeypatch.undo()
        for cached in (pillow.picture_endings, pillow._load_formats):
            cached.cache_clear()
