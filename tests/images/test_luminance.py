"""Luminance and chroma: taken from different pictures, each is what it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import landscape, noise, waves

from jaxstyle.errors import InputError
from jaxstyle.images.color_matching import match_histograms
from jaxstyle.images.luminance import (
    LUMINANCE_SPACES,
    grey,
    luminance,
    match_luminance,
    saturate,
    with_luminance,
)

every_space = pytest.mark.parametrize("space", LUMINANCE_SPACES)
SPACES = st.sampled_from(LUMINANCE_SPACES)
SEEDS = st.integers(0, 999)
TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def linear_light(coded: np.ndarray) -> np.ndarray:
    coded = coded.astype(np.float64)
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def chromaticity(picture: np.ndarray) -> np.ndarray:
    light = linear_light(picture)
    return light / light.sum(axis=2, keepdims=True)


def direction(picture: np.ndarray, space: str) -> np.ndarray:
    """Unit vectors from each pixel's grey to its colour: the hue."""
    values = linear_light(picture) if space == "linear" else picture
    own = linear_light(luminance(picture, space)) if space == "linear" else luminance(picture)
    chroma = values - own[..., None]
    return chroma / np.linalg.norm(chroma, axis=2, keepdims=True)


def pictures(seed: int, size: int = 9) -> tuple[np.ndarray, np.ndarray]:
    return np.array(noise(size, seed=seed)), np.array(noise(size, seed=seed + 1))


def colours(*values: tuple[float, float, float]) -> np.ndarray:
    return np.array([values], np.float32)


@every_space
@pytest.mark.parametrize("value", [0.0, 0.001, 0.2, 128 / 255, 1.0])
def test_a_grey_pictures_luminance_is_its_value(space, value):
    picture = np.full((3, 4, 3), value, np.float32)
    np.testing.assert_allclose(luminance(picture, space), picture[..., 0], atol=2e-7)
    assert luminance(picture, space).dtype == np.float32


def test_primaries_have_the_luminance_of_the_standards():
    primaries = colours((1, 0, 0), (0, 1, 0), (0, 0, 1))
    np.testing.assert_allclose(luminance(primaries, "yiq")[0], [0.299, 0.587, 0.114], atol=1e-6)
    # The greys of 21.26 %, 71.52 % and 7.22 % of white's light, as levels: 127, 220, 76.
    levels = np.rint(luminance(primaries, "linear")[0] * 255)
    np.testing.assert_array_equal(levels, [127, 220, 76])


@every_space
def test_grey_has_equal_channels_and_the_same_luminance(space):
    picture = np.array(waves(20))
    made = grey(picture, space)
    np.testing.assert_array_equal(made, np.repeat(made[..., :1], 3, axis=2))
    np.testing.assert_allclose(luminance(made, space), luminance(picture, space), atol=1e-6)


@given(SEEDS, SPACES)
def test_the_result_has_the_wanted_luminance_in_and_out_of_gamut(seed, space):
    one, other = pictures(seed)
    made = with_luminance(one, luminance(other, space), space)
    assert made.min() >= 0 and made.max() <= 1
    np.testing.assert_allclose(luminance(made, space), luminance(other, space), atol=5e-6)


@given(SEEDS, SPACES)
def test_hue_stays_also_where_saturation_gives_way(seed, space):
    one, other = (0.1 + 0.8 * part for part in pictures(seed))
    made = with_luminance(one, luminance(other, space), space)
    apart = np.abs(one - luminance(one, space)[..., None]).max(axis=2) > 0.02
    apart &= np.abs(made - luminance(made, space)[..., None]).max(axis=2) > 0.02
    same = (direction(made, space) * direction(one, space)).sum(axis=2)
    np.testing.assert_allclose(same[apart], 1, atol=1e-3)


def test_within_gamut_i_and_q_are_kept():
    one, other = (0.4 + 0.2 * part for part in pictures(3, 20))
    made = with_luminance(one, luminance(other))
    kept = (made - one).astype(np.float64) @ TO_YIQ.T
    np.testing.assert_allclose(kept[..., 1:], 0, atol=1e-4)  # the standard's matrix has 4 digits
    assert np.abs(kept[..., 0]).max() > 0.05


def test_within_gamut_linear_light_keeps_its_chromaticity():
    one, other = (0.4 + 0.2 * part for part in pictures(3, 20))
    made = with_luminance(one, luminance(other, "linear"), "linear")
    np.testing.assert_allclose(chromaticity(made), chromaticity(one), atol=1e-5)
    assert np.abs(made - one).max() > 0.05


@every_space
def test_with_its_own_luminance_a_picture_stays(space):
    dark = np.array(noise(16)) / 40  # where linear light holds chroma down
    for picture in (np.array(noise(16)), dark):
        same = with_luminance(picture, luminance(picture, space), space)
        np.testing.assert_allclose(same, picture, atol=2e-6)


@every_space
def test_black_and_white_become_grey_at_any_luminance(space):
    luma = np.array([[0.0, 0.3, 1.0]], np.float32)
    for value in (0, 1):
        made = with_luminance(np.full((1, 3, 3), value, np.float32), luma, space)
        np.testing.assert_allclose(made, np.repeat(luma[..., None], 3, axis=2), atol=2e-7)


def test_one_dark_level_of_blue_does_not_become_a_blue_sky():
    """Camera noise in black has any hue; brightened in linear light, it would be all one saw."""
    faint = colours((0, 0, 1 / 255))
    made = with_luminance(faint, np.full((1, 1), 0.6, np.float32), "linear")
    assert np.ptp(made) < 0.2
    firm = colours((0.05, 0.05, 0.2))
    assert np.ptp(with_luminance(firm, np.full((1, 1), 0.6, np.float32), "linear")) > 0.2


@every_space
def test_luminance_beyond_white_is_clipped(space):
    one = colours((0.2, 0.5, 0.4), (0.2, 0.5, 0.4))
    made = with_luminance(one, np.array([[1.4, -0.2]], np.float32), space)
    np.testing.assert_allclose(made, colours((1, 1, 1), (0, 0, 0)), atol=1e-6)


def test_matched_luminance_has_the_references_mean_and_deviation():
    one, other = luminance(np.array(waves(40))), luminance(np.array(landscape(24, 30)))
    made = match_luminance(one, other)
    assert made.mean() == pytest.approx(other.mean(), abs=1e-6)
    assert made.std() == pytest.approx(other.std(), abs=1e-6)
    assert np.corrcoef(made.ravel(), one.ravel())[0, 1] == pytest.approx(1)
    flat = match_luminance(np.full((4, 4), 0.3, np.float32), other)
    np.testing.assert_allclose(flat, other.mean(), atol=1e-6)


@every_space
def test_saturation_0_is_grey_and_1_the_picture_itself(space):
    picture = np.array(noise(16))
    np.testing.assert_allclose(saturate(picture, 0, space), grey(picture, space), atol=1e-6)
    np.testing.assert_array_equal(saturate(picture, 1, space), picture)


@given(SEEDS, st.floats(0, 5), SPACES)
def test_saturation_keeps_luminance_and_changes_chroma_its_way(seed, factor, space):
    picture, _ = pictures(seed)
    before = picture.copy()
    made = saturate(picture, factor, space)
    np.testing.assert_array_equal(picture, before)
    assert made.min() >= 0 and made.max() <= 1
    np.testing.assert_allclose(luminance(made, space), luminance(picture, space), atol=5e-6)
    spread, was = np.ptp(made, axis=2), np.ptp(picture, axis=2)
    more = spread - was if factor >= 1 else was - spread
    assert more.min() >= -1e-5


def test_saturation_multiplies_chroma_within_gamut():
    picture = 0.4 + 0.2 * np.array(noise(16))
    own = luminance(picture)[..., None]
    np.testing.assert_allclose(saturate(picture, 1.5) - own, 1.5 * (picture - own), atol=1e-6)


@every_space
def test_blocks_of_rows_make_no_difference(space, monkeypatch):
    one, other = np.array(noise(23, 17)), np.array(waves(23, 17))

    def results() -> list[np.ndarray]:
        luma = luminance(other, space)
        return [luma, with_luminance(one, luma, space), saturate(one, 1.7, space)]

    whole = results()
    monkeypatch.setattr("jaxstyle.images.color_matching._BLOCK", 17 * 4)
    for found, wanted in zip(results(), whole, strict=True):
        np.testing.assert_array_equal(found, wanted)


@every_space
def test_a_restyled_photograph_keeps_its_colours(shared, space):
    """Luminance transfer with real pictures: strokes of the one, chroma of the other."""
    from jaxstyle.images import load_image, resize

    styled = load_image(shared / "images" / "ref_golden_gate_scream.png").rgb
    height, width = styled.shape[:2]
    content = resize(load_image(shared / "images" / "golden_gate.jpg").rgb, width, height)
    made = with_luminance(content, luminance(styled, space), space)
    np.testing.assert_allclose(luminance(made, space), luminance(styled, space), atol=1e-5)

    def warmth(picture: np.ndarray) -> float:
        """Red over blue in the sky, which the style paints orange."""
        sky = picture[: height // 4, width // 2 :]
        return float(sky[..., 0].mean() / sky[..., 2].mean())

    assert warmth(made) < 1 < warmth(styled)
    assert warmth(match_histograms(styled, content)) > warmth(made)


SQUARE = np.zeros((4, 4, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: luminance(SQUARE, "lab"), "luminance space 'lab' is unknown: choose yiq or"),
        (lambda: luminance(SQUARE[..., 0]), r"shape \(4, 4\) has no luminance"),
        (lambda: with_luminance(SQUARE, SQUARE[:3, :, 0]), r"\(3, 4\) does not fit .*\(4, 4, 3\)"),
        (lambda: saturate(SQUARE, -0.1), "saturation is -0.1: give a number of at least 0"),
        (lambda: saturate(SQUARE, float("nan")), "saturation is nan"),
    ],
)
def test_errors_say_what_is_needed(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
