"""The list of example pictures, and the writing of one."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from example_art.canvas import save_jpeg


class Example(NamedTuple):
    """Where a picture is rendered, and the JPEG quality that keeps it sharp and small."""

    module: str
    quality: int


# The slowest come first, so that they also start first where several run at once.
EXAMPLES = {
    "still_life": Example("example_art.still_life.picture", 93),
    "content": Example("example_art.landscape.picture", 91),
    "style": Example("example_art.brush_strokes", 89),
    "mosaic": Example("example_art.mosaic", 82),
    "stained_glass": Example("example_art.stained_glass", 90),
    "woodcut": Example("example_art.woodcut", 87),
}


def make(name: str, folder: Path, size: int, seed: int) -> Path:
    """Render one example, `size` px on its longest side, to `folder`; returns the file's path."""
    example = EXAMPLES[name]
    picture = import_module(example.module).render(size, seed)
    path = folder / f"{name}.jpg"
    save_jpeg(path, picture, example.quality)
    return path
