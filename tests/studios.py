"""A studio whose pictures are small and whose runs are short."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from samples import landscape, waves

from jaxstyle.display.studio import canvas
from jaxstyle.images import save_image
from jaxstyle.pipelines import studio as module
from jaxstyle.pipelines.studio import Studio
from jaxstyle.pipelines.studio_files import StudioFiles

SMALL = {
    "FIRST_SIZE": 48, "DRAFT": 64, "FIRST_STEPS": 3, "MORE_STEPS": 5, "STEPS_OF_A_TURN": 4,
    "SIZES": (48, 64, 80),
}  # fmt: skip


def make_small(monkeypatch: Any) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(canvas, "PICTURE_EVERY", 0.0)
    monkeypatch.setattr(canvas, "MOST_TIME", 1.0)


def write_examples(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    save_image(folder / "content.png", np.asarray(landscape(48, 64)))
    save_image(folder / "waves.png", np.asarray(waves(48)))
    save_image(folder / "dots.png", np.asarray(waves(32))[::-1])


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@contextmanager
def studio_in(folder: Path) -> Iterator[Studio]:
    write_examples(folder / "examples")
    studio = Studio(StudioFiles(folder / "made", folder / "examples"))
    try:
        yield studio
    finally:
        studio.close()


def until(true: Callable[[], Any], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def rests(studio: Studio) -> bool:
    return studio.state("one", -1)["phase"] == "resting"


def begin(studio: Studio, *styles: str) -> None:
    studio.act("begin", {"content": "content.png", "styles": list(styles or ["waves.png"])})
    until(lambda: rests(studio))
