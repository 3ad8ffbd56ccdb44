"""A picture that took minutes is not lost because the disk is full."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jaxstyle.errors import InputError

if TYPE_CHECKING:
    from jaxstyle.run.checkpoint import Checkpoint


def save_or_rescue(
    save: Callable[[Path], None], output: Path, checkpoint: Checkpoint | None = None
) -> None:
    """Write a result; where that fails, it is in its checkpoint, or in the folder for such files.

    Args:
        save: writes it to a path.

    Raises:
        InputError: it could not be written to ``output``; where it is now, and what to do.
    """
    try:
        save(output)
    except InputError as error:
        if checkpoint is not None and Path(checkpoint.path).exists():
            raise InputError(
                f"{error}: {checkpoint.path} is kept: make room, and `jaxstyle resume "
                f"{checkpoint.path}` writes it"
            ) from None
        raise InputError(f"{error}: {_rescue(save, output.name)}") from None


def _rescue(save: Callable[[Path], None], name: str) -> str:
    """Write a result to the system's folder for temporary files, and say what came of it."""
    folder = None
    try:
        folder = tempfile.mkdtemp(prefix="jaxstyle-")
        save(Path(folder) / name)
    except (InputError, OSError):
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        return "the picture is lost, there is no room elsewhere either: make room and run it again"
    return f"the picture is in {Path(folder) / name} instead: move it from there"
