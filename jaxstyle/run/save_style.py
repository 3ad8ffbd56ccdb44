"""Make files of style targets: what a style looks like to the network, at every size of a run."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import Any

import jax

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.errors import InputError
from jaxstyle.network.network import Network
from jaxstyle.objective.statistics.histogram import COUNT, quantiles
from jaxstyle.objective.targets import Known
from jaxstyle.run.job import Job, precision_in_force
from jaxstyle.run.level import Level
from jaxstyle.run.level_targets import TargetMaker
from jaxstyle.run.prepare import CIRCULAR_MULTIPLE, prepare, replace_settings
from jaxstyle.run.record import bare_names, record_of_style
from jaxstyle.run.style_file import (
    SavedStyle,
    check_ending,
    read_saved_style,
    settings_that_matter,
    write_saved_style,
)

_quantiles = jax.jit(partial(quantiles, count=COUNT))


def save_targets(
    path: str | os.PathLike[str],
    style: Any,
    *,
    config: StylizeConfig | None = None,
    network: Network | None = None,
    max_memory: int | None = None,
    **settings: Any,
) -> SavedStyle:
    """Write all that a run needs to know of a style, for each level of a result of ``size`` px.

    ``stylize`` and its kin take the file in the place of the picture, and give the same result, to
    the bit on the same machine. It holds the moments of each style layer, from which every
    statistic of sums follows, and ranks too if ``statistic`` is one of those.

    Args:
        path: ends in .npz.
        style: as in ``stylize``; several are blended into one, by their weights.
        config, network, **settings: as in ``stylize``. Those that matter to the style must be the
            same where the file is used: size, layers, network, pooling, precision, style scales.
        max_memory: as in ``prepare``.

    Returns:
        What has been written, as it is read back.

    Raises:
        InputError: something given cannot be used, or the file cannot be written.
    """
    check_ending(path)
    job = _prepared(style, config, network, max_memory, settings)
    objective, model = job.objective, job.model()
    (goal,) = job.goals
    known_by_side = {}
    with precision_in_force(job.config):
        for level, size in enumerate(job.sizes):
            known_at_level = TargetMaker(Level(job, level), objective, model).known(goal.styles)
            values = {tap: _quantiles(ordered) for tap, ordered in known_at_level.values.items()}
            known_by_side[max(size)] = Known(known_at_level.moments, values)
    matters = settings_that_matter(job.config)
    matters["scales"] = {
        tap: job.config.layer_scales.get(tap, 1.0) for tap in job.config.style_loss_layers
    }
    if any(one.mask is not None for one in job.styles):
        matters["guide"] = job.config.guide
    inputs = bare_names([record_of_style(one) for one in job.styles])
    write_saved_style(path, job.network.sha256, matters, inputs, known_by_side)
    return read_saved_style(path)


def _prepared(
    style: Any,
    config: StylizeConfig | None,
    network: Network | None,
    max_memory: int | None,
    settings: dict[str, Any],
) -> Job:
    config = replace_settings(config or StylizeConfig(), settings).resolved()
    if config.color in ("luminance", "match-before"):
        raise InputError(
            f"color {config.color} changes the style by the content, which targets cannot know: "
            "leave it out, and give the style picture to the run"
        )
    config = replace(config, content_layers="", init="noise", color="style", match_histogram=False)
    side = config.size
    if config.padding == "circular":
        side = max(1, round(side / CIRCULAR_MULTIPLE)) * CIRCULAR_MULTIPLE
    # Square, so that there are at least the levels of any other shape.
    job = prepare(
        None, style, shape=(side, side), config=config, network=network, max_memory=max_memory
    )
    if any(isinstance(one.image, SavedStyle) for one in job.styles):
        raise InputError("style targets are made from pictures: give those, not files of targets")
    if config.blend == "losses" and len(job.styles) > 1:
        raise InputError("a file holds one blend: with blend losses, make one of each style")
    if not job.network.sha256:
        raise InputError("style targets name the file of their network: load it from one")
    return job
