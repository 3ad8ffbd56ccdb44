"""In which colours a job's pictures go through the network, and in which the result is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.errors import InputError
from jaxstyle.images import Picture, resize, resize_picture, resize_wrapped
from jaxstyle.images.color_matching import blended_histograms, match_colors, match_histograms
from jaxstyle.images.luminance import grey, luminance, match_luminance, saturate, with_luminance
from jaxstyle.images.masks import full, resize_mask
from jaxstyle.run.inputs import Style, cropped
from jaxstyle.run.job import Job, goals_of, style_size


def content_at(job: Job, level: int) -> RGB:
    """The content picture at a level's size; black where the job has none."""
    return _as_transferred(job.config, original_at(job, level))


def contents_at(job: Job, level: int) -> Iterator[tuple[RGB, Float[np.ndarray, ""]]]:
    """The content pictures at a level's size, each with its share."""
    total = sum(one.weight for one in job.contents)
    for picture, weight in job.contents:
        seen = _as_transferred(job.config, picture_at(picture, *job.sizes[level]))
        yield seen, np.array(weight / total, np.float32)


def style_at(job: Job, level: int, style: Style | None = None, factor: float = 1.0) -> RGB:
    """A style picture at the size that goes with a level; the content where the job has none.

    Args:
        style: the job's first if not given.
        factor: over all other scales.

    Returns:
        In [0, 1], but for colours that are matched: these have the content's mean and covariance.
    """
    if style is None and job.style is None:
        return content_at(job, level)
    style = style or job.used[0]
    size = style_size(job.config, style, max(job.sizes[level]), factor)
    picture = resize_picture(style_picture(job.config, style), *size).rgb
    return _matched_before(job, level, style, picture)


def presented(job: Job, image: np.ndarray, level: int) -> RGB:
    """What is shown of the picture of a level: in its final colours.

    Frozen parts are as they were, and so is what transparency hides.
    """
    config = job.config
    image = np.clip(image, 0, 1).astype(np.float32, copy=False)
    if config.match_histogram and job.used:
        image = _with_histograms(job, image, level)
    if job.content is not None:
        image = _recoloured(job, image, level)
    if config.saturation != 1:
        image = saturate(image, config.saturation, config.color_space)
    if (freeze := freeze_at(job, level)) is not None:
        share, original = freeze[..., None], original_at(job, level)
        image = np.where(share == 1, original, share * original + (1 - share) * image)
    if job.content is not None and (alpha := alpha_at(job, level)) is not None:
        hidden = resize_picture(job.content, *job.sizes[level]).rgb
        image = np.where(alpha[..., None] == 0, hidden, image)
    return image.astype(np.float32, copy=False)


def _as_transferred(config: StylizeConfig, picture: RGB) -> RGB:
    return grey(picture, config.color_space) if config.color == "luminance" else picture


def _matched_before(job: Job, level: int, style: Style, picture: RGB) -> RGB:
    """The style with the content's colours, if that is asked for."""
    config = job.config
    if job.content is None or config.color not in ("luminance", "match-before"):
        return picture
    content, height, width = original_at(job, level), *picture.shape[:2]
    weights = style_share(config, style, (width, height))
    reference_weights = _painted_by(job, level, style)
    # Not clipped: the network takes any value, and the moments would no longer be the content's.
    if config.color == "match-before":
        return _matched(config, picture, content, weights, reference_weights)
    space = config.color_space
    luma = match_luminance(
        luminance(picture, space),
        luminance(content, space),
        weights=weights,
        reference_weights=reference_weights,
    )
    return np.repeat(luma[..., None], 3, axis=-1)


def _painted_by(job: Job, level: int, style: Style) -> Share | None:
    """The part of the content whose colours a style takes: its region's, if it has one alone."""
    alpha = alpha_at(job, level)
    regions = {goal.region for goal in goals_of(job) if any(one is style for one, _ in goal.styles)}
    if not job.regions or len(regions) != 1:
        return alpha
    mask = regions_at(job, level)[regions.pop()]
    mask = mask if alpha is None else mask * alpha
    return mask if mask.any() else alpha


def _recoloured(job: Job, image: RGB, level: int) -> RGB:
    """A result with the content's colours, if those are to be had afterwards."""
    config = job.config
    if config.color in ("keep", "luminance"):
        space = config.color_space
        return with_luminance(original_at(job, level), luminance(image, space), space)
    weights = painted_at(job, level)
    if config.color == "match-after" and (weights is None or weights.any()):
        matched = _matched(config, image, original_at(job, level), weights, weights)
        return np.clip(matched, 0, 1)
    return image


def _matched(
    config: StylizeConfig,
    picture: RGB,
    reference: RGB,
    weights: Share | None,
    reference_weights: Share | None,
) -> RGB:
    given = {"weights": weights, "reference_weights": reference_weights}
    if config.color_method == "histogram":
        return match_histograms(picture, reference, **given)
    return match_colors(picture, reference, config.color_method, **given)


def _with_histograms(job: Job, image: RGB, level: int) -> RGB:
    """With the histograms of the style; of each region those of its own."""
    styles: dict[int, list[Style]] = {}
    for goal in goals_of(job):
        styles.setdefault(goal.region, []).extend(style for style, _ in goal.styles)
    painted = painted_at(job, level)
    if not job.regions:
        return _with_those_of(job.config, image, styles[0], painted)
    masks, found = regions_at(job, level), image.copy()
    total = np.maximum(sum(masks), 1)
    for region, own in styles.items():
        weights = masks[region] if painted is None else masks[region] * painted
        matched = _with_those_of(job.config, image, own, weights)
        found += (masks[region] / total)[..., None] * (matched - image)
    return found


def _with_those_of(
    config: StylizeConfig, image: RGB, styles: Sequence[Style], weights: Share | None
) -> RGB:
    if weights is not None and not weights.any():
        return image
    parts = [(style_picture(config, one).rgb, style_share(config, one)) for one in styles]
    if len(parts) == 1:
        ((reference, share),) = parts
        return match_histograms(image, reference, weights=weights, reference_weights=share)
    count = image.shape[0] * image.shape[1]
    reference = blended_histograms(parts, [one.weight for one in styles], count)
    return match_histograms(image, reference, weights=weights)


RGB = Float[np.ndarray, "height width 3"]


Share = Float[np.ndarray, "height width"]


def original_at(job: Job, level: int) -> RGB:
    """The content picture in its own colours, which transparency hides none of; black if none."""
    width, height = job.sizes[level]
    if job.content is None:
        return np.zeros((height, width, 3), np.float32)
    return picture_at(job.content, width, height)


def picture_at(picture: Picture, width: int, height: int) -> RGB:
    """A picture as the network may see it: no colour comes from where alpha is 0."""
    return resize_picture(picture.without_hidden, width, height).rgb


def alpha_at(job: Job, level: int) -> Share | None:
    """How opaque the content is; None if it is so all over."""
    if job.content is None or job.content.alpha is None or full(job.content.alpha):
        return None
    return resize_mask(job.content.alpha, *job.sizes[level])


def freeze_at(job: Job, level: int) -> Share | None:
    """How far each pixel is to stay the content's."""
    return None if job.freeze is None else resize_mask(job.freeze.values, *job.sizes[level])


def painted_at(job: Job, level: int) -> Share | None:
    """How far each pixel is there and may change; None if all are and may."""
    alpha, freeze = alpha_at(job, level), freeze_at(job, level)
    if freeze is None:
        return alpha
    return 1 - freeze if alpha is None else alpha * (1 - freeze)


def regions_at(job: Job, level: int) -> list[Share]:
    """The mask of each region."""
    return [resize_mask(region.mask.values, *job.sizes[level]) for region in job.regions]


def resized(job: Job, image: np.ndarray, level: int) -> RGB:
    """A result at the size of a level."""
    if image.shape[1::-1] == job.sizes[level]:
        return np.asarray(image, np.float32)  # no copy: it may fill the memory
    change = resize_wrapped if job.config.padding == "circular" else resize
    return change(image, *job.sizes[level])


def style_picture(config: StylizeConfig, style: Style) -> Picture:
    """The part of a style picture that the crops leave, without colours that alpha hides."""
    picture, fraction = style.picture.without_hidden, config.style_crop * style.crop
    if fraction == 1:
        return picture
    alpha = None if picture.alpha is None else cropped(picture.alpha, fraction)
    return Picture(cropped(picture.rgb, fraction), alpha, None, picture.bits, "", picture.source)


def style_share(
    config: StylizeConfig, style: Style, size: tuple[int, int] | None = None
) -> Share | None:
    """How far each pixel of a style picture counts: its mask and its alpha; None if all do.

    Args:
        size: (width, height); its own, less the crops, if not given.

    Raises:
        InputError: none does.
    """
    picture, mask = style.picture, None
    if style.mask is not None:
        mask = resize_mask(style.mask.values, *picture.size)
    if picture.alpha is not None and not full(picture.alpha):
        mask = picture.alpha if mask is None else mask * picture.alpha
    if mask is None:
        return None
    mask = cropped(mask, config.style_crop * style.crop)
    mask = mask if size is None else resize_mask(mask, *size)
    if not mask.any():
        raise InputError(
            f"mask and transparency leave nothing of style {picture.source}: give a mask "
            "that is white where the style is to be seen"
        )
    return mask
