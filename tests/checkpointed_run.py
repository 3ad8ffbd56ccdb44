"""Runs with checkpoints that ``test_checkpoint_killed`` starts, kills, and starts again.

Arguments: a folder for checkpoints and results, and whether to keep checkpoints at all. Runs that
have a result there are not made again. Says ``step`` and the run's name after each step.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import images, sweep
from jaxstyle.pipelines.axes import parse_axis
from jaxstyle.pipelines.chunks import Limits
from jaxstyle.run.checkpoint import Checkpoint
from jaxstyle.run.coarse_to_fine import run
from jaxstyle.run.prepare import prepare

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
    "controls": {"optimizer": "adam", "strategy": "whole", "levels": 3, "style_layers": "pool1"},
    "lbfgs-tiled": {"optimizer": "lbfgs", "strategy": "tiled", "tile": 32},
    "adam-tiled": {"optimizer": "adam", "strategy": "tiled", "tile": 32},
    "scipy": {"optimizer": "scipy"},
    "sweep": {"size": 32, "levels": 1, "optimizer": "adam", "init": "noise", "steps": 5},
}
EVERY = {"controls": 2, "lbfgs-tiled": 3}
CELLS = 4


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Content and style."""
    y, x = np.mgrid[0:48, 0:64] / 64
    chance = np.random.default_rng(5)
    content = np.stack([x, y, (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1], -1)
    return content.astype(np.float32), chance.random((64, 64, 3), np.float32)


def controls() -> dict[str, Any]:
    """Two styles, each in a region of its own, and a corner that stays as it is."""
    y, x = np.mgrid[0:48, 0:64] / 64
    content, style = pictures()
    left, corner = (x < 0.5).astype(np.float32), ((x < 0.3) & (y < 0.3)).astype(np.float32)
    return {
        "content": content,
        "style": [style, style[:, ::-1] ** 3],
        "masks": [left, 1 - left],
        "freeze": corner,
    }


def make(name: str, folder: Path, *, keep: bool) -> None:
    """One run, from where it is."""
    path = folder / f"{name}.npz"
    if path.exists():
        return

    def tell(_: Any) -> None:
        print("step", name, flush=True)

    settings = {**SETTINGS, **RUNS[name]}
    checkpoint = None
    if name == "sweep":
        found = swept(folder / name, tell, settings, keep=keep)
    else:
        content, style = pictures()
        inputs = controls() if name == "controls" else {"content": content, "style": style}
        job = prepare(**inputs, **settings)
        checkpoint = Checkpoint(folder / f"{name}.ckpt", EVERY.get(name, 1)) if keep else None
        result = run(job, tell, checkpoint)
        losses = [loss for level in result.losses for loss in level]
        found = {"image": result.image, "losses": losses, "loss": result.loss}
        found["record"] = result.record
    partial = folder / f"{name}.part.npz"
    np.savez(partial, **found)
    os.replace(partial, path)
    if checkpoint is not None:
        checkpoint.remove()


def swept(folder: Path, tell: Any, settings: dict[str, Any], *, keep: bool) -> dict[str, Any]:
    """A sweep, cell by cell, and what it has left in its folder."""
    axes = [parse_axis(f"seed=0..{CELLS - 1}")]
    options: Any = {"limits": Limits(cells_at_once=1), "folder": folder, "resume": keep}
    grid = sweep(*pictures(), axes, callback=tell, **options, **settings)
    cells = [cell.result for cell in grid.cells if cell.result is not None]
    return {
        "image": [images.load_image(folder / f"{cell.name}.png").rgb for cell in grid.cells],
        "losses": [cell.losses[0] for cell in cells],
        "loss": [cell.loss for cell in cells],
        "record": [cell.record for cell in cells],
    }


if __name__ == "__main__":
    for each in RUNS:
        make(each, Path(sys.argv[1]), keep=sys.argv[2] == "keep")
