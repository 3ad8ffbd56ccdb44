"""Which files of a folder, or of a pattern, are pictures."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import NamedTuple

from jaxstyle.errors import ImageError, quoted, reason_of
from jaxstyle.images.pillow import HEIC_ENDINGS, NEEDS_HEIC, picture_endings
from jaxstyle.runtime.atomic_files import at_home
from jaxstyle.runtime.foreign_files import matching

_MOST_NAMED = 3


class Listing(NamedTuple):
    """The files of a folder or of a pattern, in order, but for hidden ones.

    Attributes:
        pictures: by their endings those that ``open_image`` opens.
        left_out: the others.
    """

    pictures: list[str]
    left_out: list[str]


def listing(path: str | os.PathLike[str]) -> Listing | None:
    """The files in a folder, or those that fit a pattern; None if it is neither.

    ``**`` stands for any folders. A pattern that says itself which ending is meant gets all that
    fit. Names that begin with a dot are left out without a word: such as ``._photo.jpg``, where
    macOS keeps what other file systems cannot hold.

    Raises:
        ImageError: the folder cannot be read.
    """
    folder = Path(at_home(path))
    any_kind = False
    try:
        if os.path.isdir(folder) and os.fspath(path):  # else a variable of a shell is not set
            files = list(folder.iterdir())
        elif is_pattern(folder):
            files = _matching(folder)
            any_kind = folder.suffix != "" and not glob.has_magic(folder.suffix)
        else:
            return None
    except (OSError, ValueError) as error:  # ValueError: NUL in a path
        raise ImageError(f"the folder {quoted(path)} cannot be read: {reason_of(error)}") from None
    endings = picture_endings()
    found = Listing([], [])
    for file in sorted(files):
        if file.name.startswith(".") or file.is_dir():
            continue
        is_picture = any_kind or file.suffix.lower() in endings
        (found.pictures if is_picture else found.left_out).append(str(file))
    return found


def pictures_at(path: str | os.PathLike[str]) -> list[str] | None:
    """The pictures of a ``listing``; None where it is neither a folder nor a pattern."""
    found = listing(path)
    return None if found is None else found.pictures


def left_out_of(path: str | os.PathLike[str]) -> str:
    """Which files of a folder or a pattern are no pictures, in one line; empty if there is none."""
    found = listing(path)
    if found is None or not found.left_out:
        return ""
    names = [os.path.basename(file) for file in found.left_out]
    named = ", ".join(n if n.isprintable() else repr(n) for n in names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    is_heic = any(name.lower().endswith(HEIC_ENDINGS) for name in names)
    files = "1 file is" if len(names) == 1 else f"{len(names)} files are"
    return f"{os.fsdecode(path)}: {files} left out, no pictures by their endings: {named}{more}" + (
        f"; {NEEDS_HEIC}" if is_heic else ""
    )


def is_pattern(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a pattern, and not the name of something that is there."""
    return glob.has_magic(os.fsdecode(path)) and not os.path.lexists(at_home(path))


def _matching(pattern: Path) -> list[Path]:
    """What fits a pattern; brackets may also be letters of a name."""
    depth = 0
    while os.path.isdir(Path(*pattern.parts[: depth + 1])):  # as a whole it is none
        depth += 1
    folder, rest = Path(*pattern.parts[:depth]), Path(*pattern.parts[depth:])
    plain = Path(str(rest).replace("[", "[[]"))
    for text in (rest, plain.parent / rest.name, plain):
        if matches := matching(str(text), folder):
            return [folder / match for match in matches]
    return []
