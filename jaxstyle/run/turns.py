"""Turns of a session's knobs: what may be turned, how a record keeps it, what must be made anew."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool
from PIL import Image

from jaxstyle.config.stylize_config import StylizeConfig, names_of
from jaxstyle.errors import InputError
from jaxstyle.images import fit_longest_side
from jaxstyle.images.masks import check_aspect, read_mask, resize_mask
from jaxstyle.images.pillow import open_image, pillow_settings
from jaxstyle.network.architecture import order_taps

BEGIN_AGAIN = "begin_again"
"""The change after an undo: none but that the optimiser's memory is lost."""
OF_THE_SESSION = ("strokes", "shares", "styles", "freeze", BEGIN_AGAIN)
"""What can be turned besides the settings."""
AT_THE_BEGINNING = (
    "init", "seed", "weights", "levels", "steps", "max_seconds", "tolerance", "steps_per_call",
    "mesh", "precision",
)  # fmt: skip
"""Settings that a run begins with."""
OF_MEMORY = (*names_of("machine"), "history")
"""Settings that the free memory may decide: a record keeps what was in force."""
WEIGHTS_ALONE = {
    "content_weight", "style_weight", "tv_weight", "tv_power", "wavelet_weight", "range_weight",
    "content_clip", "style_clip", "content_layers", "style_layers", "strokes",
}  # fmt: skip
"""What leaves the targets as they are, if the layers are the same ones."""
AFTERWARDS = {"saturation", "match_histogram", "bits", "quality"}
"""What is done to the finished picture, so that the loss knows nothing of it."""
NOT_OF_A_STYLE = {*WEIGHTS_ALONE, *AFTERWARDS, "shares", "styles", "size", "freeze", BEGIN_AGAIN}
"""What leaves all that is known of each style as it is."""
WITHOUT_MEMORY = {"size", "freeze", BEGIN_AGAIN, "optimizer", "history", "clamp"}
"""What the optimiser cannot go on after with what it remembers."""

STEEPNESS = 8.0
"""How many times as much the coarsest style layer counts with strokes 1, and as little with -1."""
LONGEST_MASK = 256
"""px of a mask in a record, for EXIF holds 64 kB in all."""


class Turn(NamedTuple):
    """What was changed after so many steps, in JSON values."""

    step: int
    changes: dict[str, Any]


def turns_of(about: Any) -> tuple[int, list[Turn]]:
    """The number of steps and the turns in a record's ``session``.

    Raises:
        InputError: they make no sense.
    """
    try:
        steps, turns = about["steps"], [Turn(step, changes) for step, changes in about["turns"]]
        marks = [0, *(turn.step for turn in turns), steps]
        if not all(isinstance(mark, int) for mark in marks) or sorted(marks) != marks:
            raise ValueError
        if not all(isinstance(turn.changes, dict) for turn in turns):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise InputError("the record's session is damaged: its turns make no sense") from None
    return steps, turns


def with_strokes(config: StylizeConfig, strokes: float) -> StylizeConfig:
    """Settings whose style layers count as ``strokes`` says: -1 is fine, 0 as set, 1 coarse."""
    if strokes == 0:
        return config
    weights = config.style_loss_layers
    taps = order_taps(weights)
    last = max(1, len(taps) - 1)
    factors = {tap: STEEPNESS ** (strokes * (2 * i / last - 1)) for i, tap in enumerate(taps)}
    text = ",".join(f"{tap}:{weights[tap] * factors[tap]:.6g}" for tap in taps)
    return StylizeConfig(**{**config.as_dict(), "style_layers": text})


def checked_strokes(strokes: Any) -> float:
    """A number from -1 to 1."""
    if isinstance(strokes, int | float) and -1 <= strokes <= 1:
        return float(strokes)
    raise InputError(f"strokes is {strokes!r}: give a number from -1, fine, to 1, coarse")


def checked_shares(shares: Any, count: int) -> list[float]:
    """The weights of so many styles."""
    numbers = list(shares) if isinstance(shares, Sequence) else []
    fit = all(isinstance(share, int | float) and 0 <= share < math.inf for share in numbers)
    if fit and len(numbers) == count and sum(numbers) > 0:
        return [float(share) for share in numbers]
    raise InputError(
        f"shares are {shares!r}: give {count} numbers of at least 0, not all of them 0"
    )


def growth(before: StylizeConfig, after: StylizeConfig) -> float:
    """At most how many times as much the loss is curved: the largest ratio of two weights."""

    def weights(config: StylizeConfig) -> list[float]:
        tv, wavelet, rest = config.tv_weight, config.wavelet_weight, config.range_weight
        alone = [float(tv or 0), wavelet, rest]
        for weight, layers in (
            (config.content_weight, config.content_loss_layers),
            (config.style_weight, config.style_loss_layers),
        ):
            total = sum(layers.values()) or 1.0
            alone += [float(weight or 0) * layers[tap] / total for tap in sorted(layers)]
        return alone

    ratios = [
        math.inf if old == 0 else new / old
        for old, new in zip(weights(before), weights(after), strict=False)
        if new > 0
    ]
    return max([1.0, *ratios])


def mask_as_text(mask: Any, size: tuple[int, int]) -> str | None:
    """A mask as a record keeps it: black and white, no side over 256 px; None if nothing is white.

    Args:
        mask: see ``masks.read_mask``.
        size: (width, height) of the picture.

    Raises:
        InputError: it has not the shape of the picture.
    """
    read = read_mask(mask, name="freeze mask")
    check_aspect(read, "the freeze mask", size, "the picture")
    values = read.values
    height, width = values.shape
    size = fit_longest_side(width, height, LONGEST_MASK)
    if max(values.shape) > LONGEST_MASK:
        values = resize_mask(values, *size)
    white = values >= 0.5
    if not white.any():
        return None
    file = io.BytesIO()
    Image.fromarray(white).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def mask_from_text(text: Any) -> Bool[np.ndarray, "height width"] | None:
    """What ``mask_as_text`` made a text of.

    Raises:
        InputError: it did not make this one.
    """
    if text is None:
        return None
    try:
        with pillow_settings(LONGEST_MASK**2):
            image = open_image(io.BytesIO(base64.b64decode(text, validate=True)))
            return np.array(image.convert("1"))
    except Exception:  # decoders raise anything there is
        raise InputError("the record's freeze mask is damaged") from None


def at_size(
    mask: Bool[np.ndarray, "_height _width"], size: tuple[int, int]
) -> Bool[np.ndarray, "height width"]:
    """A mask at (width, height)."""
    return resize_mask(mask.astype(np.float32), *size) >= 0.5


def checked_names(changes: Mapping[str, Any]) -> None:
    """Refuse to turn what a run begins with."""
    if fixed := [name for name in changes if name in AT_THE_BEGINNING]:
        raise InputError(
            f"{fixed[0]} is what a session begins with: begin another one, with its picture as init"
        )
