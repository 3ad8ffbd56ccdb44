"""Colours of one picture given to another."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxstyle.errors import InputError

_NEARBY = 1.5  # pixels; standard deviation of the mean that tells equal values apart


def match_histograms(
    picture: Float[np.ndarray, "height width channels"],
    reference: Float[np.ndarray, "height2 width2 channels"],
) -> Float[np.ndarray, "height width channels"]:
    """Give each channel of a picture the distribution of the reference's channel, exactly.

    The value of rank r among n becomes the reference's quantile (r + 1/2) / n: its value of the
    same rank where both have as many pixels, else interpolated between two. Order is kept: of two
    values the lower stays no higher than the other.

    Equal values have no order of their own, yet must often become different ones. They are
    ranked by the mean of what lies around them, so that an edge or a slope goes on through what
    was one flat value; where that is flat too, they are scattered by a fixed dither, for in reading
    order a flat area would turn into a gradient. Surroundings go on at the other side of the
    picture, as they do in a seamless texture, and the reference's positions play no part.

    The last step of leongatys/DeepTextures (``histogram_matching``, there with 100 bins and equal
    values kept equal); the ranks are those of Coltuc, Bolon and Chassery, "Exact histogram
    specification" (2006), with one mean.

    Args:
        picture: values in [0, 1].
        reference: the same number of channels, any size.

    Returns:
        float32 in [0, 1], of the picture's shape.

    Raises:
        InputError: the channels differ in number, or one of the two has no pixels.
    """
    if picture.ndim != 3 or reference.ndim != 3 or picture.shape[2] != reference.shape[2]:
        raise InputError(
            f"cannot match histograms of shapes {picture.shape} and {reference.shape}: both must "
            "be (height, width, channels) with equal channels"
        )
    if not (picture.size and reference.size):
        raise InputError("cannot match histograms: a picture has no pixels")
    channels = [
        _matched(picture[..., channel], reference[..., channel])
        for channel in range(picture.shape[2])
    ]
    return np.stack(channels, axis=-1)


def _matched(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    wanted = np.sort(reference, axis=None).astype(np.float64)
    ranked = np.interp(_centres(values.size), _centres(wanted.size), wanted)
    matched = np.empty(values.size, np.float32)
    matched[_order(values)] = np.clip(ranked, 0, 1)
    return matched.reshape(values.shape)


def _centres(count: int) -> np.ndarray:
    return (np.arange(count) + 0.5) / count


def _order(values: np.ndarray) -> np.ndarray:
    """Flat indices from the lowest value to the highest, ties as ``match_histograms`` says."""
    from scipy.ndimage import gaussian_filter  # late: it takes long and is needed here alone

    around = gaussian_filter(values.astype(np.float64), _NEARBY, mode="wrap")
    # A flat area's mean differs in its last digits; what is below float32 is no order.
    around = around.astype(np.float32)
    return np.lexsort((_dither(*values.shape).ravel(), around.ravel(), values.ravel()))


def _dither(height: int, width: int) -> np.ndarray:
    """A fixed number in [0, 1) for each position, unlike its neighbours'.

    Interleaved gradient noise (Jimenez, "Next generation post processing in Call of Duty", 2014).
    """
    y, x = np.mgrid[0:height, 0:width]
    return np.mod(52.9829189 * np.mod(0.06711056 * x + 0.00583715 * y, 1), 1)
