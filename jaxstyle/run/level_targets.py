"""What each level of a job works on: where it starts, targets at its size, guides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.images.masks import resize_mask
from jaxstyle.network.architecture import style_padding
from jaxstyle.objective.guides import guides
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned.device_mesh import content_targets_sharded, know_style_sharded
from jaxstyle.objective.partitioned.tiled_objective import content_targets_tiled, know_style_tiled
from jaxstyle.objective.pytrees import Guides, Model, Targets
from jaxstyle.objective.targets import (
    Known,
    blended_known,
    content_targets,
    know_style,
    targets_of_styles,
)
from jaxstyle.run.from_config import mesh_of
from jaxstyle.run.inputs import Style
from jaxstyle.run.job import Goal, Job, goals_of, is_tiled, tiled_of
from jaxstyle.run.level_pictures import (
    RGB,
    alpha_at,
    content_at,
    contents_at,
    freeze_at,
    regions_at,
    resized,
    style_at,
    style_share,
)
from jaxstyle.run.start import initial_picture
from jaxstyle.run.style_file import SavedStyle


def start_of(job: Job) -> RGB:
    """The picture that the coarsest level starts from."""
    if job.previous is not None:
        return enlarge(job, job.previous[0], 0)
    content = content_at(job, 0)
    start = initial_picture(job.config.init, content, style_at(job, 0), job.config.seed)
    return _frozen(job, 0, start)


def enlarge(job: Job, image: np.ndarray, level: int) -> RGB:
    """A result at the size of another level."""
    return _frozen(job, level, resized(job, image, level))


def targets_at(job: Job, objective: Objective, model: Model, level: int) -> Targets:
    """What the picture of a level is compared with, for all taps of ``objective``."""
    goals = [known_of_goal(job, objective, model, level, goal) for goal in goals_of(job)]
    shift = jnp.asarray(job.config.style_shift, jnp.float32)
    style = targets_of_styles(objective, goals, shift) if objective.style_layers else {}
    guides = guides_at(job, objective, level)
    if is_tiled(job, level) and job.config.recompute_content and objective.content_layers:
        return Targets({}, style, guides, tuple(contents_at(job, level)))
    return Targets(_content_targets(job, objective, model, level), style, guides)


def known_of_goal(job: Job, objective: Objective, model: Model, level: int, goal: Goal) -> Known:
    """What is known of the styles of a goal, blended."""
    parts = [_known(job, objective, model, level, style) for style, _ in goal.styles]
    return blended_known(objective, parts, [share for _, share in goal.styles])


def guides_at(job: Job, objective: Objective, level: int) -> Guides:
    """Where the picture of a level is compared, and where it may change."""
    alpha, freeze = alpha_at(job, level), freeze_at(job, level)
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
        stacked = np.stack(regions_at(job, level) or [np.ones((height, width), np.float32)])
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
        pixels["previous"] = jnp.asarray(resized(job, picture, level))
        pixels["trust"] = jnp.asarray(resize_mask(trust, width, height)[..., None])
    return Guides(content, style, pixels)


def _frozen(job: Job, level: int, image: RGB) -> RGB:
    """With the content's pixels where the picture is not to change."""
    kept = freeze_at(job, level)
    alpha = alpha_at(job, level)
    if kept is None and alpha is None:
        return image
    still = np.zeros(image.shape[:2], bool) if kept is None else kept >= 0.5
    still = still if alpha is None else still | (alpha == 0)
    return np.where(still[..., None], content_at(job, level), image)


def _first_of(found: dict[str, np.ndarray]) -> dict[str, jnp.ndarray]:
    return {tap: jnp.asarray(guide[0][..., None]) for tap, guide in found.items()}


def _content_targets(job: Job, objective: Objective, model: Model, level: int) -> dict:
    """Features of the content; of several contents the mean.

    The squared errors to several, added up, are the one to their mean and a constant.
    """
    if not objective.content_layers:
        return {}
    blend: dict = {}
    for seen, share in contents_at(job, level):
        found = _features(job, objective, model, level, seen)
        if len(job.contents) == 1:
            return found
        for tap, feature in found.items():
            part = feature * share.astype(feature.dtype)
            blend[tap] = part if tap not in blend else blend[tap] + part
    return blend


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
    mask = style_share(job.config, style, (shape[1], shape[0]))
    if mask is None:
        return {}
    padding, architecture = objective.padding, job.network.architecture

    def found(mode: str) -> dict[str, np.ndarray]:
        layers = objective.style_layers
        return guides(mask[None], layers, mode, padding=padding, architecture=architecture)

    strict, by_area = found(job.config.guide), found("simple")
    chosen = {tap: strict[tap] if strict[tap].any() else by_area[tap] for tap in strict}
    return _first_of(chosen)
