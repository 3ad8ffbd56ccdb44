"""A run before it runs: inputs read and checked, settings resolved, sizes decided."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from jaxstyle.config import StylizeConfig, config_from, with_preset
from jaxstyle.errors import InputError
from jaxstyle.formats import default_weights, load_weights
from jaxstyle.images import Picture, as_picture, fit_longest_side, resize, resize_wrapped
from jaxstyle.initial import initial_files, initial_picture
from jaxstyle.layers import least_side, order_taps
from jaxstyle.metadata import make_record
from jaxstyle.network import Network
from jaxstyle.objective import (
    Model,
    Objective,
    Targets,
    Weights,
    content_targets,
    make_weights,
    style_targets,
)
from jaxstyle.optimize import LBFGS, Adam
from jaxstyle.pyramid import level_sizes
from jaxstyle.sharding import content_targets_sharded, parse_mesh, style_targets_sharded
from jaxstyle.strategy import choose
from jaxstyle.tiling import TiledObjective, content_targets_tiled, style_targets_tiled
from jaxstyle.vgg import check_depth, check_size

Image = Any
"""A path, a ``PIL.Image``, or an array (h, w, 3): float in [0, 1], uint8 or uint16."""

CIRCULAR_MULTIPLE = 16
"""Sides of a picture that wraps are multiples of this: then pooling wraps too."""


@dataclass(frozen=True)
class Job:
    """A run whose inputs are found to be fit: what ``prepare`` makes and ``run`` runs.

    Attributes:
        content: None where nothing of a content picture is used.
        style: None where nothing of a style picture is used.
        config: resolved settings.
        network: cut off below the deepest tap.
        sizes: (width, height) of each level, coarsest first.
        note: JSON values for the record, such as the command that made the picture.
        plan: how the gradient is computed, and what memory that takes, in one line.
    """

    content: Picture | None
    style: Picture | None
    config: StylizeConfig
    network: Network
    sizes: list[tuple[int, int]]
    note: Mapping[str, Any]
    plan: str = ""


def prepare(
    content: Image | None,
    style: Image | None,
    *,
    shape: tuple[int, int] | None = None,
    config: StylizeConfig | None = None,
    network: Network | None = None,
    note: Mapping[str, Any] | None = None,
    max_memory: int | None = None,
    **settings: Any,
) -> Job:
    """Read and check all that ``stylize`` is given, which see; computes nothing.

    Args:
        content: None makes a texture: the style alone decides, no content layer may be tapped.
        style: None makes a reconstruction of the content: no style layer may be tapped.
        shape: (width, height) of the result; by default the content's, or the style's where there
            is no content, scaled to ``config.size``.
        note: JSON values to record in the result.
        max_memory: bytes of the device that a run may take; by default most of what is free.

    Raises:
        InputError: something given cannot be used; its message says what to do.
    """
    config = replace_settings(config or StylizeConfig(), settings).resolved()
    if network is None and config.weights is None:
        config = replace(config, weights=default_weights())
    _check_needed(config, content is not None, style is not None)
    content_picture = None if content is None else as_picture(content, name="content image")
    style_picture = None if style is None else as_picture(style, name="style image")
    network = prepare_network(network or load_weights(config.weights), config)
    sizes = _sizes(config, content_picture, style_picture, shape)
    mesh_of(config)
    config, plan = choose(config, network.architecture, *sizes[-1], max_memory)
    job = Job(content_picture, style_picture, config, network, sizes, dict(note or {}), plan)
    _check_start(job)
    return job


def replace_settings(config: StylizeConfig, settings: Mapping[str, Any]) -> StylizeConfig:
    """``config`` with some fields replaced; unknown names are refused.

    A ``preset`` among the settings goes over ``config``, the other settings over the preset.
    """
    return config_from({**config.as_dict(), **with_preset(settings)})


def objective_of(config: StylizeConfig) -> Objective:
    """The static part of a run's loss."""
    return Objective(
        content_layers=order_taps(config.content_loss_layers),
        style_layers=order_taps(config.style_loss_layers),
        convention=config.convention,
        pooling=config.pooling,
        padding=config.padding,
        tv=config.tv,
        dtype="bfloat16" if config.precision == "bf16" else "float32",
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


def precision_in_force(config: StylizeConfig) -> AbstractContextManager[Any]:
    """A block in which programs are compiled with the precision asked for."""
    # JAX makes it part of what tells programs apart.
    return jax.default_matmul_precision(
        "default" if config.precision == "bf16" else config.precision
    )


def algorithm_of(config: StylizeConfig) -> LBFGS | Adam:
    """The optimiser on the device; not for ``optimizer="scipy"``."""
    bounds = (0.0, 1.0) if config.clamp else None
    if config.optimizer == "lbfgs":
        return LBFGS(config.history, bounds=bounds)
    return Adam(config.learning_rate, config.average, bounds)


def steps_per_call(config: StylizeConfig) -> int:
    """Steps in one compiled call."""
    return config.steps_per_call or (1 if jax.default_backend() == "cpu" else 10)


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


def content_at(job: Job, level: int) -> np.ndarray:
    """The content picture at a level's size; black where the job has none."""
    width, height = job.sizes[level]
    if job.content is None:
        return np.zeros((height, width, 3), np.float32)
    return resize(job.content.rgb, width, height)


def style_at(job: Job, level: int) -> np.ndarray:
    """The style picture at the size that goes with a level; the content where the job has none."""
    if job.style is None:
        return content_at(job, level)
    return resize(cropped_style(job), *_style_size(job.config, job.style, max(job.sizes[level])))


def cropped_style(job: Job) -> np.ndarray:
    """The part of the style picture that is used, at its own size."""
    assert job.style is not None
    return _middle(job.style.rgb, job.config.style_crop)


def start_of(job: Job) -> Float[np.ndarray, "height width 3"]:
    """The picture that the coarsest level starts from."""
    return initial_picture(job.config.init, content_at(job, 0), style_at(job, 0), job.config.seed)


def enlarge(job: Job, image: np.ndarray, level: int) -> Float[np.ndarray, "height width 3"]:
    """A result at the size of another level."""
    change = resize_wrapped if job.config.padding == "circular" else resize
    return change(image, *job.sizes[level])


def targets_at(job: Job, objective: Objective, model: Model, level: int) -> Targets:
    """What the picture of a level is compared with, for all taps of ``objective``."""
    # The style does not wrap where the result does: its borders would be seams in its statistics.
    plain = replace(objective, padding=_style_padding(objective.padding))
    content, style = content_at(job, level), style_at(job, level)
    if (mesh := mesh_of(job.config)) is not None:
        return Targets(
            content_targets_sharded(objective, model, content, mesh),
            style_targets_sharded(plain, model, style, mesh),
        )
    if not is_tiled(job, level):
        return Targets(
            content_targets(objective, model, jnp.asarray(content)),
            style_targets(plain, model, jnp.asarray(style)),
        )
    return Targets(
        content_targets_tiled(tiled_of(job, objective), model, content),
        style_targets_tiled(tiled_of(job, objective), model, style),
    )


def mesh_of(config: StylizeConfig) -> Mesh | None:
    """The devices that share the picture; None for one device.

    Raises:
        InputError: fewer devices than asked for.
    """
    return None if config.mesh is None else parse_mesh(config.mesh)


def is_tiled(job: Job, level: int) -> bool:
    """Whether a level is computed tile by tile: no level is that a single tile covers."""
    return job.config.strategy == "tiled" and max(job.sizes[level]) > job.config.tile


def tiled_of(job: Job, objective: Objective) -> TiledObjective:
    """The objective, computed as the job's settings say."""
    return TiledObjective(objective, job.config.tile, job.config.offload)


def record_of(job: Job) -> str:
    """JSON from which the run can be made again."""

    def entry(picture: Picture | None) -> list[dict[str, Any]]:
        return [] if picture is None else [{"path": picture.source, "sha256": picture.sha256}]

    inputs = {
        "content": next(iter(entry(job.content)), None),
        "styles": entry(job.style),
        "init": initial_files(job.config.init),
        "weights": {
            "sha256": job.network.sha256,
            "source": job.network.source,
            "source_sha256": job.network.source_sha256,
        },
    }
    extra = {"backend": jax.default_backend(), "shape": list(job.sizes[-1]), **job.note}
    return make_record(job.config.as_dict(), inputs, extra)


def _check_needed(config: StylizeConfig, has_content: bool, has_style: bool) -> None:
    for name, given, layers in (
        ("content", has_content, config.content_loss_layers),
        ("style", has_style, config.style_loss_layers),
    ):
        if layers and not given:
            raise InputError(
                f"there is no {name} picture, but {name} layers {','.join(layers)} are tapped: "
                f"give the picture, or {name}_layers=''"
            )
    ingredients = config.init.replace("+", " ").replace(":", " ").split()
    for name, given in (("content", has_content), ("style", has_style)):
        if name in ingredients and not given:
            raise InputError(f"init is {config.init!r}, but there is no {name} picture: try noise")


def _sizes(
    config: StylizeConfig,
    content: Picture | None,
    style: Picture | None,
    shape: tuple[int, int] | None,
) -> list[tuple[int, int]]:
    leader = content or style
    if leader is None:
        raise InputError("neither a content nor a style picture is given")
    width, height = shape or fit_longest_side(*leader.size, config.size)
    multiple = 1
    if config.padding == "circular":
        multiple = CIRCULAR_MULTIPLE
        if shape is None:
            width, height = (max(1, round(n / multiple)) * multiple for n in (width, height))
        elif width % multiple or height % multiple:
            raise InputError(
                f"size is {width}x{height}: a picture that wraps needs sides that are multiples "
                f"of {multiple} px"
            )
    content_taps, style_taps = config.content_loss_layers, config.style_loss_layers
    name = "content image" if content is not None else "the picture"
    check_size(height, width, [*content_taps, *style_taps], config.padding, name)
    # At coarse levels a few positions in the deepest layer are the least that makes a statistic.
    least = 4 * least_side([*content_taps, *style_taps])
    levels = config.levels or None
    sizes = level_sizes(width, height, levels=levels, least_side=least, multiple=multiple)
    if style is not None:
        width, height = _style_size(config, style, max(sizes[0]))
        if style_taps:
            padding = _style_padding(config.padding)
            check_size(height, width, list(style_taps), padding, "style image")
    return sizes


def _style_padding(padding: str) -> str:
    return "reflect" if padding == "circular" else padding


def _style_size(config: StylizeConfig, style: Picture, side: int) -> tuple[int, int]:
    width, height = (_cropped(n, config.style_crop) for n in style.size)
    return fit_longest_side(width, height, max(1, round(config.style_scale * side)))


def _middle(picture: np.ndarray, fraction: float) -> np.ndarray:
    height, width = (_cropped(side, fraction) for side in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def _cropped(side: int, fraction: float) -> int:
    return max(1, round(fraction * side))


def _check_start(job: Job) -> None:
    """Fail on an ``init`` that cannot be read before anything is computed."""
    pixel = np.zeros((1, 1, 3), np.float32)
    initial_picture(job.config.init, pixel, pixel, job.config.seed)
