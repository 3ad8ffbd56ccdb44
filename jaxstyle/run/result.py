"""What a run gives: the picture, its figures, and the record from which it can be made again."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from jaxstyle.config.stylize_config import StylizeConfig, config_from
from jaxstyle.images import fit_longest_side, resize, resize_picture, save_image
from jaxstyle.images.exif import without_persons
from jaxstyle.optimize import Outcome
from jaxstyle.optimize.ending import Ending
from jaxstyle.run.final_colours import in_final_colours
from jaxstyle.run.job import Job
from jaxstyle.run.level import Level
from jaxstyle.run.record import record_of

_LONGEST_SHOWN = 1024


@dataclass(frozen=True, eq=False)
class Stylized:
    """The result of ``stylize``.

    Attributes:
        image: (height, width, 3) float32 in [0, 1], sRGB.
        alpha: (height, width), the content's own; None if it was opaque.
        config: all settings as they were in force.
        terms: the loss at the result, by term: ``content``, ``style``, ``tv``, ``other`` (wavelet,
            range and temporal), and each layer's.
        loss: their sum.
        steps: evaluations made, over all levels.
        seconds: time taken.
        reason: why the last level ended, or the gravest reason of all that cut a level short.
        losses: for each level the loss at every step.
        record: JSON text from which ``jaxstyle replay`` can run it again.
        exif: the content's, or None.
    """

    image: Float[np.ndarray, "height width 3"]
    alpha: Float[np.ndarray, "height width"] | None
    config: StylizeConfig
    terms: dict[str, Any]
    loss: float
    steps: int
    seconds: float
    reason: Ending
    losses: list[list[float]]
    record: str
    exif: bytes | None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture, with what ``config.record`` has it tell; the extension says how.

        Raises:
            ImageError: the file cannot be written.
        """
        detail = self.config.record
        exif = None if detail == "none" else self.exif
        save_image(
            path,
            self.image,
            alpha=self.alpha,
            bits=self.config.bits,
            quality=self.config.quality,
            exif=without_persons(self.exif) if detail == "names" else exif,
            record=None if detail == "none" else self.record,
        )

    def as_plain(self) -> dict[str, Any]:
        """All of it as what ``processes.gather`` takes."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {**values, "config": self.config.as_dict()}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Stylized:
        """The inverse of ``as_plain``."""
        config, reason = config_from(values["config"]), Ending(values["reason"])
        return cls(**{**values, "config": config, "reason": reason})

    def _repr_png_(self) -> bytes:
        """What a notebook shows: the picture in 8 bits, no side longer than 1024 px."""
        layers = [self.image] if self.alpha is None else [self.image, self.alpha]
        height, width = self.image.shape[:2]
        if max(width, height) > _LONGEST_SHOWN:
            width, height = fit_longest_side(width, height, _LONGEST_SHOWN)
            layers = [resize(layer, width, height) for layer in layers]
        pixels = np.rint(np.clip(np.dstack(layers), 0, 1) * 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()


def finished(
    job: Job, image: np.ndarray, outcome: Outcome, losses: Sequence[list[float]], seconds: float
) -> Stylized:
    """The result of a job.

    Args:
        image: of the level that the run got to, in [0, 1].
        outcome: of that level.
        losses: of each level, at every step.
        seconds: over all levels.
    """
    last, content = Level(job, len(job.sizes) - 1), job.content
    return Stylized(
        image=in_final_colours(last, last.enlarge(image)),
        alpha=None if content is None else resize_picture(content, *last.size).alpha,
        config=job.config,
        terms=outcome.terms._asdict(),
        loss=outcome.value,
        steps=sum(map(len, losses)),
        seconds=seconds,
        reason=outcome.reason,
        losses=list(losses),
        record=record_of(job),
        exif=None if content is None else content.exif,
    )
