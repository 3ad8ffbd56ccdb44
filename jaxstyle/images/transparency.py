"""Colours that no one sees, replaced by some that are seen nearby."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def filled(
    rgb: Float[np.ndarray, "height width 3"], alpha: Float[np.ndarray, "height width"] | None
) -> Float[np.ndarray, "height width 3"]:
    """A picture with each pixel of alpha 0 in the colour of the nearest one that can be seen.

    What an editor leaves under transparency is anything; a network and a filter look over the edge.

    Returns:
        ``rgb`` itself where nothing is hidden, or all of it.
    """
    if alpha is None:
        return rgb
    hidden = alpha <= 0
    if not hidden.any() or hidden.all():
        return rgb
    # Late, as it takes long and few pictures are transparent.
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    rows, columns = np.asarray(nearest)
    found = rgb.copy()
    found[hidden] = rgb[rows[hidden], columns[hidden]]
    return found


def on_white(
    rgb: Float[np.ndarray, "height width 3"], alpha: Float[np.ndarray, "height width"] | None
) -> Float[np.ndarray, "height width 3"]:
    """A picture as it looks on white paper, for files that know no transparency."""
    return rgb if alpha is None else 1 + (rgb - 1) * alpha[..., None]
