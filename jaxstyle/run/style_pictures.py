"""The part of a style picture that is used, the size it is seen at, and where it counts."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.errors import InputError
from jaxstyle.images import Picture, fit_longest_side
from jaxstyle.images.masks import full, resize_mask
from jaxstyle.run.inputs import Style


def style_size(
    config: StylizeConfig, style: Style, side: int, factor: float = 1.0
) -> tuple[int, int]:
    """(width, height) of a style picture for a result whose longest side is ``side``.

    Args:
        factor: over all other scales.
    """
    fraction = config.style_crop * style.crop
    width, height = (max(1, round(fraction * n)) for n in style.picture.size)
    scale = config.style_scale * style.scale * factor
    return fit_longest_side(width, height, max(1, round(scale * side)))


def style_picture(config: StylizeConfig, style: Style) -> Picture:
    """The part of a style picture that the crops leave, without colours that alpha hides."""
    picture, fraction = style.picture.without_hidden, config.style_crop * style.crop
    if fraction == 1:
        return picture
    alpha = None if picture.alpha is None else cropped(picture.alpha, fraction)
    return Picture(cropped(picture.rgb, fraction), alpha, None, picture.bits, "", picture.source)


def style_share(
    config: StylizeConfig, style: Style, size: tuple[int, int] | None = None
) -> Float[np.ndarray, "height width"] | None:
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


def cropped(picture: np.ndarray, fraction: float) -> np.ndarray:
    """The middle of an array (height, width, ...)."""
    height, width = (max(1, round(fraction * side)) for side in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]
