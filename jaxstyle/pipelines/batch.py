"""``stylize_many``: many contents in the same style, those of one shape as one program."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from jaxstyle.config.stylize_config import StylizeConfig, config_from
from jaxstyle.errors import InputError
from jaxstyle.images.picture_files import pictures_at
from jaxstyle.network.network import Network
from jaxstyle.network.weights import default_weights, load_weights
from jaxstyle.objective.targets import Kept
from jaxstyle.pipelines.batch_masks import masks_of, put_away, read_again, read_batch_masks
from jaxstyle.pipelines.chunks import Callback, Limits, Teller, run_group
from jaxstyle.pipelines.grouping import Cell, grouped
from jaxstyle.run.inputs import read_styles
from jaxstyle.run.job import Job
from jaxstyle.run.prepare import prepare, replace_settings
from jaxstyle.run.result import Stylized
from jaxstyle.runtime.atomic_files import at_home
from jaxstyle.runtime.processes import gather

Results = dict[int, Stylized | InputError]
"""Index of an entry -> what it gave."""


class Entry(NamedTuple):
    """One content of a batch.

    Attributes:
        name: for its result, without ending; no two of a batch are alike, also where capitals and
            small letters are the same.
        source: the picture as given.
        job: the error where it cannot be used.
    """

    name: str
    source: Any
    job: Job | InputError


def stylize_many(
    contents: Any,
    style: Any,
    *,
    masks: Any = (),
    freeze: Any = None,
    config: StylizeConfig | None = None,
    network: Network | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    callback: Callback | None = None,
    **settings: Any,
) -> Iterator[tuple[str, Stylized | InputError]]:
    """Paint many pictures in one style, each as ``stylize`` would, up to rounding.

    Pictures of one shape run together under ``vmap``, as many as the memory holds, spread over all
    devices; what is known of the style is computed once. Results come chunk by chunk, not in the
    order given.

    >>> import numpy as np
    >>> from jaxstyle import stylize_many
    >>> rng = np.random.default_rng(0)
    >>> contents, style = [rng.random((32, 48, 3)) for _ in range(3)], rng.random((48, 48, 3))
    >>> for name, result in stylize_many(contents, style, size=48, steps=3):
    ...     print(name, result.image.shape)
    picture-1 (32, 48, 3)
    picture-2 (32, 48, 3)
    picture-3 (32, 48, 3)

    Args:
        contents: a picture, a folder or a pattern, or a list of them.
        style, config, network, **settings: as in ``stylize``. ``max_seconds`` is for all pictures
            of one shape together.
        masks, freeze: as in ``stylize``, for all pictures, each of which must have their shape; or
            folders, whose masks go to the pictures of the same name.
        limits: memory, pictures at once, devices.
        callback: told after every step, see ``chunks.Progress``; ends all where it returns True.

    Yields:
        The name of each picture, and its result; or the error of one that cannot be read or used,
        which does not stop the others.

    Raises:
        InputError: there is no content, or style or settings cannot be used.
    """
    entries = prepare_many(
        contents,
        style,
        masks=masks,
        freeze=freeze,
        config=config,
        network=network,
        max_memory=limits.max_memory,
        **settings,
    )
    for entry in entries:
        if isinstance(entry.job, InputError):
            yield entry.name, entry.job
    for results in run_many(entries, limits, callback):
        for index, result in sorted(results.items()):
            yield entries[index].name, result


def prepare_many(
    contents: Any,
    style: Any,
    *,
    masks: Any = (),
    freeze: Any = None,
    config: StylizeConfig | None = None,
    network: Network | None = None,
    note: Mapping[str, Any] | None = None,
    max_memory: int | None = None,
    **settings: Any,
) -> list[Entry]:
    """Read and check all that ``stylize_many`` is given, which see.

    Contents that are files are put away again: a folder of photographs would fill the memory.

    Raises:
        InputError: as there; also where no content at all can be used, for the first one's reason.
    """
    config = replace_settings(config or StylizeConfig(), settings)
    config = replace(config, weights=config.weights or (None if network else default_weights()))
    network = network or load_weights(config.weights)
    styles, kept = read_styles(style), Kept()
    given = read_batch_masks(masks, freeze)
    sources = listed(contents)
    entries = []
    for name, source in zip(names_of(sources), sources, strict=True):
        try:
            regions, frozen = masks_of(given, source)
            job: Any = prepare(
                [(source, 1.0)],
                styles,
                masks=regions,
                freeze=frozen,
                config=config,
                network=network,
                note=note,
                max_memory=max_memory,
            )
            job = replace(put_away(job, given), kept=kept)
        except InputError as error:
            job = error
        entries.append(Entry(name, source, job))
    errors = [entry.job for entry in entries if isinstance(entry.job, InputError)]
    if len(errors) == len(entries):
        raise errors[0]
    return entries


def run_many(
    entries: Sequence[Entry],
    limits: Limits,
    callback: Callback | None = None,
    skip: frozenset[int] = frozenset(),
) -> Iterator[Results]:
    """Run what can be run, and give it chunk by chunk; Ctrl-C ends it with the chunk in hand.

    Args:
        skip: indices of entries that are not to be run.
    """
    # Some settings hang on the memory that is free: all processes take those of the first.
    jobs = [None if isinstance(entry.job, InputError) else entry.job for entry in entries]
    configs = gather([job and job.config.as_dict() for job in jobs])
    able = {index for index in range(len(jobs)) if all(config[index] for config in configs)}
    cells = []
    for index in sorted(able):
        job = jobs[index]
        if index not in skip and job is not None:
            job = replace(job, config=config_from(configs[0][index]))
            cells.append((index, Cell((index,), (), entries[index].name, job)))
    if elsewhere := [i for i, job in enumerate(jobs) if job is not None and i not in able]:
        error = InputError("another process cannot read it: all need the same files")
        yield dict.fromkeys(elsewhere, error)
    teller = Teller(callback, len(entries), len(entries) - len(cells))
    for group in grouped(cells):
        for portion in run_group(group, limits, teller, read_again):
            yield portion.results
            if portion.cut_short:
                return


def listed(contents: Any) -> list[Any]:
    """The pictures of folders and patterns, in their places, each file once.

    Raises:
        InputError: there is none.
    """
    pictures: list[Any] = []
    for entry in contents if isinstance(contents, list | tuple) else [contents]:
        if not isinstance(entry, str | os.PathLike):
            pictures.append(entry)
            continue
        paths = pictures_at(entry)
        if paths is not None and not paths:
            raise InputError(
                f"there is no picture in {Path(entry)}: give files, folders or patterns"
            )
        pictures += [str(Path(at_home(entry)))] if paths is None else paths
    if not pictures:
        raise InputError("no content picture is given")
    unique: dict[Any, Any] = {}
    for one in pictures:
        unique.setdefault(os.path.realpath(one) if isinstance(one, str) else id(one), one)
    return list(unique.values())


def names_of(sources: Sequence[Any]) -> list[str]:
    """A name for each result: the file's own without its ending, and more where that is taken."""
    ways: list[Callable[[Path], str]] = [
        lambda path: path.stem,
        lambda path: path.name.replace(".", "_"),
        lambda path: f"{path.resolve().parent.name}_{path.name.replace('.', '_')}",
    ]
    paths = [
        Path(one if isinstance(one, str) else f"picture-{index}")
        for index, one in enumerate(sources, 1)
    ]
    names = [ways[0](path) for path in paths]
    for way in ways[1:]:
        alike = _alike(names)
        names = [way(path) if alike[i] else names[i] for i, path in enumerate(paths)]
    index = 0
    while any(alike := _alike(names)):
        index = alike.index(True, index)
        names[index] += f"_{index + 1}"
    return names


def _alike(names: Sequence[str]) -> list[bool]:
    count = Counter(name.casefold() for name in names)
    return [count[name.casefold()] > 1 for name in names]
