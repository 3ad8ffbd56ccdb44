"""What each level of a job works on: pictures and targets at its size, guides, colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxstyle.color import match_colors, match_histograms
from jaxstyle.config import StylizeConfig
from jaxstyle.errors import InputError
from jaxstyle.images import resize, resize_picture, resize_wrapped
from jaxstyle.initial import initial_picture
from jaxstyle.job import Goal, Job, goals_of, is_tiled, style_size, tiled_of
from jaxstyle.layers import style_padding
from jaxstyle.luminance import grey, luminance, match_luminance, saturate, with_luminance
from jaxstyle.masks import full, guides, resize_mask
from jaxstyle.objective import Objective
from jaxstyle.programs import mesh_of
from jaxstyle.quantities import Guides, Model, Targets
from jaxstyle.saved_style import SavedStyle
from jaxstyle.sharding import content_targets_sharded, know_style_sharded
from jaxstyle.styles import Style, cropped
from jaxstyle.targets import (
    Known,
    blended_known,
    content_targets,
    know_style,
    targets_of_styles,
)
from jaxstyle.tiling import content_targets_tiled, know_style_tiled

RGB = Float[np.ndarray, "height width 3"]


def content_at(job: Job, level: int) -> RGB:
    """The content picture at a level's size; black where the job has none."""
    return _as_transferred(job.config, original_at(job, level))


def original_at(job: Job, level: int) -> RGB:
    """The content picture in its own colours."""
    width, height = job.sizes[level]
    if job.content is None:
        return np.zeros((height, width, 3), np.float32)
    return resize_picture(job.content, width, height).rgb


def style_at(job: Job, level: int, style: Style | None = None, factor: float = 1.0) -> RGB:
    """A style picture at the size that goes with a level; the content where the job has none.

    Args:
        style: the job's first if not given.
        factor: over all other scales.
    """
    if style is None and job.style is None:
        return content_at(job, level)
    style = style or job.styles[0]
    size = style_size(job.config, style, max(job.sizes[level]), factor)
    picture = resize(cropped(style.picture.rgb, job.config.style_crop * style.crop), *size)
    return _matched_before(job, level, picture, _style_alpha(job.config, style, size))


def start_of(job: Job) -> RGB:
    """The picture that the coarsest level starts from."""
    if job.previous is not None:
        return enlarge(job, job.previous[0], 0)
    content = content_at(job, 0)
    start = initial_picture(job.config.init, content, style_at(job, 0), job.config.seed)
    return _frozen(job, 0, start)


def enlarge(job: Job, image: np.ndarray, level: int) -> RGB:
    """A result at the size of another level."""
    return _frozen(job, level, _resized(job, image, level))


def presented(job: Job, image: np.ndarray, level: int) -> RGB:
    """What is shown of the picture of a level: in its final colours, frozen parts as they were."""
    config = job.config
    image = np.clip(image, 0, 1).astype(np.float32, copy=False)
    if config.match_histogram and job.styles:
        style = job.styles[0]
        image = match_histograms(image, cropped(style.picture.rgb, config.style_crop * style.crop))
    if job.content is not None:
        image = _recoloured(job, image, level)
    if config.saturation != 1:
        image = saturate(image, config.saturation, config.color_space)
    if job.freeze is not None:
        share = resize_mask(job.freeze.values, *job.sizes[level])[..., None]
        original = original_at(job, level)
        image = np.where(share == 1, original, share * original + (1 - share) * image)
    return image.astype(np.float32, copy=False)


def _recoloured(job: Job, image: RGB, level: int) -> RGB:
    """A result with the content's colours, if those are to be had afterwards."""
    config = job.config
    if config.color in ("keep", "luminance"):
        space = config.color_space
        return with_luminance(original_at(job, level), luminance(image, space), space)
    if config.color == "match-after":
        alpha = _alpha_at(job, level)
        return _matched(config, image, original_at(job, level), alpha, alpha)
    return image


def targets_at(job: Job, objective: Objective, model: Model, level: int) -> Targets:
    """What the picture of a level is compared with, for all taps of ``objective``."""
    goals = [known_of_goal(job, objective, model, level, goal) for goal in goals_of(job)]
    shift = jnp.asarray(job.config.style_shift, jnp.float32)
    style = targets_of_styles(objective, goals, shift) if objective.style_layers else {}
    guides = guides_at(job, objective, level)
    if is_tiled(job, level) and job.config.recompute_content and objective.content_layers:
        return Targets({}, style, guides, tuple(_contents_at(job, level)))
    return Targets(_content_targets(job, objective, model, level), style, guides)


def known_of_goal(job: Job, objective: Objective, model: Model, level: int, goal: Goal) -> Known:
    """What is known of the styles of a goal, blended."""
    parts = [_known(job, objective, model, level, style) for style, _ in goal.styles]
    return blended_known(objective, parts, [share for _, share in goal.styles])


def guides_at(job: Job, objective: Objective, level: int) -> Guides:
    """Where the picture of a level is compared, and where it may change."""
    alpha, freeze = _alpha_at(job, level), freeze_at(job, level)
    width, height = job.sizes[level]
    content, style, pixels = {}, {}, {}
    if alpha is not None:
        content = _first_of(
            guides(
                alpha[None],
                objective.content_layers,
                padding=objective.padding,
                architecture=job.network.architecture,
            )
        )
        pixels["inside"] = jnp.asarray(alpha[..., None])
    if job.regions or alpha is not None:
        masks = [resize_mask(region.mask.values, width, height) for region in job.regions]
        stacked = np.stack(masks or [np.ones((height, width), np.float32)])
        if alpha is not None:
            stacked = stacked * alpha
        found = guides(
            stacked,
            objective.style_layers,
            job.config.guide,
            padding=objective.padding,
            architecture=job.network.architecture,
        )
        style = {tap: jnp.asarray(np.moveaxis(guide, 0, -1)) for tap, guide in found.items()}
    if freeze is not None or alpha is not None:
        free = np.ones((height, width), bool) if freeze is None else freeze < 0.5
        free = free if alpha is None else free & (alpha > 0)
        pixels["free"] = jnp.asarray(free[..., None], jnp.float32)
    if job.previous is not None and "temporal" in objective.regularisers:
        picture, trust = job.previous
        pixels["previous"] = jnp.asarray(_resized(job, picture, level))
        pixels["trust"] = jnp.asarray(resize_mask(trust, width, height)[..., None])
    return Guides(content, style, pixels)


def freeze_at(job: Job, level: int) -> Float[np.ndarray, "height width"] | None:
    """How far each pixel is to stay the content's."""
    return None if job.freeze is None else resize_mask(job.freeze.values, *job.sizes[level])


def _alpha_at(job: Job, level: int) -> Float[np.ndarray, "height width"] | None:
    if job.content is None or job.content.alpha is None or full(job.content.alpha):
        return None
    return resize_mask(job.content.alpha, *job.sizes[level])


def _resized(job: Job, image: np.ndarray, level: int) -> RGB:
    if image.shape[1::-1] == job.sizes[level]:
        return np.asarray(image, np.float32)  # no copy: it may fill the memory
    change = resize_wrapped if job.config.padding == "circular" else resize
    return change(image, *job.sizes[level])


def _frozen(job: Job, level: int, image: RGB) -> RGB:
    """With the content's pixels where the picture is not to change."""
    kept = freeze_at(job, level)
    alpha = _alpha_at(job, level)
    if kept is None and alpha is None:
        return image
    still = np.zeros(image.shape[:2], bool) if kept is None else kept >= 0.5
    still = still if alpha is None else still | (alpha == 0)
    return np.where(still[..., None], content_at(job, level), image)


def _as_transferred(config: StylizeConfig, picture: RGB) -> RGB:
    return grey(picture, config.color_space) if config.color == "luminance" else picture


def _style_alpha(
    config: StylizeConfig, style: Style, size: tuple[int, int]
) -> Float[np.ndarray, "height width"] | None:
    """How opaque a style picture is at a size; None if it is so all over."""
    alpha = style.picture.alpha
    if alpha is None or full(alpha):
        return None
    return resize_mask(cropped(alpha, config.style_crop * style.crop), *size)


def _matched_before(
    job: Job, level: int, style: RGB, alpha: Float[np.ndarray, "height width"] | None
) -> RGB:
    """The style with the content's colours, if that is asked for."""
    config = job.config
    if job.content is None or config.color not in ("luminance", "match-before"):
        return style
    content = original_at(job, level)
    if config.color == "match-before":
        return _matched(config, style, content, alpha, _alpha_at(job, level))
    space = config.color_space
    luma = match_luminance(
        luminance(style, space),
        luminance(content, space),
        weights=alpha,
        reference_weights=_alpha_at(job, level),
    )
    return np.repeat(np.clip(luma, 0, 1)[..., None], 3, axis=-1)


def _matched(
    config: StylizeConfig,
    picture: RGB,
    reference: RGB,
    weights: np.ndarray | None,
    reference_weights: np.ndarray | None,
) -> RGB:
    if config.color_method == "histogram":
        return match_histograms(picture, reference)
    found = match_colors(
        picture,
        reference,
        config.color_method,
        weights=weights,
        reference_weights=reference_weights,
    )
    return np.clip(found, 0, 1)


def _first_of(found: dict[str, np.ndarray]) -> dict[str, jnp.ndarray]:
    return {tap: jnp.asarray(guide[0][..., None]) for tap, guide in found.items()}


def _content_targets(job: Job, objective: Objective, model: Model, level: int) -> dict:
    """Features of the content; of several contents the mean.

    The squared errors to several, added up, are the one to their mean and a constant.
    """
    if not objective.content_layers:
        return {}
    blend: dict = {}
    for seen, share in _contents_at(job, level):
        found = _features(job, objective, model, level, seen)
        if len(job.contents) == 1:
            return found
        for tap, feature in found.items():
            part = feature * share.astype(feature.dtype)
            blend[tap] = part if tap not in blend else blend[tap] + part
    return blend


def _contents_at(job: Job, level: int) -> Iterator[tuple[RGB, Float[np.ndarray, ""]]]:
    """The content pictures at a level's size, each with its share."""
    width, height = job.sizes[level]
    total = sum(one.weight for one in job.contents)
    for picture, weight in job.contents:
        seen = _as_transferred(job.config, resize_picture(picture, width, height).rgb)
        yield seen, np.array(weight / total, np.float32)


def _features(job: Job, objective: Objective, model: Model, level: int, content: RGB) -> dict:
    if is_tiled(job, level):
        return content_targets_tiled(tiled_of(job, objective), model, content)
    if (mesh := mesh_of(job.config)) is not None:
        return content_targets_sharded(objective, model, content, mesh)
    return content_targets(objective, model, jnp.asarray(content))


class _Pass(NamedTuple):
    """Layers of a style that are seen at one scale."""

    factor: float
    taps: tuple[str, ...]


def _passes(config: StylizeConfig, objective: Objective) -> Iterator[tuple[float, list[_Pass]]]:
    """For each size that the style is averaged over, the passes that it takes."""
    scales = config.layer_scales
    for size in config.multiscale:
        by_scale: dict[float, list[str]] = {}
        for tap in objective.style_layers:
            by_scale.setdefault(size * scales.get(tap, 1.0), []).append(tap)
        yield size, [_Pass(factor, tuple(taps)) for factor, taps in by_scale.items()]


def _known(job: Job, objective: Objective, model: Model, level: int, style: Style) -> Known:
    """What is known of one style, averaged over its sizes."""
    side = max(job.sizes[level])
    if isinstance(style.image, SavedStyle):
        return style.image.known_at(side, objective)
    if job.kept is None or job.config.color in ("luminance", "match-before"):
        return _averaged(job, objective, model, level, style)
    looks = id(style.image), style.scale, style.crop, id(style.mask)
    asked = objective.style_layers, objective.statistics, job.config.tile, is_tiled(job, level)
    key = side, looks, asked
    if key not in job.kept.known:
        job.kept.known[key] = _averaged(job, objective, model, level, style)
    return job.kept.known[key]


def _averaged(job: Job, objective: Objective, model: Model, level: int, style: Style) -> Known:
    # The style does not wrap where the result does: its borders would be seams in its statistics.
    plain = replace(objective, padding=style_padding(objective.padding))
    sizes = []
    for _, passes in _passes(job.config, objective):
        moments, values = {}, {}
        for factor, taps in passes:
            picture = style_at(job, level, style, factor)
            known = _seen(job, replace(plain, style_layers=taps), model, level, style, picture)
            moments |= known.moments
            values |= known.values
        sizes.append(Known(moments, values))
    return blended_known(objective, sizes, [1.0] * len(sizes))


def _seen(
    job: Job, objective: Objective, model: Model, level: int, style: Style, picture: RGB
) -> Known:
    at = _style_guides(job, objective, style, picture.shape[:2])
    if is_tiled(job, level):
        return know_style_tiled(tiled_of(job, objective), model, picture, at)
    if (mesh := mesh_of(job.config)) is not None:
        host = {tap: np.asarray(guide) for tap, guide in at.items()}
        return know_style_sharded(objective, model, picture, mesh, host)
    return know_style(objective, model, jnp.asarray(picture), at)


def _style_guides(
    job: Job, objective: Objective, style: Style, shape: tuple[int, ...]
) -> dict[str, jnp.ndarray]:
    """Where a style picture of a height and width counts; nothing where all of it does.

    Layers of which a mask leaves no position in the mode asked for take it by area.
    """
    mask = _style_mask(job.config, style)
    if mask is None:
        return {}
    mask = resize_mask(mask, shape[1], shape[0])
    if not mask.any():
        raise InputError(
            f"mask and transparency leave nothing of style {style.picture.source}: give a mask "
            "that is white where the style is to be seen"
        )
    padding, architecture = objective.padding, job.network.architecture

    def found(mode: str) -> dict[str, np.ndarray]:
        layers = objective.style_layers
        return guides(mask[None], layers, mode, padding=padding, architecture=architecture)

    strict, by_area = found(job.config.guide), found("simple")
    chosen = {tap: strict[tap] if strict[tap].any() else by_area[tap] for tap in strict}
    return _first_of(chosen)


def _style_mask(config: StylizeConfig, style: Style) -> Float[np.ndarray, "height width"] | None:
    """The part of the style picture that counts, at its own size."""
    picture, mask = style.picture, None
    if style.mask is not None:
        mask = resize_mask(style.mask.values, *picture.size)
    if picture.alpha is not None and not full(picture.alpha):
        mask = picture.alpha if mask is None else mask * picture.alpha
    return None if mask is None else cropped(mask, config.style_crop * style.crop)
