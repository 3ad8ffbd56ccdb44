"""``sweep``: a grid of runs that differ along named axes, as few compiled programs as can be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxstyle.config.stylize_config import StylizeConfig, config_from
from jaxstyle.errors import InputError
from jaxstyle.images.masks import read_mask
from jaxstyle.network.network import Network
from jaxstyle.network.weights import default_weights, load_weights
from jaxstyle.optimize.ending import Ending
from jaxstyle.pipelines.axes import Axis, combinations
from jaxstyle.pipelines.cell_files import finished_cell, make_folder, save_cell
from jaxstyle.pipelines.chunks import Callback, Limits, Teller, run_group
from jaxstyle.pipelines.grouping import Cell, Group, grouped
from jaxstyle.run.inputs import Image, read_contents, read_regions, read_styles
from jaxstyle.run.job import Job
from jaxstyle.run.prepare import prepare, replace_settings
from jaxstyle.run.result import Stylized
from jaxstyle.runtime.atomic_files import at_home
from jaxstyle.runtime.processes import gather, is_first

_CUT_SHORT = tuple(reason for reason in Ending if reason.cut_short)


class CellResult(NamedTuple):
    """One cell of a grid.

    Attributes:
        place: its index on each axis.
        labels: its label on each axis.
        name: of its files, without ending.
        result: None if it has none.
        message: why it has none, or was not saved, or ``interrupted`` or ``stopped``; empty if all
            is well.
    """

    place: tuple[int, ...]
    labels: tuple[str, ...]
    name: str
    result: Stylized | None
    message: str = ""


@dataclass(frozen=True, eq=False)
class Grid:
    """What ``sweep`` gives.

    Attributes:
        axes: the last one runs fastest.
        cells: in order; see ``rows``.
        programs: how many step programs were compiled.
        chunks: in how many portions the cells were run.
    """

    axes: tuple[Axis, ...]
    cells: list[CellResult]
    programs: int
    chunks: int

    @property
    def interrupted(self) -> bool:
        """Whether the run ended before all cells were done."""
        return any(cell.message.startswith(_CUT_SHORT) for cell in self.cells)

    def rows(self) -> list[list[CellResult]]:
        """The cells as a table: the last axis across, all others down."""
        across = len(self.axes[-1]) if len(self.axes) > 1 else len(self.cells)
        return [self.cells[i : i + across] for i in range(0, len(self.cells), across)]


def sweep(
    content: Any,
    style: Any,
    axes: Sequence[Axis],
    *,
    masks: Sequence[Any] = (),
    freeze: Image | None = None,
    shape: tuple[int, int] | None = None,
    config: StylizeConfig | None = None,
    network: Network | None = None,
    note: Mapping[str, Any] | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    folder: Path | None = None,
    resume: bool = False,
    callback: Callback | None = None,
    **settings: Any,
) -> Grid:
    """Run every combination of the axes' settings.

    Cells whose programs are alike (same size, pooling, optimiser, convention ...) run together
    under ``vmap``, in equal chunks that fit the memory, spread over all devices; weights, layers,
    seeds, starts, pictures of one size, steps and tolerance may differ between them. Layers that a
    cell does not use count nothing in it.

    >>> import numpy as np
    >>> from jaxstyle import axis, sweep
    >>> rng = np.random.default_rng(0)
    >>> content, style = rng.random((32, 48, 3)), rng.random((48, 48, 3))
    >>> weights = axis("style_weight", [0.1, 1.0, 10.0])
    >>> layers = axis("style_layers", ["conv1_1", "conv1_1,conv2_1"])
    >>> grid = sweep(content, style, [weights, layers], content_layers="conv2_2", size=48, steps=3)
    >>> len(grid.cells), grid.programs
    (6, 1)

    Args:
        content, style, masks, freeze, shape, config, network, note, **settings: as in
            ``prepare``; the axes go
            over them, and may name other content and style pictures. (A preset on an axis is
            still a preset: settings go over it.)
        axes: see ``axis`` and ``parse_axis``.
        limits: memory, cells at once, devices.
        folder: where each finished cell is saved as a picture and a JSON file of its figures.
        resume: take what is finished there from an earlier call instead of running it again.
        callback: told after every step, see ``chunks.Progress``; ends the sweep where it returns
            True.

    Returns:
        All cells. One that cannot be run, or whose loss is not finite, has a message instead of a
        result; Ctrl-C keeps what is finished.

    Raises:
        InputError: an axis makes no sense, no cell at all can be run, or the folder cannot be
            made.
    """
    axes, folder = tuple(axes), folder and Path(at_home(folder))
    if not axes:
        raise InputError("a sweep needs at least one axis, such as style_weight=0.1,1,10")
    base = config or StylizeConfig(), settings
    memory = limits.max_memory
    cells = _agreed(
        _cells(content, style, axes, shape, base, network, dict(note or {}), memory, masks, freeze)
    )
    done = _unfit(cells)
    if folder and is_first():  # only now: an input that cannot be read leaves no folder
        make_folder(folder)
    groups = grouped([(i, cell) for i, cell in enumerate(cells) if i not in done])
    if folder and resume:
        done |= _finished(folder, cells, groups)
    programs = _run_waiting(cells, groups, done, limits, callback, folder)
    stopped = any(cell.message == Ending.STOPPED for cell in done.values())
    ending = Ending.STOPPED if stopped else Ending.INTERRUPTED
    for index, cell in enumerate(cells):
        if index not in done:
            done[index] = _result(cell, None, f"{ending} before it was run")
    return Grid(axes, [done[index] for index in range(len(cells))], sum(programs), len(programs))


def _run_waiting(
    cells: Sequence[Cell],
    groups: Sequence[Group],
    done: dict[int, CellResult],
    limits: Limits,
    callback: Callback | None,
    folder: Path | None,
) -> list[int]:
    """Run what is not done, and note it there; gives how many programs each chunk compiled."""
    programs, teller = [], Teller(callback, len(cells), len(done))
    waiting = [[(index, job) for index, job in group if index not in done] for group in groups]
    try:
        for group in filter(None, waiting):
            jobs = dict(group)
            for portion in run_group(group, limits, teller):
                programs.append(portion.programs)
                for index, result in portion.results.items():
                    done[index] = _kept(folder, cells[index], jobs[index], result)
                if portion.cut_short:
                    return programs
    except KeyboardInterrupt:  # while a program was compiled, or the second one
        if jax.process_count() > 1:  # the others wait for this process: it has to end
            raise
    return programs


def _agreed(cells: Sequence[Cell]) -> list[Cell]:
    """With the settings of the first process: some hang on the memory that is free."""
    own = [
        None if isinstance(cell.job, InputError) else cell.job.config.as_dict() for cell in cells
    ]
    return [
        cell
        if config is None or isinstance(cell.job, InputError)
        else cell._replace(job=replace(cell.job, config=config_from(config)))
        for cell, config in zip(cells, gather(own)[0], strict=True)
    ]


def _unfit(cells: Sequence[Cell]) -> dict[int, CellResult]:
    """The cells that cannot be run; an input may be missing on one host alone."""
    errors = {i: str(cell.job) for i, cell in enumerate(cells) if isinstance(cell.job, InputError)}
    for others in gather(errors):
        errors = {**others, **errors}
    if len(errors) == len(cells):
        raise InputError(errors[0])
    return {index: _result(cells[index], None, errors[index]) for index in sorted(errors)}


def _kept(folder: Path | None, cell: Cell, job: Job, result: Stylized | InputError) -> CellResult:
    """What a cell has come to, saved if it is to be."""
    if isinstance(result, InputError):
        return _result(cell, None, str(result))
    message = str(result.reason) if result.reason.cut_short else ""
    if folder and is_first() and not message:
        try:
            save_cell(folder, cell.name, job, result)
        except InputError as error:  # a full disk: the others may be smaller
            message = str(error)
    return _result(cell, result, message)


def _finished(
    folder: Path, cells: Sequence[Cell], groups: Sequence[Group]
) -> dict[int, CellResult]:
    """What an earlier run has left; every process must skip the same cells as the first."""
    finished: dict[int, Any] = {}
    for index, job in [entry for group in groups for entry in group] if is_first() else []:
        if result := finished_cell(folder, cells[index].name, job):
            finished[index] = result.as_plain()
    return {
        index: _result(cells[index], Stylized.from_plain(result))
        for index, result in gather(finished)[0].items()
    }


def _cells(
    content: Any,
    style: Any,
    axes: tuple[Axis, ...],
    shape: tuple[int, int] | None,
    base: tuple[StylizeConfig, Mapping[str, Any]],
    network: Network | None,
    note: dict[str, Any],
    max_memory: int | None,
    masks: Sequence[Any],
    freeze: Image | None,
) -> list[Cell]:
    read: dict[Any, Any] = {}
    networks: dict[str, Network] = {}

    def once(reader: Callable[[Any], Any], value: Any) -> Any:
        """Read an input, or fail, once for all cells: what is the same object shares targets."""
        if value is None:
            return None
        key = reader, str(value) if isinstance(value, str | Path) else id(value)
        if key not in read:
            try:
                read[key] = reader(value)
            except InputError as error:
                read[key] = error
        if isinstance(read[key], InputError):
            raise read[key]
        return read[key]

    def contents_of(value: Any) -> list[Any]:
        return list(read_contents(value))

    def net(config: StylizeConfig) -> Network:
        if network is not None:
            return network
        name = config.weights or default_weights()
        if name not in networks:
            networks[name] = load_weights(name)
        return networks[name]

    regions = read_regions(masks)
    frozen = None if freeze is None else read_mask(freeze, name="freeze mask")
    cells = []
    for position, settings in combinations(axes):
        labels = tuple(axis.labels[index] for axis, index in zip(axes, position, strict=True))
        own = {"content": content, "style": style}
        own.update({key: settings.pop(key) for key in list(own) if key in settings})
        try:
            # At once: settings go over a preset, also where that is on an axis.
            config = replace_settings(base[0], {**base[1], **settings})
            if network is None:
                config = replace(config, weights=config.weights or default_weights())
            job: Any = prepare(
                once(contents_of, own["content"]),
                once(read_styles, own["style"]),
                masks=regions,
                freeze=frozen,
                shape=shape,
                config=config,
                network=net(config),
                note={**note, "cell": dict(zip([a.name for a in axes], labels, strict=True))},
                max_memory=max_memory,
            )
        except InputError as error:
            job = error
        cells.append(Cell(position, labels, _file_name(len(cells), axes, labels), job))
    return cells


def _file_name(index: int, axes: Sequence[Axis], labels: Sequence[str]) -> str:
    text = "_".join(f"{axis.name}={label}" for axis, label in zip(axes, labels, strict=True))
    return f"{index:03d}_" + re.sub(r"[^A-Za-z0-9=.,+_-]+", "-", text)[:100].strip("-.")


def _result(cell: Cell, result: Stylized | None, message: str = "") -> CellResult:
    return CellResult(cell.place, cell.labels, cell.name, result, message)
