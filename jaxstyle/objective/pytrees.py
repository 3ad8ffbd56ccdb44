"""Everything numeric that an objective takes and gives, as pytrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxstyle.network.network import Network, Params
from jaxstyle.network.preprocessing import Preprocessing
from jaxstyle.objective.statistics import Moments

Picture = Float[Array, "height width 3"]
Features = dict[str, Float[Array, "_h _w _c"]]


class Model(NamedTuple):
    """The arrays of a ``Network``."""

    params: Params
    preprocessing: Preprocessing


class Guides(NamedTuple):
    """Which positions count, 0 to 1; nothing is left out where a guide is missing.

    Attributes:
        content: tap -> (h, w, 1), for the content loss.
        style: tap -> (h, w, regions), the guidance channels of Gatys et al. 2017, squared.
        pixels: what ``regularisers.picture_sum`` takes: ``inside`` and ``counted``, (height, width,
            1), ``previous``, (height, width, 3), and ``trust``, (height, width, 1); and ``free``,
            (height, width, 1): 0 where the picture is not to change.
    """

    content: Features
    style: Features
    pixels: dict[str, Float[Array, "height width _c"]]


NO_GUIDES = Guides({}, {}, {})


class Targets(NamedTuple):
    """What the picture is compared with.

    Attributes:
        content: tap -> features (h, w, c) of the content picture.
        style: tap -> for each goal (see ``Objective.regions``) statistic -> its target, which is
            a mean Gram matrix (c, c) for ``gram``.
        guides: where.
        seen: in place of ``content``, the content pictures (height, width, 3), best NumPy arrays,
            each with its share, a float32: a picture takes less memory than its features do. Only
            ``TiledObjective`` takes them.
    """

    content: Features
    style: dict[str, tuple[dict[str, Any], ...]]
    guides: Guides = NO_GUIDES
    seen: tuple[tuple[Any, Any], ...] = ()


class Weights(NamedTuple):
    """What each term counts, in the units of the objective's convention. All are traced.

    Attributes:
        goals: of each goal of a style layer, beside that of its region's area.
        content_clip, style_clip: of a layer's error, see ``losses.clipped``; 0 is no limit.
        tv_power: of total variation of kind ``power``.
        temporal: of the squared distance from ``Guides.pixels["previous"]``.
        content_factors, style_factors: tap -> what its layer's term is multiplied by, after all
            else: where a convention averages over layers, those of the others stay as they are.
    """

    content: Float[Array, ""]
    style: Float[Array, ""]
    tv: Float[Array, ""]
    content_layers: dict[str, Float[Array, ""]]
    style_layers: dict[str, Float[Array, ""]]
    goals: Float[Array, " goals"]
    wavelet: Float[Array, ""]
    range: Float[Array, ""]
    content_clip: Float[Array, ""]
    style_clip: Float[Array, ""]
    tv_power: Float[Array, ""]
    temporal: Float[Array, ""]
    content_factors: dict[str, Float[Array, ""]]
    style_factors: dict[str, Float[Array, ""]]


class ContentSums(NamedTuple):
    """Sums over the positions of a content layer: squared error, energy of the target, count."""

    error: Float[Array, ""]
    energy: Float[Array, ""]
    counted: Float[Array, ""]


class Sums(NamedTuple):
    """All that the loss needs to know of a picture; but for ``values`` those of parts add up to it.

    Attributes:
        content: by tap.
        style: tap -> the moments of each region.
        values: tap -> the features of each channel in order, where a statistic needs them.
        picture: name -> see ``regularisers``.
    """

    content: dict[str, ContentSums]
    style: dict[str, tuple[Moments, ...]]
    values: dict[str, Float[Array, "_m _c"]]
    picture: dict[str, Float[Array, ""]]


class Terms(NamedTuple):
    """The parts of the loss, weighted: ``content + style + tv + other`` is the loss.

    Attributes:
        content_layers, style_layers: tap -> its share of the term.
        other: wavelet, range and temporal.
    """

    content: Float[Array, ""]
    style: Float[Array, ""]
    tv: Float[Array, ""]
    content_layers: dict[str, Float[Array, ""]]
    style_layers: dict[str, Float[Array, ""]]
    other: Float[Array, ""]


def make_weights(
    content: float,
    style: float,
    tv: float,
    content_layers: Mapping[str, float],
    style_layers: Mapping[str, float],
    *,
    goals: Sequence[float] = (1.0,),
    wavelet: float = 0.0,
    range: float = 0.0,
    content_clip: float = 0.0,
    style_clip: float = 0.0,
    tv_power: float = 2.0,
    temporal: float = 0.0,
    factors: Mapping[str, float] = MappingProxyType({}),
) -> Weights:
    """``Weights`` of float32 arrays from plain numbers.

    Args:
        factors: those of content and style layers; 1 for what is not named.
    """

    plain: dict[str, Any] = dict(
        content=content,
        style=style,
        tv=tv,
        content_layers=dict(content_layers),
        style_layers=dict(style_layers),
        goals=np.asarray(goals),
        wavelet=wavelet,
        range=range,
        content_clip=content_clip,
        style_clip=style_clip,
        tv_power=tv_power,
        temporal=temporal,
        content_factors={tap: factors.get(tap, 1.0) for tap in content_layers},
        style_factors={tap: factors.get(tap, 1.0) for tap in style_layers},
    )
    return Weights(**jax.tree.map(lambda number: jnp.asarray(number, jnp.float32), plain))


def model_of(network: Network) -> Model:
    """The arrays of a network, as the objective takes them."""
    return Model(network.params, network.preprocessing)
