"""Masks of many pictures, and of videos: as each has them alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from grids import SMALL, picture, same_run

from jaxstyle import InputError, stylize
from jaxstyle.cli.commands import batch
from jaxstyle.cli.options.parser import Parser
from jaxstyle.images import save_image
from jaxstyle.pipelines.batch import prepare_many, stylize_many
from jaxstyle.pipelines.batch_masks import read_again
from jaxstyle.pipelines.chunks import Limits
from jaxstyle.pipelines.grouping import Cell, grouped, guide_key
from jaxstyle.pipelines.video import stylize_video

ONE = Limits(devices=tuple(jax.devices()[:1]))
TINY: dict[str, Any] = {**SMALL, "steps": 2, "content_layers": "relu1_1", "style_layers": "relu1_1"}
STYLES = [picture(8), picture(9)]


def half(width: int, height: int = 24, right: bool = False) -> np.ndarray:
    """White in the first columns, or in the others."""
    mask = np.zeros((height, 32 * height // 24), np.float32)
    mask[:, :width] = 1
    return 1 - mask if right else mask


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three pictures of one shape, and two folders with a mask for each; all borders differ."""
    for name in ("in", "left", "right"):
        (tmp_path / name).mkdir()
    for seed in range(3):
        save_image(tmp_path / "in" / f"p{seed}.png", picture(seed))
        for name in ("left", "right"):
            mask = half(8 + 4 * seed, right=name == "right")
            save_image(tmp_path / name / f"p{seed}.png", np.repeat(mask[..., None], 3, -1))
    return tmp_path


def test_the_same_masks_for_all_are_one_program_and_are_held_once():
    contents = [picture(0), picture(1), picture(2, 32, 24)]
    masks = [half(16), half(16, right=True)]
    *fit, other = prepare_many(contents, STYLES, masks=masks, freeze=half(4), **TINY)
    jobs: list[Any] = [entry.job for entry in fit]
    assert len({guide_key(job) for job in jobs}) == 1
    cells = [(place, Cell((place,), (), "", job)) for place, job in enumerate(jobs)]
    assert [len(group) for group in grouped(cells)] == [2]
    # A picture of another shape fails alone.
    assert "mask 1 (<array>) is 32x24, the content image 24x32" in str(other.job)


def test_a_folder_has_a_mask_for_each_picture(folder):
    """And where colours are matched before, each has its region's."""
    masks = [str(folder / "left"), str(folder / "right:2")]
    few = {**TINY, "color": "match-before"}
    given = {"masks": masks, "freeze": half(4)}
    found = dict(stylize_many(folder / "in", STYLES, **given, limits=ONE, **few))
    assert list(found) == ["p0", "p1", "p2"]
    for name, result in found.items():
        own = [f"{folder}/left/{name}.png", f"{folder}/right/{name}.png:2"]
        alone = stylize(folder / "in" / f"{name}.png", STYLES, masks=own, freeze=half(4), **few)
        assert not isinstance(result, InputError)
        same_run(result, alone)
        np.testing.assert_allclose(result.image, alone.image, atol=1e-4)
        np.testing.assert_array_equal(result.image[:, :4], alone.image[:, :4])
        assert json.loads(result.record)["inputs"] == json.loads(alone.record)["inputs"]


def test_masks_of_one_picture_are_put_away_until_it_runs(folder):
    shared = half(6)
    entries = prepare_many(
        folder / "in", STYLES, masks=[folder / "left", shared], freeze=folder / "right", **TINY
    )
    jobs: list[Any] = [entry.job for entry in entries]
    for seed, light in enumerate(jobs):
        away = [light.regions[0].mask, light.freeze]
        assert [mask.values.strides for mask in away] == [(0, 0), (0, 0)]
        job: Any = read_again(light)
        np.testing.assert_array_equal(job.regions[0].mask.values, half(8 + 4 * seed))
        np.testing.assert_array_equal(job.freeze.values, half(8 + 4 * seed, right=True))
        assert job.regions[1].mask is jobs[0].regions[1].mask
    save_image(folder / "left" / "p0.png", np.ones((24, 32, 3), np.float32))
    with pytest.raises(InputError, match=r"left/p0\.png has changed since the batch began"):
        read_again(jobs[0])


def test_a_picture_without_its_mask_fails_alone(folder):
    (folder / "left" / "p1.png").rename(folder / "left" / "other.png")
    save_image(folder / "left" / "p2.jpg", np.ones((24, 32, 3), np.float32))
    entries = prepare_many(folder / "in", STYLES[0], masks=folder / "left", **TINY)
    assert not isinstance(entries[0].job, InputError)
    assert f"no mask for {folder}/in/p1.png in {folder}/left: call it p1.png" in str(entries[1].job)
    assert f"are all masks for {folder}/in/p2.png: keep one" in str(entries[2].job)
    (folder / "none").mkdir()
    with pytest.raises(InputError, match="there is no mask in"):
        prepare_many(folder / "in", STYLES[0], freeze=folder / "none", **TINY)
    with pytest.raises(InputError, match="without a name has no mask in"):
        prepare_many([picture(0)], STYLES[0], masks=folder / "left", **TINY)


def test_the_command_takes_masks_and_its_manifest_names_them(folder):
    save_image(folder / "style.png", STYLES[0])
    parser = Parser()
    batch.add_parser(parser.add_subparsers())
    options = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    given = ["--style", f"{folder}/style.png", "--masks", f"{folder}/left", "--quiet", *options]
    given += ["--freeze", f"{folder}/right/p0.png", "--devices", "1", "-o"]
    arguments = parser.parse_args(["batch", f"{folder}/in", *given, f"{folder}/out"])
    assert arguments.run(arguments) == 0
    rows = json.loads((folder / "out" / "manifest.json").read_text())["files"]
    for seed, row in enumerate(rows):
        assert row["masks"][0]["path"] == f"p{seed}.png"
        assert row["freeze"]["path"] == "p0.png"
    into = parser.parse_args(["batch", f"{folder}/in", *given, f"{folder}/left"])
    with pytest.raises(InputError, match="would overwrite a mask: give another name"):
        into.run(into)


def test_frames_of_a_video_have_masks_and_frozen_parts():
    frames = [picture(seed) for seed in (0, 0)]
    few = {**TINY, "steps_next": 2}
    masks = [half(16), half(16, right=True)]
    jobs = []
    found = list(
        stylize_video(
            frames,
            STYLES,
            masks=masks,
            freeze=half(6),
            find=lambda _, job: jobs.append(job),
            **few,
        )
    )
    for frame in found:
        np.testing.assert_array_equal(frame.picture[:, :6], frames[0][:, :6])
        assert np.abs(frame.picture - frames[0])[:, 8:].mean() > 1e-3
    assert [len(job.regions) for job in jobs] == [2, 2]
    with pytest.raises(InputError, match=r"mask 1 .* is 32x24, the content image 24x32"):
        next(stylize_video([picture(2, 32, 24)], STYLES[0], masks=masks[0], **few))
