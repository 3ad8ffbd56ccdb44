"""Files of settings, as ``--config`` takes them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from jaxstyle.errors import InputError
from jaxstyle.runtime.atomic_files import at_home


def read_settings(path: str | Path) -> dict[str, Any]:
    """The settings in a ``.json`` or ``.toml`` file, with - and _ alike in their names.

    Raises:
        InputError: no such file, or it is not valid.
    """
    path = Path(at_home(path))
    try:
        text = _text_of(path)
        values = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read settings from {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold one table of settings")
    names = [name.replace("-", "_") for name in values]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{path}: {twice[0]} is given twice, with - and with _")
    return dict(zip(names, values.values(), strict=True))


def _text_of(path: Path) -> str:
    """The text of a file in UTF-8, which may begin with the mark that Windows puts there."""
    data = path.read_bytes()
    encoding = json.detect_encoding(data)  # by that mark and by zeros, in TOML as well
    if not encoding.startswith("utf-8"):
        raise InputError(f"{path} is in {encoding[:6].upper()}: save it in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8 ({error}): save it in UTF-8") from None
