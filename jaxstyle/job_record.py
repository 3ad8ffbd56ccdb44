"""The record of a job: what is needed to make its picture again."""

from __future__ import annotations

import hashlib
from typing import Any

import jax
import numpy as np

from jaxstyle.images import Picture
from jaxstyle.images.masks import Mask
from jaxstyle.initial import initial_files
from jaxstyle.job import Job
from jaxstyle.metadata import make_record
from jaxstyle.styles import Style


def record_of(job: Job) -> str:
    """JSON from which the run can be made again."""

    def entry(one: Picture | Mask, **more: Any) -> dict[str, Any]:
        return {"path": one.source, "sha256": one.sha256, **more}

    first, *others = job.contents or [None]
    inputs: dict[str, Any] = {
        "content": None if first is None else entry(first.picture),
        "styles": [record_of_style(style) for style in job.styles],
        "init": initial_files(job.config.init),
        "weights": {
            "sha256": job.network.sha256,
            "source": job.network.source,
            "source_sha256": job.network.source_sha256,
        },
    }
    if first is not None and others:
        inputs["content"]["weight"] = first.weight
        inputs["contents"] = [entry(o.picture, weight=o.weight) for o in others if o is not None]
    if job.regions:
        inputs["masks"] = [entry(region.mask, weight=region.weight) for region in job.regions]
    if job.freeze is not None:
        inputs["freeze"] = entry(job.freeze)
    if job.previous is not None:
        digest = hashlib.sha256()
        for array in job.previous:
            digest.update(np.ascontiguousarray(array).tobytes())
        inputs["previous"] = {"sha256": digest.hexdigest()}
    extra = {"backend": jax.default_backend(), "shape": list(job.sizes[-1]), **job.note}
    return make_record(job.config.as_dict(), inputs, extra)


def record_of_style(style: Style) -> dict[str, Any]:
    """What a record says of a style; what is as usual is left out."""
    found: dict[str, Any] = {"path": style.image.source, "sha256": style.image.sha256}
    plain = Style(None)
    for name in ("weight", "scale", "crop", "region"):
        if getattr(style, name) != getattr(plain, name):
            found[name] = getattr(style, name)
    if style.mask is not None:
        found["mask"] = {"path": style.mask.source, "sha256": style.mask.sha256}
    return found
