"""Files of settings, as ``--config`` takes them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from jaxstyle.errors import InputError


def read_settings(path: str | Path) -> dict[str, Any]:
    """The settings in a ``.json`` or ``.toml`` file, with - and _ alike in their names.

    Raises:
        InputError: no such file, or it is not valid.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
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
