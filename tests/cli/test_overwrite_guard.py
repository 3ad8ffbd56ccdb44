"""No command writes over what it reads, or two things into one file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from grids import SMALL, picture

from jaxstyle.cli.main import main
from jaxstyle.cli.report.manifests import check_manifest
from jaxstyle.errors import InputError
from jaxstyle.images import save_image

SETTINGS = [
    text for name, value in SMALL.items() for text in (f"--{name.replace('_', '-')}", str(value))
]
ONE = ["stylize", "c.png", "s.png"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Made the current one: pictures c, s, m, a clip, and two other names of c.png."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("c", "s", "b", "i")):
        save_image(f"{name}.png", picture(seed))
    save_image("m.png", picture(5) * 0 + 1)
    save_image("c-00003.png", picture(0))
    Path("fr").mkdir()
    Path("out").mkdir()
    save_image("fr/f1.png", picture(1))
    save_image("out/sheet.png", picture(1))
    save_image("out/003_seed=3.png", picture(1))
    save_image("out/frame-000002.png", picture(1))
    os.symlink("c.png", "link.png")
    os.link("c.png", "hard.png")
    return tmp_path


CASES = [
    ([*ONE, "-o", "c.png"], "-o c.png would overwrite the content picture: give another name"),
    ([*ONE, "-o", "link.png"], "would overwrite the content picture"),
    ([*ONE, "-o", "hard.png"], "would overwrite the content picture"),
    ([*ONE, "-o", "./fr/../s.png"], "would overwrite the style picture"),
    ([*ONE, "--masks", "m.png:2", "-o", "m.png"], "would overwrite a mask"),
    ([*ONE, "--freeze", "m.png", "-o", "m.png"], "would overwrite the freeze mask"),
    ([*ONE, "--content-blend", "b.png:0.5", "-o", "b.png"], "would overwrite a content picture"),
    ([*ONE, "--init", "content+i.png:0.5", "-o", "i.png"], "would overwrite the initial picture"),
    ([*ONE, "--strip", "c.png"], "--strip c.png would overwrite the content picture"),
    ([*ONE, "-o", "o.png", "--strip", "o.png"], "-o o.png and --strip o.png are one file"),
    ([*ONE, "--strip", "a.webp", "--animation", "a.webp", "-o", "o.png"], "are one file"),
    (
        ["stylize", "c-00003.png", "s.png", "-o", "c.png", "--snapshots", "3"],
        "--snapshots into . would overwrite the content picture c-00003.png",
    ),
    (["texture", "s.png", "--shape", "32x32", "-o", "s.png"], "the style picture"),
    (["figure3", "c.png", "s.png", "-o", "c.png"], "the content picture"),
    (["compare", "starts", "c.png", "s.png", "-o", "s.png"], "the style picture"),
    (["compare", "starts", "c.png", "out/003_seed=3.png", "--cells", "out"], "--cells into out"),
    (["reconstruct", "--content", "c.png", "-o", "c.png"], "the content picture"),
    (["sweep", "out/sheet.png", "s.png", "--axis", "seed=0,1", "-o", "out"], "the content"),
    (["sweep", "c.png", "s.png", "--axis", "style=out/sheet.png,s.png", "-o", "out"], "the style"),
    (["sweep", "out/003_seed=3.png", "s.png", "--axis", "seed=0,1", "-o", "out"], "the content"),
    (["video", "fr", "out/frame-000002.png", "-o", "out", "--resume"], "the style picture"),
    (["batch", "fr", "--style", "s.png", "-o", "fr"], "would overwrite the content picture"),
]


@pytest.mark.parametrize(("command", "words"), CASES, ids=[" ".join(c) for c, _ in CASES])
def test_inputs_stay_as_they_are(folder, capsys, command, words):
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    content = ["--content-layers", ""] if command[0] == "texture" else []
    assert main([*command, *SETTINGS, *content, "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_a_clip_is_not_written_over_itself(folder, capsys):
    from jaxstyle.pipelines.video_files import write_clip

    write_clip("fr.gif", [folder / "c.png", folder / "s.png"], [0.1, 0.1])
    before = Path("fr.gif").read_bytes()
    assert main(["video", "fr.gif", "s.png", "-o", "fr.gif", *SETTINGS]) == 2
    assert "-o fr.gif would overwrite the video" in capsys.readouterr().err
    assert Path("fr.gif").read_bytes() == before


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["video", "fr", "s.png", "-o", "v.avi"], "use .mp4 .gif .webp, or a folder"),
        (["video", "fr", "s.png", "-o", "v.png"], "use .mp4 .gif .webp, or a folder"),
        (["batch", "fr", "--style", "s.png", "-o", "o2.jpg"], "name a folder"),
        (["batch", "fr", "--style", "s.png", "-o", "c.png"], "c.png is a file: name a folder"),
        (["sweep", "c.png", "s.png", "--axis", "seed=0,1", "-o", "x.png"], "name a folder"),
        (["sweep", "nope.png", "s.png", "--axis", "seed=0,1", "-o", "x"], "nope.png"),
        (["video", "fr", "nope.png", "-o", "x"], "nope.png"),
        (["video", "fr", "s.png", "-o", "x", "--weights", "nope.h5"], "nope.h5"),
        (["reconstruct", "--content", "nope.png", "--cells", "x"], "nope.png"),
        (["batch", "fr", "--style", "nope.png", "-o", "x"], "nope.png"),
    ],
)
def test_what_is_refused_leaves_no_folder(folder, capsys, command, words):
    before = sorted(folder.rglob("*"))
    assert main([command[0], *SETTINGS, "--quiet", *command[1:]]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert words in err
    assert sorted(folder.rglob("*")) == before


def test_manifests_replace_nothing_but_their_kind(tmp_path):
    path = tmp_path / "manifest.json"
    check_manifest(path, "batch")
    for text in ('{"name": "web app"}', '{"format": "jaxstyle-video"}', "[]", "{", "[" * 10**6):
        path.write_text(text)
        with pytest.raises(InputError, match="was not made by jaxstyle batch"):
            check_manifest(path, "batch")
    path.write_text('{"format": "jaxstyle-batch"}')
    check_manifest(path, "batch")
