"""``stylize_video``: frames one after another, each from the last, moved along with the picture.

After Ruder, Dosovitskiy and Brox, "Artistic style transfer for videos" (2016): each frame starts
from the result of the last, warped by optical flow, and a temporal loss keeps it there wherever the
flow can be trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxstyle.config.command_defaults import LEVELS_NEXT, STEPS_NEXT, VIDEO
from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.display.progress import LevelProgress
from jaxstyle.errors import InputError
from jaxstyle.images.luminance import grey
from jaxstyle.images.masks import read_mask
from jaxstyle.images.transparency import filled
from jaxstyle.network.network import Network
from jaxstyle.network.weights import default_weights, load_weights
from jaxstyle.objective.targets import Kept
from jaxstyle.optimize.ending import Ending
from jaxstyle.pipelines.optical_flow import Motion, flicker, motion_between, warped
from jaxstyle.run.coarse_to_fine import run
from jaxstyle.run.inputs import read_regions, read_styles
from jaxstyle.run.job import Job
from jaxstyle.run.level import Level
from jaxstyle.run.prepare import prepare, replace_settings
from jaxstyle.run.result import Stylized

RGB = Float[np.ndarray, "height width 3"]

LEAST_TRUST = 0.25
"""Share of a frame that must be known from the one before; else it begins anew, as after a cut."""
CUT = 0.2
"""Where there is no optical flow: mean difference of two frames from which on it is a cut."""


class Frame(NamedTuple):
    """One frame of ``stylize_video``.

    Attributes:
        index: from 0.
        picture: the result, as it was kept.
        result: None if an earlier run had it.
        anew: whether it began without the last frame.
        flicker: see ``flow.flicker``; nan if it began anew.
    """

    index: int
    picture: RGB
    result: Stylized | None
    anew: bool
    flicker: float


def stylize_video(
    frames: Iterable[Any],
    style: Any,
    *,
    masks: Any = (),
    freeze: Any = None,
    steps_next: int = STEPS_NEXT,
    levels_next: int = LEVELS_NEXT,
    config: StylizeConfig | None = None,
    network: Network | None = None,
    note: Mapping[str, Any] | None = None,
    max_memory: int | None = None,
    callback: Callable[[int, LevelProgress], bool | None] | None = None,
    keep: Callable[[int, Stylized], RGB] = lambda _, result: result.image,
    find: Callable[[int, Job], RGB | None] = lambda _, job: None,
    **settings: Any,
) -> Iterator[Frame]:
    """Paint the frames of a video in one style.

    The first frame, and the first after a cut, is worked out as by ``stylize``. All others begin
    with the last result, moved as the picture has moved, and with the frame itself where that is
    not known; they share their compiled program, and all frames share what is known of the style.

    Args:
        frames: pictures of one size.
        masks, freeze: as in ``stylize``, the same for all frames.
        style, config, network, **settings: as in ``stylize``, over ``video_settings.VIDEO``.
        steps_next, levels_next: steps and levels of all frames that do not begin anew; ``steps``
            and ``levels`` are for those that do.
        note, max_memory: as in ``prepare``.
        callback: told after every step: the frame's index, and as in ``stylize``.
        keep: saves a result and gives it as it will be read again, so that a run that goes on
            later sees just what this one sees.
        find: gives the result of a job that an earlier run has kept, or None.

    Raises:
        InputError: something given cannot be used, or frames differ in size.
        KeyboardInterrupt: Ctrl-C ended a frame before it was done.
    """
    for name, value in (("steps_next", steps_next), ("levels_next", levels_next)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise InputError(f"{name} is {value!r}: give a whole number of at least 1")
    config = replace_settings(config or StylizeConfig(), {**VIDEO, **settings})
    _check_colors(config)
    config = replace(config, weights=config.weights or (None if network else default_weights()))
    network = network or load_weights(config.weights)
    styles, kept, regions = read_styles(style), Kept(), read_regions(masks)
    freeze = None if freeze is None else read_mask(freeze, name="freeze mask")
    before: tuple[RGB, RGB] | None = None  # the last frame, and its result
    size: tuple[int, int] | None = None
    result: Stylized | None = None
    for index, source in enumerate(frames):
        job = prepare(
            [(source, 1.0)],
            styles,
            masks=regions,
            freeze=freeze,
            config=config,
            network=network,
            note={**(note or {}), "frame": index + 1},
            max_memory=max_memory,
        )
        size = _checked_size(job, index, size)
        config = job.config  # free memory is looked at once
        job = replace(job, kept=kept)
        last_level = Level(job, len(job.sizes) - 1)
        original = last_level.original()
        motion = None if before is None else _motion(before[0], original)
        if before is not None and motion is not None:
            job = _going_on(last_level, before[1], motion, steps_next, levels_next)
        picture, result = find(index, job), None
        if picture is None:
            result = run(job, None if callback is None else partial(callback, index))
            if result.reason.cut_short and not _is_done(job, result):
                break
            picture = keep(index, result)
        seen, unsteady = filled(picture, last_level.alpha()), float("nan")
        if before is not None and motion is not None:
            unsteady = flicker(before[1], seen, motion)
        yield Frame(index, picture, result, motion is None, unsteady)
        if result is not None and result.reason.cut_short:
            break
        before = original, seen
    if result is not None and result.reason is Ending.INTERRUPTED:
        raise KeyboardInterrupt


def _is_done(job: Job, result: Stylized) -> bool:
    """Whether all steps of a frame were made, though somebody ended it at the last one."""
    return len(result.losses) == len(job.sizes) and len(result.losses[-1]) >= job.steps[-1]


def _checked_size(job: Job, index: int, first: tuple[int, int] | None) -> tuple[int, int]:
    """The size of a frame, which must be that of the first."""
    assert job.content is not None
    width, height = size = job.content.size
    if first is not None and size != first:
        raise InputError(
            f"frame {index + 1} is {width}x{height}, the first one {first[0]}x{first[1]}: "
            "give frames of one size"
        )
    return size


def _motion(before: RGB, after: RGB) -> Motion | None:
    """How a frame has moved since the one before; None after a cut."""
    motion = motion_between(before, after)
    if motion.flow is None:
        is_cut = float(np.abs(after - before).mean()) > CUT
    else:
        is_cut = float(motion.trust.mean()) < LEAST_TRUST
    return None if is_cut else motion


def _going_on(level: Level, last: RGB, motion: Motion, steps: int, levels: int) -> Job:
    """A frame's job, beginning with the result of the frame before."""
    job, moved = level.job, warped(last, motion)
    if job.config.color == "luminance":
        moved = grey(moved, job.config.color_space)
    if motion.flow is not None:
        trust = motion.trust[..., None]
        moved = trust * moved + (1 - trust) * level.content()
    sizes = job.sizes[-levels:]
    config = replace(job.config, steps=str(steps), levels=len(sizes))
    return replace(job, config=config, sizes=sizes, previous=(moved, motion.trust))


def _check_colors(config: StylizeConfig) -> None:
    """Refuse what changes a result's colours in the end: the next frame starts from them."""
    after = {
        f"color {config.color}": config.color in ("keep", "match-after"),
        "match_histogram": config.match_histogram,
        "saturation": config.saturation != 1,
    }
    for name, used in after.items():
        if used:
            raise InputError(
                f"{name} changes colours after the run, and the next frame of a video starts from "
                "the last result: use color luminance or match-before"
            )
