"""Slow, plain NumPy versions in float64, written from the papers and the programs they describe.

Nothing here is taken from jaxstyle, so that agreement means something. Features are (h, w, c).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

Array = np.ndarray
Features = Mapping[str, Float[Array, "_h _w _c"]]

_BORDERS: dict[str, Any] = {"zeros": "constant", "reflect": "reflect", "replicate": "edge"}


def convolve(
    x: Float[Array, "h w i"],
    kernel: Float[Array, "3 3 i o"],
    bias: Float[Array, " o"],
    padding: str,
) -> Float[Array, "h w o"]:
    """Cross-correlation by im2col: every 3x3 patch a row, the kernel a matrix."""
    height, width, _ = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode=_BORDERS[padding])
    rows = [
        padded[y : y + 3, left : left + 3].reshape(-1)
        for y in range(height)
        for left in range(width)
    ]
    product = np.stack(rows) @ kernel.reshape(-1, kernel.shape[-1])
    return product.reshape(height, width, -1) + bias


def pool(x: Float[Array, "h w c"], pooling: str) -> Float[Array, "h/2 w/2 c"]:
    """2x2 squares, one at a time; what is left over at an odd border is dropped."""
    height, width, channels = x.shape
    out = np.empty((height // 2, width // 2, channels))
    for y in range(height // 2):
        for left in range(width // 2):
            square = x[2 * y : 2 * y + 2, 2 * left : 2 * left + 2].reshape(4, channels)
            out[y, left] = square.mean(0) if pooling == "avg" else square.max(0)
    return out


def vgg(
    params: Mapping[str, Mapping[str, Any]],
    x: Float[Array, "h w 3"],
    layers: Iterable[str],
    pooling: str = "avg",
    padding: str = "zeros",
) -> dict[str, Array]:
    """All activations of a network whose layers come in the given order."""
    found, x = {}, np.asarray(x, np.float64)
    for layer in layers:
        if layer.startswith("conv"):
            kernel, bias = (
                np.asarray(params[layer][part], np.float64) for part in ("kernel", "bias")
            )
            x = convolve(x, kernel, bias, padding)
        elif layer.startswith("relu"):
            x = np.maximum(x, 0)
        else:
            x = pool(x, pooling)
        found[layer] = x
    return found


def gram(features: Float[Array, "h w c"]) -> Float[Array, "c c"]:
    """The paper's G (equation 3): inner products of the filters' responses over all positions."""
    rows = features.reshape(-1, features.shape[-1])
    return np.array([[float(np.sum(a * b)) for b in rows.T] for a in rows.T])


def sizes(features: Float[Array, "h w c"]) -> tuple[int, int]:
    """The paper's N (filters) and M (positions)."""
    return features.shape[2], features.shape[0] * features.shape[1]


def paper_content(found: Array, target: Array) -> float:
    """arXiv:1508.06576, equation 1."""
    return 0.5 * float(np.sum((found - target) ** 2))


def paper_content_gradient(found: Array, target: Array) -> Array:
    """Equation 2: with respect to the responses before the ReLU that made ``found``."""
    return np.where(found > 0, found - target, 0.0)


def paper_style_layer(found: Array, style: Array) -> float:
    """Equation 4, for a style picture with as many positions as the result."""
    n, m = sizes(found)
    assert sizes(style) == (n, m), "the formula knows one M only"
    return float(np.sum((gram(found) - gram(style)) ** 2)) / (4 * n**2 * m**2)


def paper_style_layer_gradient(found: Array, style: Array) -> Array:
    """Equation 6, with F as (positions, filters) here."""
    n, m = sizes(found)
    rows = found.reshape(m, n)
    gradient = rows @ (gram(found) - gram(style)) / (n**2 * m**2)
    return np.where(rows > 0, gradient, 0.0).reshape(found.shape)


def paper(found, content, style, content_layers, style_layers, alpha, beta) -> tuple[float, float]:
    """alpha L_content and beta L_style (equations 5 and 7), the w_l scaled to sum to 1."""
    a, b = sum(content_layers.values()), sum(style_layers.values())
    return (
        alpha * sum(w / a * paper_content(found[t], content[t]) for t, w in content_layers.items()),
        beta * sum(w / b * paper_style_layer(found[t], style[t]) for t, w in style_layers.items()),
    )


def _mean_square(x: Array) -> float:
    return float(np.mean(np.square(x)))


def _author(found, content, style, content_weights, style_weights) -> tuple[float, float]:
    """Both of Gatys' programs: mean squares, Gram matrices divided by their own M."""
    total_content = sum(w * _mean_square(found[t] - content[t]) for t, w in content_weights.items())
    total_style = sum(
        w * _mean_square(gram(found[t]) / sizes(found[t])[1] - gram(style[t]) / sizes(style[t])[1])
        for t, w in style_weights.items()
    )
    return total_content, total_style


def gatys(found, content, style, content_layers, style_layers, alpha, beta) -> tuple[float, float]:
    """PytorchNeuralStyleTransfer: each style layer counts beta / C^2."""
    return _author(
        found,
        content,
        style,
        {tap: alpha * w for tap, w in content_layers.items()},
        {tap: beta * w / found[tap].shape[2] ** 2 for tap, w in style_layers.items()},
    )


def gatys_normalised(
    found, content, style, content_layers, style_layers, alpha, beta
) -> tuple[float, float]:
    """NeuralImageSynthesis on the normalised network: beta shared out, 1e9 / 5 a layer."""
    a, b = sum(content_layers.values()), sum(style_layers.values())
    return _author(
        found,
        content,
        style,
        {tap: alpha * w / a for tap, w in content_layers.items()},
        {tap: beta * w / b for tap, w in style_layers.items()},
    )


def johnson(
    found, content, style, content_layers, style_layers, alpha, beta
) -> tuple[float, float]:
    """neural-style: Gram matrices divided by C H W, then mean squares (``nn.MSECriterion``)."""

    def normalised_gram(features: Array) -> Array:
        return gram(features) / features.size

    return (
        alpha * sum(w * _mean_square(found[t] - content[t]) for t, w in content_layers.items()),
        beta
        * sum(
            w * _mean_square(normalised_gram(found[t]) - normalised_gram(style[t]))
            for t, w in style_layers.items()
        ),
    )


def total_variation(picture: Float[Array, "h w c"], power: int) -> float:
    """Sum of |difference|^power over vertical and horizontal neighbours, per value."""
    height, width, channels = picture.shape
    total = 0.0
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                if y + 1 < height:
                    total += abs(picture[y + 1, x, c] - picture[y, x, c]) ** power
                if x + 1 < width:
                    total += abs(picture[y, x + 1, c] - picture[y, x, c]) ** power
    return total / picture.size


def relative(
    found, content, style, content_layers, style_layers, alpha, beta, balance
) -> tuple[float, float]:
    """jaxstyle's own: errors by the energy of their targets; ``balance`` multiplies the style."""

    def error(x: Array, target: Array) -> float:
        return float(np.sum((x - target) ** 2) / np.sum(target**2))

    def mean_gram(features: Array) -> Array:
        return gram(features) / sizes(features)[1]

    a, b = sum(content_layers.values()), sum(style_layers.values())
    return (
        alpha * sum(w / a * error(found[t], content[t]) for t, w in content_layers.items()),
        beta
        * balance
        * sum(
            w / b * error(mean_gram(found[t]), mean_gram(style[t])) for t, w in style_layers.items()
        ),
    )
