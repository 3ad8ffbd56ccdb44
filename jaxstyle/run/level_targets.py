"""What the picture of a level is compared with: features, statistics, and where they count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxstyle.images.masks import resize_mask
from jaxstyle.network.architecture import style_padding
from jaxstyle.objective.guides import guides
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned.device_mesh import content_targets_sharded, know_style_sharded
from jaxstyle.objective.partitioned.tiled_objective import (
    TiledObjective,
    content_targets_tiled,
    know_style_tiled,
)
from jaxstyle.objective.pytrees import Features, Guides, Model, Targets
from jaxstyle.objective.targets import (
    Known,
    blended_known,
    content_targets,
    know_style,
    targets_of_styles,
)
from jaxstyle.run.inputs import Style
from jaxstyle.run.job import mesh_of
from jaxstyle.run.level import RGB, Level
from jaxstyle.run.style_file import SavedStyle
from jaxstyle.run.style_pictures import style_share


def tiled_of(level: Level, objective: Objective) -> TiledObjective:
    """The objective, computed tile by tile as the job's settings say."""
    return TiledObjective(objective, level.job.config.tile, level.job.config.offload)


@dataclass(frozen=True, eq=False)
class TargetMaker:
    """Makes the targets of one level.

    Attributes:
        level: gives the pictures.
        objective: its taps are what is needed.
        model: the network's arrays.
    """

    level: Level
    objective: Objective
    model: Model

    def targets(self) -> Targets:
        """All that the picture is compared with."""
        level, objective, config = self.level, self.objective, self.level.job.config
        goals = [self.known(goal.styles) for goal in level.job.goals]
        shift = jnp.asarray(config.style_shift, jnp.float32)
        style = targets_of_styles(objective, goals, shift) if objective.style_layers else {}
        guides = self.guides()
        if level.is_tiled and config.recompute_content and objective.content_layers:
            return Targets({}, style, guides, tuple(level.contents()))
        return Targets(self.content(), style, guides)

    def content(self) -> Features:
        """Features of the content; of several contents the mean.

        The squared errors to several, added up, are the one to their mean and a constant.
        """
        if not self.objective.content_layers:
            return {}
        mean: Features = {}
        for picture, share in self.level.contents():
            features = self._features(picture)
            if len(self.level.job.contents) == 1:
                return features
            for tap, feature in features.items():
                part = feature * share.astype(feature.dtype)
                mean[tap] = part if tap not in mean else mean[tap] + part
        return mean

    def known(self, styles: Sequence[tuple[Style, float]]) -> Known:
        """What is known of some styles, blended by their shares."""
        parts = [self._known_of(style) for style, _ in styles]
        return blended_known(self.objective, parts, [share for _, share in styles])

    def guides(self) -> Guides:
        """Where the picture is compared, and where it may change."""
        level, objective, job = self.level, self.objective, self.level.job
        alpha, fixed, regions = level.alpha(), level.fixed(), level.regions()
        width, height = level.size
        content, style, pixels = {}, {}, {}
        if alpha is not None:
            content = _guides_of_one(self._guides(alpha[None], objective.content_layers, "simple"))
            pixels["inside"] = jnp.asarray(alpha[..., None])
        if regions or alpha is not None:
            masks = np.stack(regions or [np.ones((height, width), np.float32)])
            masks = masks if alpha is None else masks * alpha
            by_tap = self._guides(masks, objective.style_layers, job.config.guide)
            style = {tap: jnp.asarray(np.moveaxis(guide, 0, -1)) for tap, guide in by_tap.items()}
        if fixed is not None:
            pixels["free"] = jnp.asarray(~fixed[..., None], jnp.float32)
        if job.previous is not None and "temporal" in objective.regularisers:
            picture, trust = job.previous
            pixels["previous"] = jnp.asarray(level.resized(picture))
            pixels["trust"] = jnp.asarray(resize_mask(trust, width, height)[..., None])
        return Guides(content, style, pixels)

    def _features(self, content: RGB) -> Features:
        if self.level.is_tiled:
            tiled = tiled_of(self.level, self.objective)
            return content_targets_tiled(tiled, self.model, content)
        if (mesh := mesh_of(self.level.job.config)) is not None:
            return content_targets_sharded(self.objective, self.model, content, mesh)
        return content_targets(self.objective, self.model, content)

    def _known_of(self, style: Style) -> Known:
        """What is known of one style: from its file, from an earlier job, or from its picture."""
        job, side = self.level.job, max(self.level.size)
        if isinstance(style.image, SavedStyle):
            return style.image.known_at(side, self.objective)
        if job.kept is None or job.config.color in ("luminance", "match-before"):
            return self._known_of_picture(style)
        looks = id(style.image), style.scale, style.crop, id(style.mask)
        asked = self.objective.style_layers, self.objective.statistics
        key = side, looks, (*asked, job.config.tile, self.level.is_tiled)
        if key not in job.kept.known:
            job.kept.known[key] = self._known_of_picture(style)
        return job.kept.known[key]

    def _known_of_picture(self, style: Style) -> Known:
        """What is known of one style, averaged over the sizes that it is seen at."""
        # The style does not wrap where the result does: its borders would be seams in its
        # statistics.
        padding = style_padding(self.objective.padding)
        sizes = []
        for passes in self._passes():
            moments, values = {}, {}
            for factor, taps in passes.items():
                objective = replace(self.objective, padding=padding, style_layers=tuple(taps))
                picture = self.level.style(style, factor)
                known = replace(self, objective=objective)._seen_in(style, picture)
                moments |= known.moments
                values |= known.values
            sizes.append(Known(moments, values))
        return blended_known(self.objective, sizes, [1.0] * len(sizes))

    def _passes(self) -> Iterator[Mapping[float, list[str]]]:
        """For each size that a style is averaged over: scale -> the layers that see it so."""
        config = self.level.job.config
        for size in config.multiscale:
            passes: dict[float, list[str]] = {}
            for tap in self.objective.style_layers:
                passes.setdefault(size * config.layer_scales.get(tap, 1.0), []).append(tap)
            yield passes

    def _seen_in(self, style: Style, picture: RGB) -> Known:
        """What is known of a style from its picture at one size."""
        objective, model = self.objective, self.model
        style_guides = self._style_guides(style, picture)
        if self.level.is_tiled:
            tiled = tiled_of(self.level, objective)
            return know_style_tiled(tiled, model, picture, style_guides)
        if (mesh := mesh_of(self.level.job.config)) is not None:
            on_host = {tap: np.asarray(guide) for tap, guide in style_guides.items()}
            return know_style_sharded(objective, model, picture, mesh, on_host)
        return know_style(objective, model, picture, style_guides)

    def _style_guides(self, style: Style, picture: RGB) -> dict[str, Array]:
        """Where a style picture counts; nothing where all of it does.

        Layers of which a mask leaves no position in the mode asked for take it by area.
        """
        config, layers = self.level.job.config, self.objective.style_layers
        mask = style_share(config, style, picture.shape[1::-1])
        if mask is None:
            return {}
        strict, by_area = (
            self._guides(mask[None], layers, mode) for mode in (config.guide, "simple")
        )
        return _guides_of_one(
            {tap: strict[tap] if strict[tap].any() else by_area[tap] for tap in strict}
        )

    def _guides(
        self, masks: np.ndarray, layers: tuple[str, ...], mode: str
    ) -> dict[str, np.ndarray]:
        architecture = self.level.job.network.architecture
        padding = self.objective.padding
        return guides(masks, layers, mode, padding=padding, architecture=architecture)


def _guides_of_one(guides_of_masks: dict[str, np.ndarray]) -> dict[str, Array]:
    """Guides of a single mask, as the objective takes them."""
    return {tap: jnp.asarray(guide[0][..., None]) for tap, guide in guides_of_masks.items()}
