"""The step that both sides compute: the same weights, picture, taps and loss.

Five Gram matrices and one content layer, each as an error relative to its target (the ``jaxstyle``
convention with the style's constant of 10 and no total variation).
"""

from __future__ import annotations

import json
import resource
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


def noise(size: int, seed: int) -> np.ndarray:
    """Where a run of the grid starts, (size, size, 3)."""
    return np.random.default_rng(seed).random((size, size, 3), np.float32)


def settings() -> dict[str, Any]:
    """What this worker is asked to do."""
    return json.loads(sys.argv[1])


def say(found: Mapping[str, Any]) -> None:
    """Answer with one line."""
    print(json.dumps(found), flush=True)


def at(where: str) -> None:
    """Say where this worker is, for the case that it is stopped."""
    say({"at": where})


def serve(
    step: Callable[[], None],
    finished: Callable[[], None],
    result: Callable[[], tuple[float, np.ndarray]],
    file: str,
    ready: Mapping[str, Any],
    device_peak: Callable[[], int | None] = lambda: None,
) -> None:
    """Answer on standard output: ready, then the time of the steps asked for, then the end.

    Args:
        step: begins one.
        finished: returns when all steps begun have ended.
        result: the latest step's loss and gradient.
        file: the gradient is written to, at the end.
        device_peak: most bytes held on an accelerator.
    """
    step()
    finished()
    say(ready)
    for line in sys.stdin:
        word, _, count = line.partition(" ")
        if word != "step":
            break
        started = time.perf_counter()
        for _ in range(int(count)):
            step()
        finished()
        say({"seconds": time.perf_counter() - started})
    peaks = {"peak": peak(), "device_peak": device_peak()}
    loss, gradient = result()
    np.save(file, gradient)
    say({**peaks, "loss": loss})


def report(seconds: float, runs: list[list[float]], **more: Any) -> None:
    """Say on standard output how a side of ``bench.py sweep`` did.

    Args:
        runs: per cell of the grid, style weight by style weight, the loss found at each step and
            then that of the result: one evaluation each.
    """
    say({"seconds": seconds, "runs": runs, "peak": peak(), **more})


def peak() -> int:
    """Most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
