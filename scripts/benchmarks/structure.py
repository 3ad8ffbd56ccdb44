"""How large what a style has put into a picture is: its energy by spatial frequency.

Frequencies are in cycles per longest side, so that pictures of different sizes can be compared: a
wave of 16 cycles is as long as a sixteenth of the picture, at any number of pixels.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from jaxstyle.images.luminance import luminance

BANDS = (4, 8, 16, 32, 64, 128, math.inf)
"""Borders of the bands. What is below the first is tone, and no structure."""
LARGE = 32
"""Cycles up to which structures count as large: waves of a 32nd of the picture and longer."""

Picture = Float[np.ndarray, "height width 3"]


def added_energy(result: Picture, content: Picture) -> Float[np.ndarray, " bands"]:
    """The variance of the luminance that result and content differ by, in each of ``BANDS``.

    A Hann window keeps borders, which do not go on at the other side, from being seen as detail.
    """
    added = (luminance(result) - luminance(content)).astype(np.float64)
    height, width = added.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    added = (added - np.average(added, weights=window)) * window
    power = np.abs(np.fft.fft2(added)) ** 2 / (added.size * np.sum(window**2))
    longest = max(height, width)
    down = np.fft.fftfreq(height, 1 / longest)
    right = np.fft.fftfreq(width, 1 / longest)
    cycles = np.hypot(down[:, None], right[None, :])
    low = np.asarray(BANDS[:-1])[:, None, None] <= cycles
    high = cycles < np.asarray(BANDS[1:])[:, None, None]
    return np.sum(power * (low & high), axis=(1, 2))


def large(energy: Float[np.ndarray, " bands"]) -> float:
    """What of the energy is in large structures."""
    return float(sum(e for e, end in zip(energy, BANDS[1:], strict=True) if end <= LARGE))
