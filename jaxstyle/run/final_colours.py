"""In which colours a result is shown: the content's, the style's histograms, more saturated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.images import resize_picture
from jaxstyle.images.color_matching import blended_histograms, match_histograms
from jaxstyle.images.luminance import luminance, saturate, with_luminance
from jaxstyle.run.inputs import Style
from jaxstyle.run.level import RGB, Level, Share, match_by_method
from jaxstyle.run.style_pictures import style_picture, style_share


def in_final_colours(level: Level, image: np.ndarray) -> RGB:
    """A level's picture as it is shown.

    Frozen parts are as they were, and so is what transparency hides.
    """
    job, config = level.job, level.job.config
    image = np.clip(image, 0, 1).astype(np.float32, copy=False)
    if config.match_histogram and job.used:
        image = _with_histograms_of_styles(level, image)
    if job.content is not None:
        image = _with_colours_of_content(level, image)
    if config.saturation != 1:
        image = saturate(image, config.saturation, config.color_space)
    if (freeze := level.freeze()) is not None:
        share, original = freeze[..., None], level.original()
        image = np.where(share == 1, original, share * original + (1 - share) * image)
    if job.content is not None and (alpha := level.alpha()) is not None:
        hidden = resize_picture(job.content, *level.size).rgb
        image = np.where(alpha[..., None] == 0, hidden, image)
    return image.astype(np.float32, copy=False)


def _with_colours_of_content(level: Level, image: RGB) -> RGB:
    """A result in the content's colours, if they are to be had afterwards."""
    config = level.job.config
    if config.color in ("keep", "luminance"):
        space = config.color_space
        return with_luminance(level.original(), luminance(image, space), space)
    weights = level.painted()
    if config.color == "match-after" and (weights is None or weights.any()):
        matched = match_by_method(config, image, level.original(), weights, weights)
        return np.clip(matched, 0, 1)
    return image


def _with_histograms_of_styles(level: Level, image: RGB) -> RGB:
    """With the histograms of the style; of each region those of its own."""
    job = level.job
    styles: dict[int, list[Style]] = {}
    for goal in job.goals:
        styles.setdefault(goal.region, []).extend(style for style, _ in goal.styles)
    painted = level.painted()
    if not job.regions:
        return _with_histograms(job.config, image, styles[0], painted)
    masks, result = level.regions(), image.copy()
    total = np.maximum(sum(masks), 1)
    for region, own in styles.items():
        weights = masks[region] if painted is None else masks[region] * painted
        matched = _with_histograms(job.config, image, own, weights)
        result += (masks[region] / total)[..., None] * (matched - image)
    return result


def _with_histograms(
    config: StylizeConfig, image: RGB, styles: Sequence[Style], weights: Share | None
) -> RGB:
    """With the histograms of some styles, blended by their weights."""
    if weights is not None and not weights.any():
        return image
    parts = [(style_picture(config, one).rgb, style_share(config, one)) for one in styles]
    if len(parts) == 1:
        ((reference, share),) = parts
        return match_histograms(image, reference, weights=weights, reference_weights=share)
    pixels = image.shape[0] * image.shape[1]
    reference = blended_histograms(parts, [one.weight for one in styles], pixels)
    return match_histograms(image, reference, weights=weights)
