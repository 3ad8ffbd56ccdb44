"""Pictures that cannot be used are refused with the way out, and the way out works."""

from __future__ import annotations

import re

import numpy as np
import pytest

from jaxstyle import InputError
from jaxstyle.run.prepare import LEAST_PIXELS, prepare

rng = np.random.default_rng(0)
SQUARE = rng.random((64, 64, 3), np.float32)


def refusal(content: np.ndarray, style: np.ndarray, **settings) -> str:
    with pytest.raises(InputError) as caught:
        prepare(content, style, weights="slim", **settings)
    return str(caught.value)


@pytest.mark.parametrize("shape", [(100, 4000), (4000, 100), (97, 4001), (3, 1000)])
def test_a_panorama_is_told_the_size_that_works(shape):
    panorama = rng.random((*shape, 3), np.float32)
    said = refusal(panorama, SQUARE)
    size = int(re.search(r"use --size (\d+) or more, crop it", said)[1])
    assert min(prepare(panorama, SQUARE, weights="slim", size=size).sizes[-1]) == 16
    assert f"use --size {size} " in refusal(panorama, SQUARE, size=size - 1)


def test_a_size_is_no_way_out_of_a_shape_that_is_given():
    said = refusal(SQUARE, SQUARE, shape=(300, 8))
    assert "resize it or tap shallower layers" in said


@pytest.mark.parametrize("shape", [(100, 4000), (3000, 80)])
@pytest.mark.parametrize("settings", [{}, {"style_scale": 0.5}, {"levels": 1}])
def test_a_style_too_narrow_is_told_the_scale_that_works(shape, settings):
    style = rng.random((*shape, 3), np.float32)
    said = refusal(SQUARE, style, **settings)
    scale = float(re.search(r"use --style-scale (\S+), crop it", said)[1])
    prepare(SQUARE, style, weights="slim", **{**settings, "style_scale": scale})
    with pytest.raises(InputError):
        prepare(SQUARE, style, weights="slim", **{**settings, "style_scale": 0.97 * scale})


def test_a_style_narrower_than_that_is_to_be_cropped():
    said = refusal(SQUARE, rng.random((2, 2000, 3), np.float32))
    assert said.endswith("px on each side: crop it or tap shallower layers")


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 7)])
def test_a_few_pixels_are_no_picture(shape):
    dot = rng.random((*shape, 3), np.float32)
    for name, pair in (("content", (dot, SQUARE)), ("style", (SQUARE, dot))):
        said = refusal(*pair)
        assert said.startswith(f"{name} image <array> is {shape[1]}x{shape[0]} px, which shows")
    least = rng.random((LEAST_PIXELS, LEAST_PIXELS, 3), np.float32)
    prepare(least, least, weights="slim", size=48)
