"""Neural style transfer in JAX and Flax: Gatys, Ecker and Bethge (2015).

``stylize`` does the main job. The packages, each of which imports only from those before it:

- ``runtime``: memory, processes, atomic files, Ctrl-C
- ``network``: VGG in Flax, and its weight files
- ``images``, ``optimize``, ``objective``: pictures in and out; L-BFGS, Adam, scipy; the loss
- ``config``, ``display``: every setting; progress, sheets, the preview
- ``run``: one picture, coarse to fine; checkpoints and replay
- ``pipelines``: many pictures: sweeps, batches, videos, the paper's figures
- ``cli``: the commands
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jaxstyle._version import __version__
from jaxstyle.runtime.xla_flags import avoid_wrong_reductions

if TYPE_CHECKING:
    from jaxstyle.config.stylize_config import StylizeConfig
    from jaxstyle.display.notebook import NotebookProgress
    from jaxstyle.display.progress import LevelProgress
    from jaxstyle.errors import InputError
    from jaxstyle.pipelines.axes import Axis, axis
    from jaxstyle.pipelines.batch import stylize_many
    from jaxstyle.pipelines.paper import (
        compare_scales,
        compare_starts,
        figure3,
        reconstruct_content,
        reconstruct_style,
        texture,
    )
    from jaxstyle.pipelines.sweep import Grid, sweep
    from jaxstyle.pipelines.video import stylize_video
    from jaxstyle.run.inputs import Style
    from jaxstyle.run.result import Stylized
    from jaxstyle.run.save_style import save_targets
    from jaxstyle.run.session import Session
    from jaxstyle.run.stylize import stylize

__all__ = [
    "Axis",
    "Grid",
    "InputError",
    "LevelProgress",
    "NotebookProgress",
    "Session",
    "Style",
    "StylizeConfig",
    "Stylized",
    "__version__",
    "axis",
    "compare_scales",
    "compare_starts",
    "figure3",
    "reconstruct_content",
    "reconstruct_style",
    "save_targets",
    "stylize",
    "stylize_many",
    "stylize_video",
    "sweep",
    "texture",
]

_HOMES = {
    "config.stylize_config": "StylizeConfig",
    "display.notebook": "NotebookProgress",
    "display.progress": "LevelProgress",
    "errors": "InputError",
    "pipelines.axes": "Axis axis",
    "pipelines.batch": "stylize_many",
    "pipelines.paper": "compare_scales compare_starts figure3 reconstruct_content "
    "reconstruct_style texture",
    "pipelines.sweep": "Grid sweep",
    "pipelines.video": "stylize_video",
    "run.inputs": "Style",
    "run.result": "Stylized",
    "run.save_style": "save_targets",
    "run.session": "Session",
    "run.stylize": "stylize",
}


avoid_wrong_reductions()


def __getattr__(name: str) -> Any:
    # Loaded on first use: `jaxstyle --help` should not wait for Flax.
    for module, names in _HOMES.items():
        if name in names.split():
            return getattr(import_module(f"jaxstyle.{module}"), name)
    raise AttributeError(f"module 'jaxstyle' has no attribute {name!r}")
