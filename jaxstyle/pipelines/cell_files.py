"""The files of a grid's finished cells: a picture and its figures, from which a run resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jaxstyle.display.figures import write_json
from jaxstyle.errors import InputError
from jaxstyle.images import load_image, read_record
from jaxstyle.optimize.ending import Ending
from jaxstyle.run.job import Job
from jaxstyle.run.record import checked_record, parse_record
from jaxstyle.run.result import Stylized
from jaxstyle.run.same_run import digest_of_arrays, is_result_of
from jaxstyle.runtime.json_schema import Each, Named, misfit, read_json

_NUMBER = (float, None)
_FIGURES = {
    "loss": _NUMBER,
    "terms": Named((_NUMBER, Named(_NUMBER))),
    "steps": int,
    "seconds": float,
    "reason": str,
    "losses": Each(Each(_NUMBER)),
    "record": dict,
    "arrays": str,
}


def make_folder(folder: Path) -> None:
    """Make a folder for cells, where it is not there yet.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from None


def save_cell(folder: Path, name: str, job: Job, result: Stylized) -> Path:
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
        "arrays": digest_of_arrays(job),
    }
    write_json(path.with_suffix(".json"), figures)
    return path


def finished_cell(folder: Path, name: str, job: Job) -> Stylized | None:
    """A cell as ``save_cell`` left it, or None if it is not there or not of just this job.

    The picture has the depth of the file. Settings, inputs and versions must all be the same.
    """
    path = folder / f"{name}.png"
    try:
        figures = read_json(path.with_suffix(".json"))
        if misfit(figures, _FIGURES):
            return None
        # The picture too: a run that was ended between its two files has left a pair of strangers.
        for record in (checked_record(figures["record"]), parse_record(read_record(path))):
            if not is_result_of(job, record, figures["arrays"]):
                return None
        picture = load_image(path)
        return Stylized(
            image=picture.rgb,
            alpha=picture.alpha,
            config=job.config,
            terms=_numbers(figures["terms"]),
            loss=_numbers(figures["loss"]),
            steps=figures["steps"],
            seconds=figures["seconds"],
            reason=Ending(figures["reason"]),
            losses=_numbers(figures["losses"]),
            record=json.dumps(figures["record"], sort_keys=True),
            exif=picture.exif,
        )
    except ValueError:  # as ImageErrors are
        return None


def _numbers(value: Any) -> Any:
    """JSON has no nan: ``write_json`` makes null of it."""
    if value is None:
        return float("nan")
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    return [_numbers(item) for item in value] if isinstance(value, list) else float(value)
