"""Transparent parts of content and style: they stay, weigh nothing, and their colours are hidden.

No result may tell what lies under alpha 0.
"""

from __future__ import annotations

import numpy as np
import pytest
from control_runs import (
    CONTENT,
    HEIGHT,
    STYLE,
    WIDTH,
    columns,
    evaluated,
    job_of,
    run,
    targets_of,
    transparent,
)
from samples import landscape, noise, waves

from jaxstyle.errors import InputError
from jaxstyle.images import as_picture, load_image, save_image
from jaxstyle.images.transparency import filled
from jaxstyle.run.final_colours import in_final_colours
from jaxstyle.run.level import Level

JUNK = np.asarray(noise(HEIGHT, WIDTH - 20, seed=8)) > 0.5
"""As far from anything as colours can be."""


def half_hidden_style(hidden: float) -> np.ndarray:
    style = np.concatenate([STYLE, np.ones((*STYLE.shape[:2], 1), np.float32)], axis=-1)
    style[:, 18:, 3] = 0
    style[:, 18:, :3] = hidden
    return style


def test_hidden_colours_become_those_of_the_nearest_pixel_that_is_seen():
    rgb = np.arange(12, dtype=np.float32).reshape(1, 4, 3) / 12
    alpha = np.array([[0, 1, 0.1, 0]], np.float32)
    np.testing.assert_array_equal(filled(rgb, alpha), rgb[:, [1, 1, 2, 2]])
    for nothing in (None, np.ones((1, 4), np.float32), np.zeros((1, 4), np.float32)):
        assert filled(rgb, nothing) is rgb


def test_transparent_pixels_stay_and_have_no_say(tmp_path):
    one, other = (run(transparent(hidden)) for hidden in (0.0, JUNK))
    np.testing.assert_array_equal(one.image[:, :20], other.image[:, :20])
    assert one.losses == other.losses
    for result, hidden in ((one, 0.0), (other, JUNK)):
        np.testing.assert_array_equal(result.image[:, 20:], transparent(hidden)[:, 20:, :3])
    assert np.abs(one.image[:, :20] - CONTENT[:, :20]).mean() > 0.01
    one.save(tmp_path / "out.png")
    saved = load_image(tmp_path / "out.png")
    np.testing.assert_array_equal(saved.alpha, columns(0, 20))


def test_nor_have_they_at_another_size():
    jobs = [job_of(transparent(hidden), size=40) for hidden in (0.0, JUNK)]
    one, other = ((Level(job, 0).start(), targets_of(job).content["relu2_1"]) for job in jobs)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    shown = [in_final_colours(Level(job, 0), Level(job, 0).start()) for job in jobs]
    np.testing.assert_array_equal(shown[0][:, :16], shown[1][:, :16])
    assert np.abs(shown[0] - shown[1])[:, 20:].mean() > 0.3


def test_what_a_style_hides_is_not_seen_at_any_scale():
    settings = {"style_scale": 0.9, "style_crop": 0.9, "style_layers": "relu2_1"}
    jobs = (job_of(style=half_hidden_style(hidden), **settings) for hidden in (0.0, 1.0))
    one, other = (targets_of(job).style for job in jobs)
    for tap in one:
        np.testing.assert_array_equal(one[tap][0]["gram"], other[tap][0]["gram"])


@pytest.mark.parametrize(
    "settings",
    [
        {"match_histogram": True},
        {"color": "match-after", "color_method": "histogram"},
        {"color": "match-before", "color_method": "histogram"},
        {"color": "match-before"},
        {"color": "luminance"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_hidden_colours_are_in_no_histogram_and_no_mean(settings):
    found = []
    for hidden in (0.0, 1.0):
        job = job_of(transparent(hidden), half_hidden_style(hidden), **settings)
        shown = in_final_colours(Level(job, 0), np.asarray(noise(HEIGHT, WIDTH)))[:, :20]
        found.append((shown, Level(job, 0).style()))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_histogram_matched_before_is_that_of_what_is_seen():
    settings = {"color": "match-before", "color_method": "histogram"}
    style = Level(job_of(transparent(), half_hidden_style(0.0), **settings), 0).style()
    found = np.sort(style[:, :18].reshape(-1, 3), axis=0)
    expected = np.sort(CONTENT[:, :20].reshape(-1, 3), axis=0)
    at = (np.linspace(0, len(rows) - 1, 101).astype(int) for rows in (found, expected))
    np.testing.assert_allclose(found[next(at)], expected[next(at)], atol=0.02)


def test_ranks_of_a_style_with_transparency_are_refused():
    with pytest.raises(InputError, match="is of the whole picture"):
        job_of(style=half_hidden_style(0.0), statistic="gram+histogram")
    opaque = half_hidden_style(0.0)
    opaque[..., 3] = 1
    job_of(style=opaque, statistic="gram+histogram")


def test_a_transparent_part_makes_the_loss_of_the_rest_no_smaller():
    """Half of a picture weighs as much as a whole one."""
    tile = np.asarray(noise(HEIGHT, WIDTH // 2, seed=7))
    twice = np.concatenate([tile, tile], axis=1)
    settings = {"style_layers": "relu1_1", "content_layers": "relu1_1", "wavelet_weight": 2.0}
    content = np.concatenate([CONTENT[:, :20], CONTENT[:, :20]], axis=1)
    whole = evaluated(job_of(content, **settings), twice)[1]
    half = np.concatenate([content, columns(0, 20)[..., None]], axis=-1)
    found = evaluated(job_of(half, **settings), twice)[1]
    for name in ("content", "style", "tv", "other"):
        assert getattr(found, name) == pytest.approx(float(getattr(whole, name)), rel=0.05)


def test_hidden_colours_do_not_come_out_where_a_picture_is_made_smaller():
    """As an editor leaves them: white behind all that is transparent."""
    large = np.concatenate([np.asarray(landscape(96, 80)), np.ones((96, 80, 1))], axis=-1)
    large[:, 41:, 3] = 0
    jobs = []
    for hidden in (0.0, 1.0):
        large[:, 41:, :3] = hidden
        jobs.append(job_of(large.astype(np.float32)))
    one, other = (Level(job, 0).content() for job in jobs)
    np.testing.assert_array_equal(one, other)


def test_a_start_that_hides_colours_does_not_begin_with_them(tmp_path):
    alpha, starts = np.zeros((HEIGHT, WIDTH), np.float32), []
    alpha[:30] = 1
    for hidden in (0.0, 1.0):
        rgb = np.asarray(waves(HEIGHT, WIDTH)).copy()
        rgb[30:] = hidden
        save_image(tmp_path / "start.png", rgb, alpha=alpha)
        starts.append(Level(job_of(init=str(tmp_path / "start.png")), 0).start())
    np.testing.assert_array_equal(starts[0], starts[1])


def test_an_opaque_picture_is_not_copied():
    picture = as_picture(CONTENT)
    assert picture.without_hidden is picture
