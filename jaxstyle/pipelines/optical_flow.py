"""How a picture moves from one frame of a video to the next, and how far that is to be trusted.

Optical flow is OpenCV's, an extra: without it nothing is taken to move.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

RGB = Float[np.ndarray, "height width 3"]
Flow = Float[np.ndarray, "height width 2"]

LARGEST_CHANGE = 0.2
"""Of a pixel's colour along its motion, mean over channels; beyond it is another thing's."""
LARGEST_CHANGE_AT_REST = 0.04
"""The same where there is no flow: what moves must not count as still."""
LEAST_SIDE = 256
"""Smaller frames are enlarged for the flow: its patches are 8 px wide."""


class Motion(NamedTuple):
    """From where each pixel of a frame has come.

    Attributes:
        flow: (x, y) in pixels to its place in the frame before; None if that is not known.
        trust: (height, width), 1 where that can be believed, else 0.
    """

    flow: Flow | None
    trust: Float[np.ndarray, "height width"]


def opencv() -> Any:
    """The module ``cv2``, or None where it is not installed."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2


def motion_between(before: RGB, after: RGB) -> Motion:
    """The motion from one frame to the next, by dense inverse search (Kroeger et al. 2016).

    Not to be trusted, as in Ruder, Dosovitskiy and Brox 2016: what was hidden before, where the
    flows there and back do not cancel (equation 5), and the borders of what moves (equation 6).
    Here also what came from outside, and what has changed its colour, such as after a cut.
    """
    if opencv() is None:
        change = np.abs(after - before).mean(axis=-1)
        return Motion(None, (change < LARGEST_CHANGE_AT_REST).astype(np.float32))
    back, forth = _flow(after, before), _flow(before, after)
    forth_from_there = _sampled(forth, back)
    lengths = (forth_from_there**2).sum(-1) + (back**2).sum(-1)
    hidden = ((forth_from_there + back) ** 2).sum(-1) > 0.01 * lengths + 0.5
    slopes = sum((slope**2).sum(-1) for slope in np.gradient(back, axis=(0, 1)))
    border = slopes > 0.01 * (back**2).sum(-1) + 0.002
    height, width = back.shape[:2]
    y, x = _places(back)
    outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
    change = np.abs(_sampled(before, back) - after).mean(axis=-1)
    wrong = hidden | border | outside | (change > LARGEST_CHANGE)
    return Motion(back, 1 - wrong.astype(np.float32))


def warped(picture: RGB, motion: Motion) -> RGB:
    """The frame before, moved to where its parts are now; its borders go on beyond it."""
    return picture if motion.flow is None else _sampled(picture, motion.flow)


def flicker(before: RGB, after: RGB, motion: Motion) -> float:
    """How much one frame differs from the last along the motion: mean of absolute differences.

    Over trusted pixels only; nan where there are none. In the units of the pictures.
    """
    trusted = motion.trust > 0
    if not trusted.any():
        return float("nan")
    return float(np.abs(after - warped(before, motion))[trusted].mean())


def _flow(start: RGB, end: RGB) -> Flow:
    """(x, y) such that ``start`` at p looks like ``end`` at p + flow."""
    cv2 = opencv()
    height, width = start.shape[:2]
    larger = -(-LEAST_SIDE // min(height, width))
    greys = []
    for picture in (start, end):
        coded = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
        grey = cv2.cvtColor(coded, cv2.COLOR_RGB2GRAY)
        if larger > 1:
            size = (width * larger, height * larger)
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC)
        greys.append(grey)
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = search.calc(*greys, None)
    if larger > 1:
        flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) / larger
    return np.asarray(flow, np.float32)


def _places(flow: Flow) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
    """Where each pixel's flow ends: y and x."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return y + flow[..., 1], x + flow[..., 0]


def _sampled(values: Float[np.ndarray, "h w c"], flow: Flow) -> Float[np.ndarray, "h w c"]:
    """Values at the ends of the flow, between pixels bilinear."""
    cv2 = opencv()
    y, x = _places(flow)
    sampled = cv2.remap(
        np.ascontiguousarray(values, np.float32),
        x,
        y,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(sampled, np.float32)
