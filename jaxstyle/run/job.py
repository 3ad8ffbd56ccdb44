"""A run before it runs: inputs read and checked, settings resolved, sizes decided.

Also what its settings make of its programs: the loss, its weights, the optimiser, the devices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.images import Picture
from jaxstyle.images.masks import Mask, full
from jaxstyle.network.architecture import order_taps
from jaxstyle.network.network import Network
from jaxstyle.network.winograd import wide_layers, with_transformed_kernels
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned.device_mesh import parse_mesh
from jaxstyle.objective.partitioned.work_queue import copied
from jaxstyle.objective.pytrees import Model, Weights, make_weights, model_of
from jaxstyle.objective.targets import Kept
from jaxstyle.optimize import LBFGS, Adam
from jaxstyle.run.inputs import Region, Style, Weighted


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


@dataclass(frozen=True, eq=False)
class Job:
    """A run whose inputs are found to be fit: what ``prepare`` makes and ``run`` runs.

    Attributes:
        contents: the first one sets shape, transparency and colours; none where nothing of a
            content picture is used.
        styles: none where nothing of a style picture is used.
        config: resolved settings.
        network: cut off below the deepest tap.
        sizes: (width, height) of each level, coarsest first.
        note: JSON values for the record, such as the command that made the picture.
        plan: how the gradient is computed, and what memory that takes, in one line.
        regions: parts of the content with styles of their own; none if it has one for all of it.
        freeze: white where the content is to stay as it is; None if nowhere.
        previous: of a video, what the run starts from and stays close to, (height, width, 3) in
            [0, 1] at full size, and how far that is to be trusted, (height, width).
        kept: what is known of the styles, for jobs that share them.
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

    @property
    def goals(self) -> list[Goal]:
        """Which styles each region of the content is to have, and how strongly."""
        weights = [region.weight for region in self.regions] or [1.0]
        by_order = len(self.styles) == len(weights) and all(s.region is None for s in self.styles)
        goals = []
        for region, weight in enumerate(weights):
            chosen = [
                style
                for index, style in enumerate(self.styles)
                if (index == region if by_order else style.region in (None, region + 1))
                and style.weight > 0
            ]
            if chosen and self.config.blend == "gram":
                goals.append(Goal(region, weight, tuple((s, s.weight) for s in chosen)))
            else:
                total = sum(style.weight for style in chosen)
                goals += [Goal(region, weight * s.weight / total, ((s, 1.0),)) for s in chosen]
        return goals

    @property
    def objective(self) -> Objective:
        """The static part of the loss."""
        objective = objective_of(self.config)
        regions = tuple(goal.region for goal in self.goals)
        temporal = self.previous is not None and self.config.temporal_weight > 0
        regularisers = (*objective.regularisers, *(("temporal",) if temporal else ()))
        return replace(objective, regions=regions, regularisers=regularisers)

    @property
    def opaque_share(self) -> float:
        """How much of the content picture is opaque; what is transparent has no loss."""
        picture = self.content
        return 1.0 if picture is None or picture.alpha is None else float(picture.alpha.mean())

    @property
    def is_masked(self) -> bool:
        """Whether parts of the content or of a style count apart from others, or not at all."""
        return bool(self.regions) or self.opaque_share < 1 or any(map(_counts_partly, self.used))

    def model(self) -> Model:
        """The network's arrays, on each of the devices that share the work."""
        model, mesh = model_in_force(self.network, self.config), mesh_of(self.config)
        return model if mesh is None else copied(model, mesh)


def _counts_partly(style: Style) -> bool:
    if style.mask is not None:
        return True
    alpha = style.image.alpha if isinstance(style.image, Picture) else None
    return alpha is not None and not full(alpha)


def objective_of(config: StylizeConfig) -> Objective:
    """The static part of the loss of a job without masks."""
    assert config.pooling != "trained"  # ``prepare`` puts the network's own in its place
    wavelet = ("wavelet",) if config.wavelet_weight > 0 else ()
    colour_range = ("range",) if config.range_weight > 0 else ()
    return Objective(
        content_layers=order_taps(config.content_loss_layers),
        style_layers=order_taps(config.style_loss_layers),
        convention=config.convention,
        pooling=config.pooling,
        padding=config.padding,
        tv=config.tv,
        dtype="bfloat16" if config.precision == "bf16" else "float32",
        statistics=config.statistics,
        regularisers=("tv", *wavelet, *colour_range),
        unit_gradients=config.normalise_gradients,
    )


def weights_of(
    config: StylizeConfig,
    objective: Objective,
    *,
    fineness: float = 1.0,
    goals: Sequence[float] = (1.0,),
    opaque_share: float = 1.0,
) -> Weights:
    """The traced part of the loss.

    Args:
        config: must be resolved.
        objective: may have more layers than are in the settings: these count nothing.
        fineness: of the level: 0 for the coarsest, 1 for the last.
        goals: the weight of each goal.
        opaque_share: see ``Job``; the means of regularisers are over all pixels.
    """
    content, style, tv = config.content_weight, config.style_weight, config.tv_weight
    assert content is not None and style is not None and tv is not None

    def of_opaque(weight: float) -> float:
        return float(np.float32(weight) / np.float32(opaque_share))

    return make_weights(
        content,
        style,
        of_opaque(tv),
        {tap: config.content_loss_layers.get(tap, 0.0) for tap in objective.content_layers},
        {tap: config.style_loss_layers.get(tap, 0.0) for tap in objective.style_layers},
        goals=[weight / opaque_share for weight in goals],
        wavelet=of_opaque(config.wavelet_weight),
        range=of_opaque(config.range_weight),
        content_clip=config.content_clip,
        style_clip=config.style_clip,
        tv_power=config.tv_power,
        temporal=config.temporal_weight,
        factors=config.layer_factors(fineness),
    )


def precision_in_force(config: StylizeConfig) -> AbstractContextManager[Any]:
    """A block in which programs are compiled with the precision asked for."""
    # JAX makes it part of what tells programs apart.
    return jax.default_matmul_precision(
        "default" if config.precision == "bf16" else config.precision
    )


def model_in_force(network: Network, config: StylizeConfig) -> Model:
    """A network's arrays; on a CPU also those by which its wide layers are quicker.

    Their convolutions round a little more then (``winograd``): not with precision highest.
    """
    model = model_of(network)
    exact = config.precision in ("highest", "bf16")
    if exact or config.mesh is not None or jax.default_backend() != "cpu":
        return model
    params = with_transformed_kernels(model.params, wide_layers(model.params))
    return model._replace(params=params)


def algorithm_of(config: StylizeConfig) -> LBFGS | Adam:
    """The optimiser on the device; not for ``optimizer="scipy"``."""
    bounds = (0.0, 1.0) if config.clamp else None
    if config.optimizer == "lbfgs":
        return LBFGS(config.history, bounds=bounds)
    return Adam(config.learning_rate, config.average, bounds)


def steps_per_call(config: StylizeConfig) -> int:
    """Steps in one compiled call."""
    return config.steps_per_call or (1 if jax.default_backend() == "cpu" else 10)


def mesh_of(config: StylizeConfig) -> Mesh | None:
    """The devices that share the picture; None for one device.

    Raises:
        InputError: fewer devices than asked for.
    """
    return None if config.mesh is None else parse_mesh(config.mesh)
