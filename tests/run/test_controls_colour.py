"""Colour: each control by what defines it, and for whom it is meant."""

from __future__ import annotations

import numpy as np
import pytest
from control_runs import CONTENT, HEIGHT, OTHER, STYLE, WIDTH, columns, job_of, run
from samples import noise

from jaxstyle.images.color_matching import COLOR_MAPS, match_histograms
from jaxstyle.images.luminance import luminance
from jaxstyle.run.final_colours import in_final_colours
from jaxstyle.run.inputs import Style
from jaxstyle.run.level import Level

NOISE = np.asarray(noise(HEIGHT, WIDTH))


def chroma(picture: np.ndarray) -> np.ndarray:
    """I and Q in one: what is left of the coded values without their luma."""
    return picture - luminance(picture)[..., None]


@pytest.mark.parametrize("color", ["keep", "luminance"])
def test_luminance_transfer_leaves_chroma_as_it_was(color):
    result = run(color=color, steps=8)
    found, expected = chroma(result.image), chroma(CONTENT)
    # Where all channels have room, chroma is the content's; else it is the same hue, less of it.
    room = (result.image.min(-1) > 1e-3) & (result.image.max(-1) < 1 - 1e-3)
    assert room.mean() > 0.5
    np.testing.assert_allclose(found[room], expected[room], atol=1e-5)
    size = np.linalg.norm(expected, axis=-1)
    along = np.sum(found * expected, -1)
    assert (along >= -1e-5).all() and (along <= size**2 + 1e-5).all()
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1) * size, along, atol=1e-4)
    assert np.abs(luminance(result.image) - luminance(CONTENT)).mean() > 0.01


def moments_of(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = picture.reshape(-1, 3).astype(np.float64)
    return rows.mean(0), np.cov(rows.T, bias=True)


PALE = 0.4 + 0.2 * CONTENT
"""Of few colours, so that none is clipped."""


@pytest.mark.parametrize("method", COLOR_MAPS)
def test_matched_before_the_style_has_the_contents_mean_and_covariance(method):
    job = job_of(PALE, color="match-before", color_method=method)
    for found, expected in zip(moments_of(Level(job, 0).style()), moments_of(PALE), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)
    plain = moments_of(Level(job_of(PALE), 0).style())
    assert np.abs(plain[0] - moments_of(PALE)[0]).max() > 0.05


def test_matched_before_luminance_has_the_contents_mean_and_variance():
    job = job_of(PALE, color="luminance")
    style = Level(job, 0).style()
    assert (np.ptp(style, axis=-1) == 0).all()
    found, expected = style[..., 0], luminance(PALE)
    assert found.mean() == pytest.approx(float(expected.mean()), abs=1e-4)
    assert found.std() == pytest.approx(float(expected.std()), abs=1e-4)


@pytest.mark.parametrize("method", COLOR_MAPS)
def test_matched_after_the_result_has_the_contents_mean_and_covariance(method):
    result = run(PALE, color="match-after", color_method=method)
    for found, expected in zip(moments_of(result.image), moments_of(PALE), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_saturation_of_0_is_grey_and_of_1_nothing():
    plain, grey, strong = (run(saturation=factor).image for factor in (1.0, 0.0, 2.0))
    assert np.ptp(grey, axis=-1).max() < 1e-6
    np.testing.assert_allclose(luminance(grey), luminance(plain), atol=1e-5)
    assert np.abs(chroma(strong)).mean() > 1.2 * np.abs(chroma(plain)).mean()


@pytest.mark.parametrize("method", COLOR_MAPS)
def test_matched_before_no_colour_is_cut_off(method):
    """Of a content in strong colours too, the moments are its very own."""
    strong = np.clip(3 * CONTENT - 1, 0, 1)
    style = Level(job_of(strong, color="match-before", color_method=method), 0).style()
    assert style.min() < 0 or style.max() > 1
    for found, expected in zip(moments_of(style), moments_of(strong), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("color", ["match-before", "luminance"])
def test_what_a_mask_leaves_of_a_style_has_the_contents_colours(color):
    mask = np.zeros(STYLE.shape[:2], np.float32)
    mask[:, :12] = 1
    style = Level(job_of(PALE, Style(STYLE, mask=mask), color=color), 0).style()
    expected = PALE if color == "match-before" else np.repeat(luminance(PALE)[..., None], 3, -1)
    for found, wanted in zip(moments_of(style[:, :12]), moments_of(expected), strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_a_style_of_one_region_takes_the_colours_of_that_region():
    masks = [columns(0, 20), columns(20, 40)]
    job = job_of(PALE, [STYLE, OTHER], masks=masks, color="match-before")
    for style, part in zip(job.styles, (PALE[:, :20], PALE[:, 20:]), strict=True):
        found = Level(job, 0).style(style)
        for one, wanted in zip(moments_of(found), moments_of(part), strict=True):
            np.testing.assert_allclose(one, wanted, atol=2e-5)
    everywhere = job_of(PALE, STYLE, masks=masks, color="match-before")
    found = moments_of(Level(everywhere, 0).style())
    np.testing.assert_allclose(found[0], moments_of(PALE)[0], atol=2e-5)


def test_with_a_freeze_the_whole_has_the_contents_mean_and_covariance():
    job = job_of(PALE, color="match-after", freeze=columns(25, 40))
    shown = in_final_colours(Level(job, 0), 0.3 + 0.1 * NOISE)
    np.testing.assert_array_equal(shown[:, 25:], PALE[:, 25:])
    for found, expected in zip(moments_of(shown), moments_of(PALE), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)
    all_frozen = job_of(PALE, color="match-after", freeze=columns(0, 40))
    np.testing.assert_array_equal(in_final_colours(Level(all_frozen, 0), NOISE), PALE)


def test_a_style_of_weight_0_gives_neither_histogram_nor_start():
    styles = [Style(OTHER, 0), STYLE]
    job, alone = (job_of(style=style, match_histogram=True) for style in (styles, STYLE))
    np.testing.assert_array_equal(
        in_final_colours(Level(job, 0), NOISE), in_final_colours(Level(alone, 0), NOISE)
    )
    starts = [Level(job_of(style=style, init="style"), 0).start() for style in (styles, STYLE)]
    np.testing.assert_array_equal(starts[0], starts[1])


def ordered(picture: np.ndarray, count: int = 64) -> np.ndarray:
    rows = np.sort(picture.reshape(-1, 3), axis=0)
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]


def test_the_histogram_of_several_styles_lies_between_theirs():
    styles = [Style(STYLE, 3), Style(OTHER, 1)]
    shown = in_final_colours(Level(job_of(style=styles, match_histogram=True), 0), NOISE)
    between = 0.75 * ordered(STYLE) + 0.25 * ordered(OTHER)
    np.testing.assert_allclose(ordered(shown), between, atol=0.02)
    twice = in_final_colours(Level(job_of(style=[STYLE, STYLE], match_histogram=True), 0), NOISE)
    once = match_histograms(NOISE, STYLE)
    np.testing.assert_allclose(twice, once, atol=1e-5)


def test_each_region_has_the_histogram_of_its_style():
    masks = [columns(0, 16), columns(16, 30)]
    job = job_of(style=[STYLE, OTHER], masks=masks, match_histogram=True)
    shown = in_final_colours(Level(job, 0), NOISE)
    np.testing.assert_allclose(ordered(shown[:, :16]), ordered(STYLE), atol=0.02)
    np.testing.assert_allclose(ordered(shown[:, 16:30]), ordered(OTHER), atol=0.02)
    np.testing.assert_array_equal(shown[:, 30:], NOISE[:, 30:])
