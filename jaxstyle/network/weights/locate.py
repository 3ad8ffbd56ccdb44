"""Where weights lie, and which are used when the user names none."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.native import network_of, read_native
from jaxstyle.network.weights.readers.jaxstyle_file import read_jaxstyle

if TYPE_CHECKING:
    from jaxstyle.network.network import Network

DEFAULT_FILE = "vgg19.h5"


def weights_directory() -> Path:
    """The folder that converted weights go to and are looked for in; it need not exist.

    ``$JAXSTYLE_WEIGHTS`` where set; else ``weights`` of the current folder if there is one; else
    that of the checkout which this package is run from; else one in the user's data folder.
    """
    if named := os.environ.get("JAXSTYLE_WEIGHTS"):
        return Path(named).expanduser()
    if Path("weights").is_dir():
        return Path("weights")
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "pyproject.toml").is_file() and (checkout / "weights").is_dir():
        return checkout / "weights"
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "jaxstyle" / "weights"


def default_weights() -> str:
    """``vgg19`` where it has been converted, else ``slim``."""
    return "vgg19" if (weights_directory() / DEFAULT_FILE).is_file() else "slim"


def load_weights(which: str | os.PathLike[str] | None = None) -> Network:
    """Load a network by name or path.

    Args:
        which: ``slim``, the small network that comes with jaxstyle; ``vgg19``, the converted one
            in ``weights_directory()``; the path of a jaxstyle ``.h5``; None: ``default_weights()``.

    Raises:
        WeightFileError: there is no such file, or it is not a jaxstyle weight file.
    """
    converted = weights_directory() / DEFAULT_FILE
    which = default_weights() if which is None else os.fspath(which)
    if not which:
        raise WeightFileError("the name of the weight file is empty: name one, or slim, or vgg19")
    if which == "slim":
        embedded = resources.files("jaxstyle.network.weights") / "data" / "vgg19_slim.h5"
        with resources.as_file(embedded) as path:
            return network_of(read_jaxstyle(path))  # ours: needs no process of its own
    if which == "vgg19":
        if not converted.is_file():
            raise WeightFileError(
                f"there is no {converted}: run `jaxstyle convert-weights` to download and convert "
                "VGG-19, or use --weights slim"
            )
        return read_native(converted)
    return read_native(which)
