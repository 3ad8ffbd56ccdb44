"""Which runs of a grid can be one program, and what they have in common."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import NamedTuple

import jax

from jaxstyle.config.stylize_config import names_of
from jaxstyle.errors import InputError
from jaxstyle.images.masks import full
from jaxstyle.run.job import Job, algorithm_of, steps_per_call
from jaxstyle.run.style_file import SavedStyle


class Cell(NamedTuple):
    """One run of a grid; ``job`` is the error where its inputs are not fit."""

    place: tuple[int, ...]
    labels: tuple[str, ...]
    name: str
    job: Job | InputError


Group = Sequence[tuple[int, Job]]
"""Cells that share programs, each with its index in the grid."""


def grouped(cells: Sequence[tuple[int, Cell]]) -> list[Group]:
    """Put together what can run as one program, in the order of first appearance."""
    groups: dict[Hashable, list[tuple[int, Job]]] = {}
    for index, cell in cells:
        job = cell.job
        assert isinstance(job, Job)
        objective = replace(job.objective, content_layers=(), style_layers=())
        alone = index if runs_alone(job) else None
        key = (
            objective,
            alone,
            # Its numbers may differ, what shapes the program may not.
            None if alone is not None else jax.tree.structure(algorithm_of(job.config)),
            steps_per_call(job.config),
            job.config.levels,
            job.config.max_seconds,
            job.sizes[-1],
            # Networks of no file: cut off at different depths, they still share their arrays.
            job.network.sha256 or id(job.network.params["conv1_1"]["kernel"]),
            job.config.precision,
            not job.contents,
            not job.styles,
            _guide_kind(job),
            _files_taps(job),
        )
        groups.setdefault(key, []).append((index, job))
    return [_same_levels(group) for group in groups.values()]


def content_key(job: Job) -> Hashable:
    """Equal for cells with the same content targets."""
    coloured = job.config.color == "luminance" and job.config.color_space
    return tuple((id(one.picture), one.weight) for one in job.contents), coloured


def style_key(job: Job) -> Hashable:
    """Equal for cells with the same style targets."""
    styles = tuple(
        (id(s.image), s.weight, s.scale, s.crop, s.region, id(s.mask)) for s in job.styles
    )
    matched = None
    if job.config.color in ("luminance", "match-before"):
        matched = content_key(job), tuple(id(region.mask) for region in job.regions)
    return styles, matched, tuple(getattr(job.config, name) for name in names_of("targets"))


def guide_key(job: Job) -> Hashable:
    """Equal for cells that count the same positions."""
    alpha = None if job.content is None or job.content.alpha is None else id(job.content)
    regions = tuple(id(region.mask) for region in job.regions)
    return regions, id(job.freeze), alpha, job.config.guide if regions else ""


def _guide_kind(job: Job) -> Hashable:
    """Equal for cells whose guides have the same structure."""
    alpha = None if job.content is None else job.content.alpha
    opaque = alpha is None or full(alpha)
    return len(job.regions), job.freeze is None, opaque, job.config.guide if job.regions else ""


def _files_taps(job: Job) -> Hashable:
    """Equal for cells whose files of style targets know of the same layers."""
    return frozenset(s.image.taps for s in job.styles if isinstance(s.image, SavedStyle))


def _same_levels(group: Group) -> Group:
    """Deep layers forbid the coarsest levels; a common program has those that suit all cells.

    The number is put into the settings, so that a cell's record says what was done.
    """
    levels = min(len(job.sizes) for _, job in group)
    return [
        (index, job)
        if len(job.sizes) == levels
        else (
            index,
            replace(job, config=replace(job.config, levels=levels), sizes=job.sizes[-levels:]),
        )
        for index, job in group
    ]


def runs_alone(job: Job) -> bool:
    """Whether a job has no program to share: scipy's loop, or tiles."""
    config = job.config
    return config.optimizer == "scipy" or config.strategy == "tiled" or config.mesh is not None
