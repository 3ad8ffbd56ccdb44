"""A field of a config: its default, its help, the values that fit, and what it matters to."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from jaxstyle.errors import InputError
from jaxstyle.runtime.atomic_files import at_home

KINDS = {
    "common": "shown by --help, where --help-all shows every setting",
    "convention": "left open, it is the convention's own",
    "path": "a path, or several joined by +, each of which may begin with ~",
    "machine": "free memory decides it: a run goes on with what it began with",
    "file": "only the result's file depends on it",
    "painting": "what the network sees in a style does not depend on it",
    "style-file": "a file of style targets holds for one value of it",
    "targets": "cells of a sweep that differ in it have other style targets",
}
"""What a setting matters to; ``stylize_config.names_of`` lists the settings of a kind."""

Needs = tuple[str, Callable[[Any, bool], bool]]
"""What a setting has no effect without; whether a config, with masks or not, gives it one."""

NEEDS: Mapping[str, Needs] = {
    "noise": ("noise in --init", lambda config, _: "noise" in config.init),
    "history": ("--optimizer lbfgs or scipy", lambda config, _: config.optimizer != "adam"),
    "coarse": ("more levels than one", lambda config, _: config.levels != 1),
    "adam": ("--optimizer adam", lambda config, _: config.optimizer == "adam"),
    "tv": ("--tv-weight", lambda config, _: bool(config.tv_weight)),
    "tv power": ("--tv power", lambda config, _: config.tv == "power"),
    "no clamp": ("--no-clamp: no value leaves the range", lambda config, _: not config.clamp),
}


def setting(
    default: Any,
    help: str | Callable[[], str],
    *,
    of: str = "",
    choices: tuple[str, ...] | None = None,
    needs: Needs | str | None = None,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> Any:
    """A field with all that the command line and the checks need to know of it.

    Args:
        help: a function where the text is known only once JAX is loaded.
        of: its ``KINDS``, separated by spaces.
        needs: what it has no effect without, or its name in ``NEEDS``.
        least, above, most, below: bounds of a number.
    """
    kinds = frozenset(of.split())
    assert kinds <= KINDS.keys()
    needs = NEEDS[needs] if isinstance(needs, str) else needs
    limits = {"least": least, "above": above, "most": most, "below": below}
    about = {"help": help, "kinds": kinds, "choices": choices, "needs": needs}
    return field(default=default, metadata={**about, **limits})


def checked(entry: Any, value: Any) -> Any:
    """A field's value in the field's own type.

    Raises:
        InputError: it is of a wrong type, out of its range, or not among its choices.
    """
    name, limits = entry.name, entry.metadata
    kind, optional = kind_of(entry)
    if value is None and optional:
        return None
    if kind is str and not isinstance(value, str):
        if name.endswith(("_layers", "_scales")):
            value = _layers_text(value)
        elif name.endswith("_multiscale"):
            value = _numbers_text(value)
    if name == "steps":
        value = ",".join(map(str, whole_numbers(value)))
    if kind is str and isinstance(value, Path):
        value = str(value)
    if "path" in entry.metadata["kinds"] and isinstance(value, str):
        value = "+".join(map(at_home, value.split("+")))
    if kind in (int, float) and not isinstance(value, bool):
        value = _plain_number(kind, value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{name} is {value!r}; it must be {_NAMES[kind]}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name} is {value}; it must be a finite number")
    for limit, fits, words in (
        ("least", lambda v, bound: v >= bound, "at least"),
        ("above", lambda v, bound: v > bound, "more than"),
        ("most", lambda v, bound: v <= bound, "at most"),
        ("below", lambda v, bound: v < bound, "less than"),
    ):
        if limits[limit] is not None and not fits(value, limits[limit]):
            raise InputError(f"{name} is {value}; it must be {words} {limits[limit]}")
    if limits["choices"] and value not in limits["choices"]:
        raise InputError(f"{name} is {value!r}; choose one of {', '.join(limits['choices'])}")
    return value


_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def _plain_number(kind: type, value: Any) -> Any:
    """NumPy's scalars as Python's, whole numbers as floats where a float is wanted."""
    try:
        return kind(value) if isinstance(value, _ACCEPTED[kind]) else value
    except OverflowError:
        return math.inf


_ACCEPTED = {int: numbers.Integral, float: numbers.Real}


def kind_of(entry: Any) -> tuple[type, bool]:
    """The plain type of a field and whether it may be None."""
    text, _, none = str(entry.type).partition(" | ")
    return {"int": int, "float": float, "str": str, "bool": bool}[text], none == "None"


def _layers_text(value: Any) -> str:
    """A mapping or a sequence of layers in the notation of the command line."""
    if isinstance(value, Mapping):
        return ",".join(f"{layer}:{weight}" for layer, weight in value.items())
    try:
        return ",".join(value)
    except TypeError:
        raise InputError(f"layers are given as {value!r}; give text, a list or a dict") from None


def _numbers_text(value: Any) -> str:
    """A number or a sequence of numbers in the notation of the command line."""
    return ",".join(map(str, value)) if isinstance(value, Sequence) else str(value)


def whole_numbers(value: Any) -> tuple[int, ...]:
    """Read ``steps``: text such as ``200,100,50``, a whole number, or several of them."""
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        parts = list(value)
    else:
        parts = [value]
    digits = [part if isinstance(part, str) else _digits(part) for part in parts]
    if not digits or not all(re.fullmatch(r"[1-9]\d{0,8}", each, re.ASCII) for each in digits):
        raise InputError(
            f"steps is {value!r}: give whole numbers above 0, from the coarsest level to the last, "
            "such as 200,100,50, or one for all"
        )
    return tuple(map(int, digits))


def _digits(number: Any) -> str:
    whole = isinstance(number, numbers.Integral) and not isinstance(number, bool)
    return str(int(number)) if whole else ""


def factors(text: str) -> tuple[float, ...]:
    """Read the numbers of ``style_multiscale``."""
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale <= 16 for scale in scales):
        raise InputError(
            f"style_multiscale is {text!r}: give factors above 0 and up to 16, such as 0.5,1"
        )
    return scales
