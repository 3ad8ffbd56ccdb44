"""Run again what is recorded in a picture."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxstyle.config.stylize_config import config_from
from jaxstyle.errors import InputError
from jaxstyle.images import read_record
from jaxstyle.network.weights import load_weights
from jaxstyle.run.inputs import Style
from jaxstyle.run.job import Job, mesh_of
from jaxstyle.run.prepare import prepare
from jaxstyle.run.record import parse_record, versions

STYLE_OPTIONS = ("weight", "scale", "crop", "region")
NO_NOTE = ("backend", "shape", "together")
"""What a record's ``extra`` holds besides the note of its job."""


def prepare_replay(
    picture: str | os.PathLike[str],
    *,
    content: str | None = None,
    style: str | Sequence[str] | None = None,
    masks: str | Sequence[str] | None = None,
    weights: str | None = None,
) -> tuple[Job, dict[str, str]]:
    """Make the job that is recorded in a picture; ``api.run`` runs it.

    On the same machine and versions the pixels are the same.

    Args:
        picture: made by jaxstyle.
        content, style, masks, weights: where the inputs are now, if not where they were.

    Returns:
        The job, and the packages whose version was another then, as name -> version.

    Raises:
        InputError: no record, or an input is missing or is not the one that was used.
    """
    record = record_to_replay(picture)
    return prepare_recorded(
        record, picture, content=content, style=style, masks=masks, weights=weights
    )


def record_to_replay(picture: str | os.PathLike[str]) -> dict[str, Any]:
    """The record in a picture.

    Raises:
        InputError: there is none; or it is the manifest of several pictures.
    """
    path = Path(picture)
    if path.suffix.lower() == ".json" and path.is_file():
        raise InputError(
            f"{picture} tells of pictures, and is none: replay one of the pictures that it names, "
            "or give its command again for all"
        )
    return parse_record(read_record(picture))


def prepare_recorded(
    record: dict[str, Any],
    where: str | os.PathLike[str],
    *,
    content: str | None = None,
    style: str | Sequence[str] | None = None,
    masks: str | Sequence[str] | None = None,
    weights: str | None = None,
) -> tuple[Job, dict[str, str]]:
    """``prepare_replay`` of a record that has been read.

    Args:
        where: the file that it was in; inputs are looked for next to it, too.

    Raises:
        InputError: as there.
    """
    inputs = record["inputs"]
    if "previous" in inputs:
        raise InputError(
            f"{where} is a frame of a video, which began with the one before: run `jaxstyle video`"
        )
    folder = Path(where).parent
    config = config_from(record["config"], f"the record of {where}")
    given = {"content": _listed(content), "style": _listed(style), "masks": _listed(masks)}

    def find(what: str, entry: dict[str, Any]) -> str:
        return _find(what, given.get(what, []), entry, folder)

    for what, paths in given.items():
        _check_given(what, paths, inputs, where)
    for file in inputs.get("init", []):
        find("init", file)
    contents = [inputs["content"], *inputs.get("contents", [])] if inputs["content"] else []
    styles = [
        Style(
            find("style", entry),
            **{
                name: entry[name] for name in ("weight", "scale", "crop", "region") if name in entry
            },
            mask=find("masks", entry["mask"]) if "mask" in entry else None,
        )
        for entry in inputs["styles"]
    ]
    regions = [(find("masks", entry), entry["weight"]) for entry in inputs.get("masks", [])]
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
        [(find("content", entry), entry.get("weight", 1.0)) for entry in contents] or None,
        styles or None,
        masks=regions,
        freeze=find("masks", inputs["freeze"]) if "freeze" in inputs else None,
        shape=_shape(extra.get("shape")),
        config=config,
        network=network,
        note={name: value for name, value in extra.items() if name not in NO_NOTE},
    )
    return job, changed


def _shape(value: Any) -> tuple[int, int] | None:
    """The size in a record, which early ones lack."""
    fits = isinstance(value, list) and len(value) == 2
    if not fits or not all(isinstance(side, int) and 0 < side < 2**16 for side in value):
        return None
    return value[0], value[1]


def _listed(given: str | Sequence[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else list(given or [])


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_given(
    what: str, paths: Sequence[str], inputs: dict[str, Any], where: str | os.PathLike[str]
) -> None:
    """Refuse a file that the run did not have: the recorded one would silently take its place."""
    masks = [style["mask"] for style in inputs["styles"] if "mask" in style]
    entries = {
        "content": [inputs["content"] or {}, *inputs.get("contents", [])],
        "style": inputs["styles"],
        "masks": [*inputs.get("masks", []), *masks, inputs.get("freeze", {})],
    }[what]
    known = {entry["sha256"] for entry in entries if "sha256" in entry}
    if "" in known:  # an array was used: there is nothing to tell by
        return
    name = "mask" if what == "masks" else what
    for path in paths:
        if not Path(path).is_file():
            raise InputError(f"--{what} {path} is not there: check the path")
        if _sha256(path) not in known:
            raise InputError(
                f"{path} is not the {name} picture that was used for {where}: leave out --{what}, "
                "or give the right one"
            )


def _find(what: str, given: Sequence[str], entry: dict[str, Any], folder: Path) -> str:
    """The file that was used: one of those given, or where it was, or beside the result."""
    name = {"masks": "mask", "init": "initial"}.get(what, what)
    if not given and not entry["sha256"]:
        raise InputError(f"the {name} was an array, not a file: save it and name it by --{what}")
    old = entry["path"]
    candidates = [*given, old, str(folder / old), str(folder / Path(old).name)]
    there = [path for path in candidates if Path(path).is_file()]
    for path in there:
        if not entry["sha256"] or _sha256(path) == entry["sha256"]:
            return path
    if there:
        raise InputError(
            f"{there[0]} is not the {name} picture that was used: give that by --{what}"
        )
    raise InputError(f"the {name} picture {old} is not there: say where it is by --{what}")
