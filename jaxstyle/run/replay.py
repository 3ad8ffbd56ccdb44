"""Run again what is recorded in a picture."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from jaxstyle.config.stylize_config import config_from
from jaxstyle.display.progress import Callback
from jaxstyle.errors import InputError
from jaxstyle.images import read_record
from jaxstyle.images.picture_files import pictures_at
from jaxstyle.network.network import Network
from jaxstyle.network.weights import load_weights, weights_directory
from jaxstyle.run.inputs import Style
from jaxstyle.run.job import Job, mesh_of
from jaxstyle.run.prepare import prepare
from jaxstyle.run.record import STYLE_OPTIONS, parse_record, versions
from jaxstyle.run.result import Stylized
from jaxstyle.run.session import Session
from jaxstyle.run.start import renamed
from jaxstyle.run.turns import turns_of
from jaxstyle.runtime.foreign_files import is_plain_file, opened

NO_NOTE = ("backend", "shape", "together", "step")
"""What a record's ``extra`` holds besides the note of its job."""
STUDIO_INPUTS = "inputs"
"""Where a studio keeps what its results were made from, below the folder of these."""
_NAMES = {"masks": "mask", "init": "initial"}
_MOST_BYTES = 2**31
"""Of a file that a record names: more takes long to hash, and no picture has it."""
_MOST_BESIDE = 100
"""Pictures beside a record's file that are looked at for one under another name."""


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
    weights: str | None = None,
    **moved: str | Sequence[str] | None,
) -> tuple[Job, dict[str, str]]:
    """Make the job that is recorded.

    On the same machine and versions the pixels are the same.

    Args:
        where: the file that the record was read from.
        weights, **moved: where the weights, ``content``, ``style``, ``masks`` and ``init`` are now,
            if not beside that file or where they were.

    Returns:
        The job, and the packages whose version was another then, as name -> version.

    Raises:
        InputError: an input is missing or is not the one that was used.
    """
    inputs, extra = record["inputs"], record.get("extra", {})
    if "previous" in inputs:
        raise InputError(
            f"{where} is a frame of a video, which began with the one before: run `jaxstyle video`"
        )
    config = config_from(record["config"], f"the record of {where}")
    files = _InputFiles(inputs, where, moved)
    config = replace(config, init=renamed(config.init, files.initial))
    contents, styles, regions, freeze = files.pictures()
    weights = weights or _found_weights(config.weights, Path(where).parent)
    network = _network(inputs["weights"], weights, where)
    config = replace(config, weights=weights)
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


def steps_of(job: Job) -> int:
    """How many steps a job takes at most, of a session those that it took."""
    return turns_of(job.note["session"])[0] if "session" in job.note else sum(job.steps)


def replayed(job: Job, callback: Callback | None = None) -> Stylized:
    """Paint again what was painted in a session.

    Args:
        job: its beginning, with all styles of the session, as ``prepare_recorded`` makes it.

    Raises:
        InputError: its turns make no sense.
    """
    note = dict(job.note)
    steps, turned = turns_of(note.pop("session"))
    session = Session(
        list(job.contents) or None,
        list(job.styles) or None,
        config=job.config,
        network=job.network,
        note=note,
    )
    for turn in turned:
        session.step(turn.step - session.steps, callback, goal=steps)
        session.apply(turn.changes)
    session.step(steps - session.steps, callback, goal=steps)
    return session.result()


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
        self.inputs, self.where, self.folder = inputs, where, Path(where).parent
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
        name = _NAMES.get(what, what)
        given, old = self.given.get(what, []), entry["path"]
        if not given and not entry["sha256"]:
            raise InputError(
                f"the {name} was an array, not a file: save it and name it by --{what}"
            )
        existing = [path for path in [*given, *_places(old, self.folder)] if _may_be_read(path)]
        for path in existing:
            if not entry["sha256"] or _sha256(path) == entry["sha256"]:
                return path
        if path := self.beside.get(entry["sha256"]):
            return path
        if existing:
            raise InputError(
                f"{existing[0]} is not the {name} picture that was used: give that by --{what}"
            )
        raise InputError(f"the {name} picture {old} is not there: say where it is by --{what}")

    def initial(self, name: str) -> str:
        """The picture that was used, of those that ``init`` names."""
        for entry in self.inputs.get("init", []):
            if entry["path"] == name:
                return self.find("init", entry)
        raise InputError(f"the record of {self.where} is damaged: it lacks the hash of {name}")

    @cached_property
    def beside(self) -> dict[str, str]:
        """Hash -> path of the pictures beside the record's file, whatever they are called now."""
        paths = filter(_may_be_read, pictures_at(self.folder) or [])
        return {_sha256(path): path for path in islice(paths, _MOST_BESIDE)}

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
            "init": inputs.get("init", []),
        }[what]
        hashes = {entry["sha256"] for entry in entries if "sha256" in entry}
        if "" in hashes:  # an array was used: there is nothing to tell by
            return
        name = _NAMES.get(what, what)
        for path in paths:
            if not _may_be_read(path):
                raise InputError(f"--{what} {path} is no file that is there: check the path")
            if _sha256(path) not in hashes:
                raise InputError(
                    f"{path} is not the {name} picture that was used for {self.where}: leave out "
                    f"--{what}, or give the right one"
                )


def _found_weights(named: str | None, folder: Path) -> str | None:
    """Weights that a record names: a network by its name, or a file, perhaps beside the record."""
    if named in (None, "slim", "vgg19"):
        return named
    places = [*_places(named, folder), str(weights_directory() / os.path.basename(named))]
    return next(filter(_may_be_read, places), named)


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


def _places(recorded: str, folder: Path) -> list[str]:
    """Where a file may be that a record names: there, beside the record's own, or in a studio."""
    name = os.path.basename(recorded)
    beside = [folder / recorded, folder / name, folder / STUDIO_INPUTS / name]
    return [recorded, *map(str, beside)]


def _may_be_read(path: str) -> bool:
    return is_plain_file(path, _MOST_BYTES)


def _sha256(path: str) -> str:
    with opened(path, path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
