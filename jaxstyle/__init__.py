"""Neural style transfer in JAX and Flax: Gatys, Ecker and Bethge (2015).

``stylize`` does the main job; the modules hold its parts:

- ``layers``, ``vgg``, ``network``, ``formats``: the feature network and its weight files
- ``losses``, ``conventions``, ``objective``: Gram matrices, what weights mean, the gradient
- ``optimize``, ``pyramid``: L-BFGS, Adam, scipy; coarse to fine
- ``config``, ``api``, ``replay``, ``cli``: settings, the main job, and the command line
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jaxstyle._version import __version__

if TYPE_CHECKING:
    from jaxstyle.api import LevelProgress, Stylized, stylize
    from jaxstyle.config import StylizeConfig
    from jaxstyle.errors import InputError

__all__ = ["InputError", "LevelProgress", "StylizeConfig", "Stylized", "__version__", "stylize"]

_HOME = {
    "InputError": "jaxstyle.errors",
    "LevelProgress": "jaxstyle.api",
    "Stylized": "jaxstyle.api",
    "StylizeConfig": "jaxstyle.config",
    "stylize": "jaxstyle.api",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: `jaxstyle --help` should not wait for Flax.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'jaxstyle' has no attribute {name!r}")
