"""Numbers for other programs: CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxstyle.runtime.atomic_files import write_bytes


def write_csv(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table whose columns are all keys of all rows, in the order of first appearance.

    What a row lacks stays empty. UTF-8; lines end as RFC 4180 has it, with CR and LF.

    Raises:
        InputError: the file cannot be written.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    if columns:
        writer.writeheader()
    writer.writerows(rows)
    write_bytes(path, _utf8(text.getvalue()))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` as JSON of the standard: numbers that are not finite become null.

    Arrays become lists, keys and paths become text.

    Raises:
        InputError: the file cannot be written.
        TypeError: there is something in ``value`` that JSON has no form for.
    """
    write_bytes(path, _utf8(json_text(value)))


def json_text(value: Any, *, ascii: bool = False) -> str:
    """The text that ``write_json`` writes; in ASCII it is fit for a terminal too."""
    return json.dumps(_plain(value), indent=1, ensure_ascii=ascii, allow_nan=False) + "\n"


def _utf8(text: str) -> bytes:
    # Names of files may hold bytes that are no text; \udcff is what JSON itself writes for them.
    return text.encode("utf-8", errors="backslashreplace")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    return value
