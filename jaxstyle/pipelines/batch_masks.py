"""The masks of many pictures, the same for all or one for each; pictures put away till they run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxstyle.errors import InputError
from jaxstyle.images import as_picture
from jaxstyle.images.masks import Mask, full, read_mask
from jaxstyle.images.picture_files import pictures_at
from jaxstyle.run.inputs import Region, Weighted, masks_listed, read_region, weighted
from jaxstyle.run.job import Job
from jaxstyle.runtime.atomic_files import at_home


@dataclass(frozen=True)
class Folder:
    """A folder of masks.

    Attributes:
        path: as given.
        weight: of each of them.
        files: stem -> the files that have it.
    """

    path: str
    weight: float
    files: Mapping[str, list[str]]


class BatchMasks(NamedTuple):
    """What a batch is given as masks: those that all pictures share are read."""

    masks: tuple[Region | Folder, ...] = ()
    freeze: Mask | Folder | None = None


def read_batch_masks(masks: Any, freeze: Any) -> BatchMasks:
    """Read the masks of a batch.

    Args:
        masks: as in ``stylize``; each may also be a folder, maybe with a weight, whose files are
            masks of the pictures of the same name, endings apart.
        freeze: a mask or such a folder, or None.

    Raises:
        InputError: as ``run.inputs.read_regions``, or a folder without pictures.
    """
    regions = []
    for number, entry in enumerate(masks_listed(masks), 1):
        source, weight = entry if isinstance(entry, tuple) else weighted(entry)
        folder = _folder(source, float(weight))
        regions.append(folder or read_region((source, weight), f"mask {number}"))
    frozen = None
    if freeze is not None:
        frozen = _folder(freeze, 1.0) or _read_freeze(freeze)
    return BatchMasks(tuple(regions), frozen)


def masks_of(given: BatchMasks, source: Any) -> tuple[list[Region], Mask | None]:
    """The masks of the regions of one picture, and where it stays as it is.

    Raises:
        InputError: a folder has no mask for it, or several, or one that cannot be used.
    """
    regions = [
        read_region((_file(one, source), one.weight), f"mask {number}")
        if isinstance(one, Folder)
        else one
        for number, one in enumerate(given.masks, 1)
    ]
    freeze = given.freeze
    return regions, _read_freeze(_file(freeze, source)) if isinstance(freeze, Folder) else freeze


def put_away(job: Job, given: BatchMasks) -> Job:
    """Leave nothing but the shapes of a job's own pictures and masks, which can be read again.

    Args:
        given: masks that the whole batch shares stay as they are, and so do arrays.
    """
    shared = {id(one.mask) for one in given.masks if isinstance(one, Region)} | {id(given.freeze)}

    def light(one: Any) -> Any:
        if id(one) in shared or not one.sha256:
            return one
        if isinstance(one, Mask):
            return replace(one, values=np.broadcast_to(np.float32(0.5), one.values.shape))
        shape, alpha = one.rgb.shape, one.alpha
        if alpha is not None:
            alpha = None if full(alpha) else np.broadcast_to(np.float32(0.5), shape[:2])
        return replace(one, rgb=np.broadcast_to(np.float32(0), shape), alpha=alpha, exif=None)

    return _changed(job, light)


def read_again(job: Job) -> Job:
    """Fetch what ``put_away`` put away.

    Raises:
        InputError: a file is no longer what it was.
    """

    def whole(one: Any) -> Any:
        is_mask = isinstance(one, Mask)
        if any((one.values if is_mask else one.rgb).strides):
            return one
        again = read_mask(one.source) if is_mask else as_picture(one.source, name="content image")
        if again.sha256 != one.sha256:
            raise InputError(f"{one.source} has changed since the batch began: run it again")
        return again

    return _changed(job, whole)


def _changed(job: Job, change: Callable[[Any], Any]) -> Job:
    return replace(
        job,
        contents=tuple(Weighted(change(one.picture), one.weight) for one in job.contents),
        regions=tuple(Region(change(one.mask), one.weight) for one in job.regions),
        freeze=None if job.freeze is None else change(job.freeze),
    )


def _folder(source: Any, weight: float) -> Folder | None:
    if not isinstance(source, str | os.PathLike) or not os.path.isdir(at_home(source)):
        return None
    files: dict[str, list[str]] = {}
    for file in pictures_at(source) or ():
        files.setdefault(Path(file).stem, []).append(file)
    if not files:
        raise InputError(f"there is no mask in {Path(source)}: give a mask, or a folder of them")
    return Folder(os.fspath(source), weight, files)


def _file(folder: Folder, source: Any) -> str:
    if not isinstance(source, str):
        raise InputError(
            f"a picture without a name has no mask in {folder.path}: give files, or one mask"
        )
    stem = Path(source).stem
    masks = folder.files.get(stem, [])
    if not masks:
        raise InputError(f"there is no mask for {source} in {folder.path}: call it {stem}.png")
    if len(masks) > 1:
        raise InputError(f"{' and '.join(masks)} are all masks for {source}: keep one of them")
    return masks[0]


def _read_freeze(source: Any) -> Mask:
    return source if isinstance(source, Mask) else read_mask(source, name="freeze mask")
