"""No command writes over what it reads, nor two things into one file."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxstyle.errors import InputError
from jaxstyle.runtime.atomic_files import at_home

if TYPE_CHECKING:
    from jaxstyle.run.job import Job

CELL = r"\d{3,}_.*\.(png|json)"
"""Names of the files of a grid's cells."""

Named = tuple[str, str | os.PathLike[str]]
"""What a file is, or the option that names it, and its path."""


class Series(NamedTuple):
    """Files that a command writes under names of a pattern.

    Attributes:
        option: that asks for them.
        pattern: of their names, a regular expression.
    """

    option: str
    folder: Path
    pattern: str


def check_overwriting(
    inputs: Iterable[Named], outputs: Iterable[Named], series: Sequence[Series] = ()
) -> None:
    """Refuse to write over what is read, or two things into one file.

    Args:
        inputs: such as ("the content picture", "photo.jpg").
        outputs: such as ("-o", "out.png").

    Raises:
        InputError: an output is an input, by whatever path or link, or another output.
    """
    read: dict[Any, str] = {}
    for what, given in inputs:
        path = at_home(given)
        for key in _keys(path):
            read.setdefault(key, what)
        name, folder = os.path.basename(path), os.path.realpath(os.path.dirname(path) or ".")
        for files in series:
            if folder == os.path.realpath(files.folder) and re.fullmatch(files.pattern, name, re.I):
                raise _refused(f"{files.option} into {files.folder}", f"{what} {path}")
    written: dict[Any, str] = {}
    for option, path in outputs:
        keys = _keys(path)
        output = f"{option} {path}"
        for key in keys:
            if key in read:
                raise _refused(output, read[key])
            if key in written:
                raise InputError(
                    f"{written[key]} and {output} are one file: give one of them another name"
                )
        written |= dict.fromkeys(keys, output)


def inputs_of(arguments: argparse.Namespace, init: str = "") -> Iterator[Named]:
    """The files that a command line names to be read; a folder or a pattern as each of its files.

    Args:
        init: the setting, whose ingredients may be pictures.
    """
    from jaxstyle.run.inputs import listed_styles, without_options
    from jaxstyle.run.start import initial_names

    given = vars(arguments)
    for name, what in (
        ("content", "the content picture"),
        ("content_blend", "a content picture"),
        ("masks", "a mask"),
        ("freeze", "the freeze mask"),
        ("config", "the settings file"),
        ("weights", "the weight file"),
    ):
        for text in _listed(given.get(name)):
            yield what, without_options(text)[0]
    for name in ("style", "more_styles"):
        for style in listed_styles(_listed(given.get(name))):
            yield "the style picture", style.image
            if style.mask is not None:
                yield "a mask", style.mask
    for name in initial_names(init) if init else ():
        yield "the initial picture", name


def axis_inputs(settings: Iterable[dict[str, Any]]) -> Iterator[Named]:
    """The files that the settings along a sweep's axes name."""
    for values in settings:
        named = {name: values[name] for name in ("content", "style", "weights") if name in values}
        yield from inputs_of(argparse.Namespace(**named), values.get("init", ""))


def inputs_of_job(job: Job) -> Iterator[Named]:
    """The files that a job was made from."""
    from jaxstyle.run.start import initial_names

    for index, content in enumerate(job.contents):
        yield f"{'a' if index else 'the'} content picture", content.picture.source
    for style in job.styles:
        yield "the style picture", style.image.source
        if style.mask is not None:
            yield "a mask", style.mask.source
    for region in job.regions:
        yield "a mask", region.mask.source
    if job.freeze is not None:
        yield "the freeze mask", job.freeze.source
    for name in initial_names(job.config.init):
        yield "the initial picture", name
    if job.config.weights:
        yield "the weight file", job.config.weights


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _keys(path: str | os.PathLike[str]) -> list[Any]:
    """What two names of one file have in common: where it is, and what the file system calls it."""
    try:
        where = os.path.realpath(at_home(path))
        status = os.stat(where)
    except ValueError:  # NUL in a path: it is refused elsewhere
        return []
    except OSError:
        return [where]
    return [where, (status.st_dev, status.st_ino)]


def _refused(output: str, what: str) -> InputError:
    return InputError(f"{output} would overwrite {what}: give another name")
