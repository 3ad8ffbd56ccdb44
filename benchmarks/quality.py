"""Judge pictures of a style transfer by the real VGG-19, whatever made them.

    python -m benchmarks.quality --weights weights/vgg19.h5 CONTENT STYLE PICTURE...

prints a line for each picture: how far its style is from STYLE, how far its content from CONTENT,
and whether a regular pattern lies over it. CONTENT and STYLE come first, at the size of the first
picture, to compare with.

- ``style``: mean over relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 of sum (G - A)^2 / sum A^2, with
  mean Gram matrices G of the picture and A of the style.
- ``content``: sum (F - P)^2 / sum P^2 of the features at relu4_2: 0 for the photograph, 1 for a
  picture without any features.
- ``lattice``: the highest over the median power in the spectrum of the luminance beyond 1/6 cycles
  a pixel: 50 to 300 in most photographs and paintings, up to 1,500 in smooth ones, thousands where
  a screen door or dots lie over the picture.

The network has max pooling, as it was trained, however the picture was made. Each picture is judged
at its own size: the content is resized to it, and the style so that its longest side is the
picture's, as ``stylize`` does by default (``--style-scale`` for pictures made with another one).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxstyle.errors import InputError
from jaxstyle.images import Picture, fit_longest_side, load_image, resize_picture
from jaxstyle.network.network import Network
from jaxstyle.network.weights import load_weights
from jaxstyle.objective.losses import relative_error
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Model
from jaxstyle.objective.targets import content_targets, know_style

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_2"
FINE = 1 / 6
"""Cycles a pixel, beyond which pictures have little of their own."""

JUDGE = Objective((CONTENT_LAYER,), STYLE_LAYERS, pooling="max")


class Quality(NamedTuple):
    """Errors of one picture, see the module; ``layers`` are the style's, by ``STYLE_LAYERS``."""

    style: float
    content: float
    lattice: float
    layers: tuple[float, ...]


def judge(
    network: Network, content: Picture, style: Picture, picture: Picture, style_scale: float = 1.0
) -> Quality:
    """Compare a picture with the content and the style that it was made of."""
    width, height = picture.size
    side = max(1, round(style_scale * max(width, height)))
    model = Model(network.params, network.preprocessing)
    wanted = _grams(model, resize_picture(style, *fit_longest_side(*style.size, side)))
    found = _grams(model, picture)
    layers = tuple(float(relative_error(found[tap], wanted[tap])) for tap in STYLE_LAYERS)
    kept = _features(model, resize_picture(content, width, height))
    distance = float(relative_error(_features(model, picture), kept))
    return Quality(float(np.mean(layers)), distance, lattice(picture.rgb), layers)


def lattice(rgb: Float[np.ndarray, "h w 3"]) -> float:
    """The highest over the median power of the luminance beyond ``FINE`` cycles a pixel."""
    luminance = np.asarray(rgb, np.float64) @ (0.299, 0.587, 0.114)
    power = np.abs(np.fft.fft2(luminance - luminance.mean())) ** 2
    down, right = (np.fft.fftfreq(side) for side in luminance.shape)
    fine = power[np.hypot(down[:, None], right[None, :]) > FINE]
    return float(fine.max() / np.median(fine))


def _grams(model: Model, picture: Picture) -> dict:
    known = know_style(JUDGE, model, jnp.asarray(picture.rgb))
    return {tap: moments.products for tap, moments in known.moments.items()}


def _features(model: Model, picture: Picture) -> jnp.ndarray:
    return content_targets(JUDGE, model, jnp.asarray(picture.rgb))[CONTENT_LAYER]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("content", type=Path, help="the photograph")
    parser.add_argument("style", type=Path, help="the painting")
    parser.add_argument("pictures", type=Path, nargs="+", metavar="picture", help="to be judged")
    parser.add_argument("--weights", default="vgg19", help="vgg19 or a file; default: %(default)s")
    parser.add_argument("--style-scale", type=float, default=1.0, help="as given to stylize")
    parser.add_argument("--layers", action="store_true", help="the style's errors layer by layer")
    given = parser.parse_args(arguments)
    try:
        network = load_weights(given.weights).upto("conv5_1")
        content = load_image(given.content, name="content")
        style = load_image(given.style, name="style")
        size = max(load_image(given.pictures[0], name="picture").size)
        columns = ("style", "content", "lattice", *(STYLE_LAYERS if given.layers else ()), "size")
        print(*(f"{name:>8}" for name in columns), " picture")
        for path in (given.content, given.style, *given.pictures):
            picture = load_image(path, name="picture")
            if path in (given.content, given.style):
                picture = resize_picture(picture, *fit_longest_side(*picture.size, size))
            found = judge(network, content, style, picture, given.style_scale)
            row = [f"{found.style:.4f}", f"{found.content:.3f}", f"{found.lattice:.0f}"]
            row += [f"{error:.4f}" for error in found.layers if given.layers]
            print(*(f"{cell:>8}" for cell in (*row, "x".join(map(str, picture.size)))), f" {path}")
    except InputError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
