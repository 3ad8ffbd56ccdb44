"""Pictures and masks of a job at the size of one of its levels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.errors import InputError
from jaxstyle.images import Picture, resize, resize_picture, resize_wrapped
from jaxstyle.images.masks import full, resize_mask
from jaxstyle.job import Job
from jaxstyle.styles import Style, cropped

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
