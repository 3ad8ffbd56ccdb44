"""Colours of one picture given to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxstyle.errors import InputError

COLOR_MAPS = ("cholesky", "pca", "symmetric")
"""The methods of ``match_colors``."""

_FAINTEST = 3 / 255  # standard deviation below which a direction of colour is taken for noise
_BLOCK = 1 << 20  # pixels
_NEARBY = 1.5  # pixels; standard deviation of the mean that tells equal values apart


def match_colors(
    picture: Float[np.ndarray, "height width channels"],
    reference: Float[np.ndarray, "height2 width2 channels"],
    method: str = "cholesky",
    *,
    weights: Float[np.ndarray, "height width"] | None = None,
    reference_weights: Float[np.ndarray, "height2 width2"] | None = None,
) -> Float[np.ndarray, "height width channels"]:
    """Give a picture's colours the mean and the covariance of the reference's, by a linear map.

    With covariances S of the picture and R of the reference, a colour x becomes
    A (x - mean of picture) + mean of reference, where A S A^T = R. Many matrices do that:

    - ``cholesky``: A = L(R) L(S)^-1 with the lower triangular factors S = L L^T. Red becomes a
      function of red alone, green of red and green; so it depends on the order of the channels.
    - ``pca``: A = R^1/2 S^-1/2 with the symmetric roots, which stretch along the principal axes.
    - ``symmetric``: A = S^-1/2 (S^1/2 R S^1/2)^1/2 S^-1/2, the only symmetric and positive one. Of
      all it moves colours least (Monge's transport between Gaussians; Pitie and Kokaram, "The
      linear Monge-Kantorovitch linear colour mapping", 2007).

    The first two are those of Gatys et al., "Preserving color in neural artistic style transfer"
    (2016). leongatys/NeuralImageSynthesis (``match_color``) has all three, as chol, pca and sym; it
    adds 1e-5 to all variances instead of what follows, and clips.

    Directions of colour in which the picture varies by less than three levels of 255 (standard
    deviation) are noise, which no map should blow up to the reference's size: the gain falls from
    its value at three levels to 0 at none, and the covariance stays below the reference's. So a
    flat picture becomes the reference's mean, and a grey one takes on its tints.

    Args:
        picture: values in [0, 1].
        reference: the same number of channels, any size.
        method: one of ``COLOR_MAPS``.
        weights: how much each pixel of the picture counts in its mean and covariance, at least 0;
            such as its alpha, or a mask. All pixels are mapped, whatever they count.
        reference_weights: the same for the reference.

    Returns:
        float32 of the picture's shape, not clipped: with values beyond [0, 1] mean and covariance
        are the reference's, to rounding.

    Raises:
        InputError: an unknown method, channels that differ in number, a picture without pixels,
            or weights of another shape, below 0, or all 0.
    """
    if method not in COLOR_MAPS:
        raise InputError(f"color map {method!r} is unknown: choose one of {', '.join(COLOR_MAPS)}")
    _check_pair(picture, reference, "colours")
    before = _moments(picture, weights, "picture")
    after = _moments(reference, reference_weights, "reference")
    matrix = _map_between(before.covariance, after.covariance, method)
    offset = after.mean - matrix @ before.mean
    matched = np.empty(picture.shape, np.float32)
    for rows in row_blocks(picture):
        matched[rows] = picture[rows].astype(np.float64) @ matrix.T + offset
    return matched


class _Moments(NamedTuple):
    mean: Float[np.ndarray, " channels"]
    covariance: Float[np.ndarray, "channels channels"]


def row_blocks(picture: Float[np.ndarray, "height width ..."]) -> Iterator[slice]:
    """Slices of rows that hold about a million pixels each, to work on in little memory."""
    height, width = picture.shape[:2]
    step = max(1, _BLOCK // width)
    return (slice(top, top + step) for top in range(0, height, step))


def _moments(picture: np.ndarray, weights: np.ndarray | None, what: str) -> _Moments:
    """Mean and covariance of all pixels, in float64."""
    weights = _checked(weights, picture, what)
    total = weights.sum(dtype=np.float64)
    channels = picture.shape[2]
    mean, covariance = np.zeros(channels), np.zeros((channels, channels))
    for rows in row_blocks(picture):
        mean += np.tensordot(weights[rows].astype(np.float64), picture[rows], 2) / total
    for rows in row_blocks(picture):
        centred = (picture[rows] - mean).reshape(-1, channels)
        covariance += (centred * weights[rows].reshape(-1, 1)).T @ centred / total
    return _Moments(mean, covariance)


def _checked(weights: np.ndarray | None, picture: np.ndarray, what: str) -> np.ndarray:
    """Weights that fit a picture, those of one for all pixels if there are none."""
    if weights is None:
        return np.broadcast_to(np.float32(1), picture.shape[:2])
    if weights.shape != picture.shape[:2]:
        raise InputError(
            f"the {what} has shape {picture.shape}, its weights {weights.shape}: they must have "
            "the same height and width"
        )
    if not (weights.min() >= 0 and 0 < weights.sum(dtype=np.float64) < np.inf):
        raise InputError(
            f"the {what}'s weights must be finite, at least 0, and not all 0; they reach from "
            f"{weights.min():g} to {weights.max():g}"
        )
    return weights


def _map_between(source: np.ndarray, target: np.ndarray, method: str) -> np.ndarray:
    """The matrix of ``match_colors`` for two covariances."""
    values, axes = np.linalg.eigh(source)
    values = np.maximum(values, 0)
    firm = np.maximum(values, _FAINTEST**2)
    # What is faint is treated as if it were firm, and attenuated before by so much.
    attenuated = axes @ np.diag(np.sqrt(values / firm)) @ axes.T
    root, inverse = (axes @ np.diag(firm**power) @ axes.T for power in (0.5, -0.5))
    if method == "cholesky":
        matrix = _triangular(target) @ np.linalg.inv(_triangular(root @ root))
    elif method == "pca":
        matrix = _root(target) @ inverse
    else:
        matrix = inverse @ _root(root @ target @ root) @ inverse
    return matrix @ attenuated


def _root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root of a matrix that may be singular."""
    values, axes = np.linalg.eigh(covariance)
    return axes @ np.diag(np.sqrt(np.maximum(values, 0))) @ axes.T


def _triangular(covariance: np.ndarray) -> np.ndarray:
    """The Cholesky factor, of a matrix that may be singular, which LAPACK's own refuses."""
    factor = np.linalg.qr(_root(covariance)).R.T
    return factor * np.where(np.diag(factor) < 0, -1, 1)


def match_histograms(
    picture: Float[np.ndarray, "height width channels"],
    reference: Float[np.ndarray, "height2 width2 channels"],
    *,
    weights: Float[np.ndarray, "height width"] | None = None,
    reference_weights: Float[np.ndarray, "height2 width2"] | None = None,
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
        weights: how much each pixel of the picture counts in its histograms, at least 0, such as
            its alpha. All pixels get a value, whatever they count.
        reference_weights: the same for the reference.

    Returns:
        float32 in [0, 1], of the picture's shape.

    Raises:
        InputError: the channels differ in number, or one of the two has no pixels; or weights as
            in ``match_colors``.
    """
    _check_pair(picture, reference, "histograms")
    weights = _checked(weights, picture, "picture")
    reference_weights = _checked(reference_weights, reference, "reference")
    matched = np.empty(picture.shape, np.float32)
    for channel in range(picture.shape[2]):
        order = _order(picture[..., channel])
        ranks = np.empty(order.size)
        ranks[order] = _middles(weights.ravel()[order])
        known = _quantile_function(reference[..., channel], reference_weights)
        values = np.clip(np.interp(ranks, *known), 0, 1)
        matched[..., channel] = values.reshape(picture.shape[:2])
    return matched


def blended_histograms(
    parts: Sequence[tuple[np.ndarray, np.ndarray | None]], shares: Sequence[float], count: int
) -> Float[np.ndarray, "1 count channels"]:
    """A row of pixels whose histograms lie between those of several pictures.

    Each value is the mean of the pictures' values of its rank: their quantile functions are
    averaged, as the Wasserstein barycentre of distributions on a line has it.

    Args:
        parts: pictures (height, width, channels) of equal channels, each with weights (height,
            width) as ``match_histograms`` takes them, or None.
        shares: of each picture; only their ratios count.
        count: of pixels.
    """
    total, at = sum(shares), _middles(np.ones(count))
    blend = np.zeros((1, count, parts[0][0].shape[2]))
    for (picture, weights), share in zip(parts, shares, strict=True):
        weights = _checked(weights, picture, "picture")
        for channel in range(picture.shape[2]):
            known = _quantile_function(picture[..., channel], weights)
            blend[0, :, channel] += share / total * np.interp(at, *known)
    return blend.astype(np.float32)


def _check_pair(picture: np.ndarray, reference: np.ndarray, what: str) -> None:
    if picture.ndim != 3 or reference.ndim != 3 or picture.shape[2] != reference.shape[2]:
        raise InputError(
            f"cannot match {what} of shapes {picture.shape} and {reference.shape}: both must "
            "be (height, width, channels) with equal channels"
        )
    if not (picture.size and reference.size):
        raise InputError(f"cannot match {what}: a picture has no pixels")


def _quantile_function(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks in (0, 1) and the values that have them, both ascending."""
    counted = weights > 0
    values, weights = values[counted], weights[counted]
    order = np.argsort(values, kind="stable")
    return _middles(weights[order]), values[order].astype(np.float64)


def _middles(weights: np.ndarray) -> np.ndarray:
    """Where each value lies among all, if it takes as much room as its weight."""
    ends = np.cumsum(weights, dtype=np.float64)
    return (ends - weights / 2) / ends[-1]


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
