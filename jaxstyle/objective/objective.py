"""The loss of Gatys et al. 2015 for one picture, with its gradient with respect to the pixels.

features of the picture -> sums over positions -> loss. ``Objective`` holds what shapes the compiled
program; everything numeric (network, targets, weights) is an argument, so that a new weight or a
new style of the same size compiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import stride
from jaxstyle.network.preprocessing import to_network
from jaxstyle.network.vgg import features
from jaxstyle.objective import losses
from jaxstyle.objective.conventions import get_convention
from jaxstyle.objective.losses import clipped, with_unit_gradient
from jaxstyle.objective.pytrees import (
    Counted,
    Features,
    Guides,
    Model,
    Picture,
    Sums,
    Targets,
    Terms,
    Weights,
)
from jaxstyle.objective.regularisers import picture_sum
from jaxstyle.objective.statistics import STATISTICS, Moments, additive, means, moments
from jaxstyle.objective.statistics.histogram import values


@dataclass(frozen=True)
class Objective:
    """What is computed; equal objectives share one compiled program.

    Attributes:
        content_layers, style_layers: the taps.
        convention: a name of ``conventions.CONVENTIONS``.
        pooling, padding: as in ``vgg.features``.
        tv: kind of total variation, see ``regularisers.picture_sum``.
        dtype: what the network computes in, ``float32`` or ``bfloat16``; Gram sums, losses and
            pixels are float32 in any case.
        statistics: names of ``statistics.STATISTICS``; their errors are averaged.
        regions: for each goal the region that it is for. Goals of one region pull against each
            other; a single goal for the whole picture is ``(0,)``.
        regularisers: those that are computed, of ``regularisers.REGULARISERS``.
        unit_gradients: see ``gradients.with_unit_gradient``.
    """

    content_layers: tuple[str, ...] = ("conv4_2",)
    style_layers: tuple[str, ...] = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    convention: str = "jaxstyle"
    pooling: str = "avg"
    padding: str = "zeros"
    tv: str = "l2"
    dtype: str = "float32"
    statistics: tuple[str, ...] = ("gram",)
    regions: tuple[int, ...] = (0,)
    regularisers: tuple[str, ...] = ("tv",)
    unit_gradients: bool = False

    @property
    def taps(self) -> tuple[str, ...]:
        """All taps, each once."""
        return tuple(dict.fromkeys(self.content_layers + self.style_layers))

    @property
    def tileable(self) -> bool:
        """Whether loss and gradient are functions of sums that add up over parts of the picture."""
        return additive(self.statistics) and not self.unit_gradients

    def features(self, model: Model, picture: Picture, taps: tuple[str, ...]) -> Features:
        """The tapped features of one picture in [0, 1]."""
        seen = to_network(picture[None], model.preprocessing)
        # float32 is the least: a picture in float64 (gradient checks) stays there.
        dtype = jnp.dtype(self.dtype) if self.dtype != "float32" else None
        tapped = features(
            model.params, seen, taps, pooling=self.pooling, padding=self.padding, dtype=dtype
        )
        return {tap: feature[0] for tap, feature in tapped.items()}

    def loss(
        self, picture: Picture, model: Model, targets: Targets, weights: Weights
    ) -> tuple[Float[Array, ""], Terms]:
        """The weighted loss and its parts.

        Raises:
            InputError: a tap that the network lacks, or a picture too small for the taps.
        """
        found = self.features(model, picture, self.taps)
        sums = self.sums(found, picture, targets, weights)
        return self.loss_of_sums(
            sums, picture.shape[:2], targets.style, weights, lambda tap: found[tap].shape[-1]
        )

    def __call__(
        self, picture: Picture, model: Model, targets: Targets, weights: Weights
    ) -> tuple[tuple[Float[Array, ""], Terms], Picture]:
        """``((loss, terms), gradient)``: what an optimiser evaluates. Pure; jit or vmap it."""
        found, gradient = jax.value_and_grad(self.loss, has_aux=True)(
            picture, model, targets, weights
        )
        return found, freed(gradient, targets.guides)

    def sums(
        self,
        found: Mapping[str, Array],
        picture: Picture,
        targets: Targets,
        weights: Weights,
        *,
        counted: Counted | None = None,
        moments: Callable[[Array, Array | None], Moments] = moments,
    ) -> Sums:
        """What the loss needs to know of features and picture.

        Args:
            found: the features of all taps.
            counted: where the picture is only a part, and its guides too.
            moments: as ``statistics.moments``.
        """
        guides = targets.guides
        near = styled = found
        if self.unit_gradients:
            near = _unit(found, weights.content, self._content_shares(weights))
            styled = _unit(found, weights.style, self._style_shares(weights))

        def guide(tap: str, own: Array | None) -> Array | None:
            if counted is None:
                return own
            here = counted.at(tap)
            return here if own is None else here * own

        content = {
            tap: _content_sums(near[tap], targets.content[tap], guide(tap, guides.content.get(tap)))
            for tap in self.content_layers
            if tap in targets.content
        }
        style = {}
        for tap in self.style_layers:
            at = guide(tap, guides.style.get(tap))
            regions = [None] if at is None else [at[..., k] for k in range(at.shape[-1])]
            style[tap] = tuple(moments(styled[tap], region) for region in regions)
        inside = guides.pixels.get("inside")
        if counted is not None and counted.inside is not None:
            inside = counted.inside if inside is None else inside * counted.inside
        regularise = partial(
            picture_sum,
            picture=picture,
            kind=self.tv,
            power=weights.tv_power,
            wrap=self.padding == "circular",
            counted=None if counted is None else counted.pixels,
            inside=inside,
            previous=guides.pixels.get("previous"),
            trust=guides.pixels.get("trust"),
        )
        return Sums(
            content={tap: part[0] for tap, part in content.items()},
            energy={tap: part[1] for tap, part in content.items()},
            counted={tap: part[2] for tap, part in content.items()},
            style=style,
            values={}
            if additive(self.statistics)
            else {tap: values(styled[tap]) for tap in self.style_layers},
            picture={name: regularise(name) for name in self.regularisers},
        )

    def loss_of_sums(
        self,
        sums: Sums,
        shape: tuple[int, ...],
        style: Mapping[str, tuple[dict[str, Any], ...]],
        weights: Weights,
        channels: Callable[[str], int],
    ) -> tuple[Float[Array, ""], Terms]:
        """The weighted loss and its parts.

        Args:
            sums: of the whole picture.
            shape: its height and width.
            style: ``Targets.style``.
            channels: how many a tap has.
        """
        convention = get_convention(self.convention)
        shares = self._content_shares(weights)
        content = {}
        for tap, energy in sums.energy.items():
            counted = jnp.maximum(sums.counted[tap], jnp.ones((), energy.dtype))
            scale = convention.content_scale(channels(tap), counted, energy)
            error = clipped(scale * sums.content[tap], weights.content_clip)
            content[tap] = weights.content * shares[tap] * error
        shares = self._style_shares(weights)
        styled = {
            tap: weights.style
            * shares[tap]
            * clipped(self._style_error(tap, sums, shape, style[tap], weights), weights.style_clip)
            for tap in self.style_layers
        }
        size = shape[0] * shape[1] * 3
        means_of = {name: total / size for name, total in sums.picture.items()}
        zero = jnp.zeros((), weights.tv.dtype)
        terms = Terms(
            content=sum(content.values(), zero),
            style=sum(styled.values(), zero),
            tv=weights.tv * means_of.get("tv", zero),
            content_layers=content,
            style_layers=styled,
            other=weights.wavelet * means_of.get("wavelet", zero)
            + weights.range * means_of.get("range", zero)
            + weights.temporal * means_of.get("temporal", zero),
        )
        return terms.content + terms.style + terms.tv + terms.other, terms

    def _content_shares(self, weights: Weights) -> dict[str, Float[Array, ""]]:
        averaged = get_convention(self.convention).layer_weights
        return _shares(
            self.content_layers, weights.content_layers, weights.content_factors, averaged
        )

    def _style_shares(self, weights: Weights) -> dict[str, Float[Array, ""]]:
        averaged = get_convention(self.convention).layer_weights
        return _shares(self.style_layers, weights.style_layers, weights.style_factors, averaged)

    def _style_error(
        self,
        tap: str,
        sums: Sums,
        shape: tuple[int, ...],
        goals: Sequence[Mapping[str, Any]],
        weights: Weights,
    ) -> Float[Array, ""]:
        """The error of one layer: that of each goal, by its weight and by its region's area."""
        convention = get_convention(self.convention)
        positions = (shape[0] // stride(tap)) * (shape[1] // stride(tap))
        total = jnp.zeros((), weights.style.dtype)
        for goal, (region, target) in enumerate(zip(self.regions, goals, strict=True)):
            known = sums.style[tap][region]
            area, mean = known.weight / positions, means(known)
            channels = mean.total.shape[-1]
            for name in self.statistics:
                statistic = STATISTICS[name]
                seen = mean if statistic.needs == "moments" else sums.values[tap]
                scale = convention.style_scale(channels, positions, statistic.energy(target[name]))
                error = statistic.balance * scale * statistic.error(seen, target[name])
                total = total + weights.goals[goal] * area * error / len(self.statistics)
        return total


def check_tileable(objective: Objective) -> None:
    """Refuse what a tile, or a device with its part, cannot know.

    Raises:
        InputError: the loss is no function of sums over positions.
    """
    if not additive(objective.statistics):
        alone = next(n for n in objective.statistics if STATISTICS[n].needs != "moments")
        raise InputError(
            f"style statistic {alone} ranks the values of the whole picture, which neither tiles "
            "nor devices can share: use --strategy whole and no --mesh, or another statistic"
        )
    if objective.unit_gradients:
        raise InputError(
            "normalised gradients need the gradient of the whole picture, which neither tiles nor "
            "devices can share: use --strategy whole and no --mesh"
        )


def freed(gradient: Picture, guides: Guides) -> Picture:
    """The gradient, 0 where the picture is not to change."""
    free = guides.pixels.get("free")
    return gradient if free is None else gradient * free.astype(gradient.dtype)


def _content_sums(
    found: Array, target: Array, guide: Array | None
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """Squared error, energy of the target, and how many positions they are sums over."""
    positions = target.shape[0] * target.shape[1]
    if guide is None:
        energy = losses.energy(target)
        return losses.squared_error(found, target), energy, jnp.asarray(positions, energy.dtype)
    found, target = losses.wide(found), losses.wide(target)
    guide = guide.astype(target.dtype)
    error = jnp.sum(guide * jnp.square(found - target))
    return error, jnp.sum(guide * jnp.square(target)), jnp.sum(guide)


def _shares(
    taps: tuple[str, ...],
    weights: Mapping[str, Array],
    factors: Mapping[str, Array],
    layer_weights: Callable[[Array], Array],
) -> dict[str, Float[Array, ""]]:
    """What each layer counts of its term: its weight among the others', times its factor."""
    if not taps:
        return {}
    shares = layer_weights(jnp.stack([weights[tap] for tap in taps]))
    return {tap: shares[i] * factors[tap] for i, tap in enumerate(taps)}


def _unit(
    found: Mapping[str, Array], weight: Array, shares: Mapping[str, Array]
) -> dict[str, Array]:
    return {tap: with_unit_gradient(found[tap], weight * share) for tap, share in shares.items()}
