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
    from jaxstyle.run.stylize import stylize

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
    "Axis": "jaxstyle.pipelines.axes",
    "Grid": "jaxstyle.pipelines.sweep",
    "InputError": "jaxstyle.errors",
    "LevelProgress": "jaxstyle.display.progress",
    "NotebookProgress": "jaxstyle.display.notebook",
    "Style": "jaxstyle.run.inputs",
    "Stylized": "jaxstyle.run.result",
    "StylizeConfig": "jaxstyle.config.stylize_config",
    "axis": "jaxstyle.pipelines.axes",
    "save_targets": "jaxstyle.run.save_style",
    "stylize": "jaxstyle.run.stylize",
    "stylize_many": "jaxstyle.pipelines.batch",
    "stylize_video": "jaxstyle.pipelines.video",
    "sweep": "jaxstyle.pipelines.sweep",
    "compare_scales": "jaxstyle.pipelines.paper",
    "compare_starts": "jaxstyle.pipelines.paper",
    "figure3": "jaxstyle.pipelines.paper",
    "reconstruct_content": "jaxstyle.pipelines.paper",
    "reconstruct_style": "jaxstyle.pipelines.paper",
    "texture": "jaxstyle.pipelines.paper",
}


avoid_wrong_reductions()


def __getattr__(name: str) -> Any:
    # Loaded on first use: `jaxstyle --help` should not wait for Flax.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'jaxstyle' has no attribute {name!r}")
