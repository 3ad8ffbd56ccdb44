"""``stylize``: a content picture, painted in the style of another."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxstyle.config import StylizeConfig, config_from
from jaxstyle.formats import default_weights, load_weights
from jaxstyle.images import (
    Picture,
    as_picture,
    fit_longest_side,
    resize,
    resize_picture,
    save_image,
)
from jaxstyle.initial import initial_files, initial_picture
from jaxstyle.layers import least_side, order_taps
from jaxstyle.metadata import make_record
from jaxstyle.network import Network
from jaxstyle.objective import (
    Model,
    Objective,
    Targets,
    Terms,
    Weights,
    content_targets,
    make_weights,
    model_of,
    style_targets,
)
from jaxstyle.optimize import LBFGS, Adam, Outcome, Progress, ScipyLBFGSB, Stopping, minimise
from jaxstyle.pyramid import level_sizes, share_of_time
from jaxstyle.vgg import check_depth, check_size

Image = Any
"""A path, a ``PIL.Image``, or an array (h, w, 3): float in [0, 1], uint8 or uint16."""


class LevelProgress(NamedTuple):
    """What the callback of ``stylize`` is told after every step.

    Attributes:
        level, levels: from 1, coarsest first.
        width, height: of this level.
        step: at this level, from 1.
        total_step: since the start.
        progress: loss, terms, time and the picture so far; see ``optimize.Progress``.
    """

    level: int
    levels: int
    width: int
    height: int
    step: int
    total_step: int
    progress: Progress


@dataclass(frozen=True)
class Stylized:
    """The result of ``stylize``.

    Attributes:
        image: (height, width, 3) float32 in [0, 1], sRGB.
        alpha: (height, width), the content's own; None if it was opaque.
        config: all settings as they were in force.
        terms: the loss at the result, by term: ``content``, ``style``, ``tv``, and each layer's.
        loss: their sum.
        steps: evaluations made, over all levels.
        seconds: time taken.
        reason: why the last level ended; ``interrupted`` if Ctrl-C did.
        losses: for each level the loss at every step.
        record: JSON text from which ``jaxstyle replay`` can run it again.
        exif: the content's, or None.
    """

    image: Float[np.ndarray, "height width 3"]
    alpha: Float[np.ndarray, "height width"] | None
    config: StylizeConfig
    terms: dict[str, Any]
    loss: float
    steps: int
    seconds: float
    reason: str
    losses: list[list[float]]
    record: str
    exif: bytes | None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture, with its settings in it; the extension says in which format.

        Raises:
            ImageError: the file cannot be written.
        """
        save_image(
            path,
            self.image,
            alpha=self.alpha,
            bits=self.config.bits,
            quality=self.config.quality,
            exif=self.exif,
            record=self.record,
        )


def stylize(
    content: Image,
    style: Image,
    *,
    config: StylizeConfig | None = None,
    network: Network | None = None,
    callback: Callable[[LevelProgress], None] | None = None,
    **settings: Any,
) -> Stylized:
    """Paint ``content`` in the style of ``style`` (Gatys, Ecker and Bethge 2015).

    >>> import numpy as np
    >>> from jaxstyle import stylize
    >>> content = np.linspace(0, 1, 32 * 48 * 3).reshape(32, 48, 3)
    >>> style = np.random.default_rng(0).random((48, 48, 3))
    >>> result = stylize(content, style, size=48, steps=3)
    >>> result.image.shape
    (32, 48, 3)

    Args:
        content, style: paths, ``PIL.Image`` objects, or arrays; see ``images.as_picture``.
        config: settings; the defaults if not given.
        network: use this instead of what ``config.weights`` names.
        callback: called after every step, see ``LevelProgress``.
        **settings: single fields of ``StylizeConfig``, over those of ``config``.

    Raises:
        InputError: something given cannot be used; its message says what to do.
    """
    job = prepare(content, style, config=config, network=network, **settings)
    return run(job, callback)


@dataclass(frozen=True)
class Job:
    """A run whose inputs are found to be fit: what ``prepare`` makes and ``run`` runs.

    Attributes:
        config: resolved settings.
        network: cut off below the deepest tap.
        sizes: (width, height) of each level, coarsest first.
    """

    content: Picture
    style: Picture
    config: StylizeConfig
    network: Network
    sizes: list[tuple[int, int]]


def prepare(
    content: Image,
    style: Image,
    *,
    config: StylizeConfig | None = None,
    network: Network | None = None,
    **settings: Any,
) -> Job:
    """Read and check all that ``stylize`` is given, which see; computes nothing.

    Raises:
        InputError: something given cannot be used; its message says what to do.
    """
    config = replace_settings(config or StylizeConfig(), settings).resolved()
    if network is None and config.weights is None:
        config = replace(config, weights=default_weights())
    content_picture = as_picture(content, name="content image")
    style_picture = as_picture(style, name="style image")
    network = prepare_network(network or load_weights(config.weights), config)
    sizes = _sizes(config, content_picture, style_picture)
    _start(config, content_picture.rgb[:1, :1], style_picture.rgb[:1, :1])
    return Job(content_picture, style_picture, config, network, sizes)


def run(job: Job, callback: Callable[[LevelProgress], None] | None = None) -> Stylized:
    """Work a job out, level by level.

    Raises:
        InputError: the loss at the start is not finite.
    """
    config, sizes = job.config, job.sizes
    objective, weights, model = objective_of(config), weights_of(config), model_of(job.network)
    image: np.ndarray | None = None
    seconds, losses = 0.0, []
    outcome = None
    for level, (width, height) in enumerate(sizes):
        content = resize(job.content.rgb, width, height)
        style = _style_at(config, job.style, max(width, height))
        image = _start(config, content, style) if image is None else resize(image, width, height)
        targets = Targets(
            content_targets(objective, model, jnp.asarray(content)),
            style_targets(objective, model, jnp.asarray(style)),
        )
        outcome = _minimise(
            config,
            objective,
            image,
            (model, targets, weights),
            share_of_time(sizes, level, (config.max_seconds or math.inf) - seconds),
            _level_callback(callback, sizes, level, sum(map(len, losses))),
        )
        image = np.clip(outcome.x, 0, 1)
        seconds += outcome.seconds
        losses.append(outcome.values)
        if outcome.reason == "interrupted":
            break
    assert image is not None and outcome is not None
    width, height = sizes[-1]
    return Stylized(
        image=resize(image, width, height),
        alpha=resize_picture(job.content, width, height).alpha,
        config=config,
        terms=_plain(outcome.terms),
        loss=outcome.value,
        steps=sum(map(len, losses)),
        seconds=seconds,
        reason=outcome.reason,
        losses=losses,
        record=_record(job),
        exif=job.content.exif,
    )


def replace_settings(config: StylizeConfig, settings: Mapping[str, Any]) -> StylizeConfig:
    """``config`` with some fields replaced; unknown names are refused."""
    return config_from({**config.as_dict(), **settings})


def objective_of(config: StylizeConfig) -> Objective:
    """The static part of a run's loss."""
    return Objective(
        content_layers=order_taps(config.content_loss_layers),
        style_layers=order_taps(config.style_loss_layers),
        convention=config.convention,
        pooling=config.pooling,
        padding=config.padding,
        tv=config.tv,
        dtype=config.dtype,
    )


def weights_of(config: StylizeConfig) -> Weights:
    """The traced part of a run's loss; ``config`` must be resolved."""
    assert config.content_weight is not None
    assert config.style_weight is not None
    assert config.tv_weight is not None
    return make_weights(
        config.content_weight,
        config.style_weight,
        config.tv_weight,
        config.content_loss_layers,
        config.style_loss_layers,
    )


def prepare_network(network: Network, config: StylizeConfig) -> Network:
    """Check that the network has all taps, and drop what lies deeper.

    Raises:
        InputError: a tap that the network lacks.
    """
    architecture = network.architecture
    taps = order_taps({**config.content_loss_layers, **config.style_loss_layers}, architecture)
    check_depth(taps, architecture, network.complete_to)
    layers = architecture.layers
    # To the first convolution from the tap on: what follows pool3 tells a VGG-16 from a VGG-19.
    reach = layers.index(taps[-1].replace("relu", "conv"))
    deepest = next((name for name in layers[reach:] if name in network.params), None)
    return network if deepest is None else network.upto(deepest)


def _sizes(config: StylizeConfig, content: Picture, style: Picture) -> list[tuple[int, int]]:
    width, height = fit_longest_side(*content.size, config.size)
    content_taps, style_taps = config.content_loss_layers, config.style_loss_layers
    check_size(height, width, [*content_taps, *style_taps], config.padding, "content image")
    # At coarse levels a few positions in the deepest layer are the least that makes a statistic.
    least = 4 * least_side([*content_taps, *style_taps])
    sizes = level_sizes(width, height, levels=config.levels or None, least_side=least)
    style_size = fit_longest_side(*style.size, _style_side(config, max(sizes[0])))
    if style_taps:
        check_size(style_size[1], style_size[0], list(style_taps), config.padding, "style image")
    return sizes


def _style_side(config: StylizeConfig, side: int) -> int:
    return max(1, round(config.style_scale * side))


def _style_at(config: StylizeConfig, style: Picture, side: int) -> np.ndarray:
    return resize(style.rgb, *fit_longest_side(*style.size, _style_side(config, side)))


def _start(config: StylizeConfig, content: np.ndarray, style: np.ndarray) -> np.ndarray:
    return initial_picture(config.init, content, style, config.seed)


def _minimise(
    config: StylizeConfig,
    objective: Objective,
    image: np.ndarray,
    arguments: tuple[Model, Targets, Weights],
    seconds: float,
    callback: Callable[[Progress], None] | None,
) -> Outcome:
    stopping = Stopping(config.steps, config.tolerance, seconds)
    bounds = (0.0, 1.0) if config.clamp else None
    x = jnp.asarray(image)
    if config.optimizer == "scipy":
        bridge = ScipyLBFGSB(config.history, bounds)
        return bridge.minimise(objective, x, arguments, stopping, callback=callback)
    algorithm = (
        LBFGS(config.history, bounds=bounds)
        if config.optimizer == "lbfgs"
        else Adam(config.learning_rate, config.average, bounds)
    )
    fused = config.steps_per_call or (1 if jax.default_backend() == "cpu" else 10)
    return minimise(
        objective, x, arguments, algorithm, stopping, callback=callback, steps_per_call=fused
    )


def _level_callback(
    callback: Callable[[LevelProgress], None] | None,
    sizes: list[tuple[int, int]],
    level: int,
    steps_before: int,
) -> Callable[[Progress], None] | None:
    if callback is None:
        return None
    width, height = sizes[level]

    def tell(progress: Progress) -> None:
        total = steps_before + progress.step
        callback(
            LevelProgress(level + 1, len(sizes), width, height, progress.step, total, progress)
        )

    return tell


def _plain(terms: Terms) -> dict[str, Any]:
    return {
        "content": terms.content,
        "style": terms.style,
        "tv": terms.tv,
        "content_layers": dict(terms.content_layers),
        "style_layers": dict(terms.style_layers),
    }


def _record(job: Job) -> str:
    inputs = {
        "content": {"path": job.content.source, "sha256": job.content.sha256},
        "styles": [{"path": job.style.source, "sha256": job.style.sha256}],
        "init": initial_files(job.config.init),
        "weights": {
            "sha256": job.network.sha256,
            "source": job.network.source,
            "source_sha256": job.network.source_sha256,
        },
    }
    return make_record(job.config.as_dict(), inputs, {"backend": jax.default_backend()})
