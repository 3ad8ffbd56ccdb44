"""Motion between frames: found where there is one, doubted where it cannot be known."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import ROOT

from jaxstyle.images import load_image, resize
from jaxstyle.pipelines.optical_flow import flicker, motion_between, warped

WIDE = resize(load_image(ROOT / "examples/content.jpg").rgb, 240, 160)


def window(left: int, top: int = 40, height: int = 72, width: int = 96) -> np.ndarray:
    """A part of the picture, as a camera sees it that pans over it."""
    return WIDE[top : top + height, left : left + width]


@pytest.fixture
def flow():
    pytest.importorskip("cv2")


def test_a_pan_is_found(flow):
    motion = motion_between(window(60), window(66, 38))
    assert motion.flow is not None
    trusted = motion.trust > 0
    assert trusted.mean() > 0.7
    # What is at p now was at p + (6, -2) before.
    assert np.abs(motion.flow[trusted] - [6, -2]).mean() < 0.1
    # Six columns at the right and two rows at the top have come from outside.
    assert not trusted[:, -5:].any() and not trusted[:1].any()


def test_warping_brings_the_last_frame_to_this_one(flow):
    before, after = window(60), window(65)
    motion = motion_between(before, after)
    still = np.abs(before - after)[motion.trust > 0].mean()
    assert flicker(before, after, motion) < still / 10
    np.testing.assert_allclose(warped(before, motion)[:, :80], after[:, :80], atol=0.15)


def test_what_a_thing_moves_away_from_is_not_trusted(flow):
    def frame(left: int) -> np.ndarray:
        picture = window(100).copy()
        picture[24:56, left : left + 32] = WIDE[20:52, 20:52]
        return picture

    motion = motion_between(frame(20), frame(28))
    assert motion.trust[28:52, 21:27].mean() < 0.3  # was hidden
    assert motion.trust[30:50, 34:54].mean() > 0.7  # the thing itself
    assert motion.trust[:, 70:].mean() > 0.7  # far from it


def test_nothing_is_trusted_over_a_cut(flow):
    other = resize(load_image(ROOT / "examples/still_life.jpg").rgb, 96, 72)
    assert motion_between(window(60), other).trust.mean() < 0.2
    flat = [np.full((72, 96, 3), level, np.float32) for level in (0.2, 0.8)]
    assert motion_between(*flat).trust.max() == 0


def test_a_still_picture_is_trusted_all_over(flow):
    motion = motion_between(window(60), window(60))
    assert motion.trust.mean() > 0.99
    assert flicker(window(60), window(60), motion) < 1e-6


def test_without_opencv_only_what_is_still_is_trusted(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    before, after = window(60), window(60).copy()
    after[:20] = window(66)[:20]
    motion = motion_between(before, after)
    assert motion.flow is None
    assert motion.trust[20:].all() and motion.trust[:20].mean() < 0.8
    assert warped(before, motion) is before
    nothing = motion._replace(trust=np.zeros_like(motion.trust))
    assert np.isnan(flicker(before, after, nothing))
