"""What all manifests have in common: versions and inputs, identified by their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxstyle.cli.options.outputs import command_line
from jaxstyle.errors import InputError

SEVERAL = ("styles", "masks", "contents", "init")
"""Inputs of a record that are lists."""
ONE = ("content", "freeze", "weights")


def head_of(kind: str, records: Sequence[str]) -> dict[str, Any]:
    """The beginning of a manifest.

    Args:
        kind: of command, such as ``batch``.
        records: of its pictures; inputs that they do not share are listed all, each once.

    Returns:
        ``format``, ``versions``, ``command``; and, where there is a record, ``backend`` and the
        inputs by their names in records. One that all share is not in a list if it is none there.
    """
    from jaxstyle.run.record import versions

    parsed = [json.loads(record) for record in records]
    command = command_line(parsed[0]["config"]["record"] if parsed else "names")
    head = {"format": f"jaxstyle-{kind}", "versions": versions(), "command": command}
    if not parsed:
        return head
    head["backend"] = parsed[0]["extra"]["backend"]
    for name in (*SEVERAL, *ONE):
        entries: list[Any] = []
        for inputs in (record["inputs"] for record in parsed):
            given = inputs.get(name)
            for entry in given if isinstance(given, list) else [given]:
                if entry is not None and entry not in entries:
                    entries.append(entry)
        if name in ONE and len(entries) == 1:
            head[name] = entries[0]
        elif entries or name in parsed[0]["inputs"]:
            head[name] = entries
    return head


def head_of_many(kind: str, record: str) -> dict[str, Any]:
    """The beginning of a manifest of pictures that differ in their content alone; see ``head_of``.

    Args:
        record: of one of them.
    """
    head = {**head_of(kind, [record]), "settings": json.loads(record)["config"]}
    head.pop("content", None)  # each picture has its own
    return head


def check_manifest(path: Path, kind: str) -> None:
    """Refuse to write a manifest over a file that is none of this kind: it has a common name.

    Raises:
        InputError: there is one.
    """
    from jaxstyle.runtime.json_schema import read_json

    if not path.exists():
        return
    try:
        manifest = read_json(path)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != f"jaxstyle-{kind}":
        raise InputError(
            f"{path} is there and was not made by jaxstyle {kind}: choose another -o, or move it"
        )


def write_manifest(path: Path, manifest: dict[str, Any]) -> str:
    """Write a manifest: the pictures are there even if that fails.

    Returns:
        Why it could not be written; empty if it could.
    """
    from jaxstyle.runtime.json_and_csv import write_json

    try:
        write_json(path, manifest)
    except InputError as error:
        return str(error)
    return ""


def sha256_of(path: Path) -> str:
    """The hash of a file; empty if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
