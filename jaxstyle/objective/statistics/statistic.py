"""What a style statistic is: three pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxtyping import Array, Float

Target = Any
"""A pytree of arrays: what of a style is kept."""


@dataclass(frozen=True)
class Statistic:
    """A description of a style, and how far another picture is from it.

    To add one, write a module like ``gram`` next to it; that is all.

    Attributes:
        name, summary: for the command line.
        target: (what is known of the style's features, shift) -> ``Target``. What is known are
            the means of its ``Moments``, or its ``quantiles`` where ``needs`` says so.
        error: (what is known of the picture's features, target) -> squared distance.
        energy: target -> what the error is relative to.
        balance: what makes style weight 1 as strong as it is with Gram matrices, by eye.
        needs: ``moments``, which add up over tiles and devices, or ``quantiles``, which do not.
        place: in lists, from the front.
    """

    name: str
    summary: str
    target: Callable[[Any, Float[Array, ""]], Target]
    error: Callable[[Any, Target], Float[Array, ""]]
    energy: Callable[[Target], Float[Array, ""]]
    balance: float = 1.0
    needs: str = "moments"
    place: int = 100
