"""The loss of Gatys et al. 2015 for one picture, with its gradient with respect to the pixels.

``Objective`` holds what shapes the compiled program; everything numeric (network, targets,
weights) is an argument, so that a new weight or a new style of the same size compiles nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxstyle import losses
from jaxstyle.conventions import get_convention
from jaxstyle.network import Network, Params
from jaxstyle.preprocess import Preprocessing, to_network
from jaxstyle.vgg import features

Picture = Float[Array, "height width 3"]


class Model(NamedTuple):
    """The arrays of a ``Network``."""

    params: Params
    preprocessing: Preprocessing


class Targets(NamedTuple):
    """What the picture is compared with.

    Attributes:
        content: tap -> features (h, w, c) of the content picture.
        style: tap -> mean Gram matrix (c, c) of the style picture.
    """

    content: dict[str, Float[Array, "_h _w _c"]]
    style: dict[str, Float[Array, "_c _c"]]


class Weights(NamedTuple):
    """What each term counts, in the units of the objective's convention. All are traced."""

    content: Float[Array, ""]
    style: Float[Array, ""]
    tv: Float[Array, ""]
    content_layers: dict[str, Float[Array, ""]]
    style_layers: dict[str, Float[Array, ""]]


class Terms(NamedTuple):
    """The parts of the loss, weighted: ``content + style + tv`` is the loss.

    Attributes:
        content_layers, style_layers: tap -> its share of the term.
    """

    content: Float[Array, ""]
    style: Float[Array, ""]
    tv: Float[Array, ""]
    content_layers: dict[str, Float[Array, ""]]
    style_layers: dict[str, Float[Array, ""]]


@dataclass(frozen=True)
class Objective:
    """What is computed; equal objectives share one compiled program.

    Attributes:
        content_layers, style_layers: the taps.
        convention: a name of ``conventions.CONVENTIONS``.
        pooling, padding: as in ``vgg.features``.
        tv: total variation, ``l1`` or ``l2``.
        dtype: what the network computes in, ``float32`` or ``bfloat16``; Gram sums, losses and
            pixels are float32 in any case.
    """

    content_layers: tuple[str, ...] = ("conv4_2",)
    style_layers: tuple[str, ...] = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    convention: str = "jaxstyle"
    pooling: str = "avg"
    padding: str = "zeros"
    tv: str = "l2"
    dtype: str = "float32"

    def features(
        self, model: Model, picture: Picture, taps: tuple[str, ...]
    ) -> dict[str, Float[Array, "_h _w _c"]]:
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
        taps = tuple(dict.fromkeys(self.content_layers + self.style_layers))
        found = self.features(model, picture, taps)
        content = self._content_terms(found, targets, weights)
        style = self._style_terms(found, targets, weights)
        variation = losses.TOTAL_VARIATIONS[self.tv](picture, wrap=self.padding == "circular")
        zero = jnp.zeros((), picture.dtype)
        terms = Terms(
            content=sum(content.values(), zero),
            style=sum(style.values(), zero),
            tv=weights.tv * variation,
            content_layers=content,
            style_layers=style,
        )
        return terms.content + terms.style + terms.tv, terms

    def __call__(
        self, picture: Picture, model: Model, targets: Targets, weights: Weights
    ) -> tuple[tuple[Float[Array, ""], Terms], Picture]:
        """``((loss, terms), gradient)``: what an optimiser evaluates. Pure; jit or vmap it."""
        return jax.value_and_grad(self.loss, has_aux=True)(picture, model, targets, weights)

    def _content_terms(
        self, found: Mapping[str, Array], targets: Targets, weights: Weights
    ) -> dict[str, Array]:
        convention = get_convention(self.convention)
        shares = _shares(self.content_layers, weights.content_layers, convention.layer_weights)
        terms = {}
        for tap in self.content_layers:
            target = targets.content[tap]
            h, w, c = target.shape
            scale = convention.content_scale(c, h * w, losses.energy(target))
            error = losses.squared_error(found[tap], target)
            terms[tap] = weights.content * shares[tap] * scale * error
        return terms

    def _style_terms(
        self, found: Mapping[str, Array], targets: Targets, weights: Weights
    ) -> dict[str, Array]:
        convention = get_convention(self.convention)
        shares = _shares(self.style_layers, weights.style_layers, convention.layer_weights)
        terms = {}
        for tap in self.style_layers:
            h, w, c = found[tap].shape
            target = targets.style[tap]
            scale = convention.style_scale(c, h * w, losses.energy(target))
            error = losses.squared_error(losses.gram_matrix(found[tap]), target)
            terms[tap] = weights.style * shares[tap] * scale * error
        return terms


def _shares(taps: tuple[str, ...], weights: Mapping[str, Array], rule) -> dict[str, Array]:
    if not taps:
        return {}
    shares = rule(jnp.stack([weights[tap] for tap in taps]))
    return {tap: shares[i] for i, tap in enumerate(taps)}


@partial(jax.jit, static_argnames="objective")
def content_targets(
    objective: Objective, model: Model, content: Picture
) -> dict[str, Float[Array, "_h _w _c"]]:
    """The features that the picture is to keep: ``Targets.content``."""
    return objective.features(model, content, objective.content_layers)


@partial(jax.jit, static_argnames="objective")
def style_targets(
    objective: Objective, model: Model, style: Picture
) -> dict[str, Float[Array, "_c _c"]]:
    """The mean Gram matrices that the picture is to reach: ``Targets.style``."""
    found = objective.features(model, style, objective.style_layers)
    return {tap: losses.gram_matrix(found[tap]) for tap in objective.style_layers}


def make_weights(
    content: float,
    style: float,
    tv: float,
    content_layers: Mapping[str, float],
    style_layers: Mapping[str, float],
) -> Weights:
    """``Weights`` of float32 arrays from plain numbers."""

    def number(value: float) -> Array:
        return jnp.asarray(value, jnp.float32)

    return Weights(
        number(content),
        number(style),
        number(tv),
        {tap: number(weight) for tap, weight in content_layers.items()},
        {tap: number(weight) for tap, weight in style_layers.items()},
    )


def model_of(network: Network) -> Model:
    """The arrays of a network, as the objective takes them."""
    return Model(network.params, network.preprocessing)
