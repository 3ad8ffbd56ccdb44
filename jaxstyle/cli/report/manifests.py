"""What all manifests have in common: versions and inputs, told by their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxstyle.run.record import versions

SEVERAL = ("styles", "masks", "contents", "init")
"""Inputs of a record that are lists."""
ONE = ("content", "freeze", "weights")


def head_of(kind: str, command: str, records: Sequence[str]) -> dict[str, Any]:
    """The beginning of a manifest.

    Args:
        kind: of command, such as ``batch``.
        records: of its pictures; inputs that they do not share are listed all, each once.

    Returns:
        ``format``, ``versions``, ``command``; and, where there is a record, ``backend`` and the
        inputs by their names in records. One that all share is not in a list if it is none there.
    """
    head: dict[str, Any] = {
        "format": f"jaxstyle-{kind}",
        "versions": versions(),
        "command": command,
    }
    parsed = [json.loads(record) for record in records]
    if not parsed:
        return head
    head["backend"] = parsed[0]["extra"]["backend"]
    for name in (*SEVERAL, *ONE):
        found: list[Any] = []
        for inputs in (record["inputs"] for record in parsed):
            given = inputs.get(name)
            for entry in given if isinstance(given, list) else [given]:
                if entry is not None and entry not in found:
                    found.append(entry)
        if name in ONE and len(found) == 1:
            head[name] = found[0]
        elif found or name in parsed[0]["inputs"]:
            head[name] = found
    return head


def sha256_of(path: Path) -> str:
    """The hash of a file; empty if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
