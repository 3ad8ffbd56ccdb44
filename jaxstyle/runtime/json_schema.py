"""JSON out of files: of bounded size, and as a schema says before anything relies on it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from jaxstyle.runtime.foreign_files import opened

MOST_JSON = 2**24
"""Bytes of a JSON text."""
_MOST_CONTAINERS = 200_000
"""Lists and objects in one: each takes some hundred times the room of its brackets."""
_LONGEST_TEXT = 2**20
_LARGEST = 2**63


def parsed_json(text: str | bytes) -> Any:
    """Read JSON of bounded size.

    Raises:
        ValueError: it is none, or too large, or nested too deeply.
    """
    brackets = (b"[", b"{") if isinstance(text, bytes) else ("[", "{")
    if len(text) > MOST_JSON or sum(map(text.count, brackets)) > _MOST_CONTAINERS:  # type: ignore[arg-type]
        raise ValueError("too large")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file of bounded size.

    Raises:
        ValueError: there is no such file, or it is none, or too large; ImageErrors are some.
    """
    with opened(path, str(path), most=MOST_JSON) as file:
        return parsed_json(file.read(MOST_JSON + 1))


class Each(NamedTuple):
    """The schema of a list: of each entry, and how many there may be."""

    entry: Any
    least: int = 0
    most: int = 1_000_000


class Named(NamedTuple):
    """The schema of an object with keys of any name."""

    entry: Any
    most: int = 10_000


def misfit(value: Any, schema: Any, name: str = "") -> str:
    """Where JSON is not as it should be, such as ``inputs.styles[0]``; empty if all is well.

    What is neither list nor object is named by what holds it.

    Args:
        schema: a type, ``float`` standing for any number, ``object`` for anything; a tuple of
            schemas, one of which must fit, such as ``(str, None)``; ``Each`` or ``Named``; or a
            dict of the keys that must be there, or may be if they end in ``?``. Others may be.
    """
    if isinstance(schema, tuple) and type(schema) is tuple:
        places = [misfit(value, one, name) for one in schema]
        return "" if "" in places else max(places, key=len)
    if isinstance(schema, dict | Each | Named):
        parts = _parts(value, schema, name)
        if parts is None:
            return name or "it"
        for part, inner, place in parts:
            if wrong := misfit(part, inner, place):
                is_scalar = isinstance(inner, type) or inner is None
                return name if name and is_scalar else wrong
        return ""
    return "" if _is_of(value, schema) else name or "it"


def _parts(
    value: Any, schema: dict[str, Any] | Each | Named, name: str
) -> Iterator[tuple[Any, Any, str]] | None:
    """The parts of a list or an object, each with its schema and its name; None if it is none."""
    if isinstance(schema, Each):
        if not isinstance(value, list) or not schema.least <= len(value) <= schema.most:
            return None
        return ((part, schema.entry, f"{name}[{index}]") for index, part in enumerate(value))
    if not isinstance(value, dict):
        return None
    if isinstance(schema, Named):
        if len(value) > schema.most:
            return None
        return ((part, schema.entry, f"{name}.{key[:40]}") for key, part in value.items())
    needed = {key.removesuffix("?"): inner for key, inner in schema.items()}
    # A key that is missing is nothing that any schema fits.
    return (
        (value.get(key, ...), inner, f"{name}.{key}".strip("."))
        for key, inner in needed.items()
        if key in value or key in schema
    )


def _is_of(value: Any, kind: Any) -> bool:
    if kind is None or value is None:
        return kind is value or (kind is object)
    if value is ...:
        return False
    if isinstance(value, bool):
        return kind in (bool, object)
    if isinstance(value, int):
        return kind is object or (kind in (float, int) and abs(value) < _LARGEST)
    if isinstance(value, str):
        return kind in (str, object) and len(value) <= _LONGEST_TEXT
    return isinstance(value, kind)
