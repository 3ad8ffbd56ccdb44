"""Make the strip of the README from the pictures in examples/.

    python scripts/make_gallery.py

gives examples/gallery.jpg: for each pair the content, the style and what the default settings make
of them with vgg19-slim; about two and a half minutes on two CPU cores.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from jaxstyle import stylize
from jaxstyle.images import fit_longest_side, load_image, resize, save_image

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PAIRS = (
    ("content.jpg", "style.jpg"),
    ("content.jpg", "stained_glass.jpg"),
    ("still_life.jpg", "woodcut.jpg"),
    ("still_life.jpg", "mosaic.jpg"),
)
GAP = 6


def fit_height(picture: np.ndarray, height: int) -> np.ndarray:
    """The picture at a given height, its shape kept."""
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    return resize(picture, width, height)


def beside(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures of one height in a row, white gaps between."""
    gap = np.ones((pictures[0].shape[0], GAP, 3), np.float32)
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    return np.concatenate(parts, axis=1)


def below(rows: list[np.ndarray]) -> np.ndarray:
    """Rows on top of each other, filled with white to one width, white gaps between."""
    width = max(row.shape[1] for row in rows)
    filled = []
    for row in rows:
        missing = np.ones((row.shape[0], width - row.shape[1], 3), np.float32)
        gap = np.ones((GAP, width, 3), np.float32)
        filled += [np.concatenate([row, missing], axis=1), gap]
    return np.concatenate(filled[:-1], axis=0)


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the strip of the README.")
    parser.add_argument("--size", type=int, default=384, help="longest side of each result")
    parser.add_argument("--output", type=Path, default=EXAMPLES / "gallery.jpg")
    arguments = parser.parse_args()
    rows = []
    for content, style in PAIRS:
        result = stylize(EXAMPLES / content, EXAMPLES / style, size=arguments.size, weights="slim")
        print(f"{content} + {style}: loss {result.loss:.4g}, {result.seconds:.0f} s", flush=True)
        height, width = result.image.shape[:2]
        width, height = fit_longest_side(width, height, min(320, arguments.size))
        source = load_image(EXAMPLES / content).rgb, load_image(EXAMPLES / style).rgb
        shown = [fit_height(picture, height) for picture in source]
        rows.append(beside([*shown, resize(result.image, width, height)]))
    save_image(arguments.output, below(rows), quality=88)
    return 0


if __name__ == "__main__":
    sys.exit(main())
