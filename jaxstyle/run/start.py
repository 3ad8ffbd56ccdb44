"""The picture that the optimiser starts from."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jaxstyle.errors import InputError
from jaxstyle.images import load_image, resize, resize_picture

Picture = Float[np.ndarray, "height width 3"]

_INGREDIENTS = ("content", "style", "noise")


def initial_picture(init: str, content: Picture, style: Picture, seed: int) -> Picture:
    """Make the start from a description.

    Args:
        init: ``content``, ``style`` (cut to the content's shape and scaled), ``noise`` (uniform,
            white), a path, or ``A+B:t``, which is (1 - t) A + t B.
        content: sets the size.
        style: of any size.
        seed: of the noise.

    Returns:
        The content itself where that is all that is asked for: not to be written to.

    Raises:
        InputError: a blend that cannot be read, or a picture that cannot.
    """
    first, *others = init.split("+")
    picture = _ingredient(first, content, style, seed)
    for other in others:
        name, _, number = other.rpartition(":")
        try:
            fraction = float(number)
        except ValueError:
            fraction = -1.0
        if not name or not 0 <= fraction <= 1:
            raise InputError(
                f"init {init!r} is not understood: write content, style, noise, a path, or a "
                "blend with a fraction from 0 to 1 such as content+noise:0.3"
            )
        picture = (1 - fraction) * picture + fraction * _ingredient(name, content, style, seed)
    return picture.astype(np.float32, copy=False)


def initial_files(init: str) -> list[dict[str, str]]:
    """The pictures among the ingredients of ``init``, each as its path and SHA-256."""
    return [
        {"path": name, "sha256": load_image(name, name="initial image").sha256}
        for name in initial_names(init)
    ]


def initial_names(init: str) -> list[str]:
    """The paths of the pictures among the ingredients of ``init``."""
    first, *others = init.split("+")
    names = [first, *(other.rpartition(":")[0] for other in others)]
    return [name for name in names if name not in _INGREDIENTS]


def renamed(init: str, new_name: Callable[[str], str]) -> str:
    """The description with other names for the pictures in it."""
    first, *others = init.split("+")
    parts = [(first, "", ""), *(other.rpartition(":") for other in others)]
    return "+".join(
        (name if name in _INGREDIENTS else new_name(name)) + colon + number
        for name, colon, number in parts
    )


def bare_name(path: str) -> str:
    """A file's name without its folder; it does not pass for an ingredient of that name."""
    name = os.path.basename(path)
    return os.path.join(os.curdir, name) if name in _INGREDIENTS else name


def _ingredient(name: str, content: Picture, style: Picture, seed: int) -> Picture:
    height, width = content.shape[:2]
    if name == "content":
        return content
    if name == "noise":
        return np.random.default_rng(seed).random(content.shape, np.float32)
    if name == "style":
        return resize(cut_to_shape(style, width, height), width, height)
    picture = load_image(name, name="initial image").without_hidden
    return resize_picture(picture, width, height).rgb


def cut_to_shape(picture: Picture, width: int, height: int) -> Picture:
    """The largest central part of a picture that has the shape of width x height."""
    have_height, have_width = picture.shape[:2]
    keep_width = min(have_width, max(1, round(have_height * width / height)))
    keep_height = min(have_height, max(1, round(have_width * height / width)))
    left, top = (have_width - keep_width) // 2, (have_height - keep_height) // 2
    return picture[top : top + keep_height, left : left + keep_width]
