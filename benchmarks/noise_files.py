"""What a run from files needs: random pictures, and a network with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import ours
from jaxstyle.network.weights.native import write_native

BAND = 256
"""Rows made at once: this process stays small, for its child shares the machine with it."""


def write_picture(path: Path, width: int, height: int, seed: int) -> str:
    """Uniform noise in 8 bits, as PNG."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (width, height))
    for top in range(0, height, BAND):
        rows = min(BAND, height - top)
        band = rng.integers(0, 256, (rows, width, 3), np.uint8)
        picture.paste(Image.fromarray(band), (0, top))
    picture.save(path, compress_level=1)
    return str(path)


def write_network(folder: Path, net: str) -> str:
    """The network of ``problem.weights``."""
    path = folder / f"{net}.h5"
    if not path.exists():
        write_native(path, ours.network(net))
    return str(path)
