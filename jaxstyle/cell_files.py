"""The files of a grid's finished cells: a picture and its figures, from which a run resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jaxstyle.figures import write_json
from jaxstyle.images import ImageError, load_image
from jaxstyle.job import Job, record_of
from jaxstyle.result import Stylized


def save_cell(folder: Path, name: str, result: Stylized) -> Path:
    """Write NAME.png and then NAME.json, each as a whole: a cell is finished once both are there.

    Returns:
        The picture's path.

    Raises:
        ImageError: the files cannot be written.
    """
    path = folder / f"{name}.png"
    result.save(path)
    figures = {
        "loss": result.loss,
        "terms": result.terms,
        "steps": result.steps,
        "seconds": result.seconds,
        "reason": result.reason,
        "losses": result.losses,
        "record": json.loads(result.record),
    }
    write_json(path.with_suffix(".json"), figures)
    return path


def finished_cell(folder: Path, name: str, job: Job) -> Stylized | None:
    """A cell as ``save_cell`` left it, or None if it is not there or not of just this job.

    The picture has the depth of the file. Settings, inputs and versions must all be the same.
    """
    path = folder / f"{name}.png"
    try:
        figures = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if _essence(figures["record"]) != _essence(json.loads(record_of(job))):
            return None
        picture = load_image(path)
        return Stylized(
            image=picture.rgb,
            alpha=picture.alpha,
            config=job.config,
            terms=figures["terms"],
            loss=figures["loss"],
            steps=figures["steps"],
            seconds=figures["seconds"],
            reason=figures["reason"],
            losses=figures["losses"],
            record=json.dumps(figures["record"], sort_keys=True),
            exif=picture.exif,
        )
    except (OSError, ValueError, KeyError, TypeError, ImageError):
        return None


def _essence(record: dict[str, Any]) -> dict[str, Any]:
    """What makes the pixels; the command in the note may have changed by ``--resume`` alone."""
    shape = record["extra"].get("shape")
    # How many levels a grid has is decided when its cells are put together.
    config = {name: value for name, value in record["config"].items() if name != "levels"}
    return {
        "config": config,
        "inputs": record["inputs"],
        "versions": record["versions"],
        "shape": shape,
    }
