"""What a picture is compared with, from the content and the styles."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Features, Model, Picture
from jaxstyle.objective.statistics import STATISTICS, Moments, additive, blended, means, moments
from jaxstyle.objective.statistics.histogram import COUNT, quantiles, values
from jaxstyle.runtime.programs import jitted


@jitted(static_argnames="objective")
def content_targets(objective: Objective, model: Model, content: Picture) -> Features:
    """The features that the picture is to keep: ``Targets.content``."""
    return objective.features(model, content, objective.content_layers)


class Kept:
    """What is known of styles, kept for further runs: a dict that no other part looks into."""

    def __init__(self) -> None:
        self.known: dict[Hashable, Known] = {}


class Known(NamedTuple):
    """What is known of one style: for each tap its moments, and its features in order if needed."""

    moments: dict[str, Moments]
    values: dict[str, Float[Array, "_m _c"]]


@jitted(static_argnames="objective")
def know_style(
    objective: Objective,
    model: Model,
    style: Picture,
    guides: Mapping[str, Float[Array, "_h _w 1"]] | None = None,
) -> Known:
    """All that can be asked of a style picture.

    Args:
        guides: tap -> how much each position counts.
    """
    tapped = objective.features(model, style, objective.style_layers)
    sums = moments_of(tapped, guides or {})
    if additive(objective.statistics):
        return known_of_sums(sums)
    return known_of_sums(sums, {tap: values(tapped[tap]) for tap in tapped})


def moments_of(
    tapped: Mapping[str, Array],
    guides: Mapping[str, Float[Array, "_h _w 1"]],
    moments: Callable[[Array, Array | None], Moments] = moments,
) -> dict[str, Moments]:
    """The moments of each tap's features, at positions that count as its guide says."""
    return {
        tap: moments(feature, guides[tap][..., 0] if tap in guides else None)
        for tap, feature in tapped.items()
    }


def known_of_sums(
    sums: Mapping[str, Moments], values: dict[str, Float[Array, "_m _c"]] | None = None
) -> Known:
    """What is known of a style from the sums of its whole picture."""
    return Known({tap: means(part) for tap, part in sums.items()}, values or {})


def blended_known(objective: Objective, parts: Sequence[Known], shares: Sequence[float]) -> Known:
    """What would be known of a style of which each part is as large as its share.

    Means and products are averaged, and so are quantiles: the style between two is one whose
    Gram matrix lies between theirs.
    """
    if len(parts) == 1:
        return parts[0]
    total = sum(shares)
    moments = {
        tap: blended([part.moments[tap] for part in parts], shares) for tap in parts[0].moments
    }
    values = {
        tap: jnp.asarray(
            sum(
                (share / total) * quantiles(part.values[tap], COUNT)
                for part, share in zip(parts, shares, strict=True)
            )
        )
        for tap in parts[0].values
    }
    return Known(moments, values)


@partial(jax.jit, static_argnames="objective")
def targets_of_styles(
    objective: Objective, goals: Sequence[Known], shift: Float[Array, ""]
) -> dict[str, tuple[dict[str, Any], ...]]:
    """``Targets.style`` from what is known of the style of each goal.

    Args:
        shift: of activations, see ``statistics.gram``.
    """

    def target(name: str, known: Known, tap: str) -> Any:
        moments_do = STATISTICS[name].needs == "moments"
        seen = known.moments[tap] if moments_do else known.values[tap]
        return STATISTICS[name].target(seen, shift)

    return {
        tap: tuple(
            {name: target(name, known, tap) for name in objective.statistics} for known in goals
        )
        for tap in objective.style_layers
    }


def style_targets(
    objective: Objective, model: Model, style: Picture
) -> dict[str, tuple[dict[str, Any], ...]]:
    """The targets of a single style for the whole picture: ``Targets.style``."""
    known = know_style(objective, model, style)
    return targets_of_styles(objective, (known,), jnp.zeros((), jnp.float32))
