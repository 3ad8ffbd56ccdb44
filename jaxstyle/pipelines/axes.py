"""The axes of a grid of runs: which settings vary, over which values, under which labels."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from jaxstyle.config.fields import kind_of
from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.errors import InputError
from jaxstyle.images.picture_files import is_pattern, pictures_at
from jaxstyle.run.inputs import is_number

PICTURES = ("content", "style")
"""Axes that are no settings: the inputs."""

_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
_MOST_VALUES = 1000


@dataclass(frozen=True)
class Axis:
    """One way in which the cells of a grid differ.

    Attributes:
        name: heading of the axis.
        settings: for each place on the axis what is set there: fields of ``StylizeConfig``,
            ``preset``, ``content`` or ``style``.
        labels: of the places.
    """

    name: str
    settings: tuple[Mapping[str, Any], ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.settings:
            raise InputError(f"axis {self.name} has no values")
        if len(self.settings) != len(self.labels):
            raise InputError(
                f"axis {self.name} has {len(self.settings)} values, but {len(self.labels)} labels"
            )
        for label in self.labels:
            if self.labels.count(label) > 1:
                raise InputError(f"axis {self.name} has {label} twice")

    def __len__(self) -> int:
        return len(self.settings)


def axis(name: str, values: Sequence[Any], labels: Sequence[str] | None = None) -> Axis:
    """The axis of one setting, or of the content or style picture.

    Raises:
        InputError: the name is no setting, a value is there twice, or there are none.
    """
    names = [*PICTURES, "preset", *(entry.name for entry in fields(StylizeConfig))]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"there is no setting {name!r} to vary{hint}")
    if labels is None:
        labels = [_label(name, value, index) for index, value in enumerate(values)]
        if len(set(labels)) < len(labels):  # two folders may hold a picture of the same name
            labels = [str(value) for value in values]
    return Axis(name, tuple({name: value} for value in values), tuple(labels))


def parse_axis(text: str) -> Axis:
    """Read an axis as the command line has it.

    ``style_weight=0.1,1,10``; whole numbers also ``seed=0..3`` (both ends in); values that hold
    commas are separated by bars, ``style_layers=conv1_1|conv1_1,conv2_1``; ``style`` and
    ``content`` take paths and patterns such as ``style=art/*.jpg``. ``tv`` with numbers means
    ``tv_weight``.

    Raises:
        InputError: it cannot be read.
    """
    name, equals, rest = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not name or not rest.strip():
        raise InputError(f"axis {text!r} is not understood: write it as style_weight=0.1,1,10")
    pieces = [piece.strip() for piece in rest.split("|" if "|" in rest else ",")]
    if name == "tv" and all(is_number(piece) for piece in pieces):
        name = "tv_weight"
    if name in PICTURES:
        return axis(name, [path for piece in pieces for path in _paths(piece)])
    kinds = {entry.name: kind_of(entry)[0] for entry in fields(StylizeConfig)}
    kind = kinds.get(name, str)
    return axis(name, [value for piece in pieces for value in _values(name, piece, kind)])


def combinations(axes: Sequence[Axis]) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    """Every cell of the grid, the last axis running fastest: its place and all that is set there.

    Raises:
        InputError: two axes set the same thing.
    """
    owners: dict[str, str] = {}
    for one in axes:
        for name in {name for setting in one.settings for name in setting}:
            if name in owners:
                raise InputError(f"axes {owners[name]} and {one.name} both set {name}")
            owners[name] = one.name
    for position in itertools.product(*(range(len(one)) for one in axes)):
        settings: dict[str, Any] = {}
        for one, index in zip(axes, position, strict=True):
            settings.update(one.settings[index])
        yield position, settings


def _values(name: str, piece: str, kind: type) -> list[Any]:
    if (kind is int or name == "steps") and (span := _RANGE.fullmatch(piece)):
        low, high = int(span[1]), int(span[2])
        if not 0 <= high - low < _MOST_VALUES:
            raise InputError(f"axis {name}: {piece} is no range of 1 to {_MOST_VALUES} numbers")
        return list(range(low, high + 1))
    if kind is bool:
        if piece not in ("true", "false"):
            raise InputError(f"axis {name}: {piece!r} must be true or false")
        return [piece == "true"]
    try:
        return [kind(piece)]
    except ValueError:
        words = {int: "a whole number", float: "a number"}[kind]
        raise InputError(f"axis {name}: {piece!r} must be {words}") from None


def _paths(piece: str) -> list[str]:
    if not is_pattern(piece):
        return [piece]
    paths = pictures_at(piece)
    if not paths:
        raise InputError(f"no file fits the pattern {piece!r}")
    return paths


def _label(name: str, value: Any, index: int) -> str:
    if name in PICTURES:
        return Path(value).stem if isinstance(value, str | Path) else f"{name} {index + 1}"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) or "none"
