"""The step that both sides compute: the same weights, picture, taps and loss.

Five Gram matrices and one content layer, each as an error relative to its target (the ``jaxstyle``
convention with the style's constant of 10 and no total variation).
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

WIDTHS = {"full": (64, 128, 256, 512, 512), "slim": (16, 32, 64, 128, 128)}
DEPTHS = (2, 2, 4, 4, 1)
CONTENT = "relu4_2"
STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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


def pictures(size: int) -> dict[str, np.ndarray]:
    """Content, style and the picture to be evaluated, (size, size, 3)."""
    rng = np.random.default_rng(1)
    shape = (size, size, 3)
    return {name: rng.random(shape, np.float32) for name in ("content", "style", "picture")}


def noise(size: int, seed: int) -> np.ndarray:
    """Where a run of the grid starts, (size, size, 3)."""
    return np.random.default_rng(seed).random((size, size, 3), np.float32)


def serve(step: Callable[[], tuple[float, np.ndarray]], side: str, ready: dict[str, Any]) -> None:
    """Answer on standard output: ready, then the time of each step asked for, then the end."""
    folder = sys.argv[3]
    loss, gradient = step()
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        if line.strip() != "step":
            break
        started = time.perf_counter()
        loss, gradient = step()
        print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)
    np.save(f"{folder}/{side}.npy", gradient)
    print(json.dumps({"peak": peak(), "loss": float(loss)}), flush=True)


def report(seconds: float, runs: list[list[float]], **more: Any) -> None:
    """Say on standard output how a side of ``bench.py sweep`` did.

    Args:
        runs: per cell of the grid, style weight by style weight, the loss found at each step and
            then that of the result: one evaluation each.
    """
    found = {"seconds": seconds, "runs": runs, "peak": peak(), **more}
    print(json.dumps(found), flush=True)


def peak() -> int:
    """Most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
