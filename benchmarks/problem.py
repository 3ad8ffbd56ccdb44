"""The step that both sides compute: the same weights, picture, taps and loss.

Five Gram matrices and one content layer, each as an error relative to its target (the ``jaxstyle``
convention with the style's constant of 10 and no total variation).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

WIDTHS = {"full": (64, 128, 256, 512, 512), "slim": (16, 32, 64, 128, 128)}
DEPTHS = (2, 2, 4, 4, 1)
CONTENT = "relu4_2"
STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LOSS_WEIGHTS: dict[str, Any] = {
    "content_layers": {CONTENT: 1},
    "style_layers": dict.fromkeys(STYLE, 1),
    "content_weight": 1,
    "style_weight": 1,
    "tv_weight": 0,
}


def weights(net: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """conv1_1 to conv5_1 as kernels (3, 3, in, out) by He and small biases; from a seed."""
    rng = np.random.default_rng(0)
    layers, inputs = {}, 3
    for block, (depth, width) in enumerate(zip(DEPTHS, WIDTHS[net], strict=True), start=1):
        for index in range(1, depth + 1):
            kernel = rng.standard_normal((3, 3, inputs, width)) * (2 / (9 * inputs)) ** 0.5
            bias = 0.1 * rng.standard_normal(width)
            layers[f"conv{block}_{index}"] = (
                kernel.astype(np.float32),
                bias.astype(np.float32),
            )
            inputs = width
    return layers


def flops_per_pixel(net: str) -> float:
    """Of the convolutions of a step, forward and back to the picture, per pixel of the picture.

    Back to a layer's input is as much work as forward; the network's weights need no gradient.
    Gram matrices, about 5 % more in VGG-19, are left out.
    """
    total, inputs = 0.0, 3
    for block, (depth, width) in enumerate(zip(DEPTHS, WIDTHS[net], strict=True)):
        for _ in range(depth):
            multiplications = 9 * inputs * width / 4**block
            total += 2 * 2 * multiplications  # and additions; forward and back
            inputs = width
    return total


def pictures(size: int) -> dict[str, np.ndarray]:
    """Content, style and the picture to be evaluated, (size, size, 3)."""
    rng = np.random.default_rng(1)
    shape = (size, size, 3)
    return {name: rng.random(shape, np.float32) for name in ("content", "style", "picture")}


def arrays(net: str, size: int) -> dict[str, np.ndarray]:
    """The problem as ``torch_loss`` takes it."""
    layers = {
        f"{name}.{part}": array
        for name, layer in weights(net).items()
        for part, array in zip(("kernel", "bias"), layer, strict=True)
    }
    seen_as = {"scale": np.array(1), "mean": np.array(MEAN), "std": np.array(STD)}
    return {**layers, **seen_as, **pictures(size)}


def noise(size: int, seed: int) -> np.ndarray:
    """Where a run of the grid starts, (size, size, 3)."""
    return np.random.default_rng(seed).random((size, size, 3), np.float32)


def settings() -> dict[str, Any]:
    """What this worker is asked to do."""
    return json.loads(sys.argv[1])


def say(answer: Mapping[str, Any]) -> None:
    """Answer with one line."""
    print(json.dumps(answer), flush=True)


def timed(step: Callable[[], Any], finished: Callable[[], Any]) -> dict[str, Any]:
    """Seconds of the first step and of those asked for.

    Args:
        step: begins one.
        finished: returns when all steps begun have ended.
    """
    asked = settings()

    def seconds(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            step()
        finished()
        return (time.perf_counter() - started) / count

    first = seconds(1)
    seconds(1)
    return {
        "first_seconds": first,
        "times": [seconds(asked["inner"]) for _ in range(asked["repeats"])],
    }
