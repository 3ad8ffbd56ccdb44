"""Pictures to run a network on where the user names none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxstyle.images import fit_longest_side, load_image, resize

SIDE = 320
"""Longest side of a picture for statistics, in px. Much less, and borders count for much."""

_DISCS = 1_500  # enough to cover all of a picture
_EXAMPLES = Path(__file__).resolve().parents[4] / "examples"


def sample_pictures(paths: Sequence[str] = ()) -> tuple[list[Float[np.ndarray, "h w 3"]], str]:
    """Pictures of ``SIDE`` px, and what they are in words.

    Args:
        paths: what to load; without any, the examples of the checkout, and in an installation
            without them, rendered ones.

    Raises:
        InputError: a picture cannot be read.
    """
    examples = sorted(_EXAMPLES.glob("*.jpg")) if not paths else []
    chosen = list(paths) or [str(path) for path in examples]
    if not chosen:
        return [dead_leaves(seed, SIDE) for seed in range(6)], "6 rendered pictures"
    kind = "of your pictures" if paths else "of the example pictures"
    loaded = [load_image(path).rgb for path in chosen]
    fitted = [
        resize(picture, *fit_longest_side(picture.shape[1], picture.shape[0], SIDE))
        for picture in loaded
    ]
    return fitted, f"{len(chosen)} {kind}"


def dead_leaves(seed: int, side: int) -> Float[np.ndarray, "side side 3"]:
    """Shaded discs of all sizes that cover each other, the same for the same seed.

    Such pictures have the edges and the 1/f spectrum of photographs, which is what the first layers
    of a network see: Lee, Mumford and Huang, "Occlusion Models for Natural Images" (2001).
    """
    random = np.random.default_rng(seed)
    picture = np.full((side, side, 3), 0.5, np.float32)
    smallest, largest = 5.0, 0.35 * side
    for _ in range(_DISCS):
        # Radii have a density of r**-3.
        radius = (smallest**-2 - random.random() * (smallest**-2 - largest**-2)) ** -0.5
        x, y = random.random(2) * side
        left, top = max(0, int(x - radius)), max(0, int(y - radius))
        window = picture[top : int(y + radius) + 2, left : int(x + radius) + 2]
        down, across = np.mgrid[: window.shape[0], : window.shape[1]].astype(np.float32)
        across, down = across + (left - x), down + (top - y)
        disc = across**2 + down**2 < radius**2
        color = random.beta(1.2, 1.6) + 0.08 * random.standard_normal(3)
        slope = random.uniform(-0.6, 0.6, 2) / side
        shade = slope[0] * across[disc] + slope[1] * down[disc]
        grain = random.uniform(0, 0.03) * random.standard_normal(shade.size)
        window[disc] = np.clip(color + (shade + grain)[:, None], 0, 1)
    return picture
