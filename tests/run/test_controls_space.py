"""Masks, freeze, borders: each control by what defines it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from control_runs import (
    CONTENT,
    HEIGHT,
    OTHER,
    STYLE,
    WIDTH,
    assert_alike,
    columns,
    evaluated,
    job_of,
    run,
    targets_of,
    transparent,
)
from samples import landscape, noise, waves

from jaxstyle import stylize
from jaxstyle.errors import InputError
from jaxstyle.images import resize
from jaxstyle.run.inputs import Style

REACH = 6
"""How far a gradient of relu2_1 goes beyond the pixels that its positions cover."""


@pytest.mark.parametrize("guide", ["simple", "inside", "all"])
def test_a_full_mask_is_no_mask(guide):
    style = Style(STYLE, mask=np.ones((12, 9), np.float32))
    found = evaluated(job_of(style=style, masks=np.ones((12, 10), np.float32), guide=guide))
    assert_alike(found, evaluated(job_of()))


def test_a_run_with_a_full_mask_is_one_without():
    settings = {"optimizer": "lbfgs"}
    freeze = np.zeros((6, 5), np.float32)
    masked = run(masks=[np.ones((12, 10), np.float32)], freeze=freeze, **settings)
    np.testing.assert_allclose(masked.image, run(**settings).image, atol=1e-5)


def test_a_region_feels_its_own_style_alone():
    """Far enough from the other, its gradient is that of its style in both."""
    settings = {"content_layers": "", "tv_weight": 0.0, "init": "noise"}
    left, right = columns(0, 20), columns(20, 40)
    both = evaluated(job_of(style=[STYLE, OTHER], masks=[left, right], **settings))[2]
    for style, masks, part in (
        (Style(STYLE, region=1), [left, right], slice(0, 20 - REACH)),
        (Style(OTHER, region=2), [left, right], slice(20 + REACH, 40)),
    ):
        _, terms, gradient = evaluated(job_of(style=style, masks=masks, **settings))
        assert_alike(gradient[:, part], both[:, part], most=1e-4)
        assert terms.style > 0
        elsewhere = slice(20 + REACH, 40) if part.start == 0 else slice(0, 20 - REACH)
        assert not gradient[:, elsewhere].any()
        assert np.abs(gradient[:, part]).min(axis=-1).max() > 0


def test_a_region_of_weight_0_has_no_style_loss():
    settings = {"content_layers": "", "tv_weight": 0.0, "init": "noise"}
    masks = [columns(0, 20), (columns(20, 40), 0.0)]
    _, _, gradient = evaluated(job_of(style=[STYLE, OTHER], masks=masks, **settings))
    assert not gradient[:, 20 + REACH :].any()
    assert gradient[:, : 20 - REACH].any()


def test_regions_count_by_their_area_and_weight():
    settings = {"content_layers": "", "tv_weight": 0.0, "style_layers": "relu1_1"}
    tile = np.asarray(noise(HEIGHT, WIDTH // 2))
    picture = np.concatenate([tile, tile], axis=1)
    whole = evaluated(job_of(**settings), picture)[1].style
    for masks, expected in (
        ([columns(0, 20), columns(20, 40)], 1.0),
        ([(columns(0, 20), 2.0), (columns(20, 40), 0.5)], 1.25),
    ):
        found = evaluated(job_of(masks=masks, **settings), picture)[1].style
        # The halves differ from the whole by what their borders see.
        assert found == pytest.approx(float(expected * whole), rel=0.05)


def test_which_style_goes_to_which_region():
    def told(style, count, **settings):
        masks = [columns(8 * k, 8 * k + 8) for k in range(count)]
        goals = job_of(style=style, masks=masks, **settings).goals
        names = {STYLE.shape: "s", OTHER.shape: "o"}
        return [(g.region, "".join(names[s.picture.rgb.shape] for s, _ in g.styles)) for g in goals]

    assert told([STYLE, OTHER], 2) == [(0, "s"), (1, "o")]
    assert told([STYLE], 3) == [(0, "s"), (1, "s"), (2, "s")]
    both = [Style(STYLE, region=1), Style(OTHER, region=1)]
    assert told(both, 1, blend="losses") == [(0, "s"), (0, "o")]
    assert told([Style(OTHER, region=2), STYLE], 3) == [(0, "s"), (1, "os"), (2, "s")]
    assert told([Style(OTHER, region=2)], 2) == [(1, "o")]
    assert told([STYLE, Style(OTHER, 0)], 2) == [(0, "s")]


def test_a_style_without_its_other_half_is_that_half():
    """Where the two meet, the other half begins as the padding would go on."""
    half = np.asarray(waves(48, 24))
    other = np.array(noise(48, 24))
    other[:, :1] = half[:, -1:]
    both, mask = np.concatenate([half, other], axis=1), np.zeros((48, 48), np.float32)
    mask[:, :24] = 1
    settings = {"style_layers": "relu1_1", "padding": "replicate"}
    found = targets_of(job_of(style=Style(both, mask=mask), **settings)).style
    assert_alike(found, targets_of(job_of(style=half, **settings)).style)
    unmasked = targets_of(job_of(style=both, **settings)).style["relu1_1"][0]["gram"]
    with pytest.raises(AssertionError):
        assert_alike(found["relu1_1"][0]["gram"], unmasked, most=0.01)


FREEZES: dict[str, dict[str, Any]] = {
    "plain": {},
    "luminance": {"color": "luminance"},
    "keep": {"color": "keep", "color_space": "linear"},
    "match-after": {"color": "match-after"},
    "saturation": {"saturation": 3.0},
    "histogram": {"match_histogram": True},
    "noise": {"init": "noise"},
    "two levels": {"levels": 2, "size": 64, "style_layers": "relu1_1"},
}


@pytest.mark.parametrize("case", FREEZES)
def test_what_is_frozen_is_the_content_bit_for_bit(case):
    content = np.asarray(landscape(96, 80))
    mask = np.zeros((96, 80), np.float32)
    mask[30:70, 20:60] = 1
    result = run(content, freeze=mask, **FREEZES[case])
    height, width = result.image.shape[:2]
    expected = resize(content, width, height)
    share = height / 96
    rows, columns = (
        slice(int(first * share) + 2, int(last * share) - 2) for first, last in ((30, 70), (20, 60))
    )
    np.testing.assert_array_equal(result.image[rows, columns], expected[rows, columns])
    outside = np.abs(result.image - expected)[: int(30 * share) - 2]
    assert outside.mean() > 0.01


def test_a_soft_freeze_is_a_soft_border():
    mask = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    result = run(freeze=mask, init="noise", steps=1)
    away = np.abs(result.image - CONTENT).mean((0, 2))
    assert away[-1] == 0
    assert away[:15].min() > away[16:].max() > 0


def test_a_mask_too_small_for_inside_is_taken_by_area_and_an_empty_one_refused():
    speck = np.zeros(STYLE.shape[:2], np.float32)
    speck[20:22, 20:22] = 1  # no position of relu2_1 sees nothing else
    inside = targets_of(job_of(style=Style(STYLE, mask=speck), guide="inside")).style
    by_area = targets_of(job_of(style=Style(STYLE, mask=speck), guide="simple")).style
    np.testing.assert_array_equal(inside["relu2_1"][0]["gram"], by_area["relu2_1"][0]["gram"])
    assert np.any(inside["relu2_1"][0]["gram"])
    corner = np.zeros(STYLE.shape[:2], np.float32)
    corner[0, 0] = 1
    with pytest.raises(InputError, match="leave nothing of style"):
        targets_of(job_of(style=Style(STYLE, mask=corner, crop=0.5)))


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (CONTENT, {"masks": [columns(0, 0)]}, r"mask 1 \(<array>\) is black all over"),
        (
            CONTENT,
            {"masks": [columns(0, 9)], "statistic": "histogram"},
            "is of the whole picture",
        ),
        (transparent(0.0), {"statistic": "gram+histogram"}, "with masks or transparency"),
        (np.zeros((48, 40, 4), np.float32), {}, "content image is transparent all over"),
        (
            CONTENT,
            {"style": Style(STYLE, region=3), "masks": [columns(0, 9), columns(9, 20)]},
            "a style is for region 3, but there are 2 masks",
        ),
        (
            None,
            {"masks": [columns(0, 9)], "content_layers": "", "init": "noise"},
            "masks are of a content picture, and there is none",
        ),
        (CONTENT, {"freeze": "missing.png"}, "missing.png"),
        (
            CONTENT,
            {"masks": [columns(0, 9), np.ones((48, 42), np.float32)]},
            r"mask 2 \(<array>\) is 42x48, the content image 40x48: a mask must have the shape",
        ),
        (CONTENT, {"freeze": np.ones((480, 390))}, "the freeze mask .* is 390x480, the content"),
        (
            CONTENT,
            {"style": Style(STYLE, mask=np.ones((36, 48), np.float32))},
            "mask of style 1 .* is 48x36, the style 36x48",
        ),
        (
            CONTENT,
            {"style": [STYLE, OTHER, STYLE], "masks": [columns(0, 9), columns(9, 20)]},
            "3 styles and 2 masks: give one style for each mask, or say which region each is for "
            "with :region=2",
        ),
        (CONTENT, {"style": [STYLE, OTHER], "masks": columns(0, 9)}, "2 styles and 1 mask: give"),
    ],
)
def test_masks_that_make_no_sense_are_refused(content, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        job_of(content, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_borders_have_no_artefacts(padding):
    """The gradient's energy in the outer 8 px is much that of the inside."""
    settings: dict[str, Any] = {
        "size": 96,
        "levels": 1,
        "steps": 30,
        "content_layers": "",
        "weights": "slim",
    }
    settings |= {"style_layers": "relu1_1,relu2_1,relu3_1", "init": "noise"}
    flat = np.full((96, 96, 3), 0.5, np.float32)
    image = stylize(flat, np.asarray(noise(96)), padding=padding, **settings).image
    steps = np.square(np.diff(image, axis=0))[:, :-1] + np.square(np.diff(image, axis=1))[:-1]
    outer = np.ones(steps.shape, bool)
    outer[8:-8, 8:-8] = False
    ratio = steps[outer].mean() / steps[~outer].mean()
    assert 0.75 < ratio < 1.3, ratio
