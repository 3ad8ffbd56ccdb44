"""Run again what is recorded in a picture."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxstyle.config import config_from
from jaxstyle.errors import InputError
from jaxstyle.formats import load_weights
from jaxstyle.images import as_picture, read_record
from jaxstyle.job import Job, mesh_of, prepare
from jaxstyle.metadata import parse_record, versions


def prepare_replay(
    picture: str | os.PathLike[str],
    *,
    content: str | None = None,
    style: str | None = None,
    weights: str | None = None,
) -> tuple[Job, dict[str, str]]:
    """Make the job that is recorded in a picture; ``api.run`` runs it.

    On the same machine and versions the pixels are the same.

    Args:
        picture: made by jaxstyle.
        content, style, weights: where the inputs are now, if not where they were.

    Returns:
        The job, and the packages whose version was another then, as name -> version.

    Raises:
        InputError: no record, or an input is missing or is not the one that was used.
    """
    record = parse_record(read_record(picture))
    return prepare_recorded(record, picture, content=content, style=style, weights=weights)


def prepare_recorded(
    record: dict[str, Any],
    where: str | os.PathLike[str],
    *,
    content: str | None = None,
    style: str | None = None,
    weights: str | None = None,
) -> tuple[Job, dict[str, str]]:
    """``prepare_replay`` of a record that has been read.

    Args:
        where: the file that it was in; inputs are looked for next to it, too.

    Raises:
        InputError: as there.
    """
    inputs = record["inputs"]
    folder = Path(where).parent
    config = config_from(record["config"], f"the record of {where}")
    style_entry = inputs["styles"][0] if inputs["styles"] else None
    found_content = _find("content", content, inputs["content"], folder)
    found_style = _find("style", style, style_entry, folder)
    for file in inputs.get("init", []):
        _find("init", None, file, folder)
    network = load_weights(weights or config.weights)
    if network.sha256 != inputs["weights"]["sha256"]:
        raise InputError(
            f"{where} was made with other weights ({inputs['weights']['source']}): "
            "name their file with --weights"
        )
    now = versions()
    changed = {name: was for name, was in record["versions"].items() if now.get(name) != was}
    try:
        mesh_of(config)
    except InputError:  # made on more devices than there are here
        changed["mesh"] = config.mesh or ""
        config = replace(config, mesh=None)
    extra = record.get("extra", {})
    job = prepare(
        found_content,
        found_style,
        shape=_shape(extra.get("shape")),
        config=config,
        network=network,
        note={name: value for name, value in extra.items() if name not in ("backend", "shape")},
    )
    return job, changed


def _shape(value: Any) -> tuple[int, int] | None:
    """The size in a record, which early ones lack."""
    fits = isinstance(value, list) and len(value) == 2
    if not fits or not all(isinstance(side, int) and 0 < side < 2**16 for side in value):
        return None
    return value[0], value[1]


def _find(what: str, given: str | None, entry: dict[str, Any] | None, folder: Path) -> str | None:
    if entry is None:
        return None
    if given is None and not entry["sha256"]:
        raise InputError(f"the {what} was an array, not a file: save it and name it by --{what}")
    candidates = [given] if given else [entry["path"], str(folder / entry["path"])]
    path = next((path for path in candidates if Path(path).is_file()), candidates[0])
    if as_picture(path, name=f"{what} image").sha256 != entry["sha256"]:
        raise InputError(f"{path} is not the {what} picture that was used: give that by --{what}")
    return path
