"""A run before it runs: inputs read and checked, settings resolved, sizes decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.images import Picture, fit_longest_side
from jaxstyle.images.masks import Mask, full
from jaxstyle.network.network import Network
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned.tiled_objective import TiledObjective
from jaxstyle.objective.partitioned.work_queue import copied
from jaxstyle.objective.pytrees import Model, Weights
from jaxstyle.objective.targets import Kept
from jaxstyle.run.from_config import mesh_of, model_in_force, objective_of, weights_of
from jaxstyle.run.inputs import (
    Region,
    Style,
    Weighted,
)


@dataclass(frozen=True)
class Job:
    """A run whose inputs are found to be fit: what ``prepare`` makes and ``run`` runs.

    Attributes:
        contents: the first one sets shape, transparency and colours; none where nothing of a
            content picture is used.
        styles: none where nothing of a style picture is used.
        regions: parts of the content with styles of their own; none if it has one for all of it.
        freeze: white where the content is to stay as it is; None if nowhere.
        previous: of a video, what the run starts from and stays close to, (height, width, 3) in
            [0, 1] at full size, and how far that is to be trusted, (height, width).
        kept: what is known of the styles, for jobs that share them.
        config: resolved settings.
        network: cut off below the deepest tap.
        sizes: (width, height) of each level, coarsest first.
        note: JSON values for the record, such as the command that made the picture.
        plan: how the gradient is computed, and what memory that takes, in one line.
    """

    contents: tuple[Weighted, ...]
    styles: tuple[Style, ...]
    config: StylizeConfig
    network: Network
    sizes: list[tuple[int, int]]
    note: Mapping[str, Any]
    plan: str = ""
    regions: tuple[Region, ...] = ()
    freeze: Mask | None = None
    previous: tuple[np.ndarray, np.ndarray] | None = None
    kept: Kept | None = None

    @property
    def steps(self) -> tuple[int, ...]:
        """Evaluations of the loss at each level, coarsest first."""
        return self.config.level_steps(len(self.sizes))

    @property
    def content(self) -> Picture | None:
        """The content picture; of several the first."""
        return self.contents[0].picture if self.contents else None

    @property
    def used(self) -> tuple[Style, ...]:
        """The styles whose weight is not 0."""
        return tuple(style for style in self.styles if style.weight > 0)

    @property
    def style(self) -> Picture | None:
        """The first of ``used``. None also where it is known by a file alone."""
        image = self.used[0].image if self.styles else None
        return image if isinstance(image, Picture) else None


class Goal(NamedTuple):
    """What the style of a region is compared with.

    Attributes:
        region: its index.
        weight: see ``Weights.goals``.
        styles: each with its share in the blend.
    """

    region: int
    weight: float
    styles: tuple[tuple[Style, float], ...]


def objective_of_job(job: Job) -> Objective:
    """The static part of a job's loss."""
    objective = objective_of(job.config)
    regions = tuple(goal.region for goal in goals_of(job))
    temporal = job.previous is not None and job.config.temporal_weight > 0
    regularisers = (*objective.regularisers, "temporal") if temporal else objective.regularisers
    return replace(objective, regions=regions, regularisers=regularisers)


def goals_of(job: Job) -> list[Goal]:
    """Which styles each region of the content is to have, and how strongly."""
    parts = [region.weight for region in job.regions] or [1.0]
    by_order = len(job.styles) == len(parts) and all(s.region is None for s in job.styles)
    goals = []
    for index, weight in enumerate(parts):
        chosen = [
            style
            for place, style in enumerate(job.styles)
            if (index == place if by_order else style.region in (None, index + 1))
            and style.weight > 0
        ]
        if not chosen:
            continue
        if job.config.blend == "gram":
            goals.append(Goal(index, weight, tuple((s, s.weight) for s in chosen)))
            continue
        total = sum(style.weight for style in chosen)
        goals += [Goal(index, weight * s.weight / total, ((s, 1.0),)) for s in chosen]
    return goals


def weights_of_job(job: Job, level: int) -> Weights:
    """The traced part of a job's loss."""
    last = len(job.sizes) - 1
    share, weights = opaque_share(job), weights_of(job.config, level / last if last else 1.0)
    return weights._replace(
        goals=jnp.asarray([goal.weight / share for goal in goals_of(job)], jnp.float32),
        tv=weights.tv / share,
        wavelet=weights.wavelet / share,
        range=weights.range / share,
    )


def opaque_share(job: Job) -> float:
    """How much of the content picture is there; what is transparent has no loss."""
    picture = job.content
    return 1.0 if picture is None or picture.alpha is None else float(picture.alpha.mean())


def is_masked(job: Job) -> bool:
    """Whether parts of the content or of a style count apart from others, or not at all."""
    return bool(job.regions) or opaque_share(job) < 1 or any(map(_counts_partly, job.used))


def is_tiled(job: Job, level: int) -> bool:
    """Whether a level is computed tile by tile: no level is that a single tile covers."""
    return job.config.strategy == "tiled" and max(job.sizes[level]) > job.config.tile


def model_of_job(job: Job) -> Model:
    """The network's arrays, on each of the devices that share the work."""
    model, mesh = model_in_force(job.network, job.config), mesh_of(job.config)
    return model if mesh is None else copied(model, mesh)


def tiled_of(job: Job, objective: Objective) -> TiledObjective:
    """The objective, computed as the job's settings say."""
    return TiledObjective(objective, job.config.tile, job.config.offload)


def _counts_partly(style: Style) -> bool:
    if style.mask is not None:
        return True
    alpha = style.image.alpha if isinstance(style.image, Picture) else None
    return alpha is not None and not full(alpha)


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
