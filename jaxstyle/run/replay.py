"""Run again what is recorded in a picture."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxstyle.config.stylize_config import config_from
from jaxstyle.errors import InputError
from jaxstyle.images import read_record
from jaxstyle.network.network import Network
from jaxstyle.network.weights import load_weights
from jaxstyle.run.inputs import Style
from jaxstyle.run.job import Job, mesh_of
from jaxstyle.run.prepare import prepare
from jaxstyle.run.record import STYLE_OPTIONS, parse_record, versions

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
    """Make the job that is recorded in a picture.

    On the same machine and versions the pixels are the same.

    Args:
        picture: made by jaxstyle.
        content, style, masks, weights: where the inputs are now, if not where they were.

    Returns:
        The job, and the packages whose version was another then, as name -> version.

    Raises:
        InputError: no record, or an input is missing or is not the one that was used.
    """
    return prepare_recorded(
        record_to_replay(picture),
        picture,
        content=content,
        style=style,
        masks=masks,
        weights=weights,
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
    """``prepare_replay`` of a record that has been read from the file ``where``."""
    inputs, extra = record["inputs"], record.get("extra", {})
    if "previous" in inputs:
        raise InputError(
            f"{where} is a frame of a video, which began with the one before: run `jaxstyle video`"
        )
    config = config_from(record["config"], f"the record of {where}")
    files = _InputFiles(inputs, where, {"content": content, "style": style, "masks": masks})
    for entry in inputs.get("init", []):
        # The file that has the recorded hash, wherever it lies now.
        init = config.init.replace(entry["path"], files.find("init", entry))
        config = replace(config, init=init)
    contents, styles, regions, freeze = files.pictures()
    network = _network(inputs["weights"], weights or config.weights, where)
    now = versions()
    changed = {name: was for name, was in record["versions"].items() if now.get(name) != was}
    try:
        mesh_of(config)
    except InputError:  # made on more devices than there are here
        changed["mesh"] = config.mesh or ""
        config = replace(config, mesh=None)
    job = prepare(
        contents or None,
        styles or None,
        masks=regions,
        freeze=freeze,
        shape=_shape(extra.get("shape")),
        config=config,
        network=network,
        note={name: value for name, value in extra.items() if name not in NO_NOTE},
    )
    return job, changed


class _InputFiles:
    """Finds the files that a run was made from.

    Args:
        inputs: the part of the record that names them.
        where: the file of the record; inputs are looked for next to it, too.
        given: what it is -> where it is now, by the user's word.

    Raises:
        InputError: a file is given that the run did not have.
    """

    def __init__(
        self,
        inputs: dict[str, Any],
        where: str | os.PathLike[str],
        given: Mapping[str, str | Sequence[str] | None],
    ) -> None:
        self.inputs, self.where = inputs, where
        self.given = {
            what: [paths] if isinstance(paths, str) else list(paths or [])
            for what, paths in given.items()
        }
        for what, paths in self.given.items():
            self._check_given(what, paths)

    def pictures(
        self,
    ) -> tuple[list[tuple[str, float]], list[Style], list[tuple[str, float]], str | None]:
        """Contents, styles, masks and freeze mask, as ``prepare`` takes them."""
        inputs = self.inputs
        contents = [inputs["content"], *inputs.get("contents", [])] if inputs["content"] else []
        return (
            [(self.find("content", entry), entry.get("weight", 1.0)) for entry in contents],
            [self._style(entry) for entry in inputs["styles"]],
            [(self.find("masks", entry), entry["weight"]) for entry in inputs.get("masks", [])],
            self.find("masks", inputs["freeze"]) if "freeze" in inputs else None,
        )

    def find(self, what: str, entry: dict[str, Any]) -> str:
        """The file that was used: one of those given, or where it was, or beside the result."""
        name = {"masks": "mask", "init": "initial"}.get(what, what)
        given, old, folder = self.given.get(what, []), entry["path"], Path(self.where).parent
        if not given and not entry["sha256"]:
            raise InputError(
                f"the {name} was an array, not a file: save it and name it by --{what}"
            )
        candidates = [*given, old, str(folder / old), str(folder / Path(old).name)]
        existing = [path for path in candidates if Path(path).is_file()]
        for path in existing:
            if not entry["sha256"] or _sha256(path) == entry["sha256"]:
                return path
        if existing:
            raise InputError(
                f"{existing[0]} is not the {name} picture that was used: give that by --{what}"
            )
        raise InputError(f"the {name} picture {old} is not there: say where it is by --{what}")

    def _style(self, entry: dict[str, Any]) -> Style:
        options = {name: entry[name] for name in STYLE_OPTIONS if name in entry}
        mask = self.find("masks", entry["mask"]) if "mask" in entry else None
        return Style(self.find("style", entry), **options, mask=mask)

    def _check_given(self, what: str, paths: Sequence[str]) -> None:
        """Refuse a file that the run did not have: the recorded one would take its place."""
        inputs = self.inputs
        style_masks = [style["mask"] for style in inputs["styles"] if "mask" in style]
        entries = {
            "content": [inputs["content"] or {}, *inputs.get("contents", [])],
            "style": inputs["styles"],
            "masks": [*inputs.get("masks", []), *style_masks, inputs.get("freeze", {})],
        }[what]
        hashes = {entry["sha256"] for entry in entries if "sha256" in entry}
        if "" in hashes:  # an array was used: there is nothing to tell by
            return
        name = "mask" if what == "masks" else what
        for path in paths:
            if not Path(path).is_file():
                raise InputError(f"--{what} {path} is not there: check the path")
            if _sha256(path) not in hashes:
                raise InputError(
                    f"{path} is not the {name} picture that was used for {self.where}: leave out "
                    f"--{what}, or give the right one"
                )


def _network(entry: dict[str, Any], weights: str | None, where: Any) -> Network:
    network = load_weights(weights)
    if network.sha256 != entry["sha256"]:
        raise InputError(
            f"{where} was made with other weights ({entry['source']}): name their file with "
            "--weights"
        )
    return network


def _shape(value: Any) -> tuple[int, int] | None:
    """The size in a record, which early ones lack."""
    fits = isinstance(value, list) and len(value) == 2
    if not fits or not all(isinstance(side, int) and 0 < side < 2**16 for side in value):
        return None
    return value[0], value[1]


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
