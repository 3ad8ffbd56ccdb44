"""Neural style transfer in JAX and Flax: Gatys, Ecker and Bethge (2015).

``stylize`` does the main job; the modules hold its parts:

- ``layers``, ``vgg``, ``network``, ``formats``: the feature network and its weight files
- ``losses``, ``statistics``, ``regularisers``, ``conventions``: Gram matrices and their kin, what
  weights mean
- ``quantities``, ``objective``, ``targets``, ``tiling``, ``sharding``: loss and gradient, whole or
  in parts
- ``optimize``, ``pyramid``: L-BFGS, Adam, scipy; coarse to fine
- ``config``, ``styles``, ``masks``, ``job``, ``levels``, ``api``: settings, inputs, the main job
- ``grid``, ``batch``, ``video``, ``checkpoint``, ``replay``, ``cli``: many runs, long runs, again
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jaxstyle._version import __version__

if TYPE_CHECKING:
    from jaxstyle.axes import Axis, axis
    from jaxstyle.batch import stylize_many
    from jaxstyle.config.stylize_config import StylizeConfig
    from jaxstyle.display.notebook import NotebookProgress
    from jaxstyle.display.progress import LevelProgress
    from jaxstyle.errors import InputError
    from jaxstyle.experiments import (
        compare_scales,
        compare_starts,
        figure3,
        reconstruct_content,
        reconstruct_style,
        texture,
    )
    from jaxstyle.grid import Grid, sweep
    from jaxstyle.run.inputs import Style
    from jaxstyle.run.result import Stylized
    from jaxstyle.run.save_style import save_targets
    from jaxstyle.run.stylize import stylize
    from jaxstyle.video import stylize_video

__all__ = [
    "Axis",
    "Grid",
    "InputError",
    "LevelProgress",
    "NotebookProgress",
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

_HOME = {
    "Axis": "jaxstyle.axes",
    "Grid": "jaxstyle.grid",
    "InputError": "jaxstyle.errors",
    "LevelProgress": "jaxstyle.display.progress",
    "NotebookProgress": "jaxstyle.display.notebook",
    "Style": "jaxstyle.run.inputs",
    "Stylized": "jaxstyle.run.result",
    "StylizeConfig": "jaxstyle.config.stylize_config",
    "axis": "jaxstyle.axes",
    "save_targets": "jaxstyle.run.save_style",
    "stylize": "jaxstyle.run.stylize",
    "stylize_many": "jaxstyle.batch",
    "stylize_video": "jaxstyle.video",
    "sweep": "jaxstyle.grid",
    "compare_scales": "jaxstyle.experiments",
    "compare_starts": "jaxstyle.experiments",
    "figure3": "jaxstyle.experiments",
    "reconstruct_content": "jaxstyle.experiments",
    "reconstruct_style": "jaxstyle.experiments",
    "texture": "jaxstyle.experiments",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: `jaxstyle --help` should not wait for Flax.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'jaxstyle' has no attribute {name!r}")
