"""The loss of Gatys, Ecker and Bethge (arXiv:1508.06576) for a picture x, and its gradient.

In layer l of the network, of N_l channels and M_l positions, F are the features of x and P those of
the content picture; A is the Gram matrix of the style picture there. Then

    content loss    L_content = 1/2 sum_ij (F_ij - P_ij)^2                   (equation 1)
    Gram matrix     G_ij = sum_k F_ik F_jk                                   (equation 3)
    style loss      E_l = 1 / (4 N_l^2 M_l^2) sum_ij (G_ij - A_ij)^2         (equation 4)
                    L_style = sum_l w_l E_l                                  (equation 5)
    total           L = alpha L_content + beta L_style                       (equation 7)

and the optimiser descends the gradient of L with respect to the pixels of x. ``Objective`` has them
in this order: features, sums over positions, errors of layers, the loss. By what the sums of
squares are multiplied, 1/2 or 1/(4 N^2 M^2) or other, is said by a convention (``conventions``);
the Gram matrix may be another statistic (``statistics``), and what is asked of the pixels
themselves is added (``regularisers``).

``Objective`` holds what shapes the compiled program; everything numeric (network, targets, weights)
is an argument, so that a new weight or a new style of the same size compiles nothing.
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
from jaxstyle.objective.conventions import Convention, get_convention
from jaxstyle.objective.losses import clipped, with_unit_gradient
from jaxstyle.objective.pytrees import (
    ContentSums,
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
        unit_gradients: see ``losses.with_unit_gradient``.
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

    def __call__(
        self, picture: Picture, model: Model, targets: Targets, weights: Weights
    ) -> tuple[tuple[Float[Array, ""], Terms], Picture]:
        """``((loss, terms), gradient)``: what an optimiser evaluates. Pure; jit or vmap it."""
        return with_gradient(self.loss, picture, model, targets, weights)

    def loss(
        self, picture: Picture, model: Model, targets: Targets, weights: Weights
    ) -> tuple[Float[Array, ""], Terms]:
        """The weighted loss and its parts.

        Raises:
            InputError: a tap that the network lacks, or a picture too small for the taps.
        """
        with jax.named_scope("features"):
            tapped = self.features(model, picture, self.taps)
        with jax.named_scope("statistics"):
            sums = self.sums(tapped, picture, targets, weights)
        return self.loss_of_sums(
            sums, picture.shape[:2], targets.style, weights, lambda tap: tapped[tap].shape[-1]
        )

    def features(self, model: Model, picture: Picture, taps: tuple[str, ...]) -> Features:
        """The tapped features F of one picture in [0, 1]."""
        batch = to_network(picture[None], model.preprocessing)
        # float32 is the least: a picture in float64 (gradient checks) stays there.
        dtype = jnp.dtype(self.dtype) if self.dtype != "float32" else None
        tapped = features(
            model.params, batch, taps, pooling=self.pooling, padding=self.padding, dtype=dtype
        )
        return {tap: feature[0] for tap, feature in tapped.items()}

    def sums(
        self,
        tapped: Mapping[str, Array],
        picture: Picture,
        targets: Targets,
        weights: Weights,
        *,
        moments: Callable[[Array, Array | None], Moments] = moments,
    ) -> Sums:
        """The sums over positions of equations 1 and 3, and those of the pixels themselves.

        Args:
            tapped: the features of all taps.
            moments: as ``statistics.moments``.
        """
        guides, near, styled = targets.guides, tapped, tapped
        if self.unit_gradients:
            near = _unit(tapped, weights.content, self._content_shares(weights))
            styled = _unit(tapped, weights.style, self._style_shares(weights))
        regularise = partial(
            picture_sum,
            picture=picture,
            kind=self.tv,
            power=weights.tv_power,
            wrap=self.padding == "circular",
            **{name: mask for name, mask in guides.pixels.items() if name != "free"},
        )
        return Sums(
            content={
                tap: _content_sums(near[tap], targets.content[tap], guides.content.get(tap))
                for tap in self.content_layers
                if tap in targets.content
            },
            style={
                tap: tuple(moments(styled[tap], region) for region in _regions(guides.style, tap))
                for tap in self.style_layers
            },
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
        """Equations 1, 4, 5 and 7: the weighted loss and its parts.

        Args:
            sums: of the whole picture.
            shape: its height and width.
            style: ``Targets.style``.
            channels: how many a tap has.
        """
        convention = get_convention(self.convention)
        shares = self._content_shares(weights)
        content = {
            tap: weights.content
            * shares[tap]
            * clipped(_content_error(convention, of_tap, channels(tap)), weights.content_clip)
            for tap, of_tap in sums.content.items()
        }
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

    def _style_error(
        self,
        tap: str,
        sums: Sums,
        shape: tuple[int, ...],
        goals: Sequence[Mapping[str, Any]],
        weights: Weights,
    ) -> Float[Array, ""]:
        """Equation 4: the error of each goal of a layer, by its weight and its region's area."""
        convention = get_convention(self.convention)
        positions = (shape[0] // stride(tap)) * (shape[1] // stride(tap))
        total = jnp.zeros((), weights.style.dtype)
        for goal, (region, target) in enumerate(zip(self.regions, goals, strict=True)):
            region_sums = sums.style[tap][region]
            area, mean = region_sums.weight / positions, means(region_sums)
            channels = mean.total.shape[-1]
            for name in self.statistics:
                statistic = STATISTICS[name]
                seen = mean if statistic.needs == "moments" else sums.values[tap]
                scale = convention.style_scale(channels, positions, statistic.energy(target[name]))
                error = statistic.balance * scale * statistic.error(seen, target[name])
                total = total + weights.goals[goal] * area * error / len(self.statistics)
        return total

    def _content_shares(self, weights: Weights) -> dict[str, Float[Array, ""]]:
        return self._shares(self.content_layers, weights.content_layers, weights.content_factors)

    def _style_shares(self, weights: Weights) -> dict[str, Float[Array, ""]]:
        return self._shares(self.style_layers, weights.style_layers, weights.style_factors)

    def _shares(
        self, taps: tuple[str, ...], weights: Mapping[str, Array], factors: Mapping[str, Array]
    ) -> dict[str, Float[Array, ""]]:
        """The w_l of equation 5: a layer's weight among the others', times its factor."""
        if not taps:
            return {}
        convention = get_convention(self.convention)
        shares = convention.layer_weights(jnp.stack([weights[tap] for tap in taps]))
        return {tap: shares[i] * factors[tap] for i, tap in enumerate(taps)}


def with_gradient(
    loss: Callable[..., tuple[Float[Array, ""], Terms]],
    picture: Picture,
    model: Model,
    targets: Targets,
    weights: Weights,
) -> tuple[tuple[Float[Array, ""], Terms], Picture]:
    """``((loss, terms), gradient)`` of a loss that takes these arguments."""
    value, gradient = jax.value_and_grad(loss, has_aux=True)(picture, model, targets, weights)
    return value, freed(gradient, targets.guides)


def freed(gradient: Picture, guides: Guides) -> Picture:
    """The gradient, 0 where the picture is not to change."""
    free = guides.pixels.get("free")
    return gradient if free is None else gradient * free.astype(gradient.dtype)


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


def _content_sums(feature: Array, target: Array, guide: Array | None) -> ContentSums:
    """Equation 1 without its factor, of the positions that count."""
    if guide is None:
        energy, positions = losses.energy(target), target.shape[0] * target.shape[1]
        error = losses.squared_error(feature, target)
        return ContentSums(error, energy, jnp.asarray(positions, energy.dtype))
    feature, target = losses.wide(feature), losses.wide(target)
    guide = guide.astype(target.dtype)
    error = jnp.sum(guide * jnp.square(feature - target))
    return ContentSums(error, jnp.sum(guide * jnp.square(target)), jnp.sum(guide))


def _content_error(convention: Convention, sums: ContentSums, channels: int) -> Float[Array, ""]:
    """Equation 1: the error of one layer, scaled as the convention says."""
    counted = jnp.maximum(sums.counted, jnp.ones((), sums.energy.dtype))
    return convention.content_scale(channels, counted, sums.energy) * sums.error


def _regions(guides: Features, tap: str) -> list[Float[Array, "_h _w"] | None]:
    """The guide of each region of a layer; None for all of it."""
    if tap not in guides:
        return [None]
    return [guides[tap][..., region] for region in range(guides[tap].shape[-1])]


def _unit(
    tapped: Mapping[str, Array], weight: Array, shares: Mapping[str, Array]
) -> dict[str, Array]:
    return {tap: with_unit_gradient(tapped[tap], weight * share) for tap, share in shares.items()}
