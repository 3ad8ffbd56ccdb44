"""Runs with checkpoints that ``test_checkpoint_killed`` starts, kills, and starts again.

Arguments: a folder for checkpoints and results, and whether to keep checkpoints at all. Runs that
have a result there are not made again. Says ``step`` after each step.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle.api import run
from jaxstyle.checkpoint import Checkpoint
from jaxstyle.job import prepare

SETTINGS: dict[str, Any] = {
    "size": 64,
    "steps": 10,
    "content_layers": "relu1_1",
    "style_layers": "relu1_1",
    "weights": "slim",
    "levels": 2,
}
RUNS: dict[str, dict[str, Any]] = {
    "lbfgs": {"optimizer": "lbfgs", "init": "noise", "seed": 3},
    "adam": {"optimizer": "adam", "strategy": "whole"},
    "lbfgs-tiled": {"optimizer": "lbfgs", "strategy": "tiled", "tile": 32},
    "adam-tiled": {"optimizer": "adam", "strategy": "tiled", "tile": 32},
}
EVERY = {"lbfgs": 1, "adam": 2, "lbfgs-tiled": 3}


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Content and style."""
    y, x = np.mgrid[0:48, 0:64] / 64
    chance = np.random.default_rng(5)
    content = np.stack([x, y, (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1], -1)
    return content.astype(np.float32), chance.random((64, 64, 3), np.float32)


def make(name: str, folder: Path, *, keep: bool) -> None:
    """One run, from where it is."""
    path = folder / f"{name}.npz"
    if path.exists():
        return
    job = prepare(*pictures(), **{**SETTINGS, **RUNS[name]})
    checkpoint = Checkpoint(folder / f"{name}.ckpt", EVERY.get(name, 1)) if keep else None
    result = run(job, lambda _: print("step", flush=True), checkpoint)
    partial = folder / f"{name}.part.npz"
    losses = [loss for level in result.losses for loss in level]
    np.savez(partial, image=result.image, losses=losses, loss=result.loss, record=result.record)
    os.replace(partial, path)
    if checkpoint is not None:
        checkpoint.remove()


if __name__ == "__main__":
    for each in RUNS:
        make(each, Path(sys.argv[1]), keep=sys.argv[2] == "keep")
