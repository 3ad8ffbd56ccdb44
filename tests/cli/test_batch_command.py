"""Many pictures at once: each as alone, failures apart, and an interrupted batch goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jax
import numpy as np
import pytest
from grids import SMALL, picture, same_run

from jaxstyle import InputError, stylize
from jaxstyle.cli.commands import batch
from jaxstyle.cli.options.parser import Parser
from jaxstyle.images import load_image, save_image
from jaxstyle.pipelines.batch import listed, names_of, stylize_many
from jaxstyle.pipelines.chunks import Limits

ONE = Limits(devices=tuple(jax.devices()[:1]))
STYLE = picture(9)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three pictures of one shape, an upright one with transparency, and two that are unfit."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    for seed in range(3):
        save_image(inputs / f"p{seed}.png", picture(seed))
    fading = np.linspace(0, 1, 32 * 24, dtype=np.float32).reshape(32, 24)
    save_image(inputs / "upright.png", picture(4, 32, 24), alpha=fading)
    (inputs / "damaged.jpg").write_bytes(b"no picture")
    save_image(inputs / "thin.png", picture(5, 1, 300))
    save_image(tmp_path / "style.png", STYLE)
    return inputs


def command(folder: Path, *options: str, output: str = "out") -> int:
    parser = Parser()
    batch.add_parser(parser.add_subparsers())
    settings = [
        text
        for name, value in SMALL.items()
        for text in (f"--{name.replace('_', '-')}", str(value))
    ]
    given = ["batch", str(folder), "--style", str(folder.parent / "style.png"), "--devices", "1"]
    out = ["-o", str(folder.parent / output)]
    arguments = parser.parse_args([*given, *out, *settings, *options])
    return arguments.run(arguments)


def test_each_is_as_alone():
    contents = [picture(seed) for seed in range(3)] + [picture(4, 32, 24)]
    found = dict(stylize_many(contents, STYLE, limits=ONE, **SMALL))
    assert list(found) == ["picture-1", "picture-2", "picture-3", "picture-4"]
    for content, result in zip(contents, found.values(), strict=True):
        same_run(result, stylize(content, STYLE, **SMALL))


def test_pictures_of_one_shape_with_transparency_share_a_program():
    def see_through(seed: int) -> np.ndarray:
        alpha = np.full((24, 32, 1), 1, np.float32)
        alpha[:, : 4 + 8 * seed] = 0
        return np.concatenate([picture(seed), alpha], -1)

    contents = [see_through(seed) for seed in range(3)]
    chunks = set()
    found = stylize_many(
        contents, STYLE, limits=ONE, callback=lambda event: chunks.add(event.chunk), **SMALL
    )
    for (_, result), content in zip(found, contents, strict=True):
        alone = stylize(content, STYLE, **SMALL)
        same_run(result, alone)
        np.testing.assert_array_equal(result.alpha, alone.alpha)
    assert chunks == {3}


def test_pictures_that_run_alone_are_given_as_they_are_done():
    told: list[int] = []
    found = stylize_many(
        [picture(2), picture(3)],
        STYLE,
        limits=ONE,
        callback=lambda progress: told.append(progress.done),
        **{**SMALL, "optimizer": "scipy"},
    )
    next(found)
    assert set(told) == {0}
    next(found)
    assert set(told) == {0, 1}


def test_the_style_is_looked_at_once(monkeypatch):
    from jaxstyle.run import level_targets

    seen, know = [], level_targets.know_style
    monkeypatch.setattr(level_targets, "know_style", lambda *given: seen.append(1) or know(*given))
    contents = [picture(seed) for seed in range(3)] + [picture(4, 32, 24)]
    assert len(list(stylize_many(contents, STYLE, limits=ONE, **SMALL))) == 4
    assert len(seen) == 1


def test_failures_stop_nothing_and_are_listed(folder, capsys):
    assert command(folder, "--format", "jpg") == 1
    output = folder.parent / "out"
    made = sorted(path.name for path in output.iterdir())
    assert made == ["manifest.json", "p0.jpg", "p1.jpg", "p2.jpg", "upright.jpg"]
    lines = [line for line in capsys.readouterr().err.splitlines() if ": content image" in line]
    assert len(lines) == 2
    assert lines[0].startswith("damaged.jpg: content image")
    assert lines[1].startswith("thin.png: content image is 32x1; ")


def test_the_manifest_says_it_all(folder):
    command(folder, "--quiet")
    output = folder.parent / "out"
    manifest = json.loads((output / "manifest.json").read_text())
    assert manifest["settings"]["size"] == 32
    assert manifest["styles"][0]["sha256"] == load_image(folder.parent / "style.png").sha256
    assert manifest["weights"]["sha256"]
    assert manifest["versions"]["jax"] == jax.__version__
    rows = {Path(row["input"]).name: row for row in manifest["files"]}
    assert rows["damaged.jpg"]["message"] and not rows["damaged.jpg"]["output"]
    row = rows["p1.png"]
    assert row["sha256"] == load_image(folder / "p1.png").sha256
    alone = stylize(folder / "p1.png", folder.parent / "style.png", **SMALL)
    np.testing.assert_allclose(row["loss"], alone.loss, rtol=1e-4)
    np.testing.assert_allclose(load_image(output / row["output"]).rgb, alone.image, atol=5e-3)


def test_resume_runs_only_what_is_missing_or_other(folder, capsys):
    command(folder)
    output = folder.parent / "out"
    before = (output / "p0.png").stat().st_mtime_ns
    losses = json.loads((output / "manifest.json").read_text())["files"]
    (output / "p1.png").unlink()
    save_image(folder / "p2.png", picture(7))
    capsys.readouterr()
    assert command(folder, "--resume") == 1
    told = capsys.readouterr().err
    assert "2 of 6 are there already" in told
    assert (output / "p0.png").stat().st_mtime_ns == before
    rows = json.loads((output / "manifest.json").read_text())["files"]
    assert [row["message"] == "" for row in rows] == [row["message"] == "" for row in losses]
    assert [row.get("loss") for row in rows][1] == losses[1]["loss"]
    np.testing.assert_allclose(
        load_image(output / "p2.png").rgb,
        stylize(folder / "p2.png", folder.parent / "style.png", **SMALL).image,
        atol=5e-3,
    )
    capsys.readouterr()
    assert command(folder, "--resume", "--seed", "3") == 1
    assert "already" not in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_finished(folder, monkeypatch):
    from jaxstyle.pipelines import batch as batches

    whole = batches.run_group

    def second_is_interrupted(*given):
        yield next(whole(*given))
        raise KeyboardInterrupt

    monkeypatch.setattr(batches, "run_group", second_is_interrupted)
    assert command(folder, "--cells-at-once", "1", "--quiet") == 130
    output = folder.parent / "out"
    assert sorted(path.name for path in output.iterdir()) == ["manifest.json", "p0.png"]
    rows = json.loads((output / "manifest.json").read_text())["files"]
    assert [row["message"] for row in rows if "p1" in row["input"]] == ["not finished"]
    monkeypatch.undo()
    assert command(folder, "--resume", "--quiet") == 1
    assert len(list(output.glob("*.png"))) == 4


def test_a_file_that_changes_after_it_was_checked_fails_alone(folder):
    contents = [str(folder / f"p{seed}.png") for seed in range(3)]
    found = stylize_many(contents, STYLE, limits=ONE, **SMALL)
    results = dict(lately(found, lambda: save_image(folder / "p1.png", picture(8))))
    assert "has changed since the batch began" in str(results["p1"])
    assert not isinstance(results["p0"], InputError) and not isinstance(results["p2"], InputError)


def lately(found, change):
    """What ``found`` gives, ``change`` being made once all inputs are checked."""
    from jaxstyle.pipelines import batch as batches

    before = batches.run_many

    def run_many(*given):
        change()
        return before(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "run_many", run_many)
        yield from found


def test_inputs_are_never_written_over(folder):
    for name in ("damaged.jpg", "thin.png"):
        (folder / name).unlink()
    with pytest.raises(InputError, match="would overwrite the content picture"):
        command(folder, output="in")
    np.testing.assert_allclose(load_image(folder / "p0.png").rgb, picture(0), atol=3e-3)


def test_where_no_picture_can_be_used_it_says_why(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        list(stylize_many(tmp_path, STYLE, **SMALL))
    with pytest.raises(InputError, match="there is no picture in"):
        list(stylize_many(tmp_path / "*.jpg", STYLE, **SMALL))


def test_names_never_collide():
    sources = ["a/x.png", "a/x.jpg", "b/x.png", "a/X.png", "y.png", "a/x_jpg.tif", "y.png"]
    names = names_of(sources)
    assert len({name.casefold() for name in names}) == len(sources)
    assert names_of(["a/x.png", "a/y.v2.png"]) == ["x", "y.v2"]


def test_a_file_is_listed_once(folder):
    found = listed([str(folder / "p1.png"), str(folder), str(folder / "p*.png")])
    assert [Path(path).name for path in found] == [
        "p1.png", "damaged.jpg", "p0.png", "p2.png", "thin.png", "upright.png",
    ]  # fmt: skip


def test_a_manifest_knows_what_went_in_and_came_out(folder, capsys):
    from hashlib import sha256

    from jaxstyle.cli.main import main

    assert command(folder, "--quiet") == 1
    out = folder.parent / "out"
    told = json.loads((out / "manifest.json").read_text())
    assert told["format"] == "jaxstyle-batch"
    assert told["versions"]["jaxstyle"]
    style = (folder.parent / "style.png").read_bytes()
    assert told["styles"][0]["sha256"] == sha256(style).hexdigest()
    rows = [row for row in told["files"] if row["message"] == ""]
    assert len(rows) == 4
    for row in rows:
        made = (out / row["output"]).read_bytes()
        assert row["output_sha256"] == sha256(made).hexdigest()
        assert row["sha256"] == sha256((folder / Path(row["input"]).name).read_bytes()).hexdigest()
    again = ["-o", str(folder / "again.png")]
    capsys.readouterr()
    assert main(["replay", str(out / "manifest.json"), *again]) == 2
    assert "replay one of the pictures that it names" in capsys.readouterr().err
    # Three of one shape ran together, the upright one alone.
    inputs = ["--style", str(folder.parent / "style.png"), "--content"]
    assert main(["replay", str(out / "p0.png"), *inputs, str(folder / "p0.png"), *again]) == 0
    assert "in one program with others (3 at once), now alone" in capsys.readouterr().err
    upright = [*inputs, str(folder / "upright.png")]
    assert main(["replay", str(out / "upright.png"), *upright, *again]) == 0
    assert "with others" not in capsys.readouterr().err


def photographs(tmp_path: Path) -> Path:
    """A folder of JPEGs, beside a style."""
    photos = tmp_path / "photos"
    photos.mkdir()
    save_image(photos / "a.jpg", picture(0))
    save_image(photos / "b.jpeg", picture(1))
    save_image(tmp_path / "style.png", STYLE)
    return photos


def painted_from(photos: Path) -> dict[str, str]:
    rows = json.loads((photos / "manifest.json").read_text())["files"]
    return {Path(row["input"]).name: row["output"] for row in rows}


def test_results_in_the_folder_of_the_inputs_are_no_inputs(tmp_path, capsys):
    photos = photographs(tmp_path)
    wanted = {"a.jpg": "a.png", "b.jpeg": "b.png"}
    for options in ([], [], ["--resume"]):
        assert command(photos, *options, output="photos") == 0
        assert painted_from(photos) == wanted
    told = capsys.readouterr().err
    assert "left out 2 that this command has painted before" in told
    assert "2 of 2 are there already" in told
    # A picture that takes one of the names.
    save_image(photos / "a.tif", picture(2))
    assert command(photos, output="photos") == 0
    renamed = {"a.jpg": "a_jpg.png", "a.tif": "a_tif.png", "b.jpeg": "b.png"}
    assert painted_from(photos) == renamed
    assert command(photos, output="photos") == 0  # a.png is of the run before the last
    assert painted_from(photos) == renamed


def test_a_picture_in_the_place_of_a_result_is_an_input(tmp_path):
    photos = photographs(tmp_path)
    assert command(photos, "--quiet", output="photos") == 0
    mine = picture(5)
    save_image(photos / "a.png", mine)
    assert command(photos, "--quiet", output="photos") == 0
    assert painted_from(photos)["a.png"] == "a_png.png"
    np.testing.assert_allclose(load_image(photos / "a.png").rgb, mine, atol=3e-3)


def test_what_a_killed_batch_has_painted_is_no_input(tmp_path, monkeypatch):
    photos = photographs(tmp_path)
    monkeypatch.setattr(batch.Batch, "_take", killed_after_saving(batch.Batch._take))
    with pytest.raises(SystemExit):
        command(photos, "--quiet", output="photos")
    monkeypatch.undo()
    assert (photos / "a.png").is_file()
    assert command(photos, "--quiet", output="photos") == 0
    assert painted_from(photos) == {"a.jpg": "a.png", "b.jpeg": "b.png"}


def killed_after_saving(take):
    def saved_and_killed(self, index, result):
        take(self, index, result)
        raise SystemExit(9)

    return saved_and_killed


def test_only_results_are_named_as_such(tmp_path):
    photos = photographs(tmp_path)
    assert command(photos, "--quiet", output="photos") == 0
    for name in ("a.jpg", "b.jpeg"):
        (photos / name).unlink()
    with pytest.raises(InputError, match="all pictures given are results of this command"):
        command(photos, output="photos")
    assert command(photos, "--quiet", output="again") == 0  # of another command they are inputs
    os.mkfifo(photos / "pipe.png")
    others = ["/dev/zero", "../style.png", "pipe.png", "nul\0", "", 2, None]
    rows = [{"output": name} for name in others]
    for manifest in (
        {"files": rows},
        {"files": [1, None]},
        {"files": rows, "earlier_files": 3},
        [],
    ):
        (photos / "manifest.json").write_text(json.dumps(manifest))
        assert batch.painted_before(photos) == {}


def test_what_is_left_out_is_said(tmp_path, capsys):
    photos = photographs(tmp_path)
    (photos / "notes.txt").write_text("no picture")
    (photos / "._a.jpg").write_text("of macOS")
    assert command(photos) == 0
    told = capsys.readouterr().err
    assert f"{photos}: 1 file is left out, no pictures by their endings: notes.txt" in told
