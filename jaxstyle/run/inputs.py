"""The pictures that a run is told by: contents, styles, masks, as a user gives them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

from jaxstyle.errors import InputError
from jaxstyle.images import Picture, as_picture
from jaxstyle.images.masks import Mask, read_mask
from jaxstyle.images.picture_files import pictures_at
from jaxstyle.run.style_file import SavedStyle, is_saved_style, read_saved_style
from jaxstyle.runtime.atomic_files import at_home

Image = Any
"""A path, a ``PIL.Image``, or an array (h, w, 3): float in [0, 1], uint8 or uint16."""


@dataclass(frozen=True, eq=False)
class Style:
    """One style among several, or of a part of the picture.

    Attributes:
        image: a picture as ``stylize`` takes it, or a file of ``jaxstyle targets``; a ``Picture``
            or a ``SavedStyle`` once it is read.
        weight: relative to the other styles of its region.
        scale, crop: over ``style_scale`` and ``style_crop`` of the settings, as factors.
        region: the region of the content that it is for, from 1; None for all.
        mask: the part of the style picture that is used: white; None for all of it.
    """

    image: Any
    weight: float = 1.0
    scale: float = 1.0
    crop: float = 1.0
    region: int | None = None
    mask: Any = None

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("weight", self.weight, 0, math.inf),
            ("scale", self.scale, 1e-3, 16),
            ("crop", self.crop, 1e-3, 1),
        ):
            if not (isinstance(value, Real) and low <= value <= high and value < math.inf):
                most = "" if high == math.inf else f" and at most {high:g}"
                raise InputError(
                    f"{name} of a style is {value!r}: give a number of at least {low:g}{most}"
                )
            object.__setattr__(self, name, float(value))  # NumPy's own fit into no record
        if self.region is None:
            return
        if not isinstance(self.region, Integral):
            raise InputError(f"region of a style is {self.region!r}: give a whole number, from 1")
        if self.region < 1:
            raise InputError(f"region of a style is {self.region}: regions are counted from 1")
        object.__setattr__(self, "region", int(self.region))

    @property
    def picture(self) -> Picture:
        """The picture, once it is read."""
        if isinstance(self.image, SavedStyle):
            raise InputError(f"{self.image.source} holds targets alone: give the style picture")
        assert isinstance(self.image, Picture)
        return self.image


class Weighted(NamedTuple):
    """A content picture and how much it counts among several."""

    picture: Picture
    weight: float


class Region(NamedTuple):
    """A part of the content picture, and what its style counts beside that of other parts."""

    mask: Mask
    weight: float


def read_styles(style: Any) -> tuple[Style, ...]:
    """Read what ``stylize`` is given as style.

    Args:
        style: a picture, a ``Style``, a pair (picture, weight), or a list of them. Text is a path,
            a directory or a pattern (*, ?, [...]), each of whose pictures is a style, and may go on
            with a weight and options, such as
            ``waves.jpg:0.7:scale=0.5:crop=0.8:region=2:mask=sky.png``.

    Raises:
        InputError: an option that makes no sense, a pattern without pictures, or a picture that
            cannot be read.
    """
    styles = listed_styles(style)
    if not styles:
        raise InputError("no style picture is given")
    if sum(one.weight for one in styles) <= 0:
        raise InputError("all styles have weight 0: give one a weight above 0")
    several = len(styles) > 1
    return tuple(
        replace(
            one,
            image=_image(one, f"style image {i + 1}" if several else "style image"),
            mask=None if one.mask is None else _mask(one.mask, f"mask of style {i + 1}"),
        )
        for i, one in enumerate(styles)
    )


def listed_styles(style: Any) -> list[Style]:
    """What ``read_styles`` is given, one by one and not yet read.

    Raises:
        InputError: an option that makes no sense, or a pattern without pictures.
    """
    return [one for entry in _entries(style) for one in _expanded(entry)]


def read_contents(content: Any) -> tuple[Weighted, ...]:
    """Read what ``stylize`` is given as content: one picture, or several with weights.

    Args:
        content: a picture, text such as ``photo.jpg:0.7``, a pair (picture, weight), or a list.

    Raises:
        InputError: a weight that makes no sense, or a picture that cannot be read.
    """
    entries = content if isinstance(content, list) else [content]
    contents = []
    for index, entry in enumerate(entries):
        source, weight = entry if isinstance(entry, tuple) else weighted(entry)
        name = f"content image {index + 1}" if len(entries) > 1 else "content image"
        contents.append(
            Weighted(as_picture(source, name=name), _number(weight, f"weight of {name}"))
        )
    if not contents or sum(one.weight for one in contents) <= 0:
        raise InputError("no content picture has a weight above 0")
    return tuple(contents)


def read_regions(masks: Any) -> tuple[Region, ...]:
    """Read the masks of the content picture.

    Args:
        masks: pictures, text such as ``sky.png:2``, or pairs (mask, weight); or a lone one of
            these. A lone array is (height, width), or has 1, 3 or 4 channels in the end.

    Raises:
        InputError: as ``masks.read_mask``; also a weight that makes no sense, or a black mask.
    """
    entries = enumerate(masks_listed(masks), 1)
    return tuple(read_region(entry, f"mask {number}") for number, entry in entries)


def read_region(entry: Any, name: str) -> Region:
    """Read one of the masks of ``read_regions``; ``name`` is for messages."""
    source, weight = entry if isinstance(entry, tuple) else weighted(entry)
    return Region(_mask(source, name), _number(weight, f"weight of {name}"))


def masks_listed(masks: Any) -> list[Any]:
    """What ``read_regions`` takes, as a list."""
    return [masks] if _is_lone(masks) else list(masks)


def _image(style: Style, name: str) -> Picture | SavedStyle:
    if not isinstance(style.image, SavedStyle) and not is_saved_style(style.image):
        return as_picture(style.image, name=name)
    if style.scale != 1 or style.crop != 1 or style.mask is not None:
        raise InputError(
            f"{name} is a file of targets, whose scale, crop and mask were decided when it was "
            "made: give them to `jaxstyle targets`"
        )
    return style.image if isinstance(style.image, SavedStyle) else read_saved_style(style.image)


def _mask(source: Any, name: str) -> Mask:
    mask = source if isinstance(source, Mask) else read_mask(source, name=name)
    if not mask.values.any():
        raise InputError(f"{name} ({mask.source}) is black all over: white is what counts")
    return mask


def _entries(style: Any) -> list[Any]:
    several = isinstance(style, Sequence) and not isinstance(style, str | os.PathLike)
    return list(style) if several and not _is_pair(style) else [style]


def _is_pair(entry: Any) -> bool:
    """Whether it is (picture, weight)."""
    return isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[1], Real)


def _is_lone(masks: Any) -> bool:
    """Whether it is one mask, though it may look like a sequence: of letters, or of rows."""
    shape = getattr(masks, "shape", None)
    if shape is not None:
        return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    return not isinstance(masks, Iterable) or isinstance(masks, str) or _is_pair(masks)


def _expanded(entry: Any) -> Iterator[Style]:
    """A directory or a pattern as a style each; their weights sum to that given."""
    if isinstance(entry, Style):
        style = entry
    elif isinstance(entry, str):
        style = _parsed(entry)
    elif _is_pair(entry):
        style = Style(*entry)
    else:
        style = Style(entry)
    if not isinstance(style.image, str | os.PathLike):
        yield style
        return
    paths = pictures_at(style.image)
    if paths is None:
        yield style
        return
    if not paths:
        raise InputError(
            f"there is no picture in {Path(style.image)}: give a file, a folder or a pattern"
        )
    for one in paths:
        yield replace(style, image=one, weight=style.weight / len(paths))


def _parsed(text: str) -> Style:
    path, options = without_options(text)
    values: dict[str, Any] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            name, value = "weight", option
        if name not in _OPTIONS:
            raise InputError(
                f"style {text!r} has an option {name!r} that is unknown: use one of "
                f"{', '.join(_OPTIONS)}"
            )
        if name in values:
            raise InputError(f"style {text!r} gives {name} twice")
        if name == "mask":
            values[name] = value
        elif name == "region":
            if not value.isdigit():
                raise InputError(f"region of style {text!r} is {value!r}: give a whole number")
            values[name] = int(value)
        else:
            values[name] = _number(value, f"{name} of style {text!r}")
    return Style(path, **values)


_OPTIONS = ("weight", "scale", "crop", "region", "mask")


def without_options(text: str) -> tuple[str, list[str]]:
    """The path, and what follows it after colons; a file whose name has colons is a file."""
    path, options = text, []
    while not os.path.exists(at_home(path)) and ":" in path:
        rest, _, option = path.rpartition(":")
        name, equals, _ = option.partition("=")
        if not rest or not (name.isidentifier() if equals else is_number(option)):
            break
        path, options = rest, [option, *options]
    return path, options


def weighted(entry: Any) -> tuple[Any, Any]:
    """A picture and the weight, if text says one after it."""
    if not isinstance(entry, str):
        return entry, 1.0
    path, options = without_options(entry)
    if len(options) > 1 or any("=" in option for option in options):
        raise InputError(f"{entry!r} is not understood: write a path, or path:weight")
    return path, options[0] if options else 1.0


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(value: Any, what: str) -> float:
    if isinstance(value, str) and is_number(value):
        value = float(value)
    if not isinstance(value, Real) or not 0 <= float(value) < math.inf:
        raise InputError(f"{what} is {value!r}: give a number of at least 0")
    return float(value)
