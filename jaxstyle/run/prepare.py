"""Reads and checks the inputs of a run: what can be wrong is found before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxstyle.config.presets import with_preset
from jaxstyle.config.stylize_config import StylizeConfig, config_from
from jaxstyle.errors import InputError
from jaxstyle.images import Picture, fit_longest_side
from jaxstyle.images.masks import Mask, check_aspect, read_mask
from jaxstyle.images.resizing import size_with
from jaxstyle.network.architecture import least_side, order_taps, style_padding
from jaxstyle.network.network import Network
from jaxstyle.network.vgg import check_depth, check_size
from jaxstyle.network.weights import default_weights, load_weights
from jaxstyle.objective.statistics import additive
from jaxstyle.run.inputs import (
    Image,
    Style,
    Weighted,
    read_contents,
    read_regions,
    read_styles,
)
from jaxstyle.run.job import Job, mesh_of
from jaxstyle.run.pyramid import level_sizes
from jaxstyle.run.start import initial_picture
from jaxstyle.run.strategy import choose
from jaxstyle.run.style_file import SavedStyle, check_saved_style
from jaxstyle.run.style_pictures import style_size

LEAST_PIXELS = 8
"""On the longest side of a picture to paint, or to take the style from."""

MOST_STYLE_SCALE = 16

CIRCULAR_MULTIPLE = 16
"""Sides of a picture that wraps are multiples of this: then pooling wraps too."""


def prepare(
    content: Any,
    style: Any,
    *,
    masks: Sequence[Any] = (),
    freeze: Image | Mask | None = None,
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
        masks, freeze: see ``stylize``.
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
    contents = () if content is None else read_contents(content)
    styles = () if style is None else read_styles(style)
    network = prepare_network(network or load_weights(config.weights), config)
    if config.pooling == "trained":
        config = replace(config, pooling=network.pooling)
    sizes = _sizes(config, contents, styles, shape)
    mesh_of(config)
    config, plan = choose(config, network.architecture, *sizes[-1], max_memory)
    job = Job(contents, styles, config, network, sizes, dict(note or {}), plan)
    job = replace(job, regions=read_regions(masks), freeze=_read_freeze(freeze))
    _check_parts(job)
    _check_start(job)
    return job


def replace_settings(config: StylizeConfig, settings: Mapping[str, Any]) -> StylizeConfig:
    """``config`` with some fields replaced; unknown names are refused.

    A ``preset`` among the settings goes over ``config``, the other settings over the preset.
    """
    return config_from({**config.as_dict(), **with_preset(settings)})


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


def _read_freeze(freeze: Image | Mask | None) -> Mask | None:
    if freeze is None or isinstance(freeze, Mask):
        return freeze
    return read_mask(freeze, name="freeze mask")


def _check_parts(job: Job) -> None:
    """Whether masks, transparency and statistics go together."""
    count = max(1, len(job.regions))
    sides = [max(size) for size in job.sizes]
    for style in job.styles:
        if isinstance(style.image, SavedStyle):
            first, used = style is job.used[0], style.weight > 0
            check_saved_style(style.image, job.config, job.network, sides, first=first, used=used)
        if style.region is not None and style.region > count:
            have = f"{len(job.regions)} masks" if job.regions else "no masks"
            raise InputError(f"a style is for region {style.region}, but there are {have}")
    if job.content is None and (job.regions or job.freeze is not None):
        raise InputError("masks are of a content picture, and there is none")
    _check_masks(job)
    if job.opaque_share <= 0:
        raise InputError("the content image is transparent all over: there is nothing to paint")
    if job.styles and not job.goals:
        raise InputError("no region has a style: check the regions that the styles are for")
    if job.is_masked and not additive(job.config.statistics):
        raise InputError(
            f"statistic {job.config.statistic} is of the whole picture: it cannot be used with "
            "masks or transparency"
        )


def _check_masks(job: Job) -> None:
    """Whether masks have the shapes of their pictures, and it is plain whose regions they are."""
    masks_of_content = [
        (f"mask {number}", region.mask) for number, region in enumerate(job.regions, 1)
    ]
    if job.freeze is not None:
        masks_of_content.append(("the freeze mask", job.freeze))
    for name, mask in masks_of_content:
        assert job.content is not None
        check_aspect(mask, name, job.content.size, "the content image")
    for number, style in enumerate(job.styles, 1):
        if style.mask is not None:
            check_aspect(style.mask, f"mask of style {number}", style.picture.size, "the style")
    styles, masks = len(job.styles), len(job.regions)
    if masks and styles not in (1, masks) and all(style.region is None for style in job.styles):
        raise InputError(
            f"{styles} styles and {masks} mask{'s' if masks > 1 else ''}: give one style for each "
            "mask, or say which region each is for with :region=2"
        )


def _sizes(
    config: StylizeConfig,
    contents: Sequence[Weighted],
    styles: Sequence[Style],
    shape: tuple[int, int] | None,
) -> list[tuple[int, int]]:
    content = contents[0].picture if contents else None
    if content is None and not styles:
        raise InputError("neither a content nor a style picture is given")
    _check_tiny(contents, styles)
    if shape is None:
        first = content or next(style for style in styles if style.weight > 0).picture
        width, height = fit_longest_side(*first.size, config.size)
    else:
        width, height = shape
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
    taps = [*content_taps, *style_taps]
    name, advice = "the picture", "resize it"
    if content is not None and shape is None:
        name = "content image"
        least = size_with(least_side(taps, config.padding), *content.size)
        advice = f"use --size {least} or more, crop it"
    check_size(height, width, taps, config.padding, name, advice)
    # At coarse levels a few positions in the deepest layer are the least that makes a statistic.
    least = 4 * least_side([*content_taps, *style_taps])
    levels = config.levels or None
    sizes = level_sizes(width, height, levels=levels, least_side=least, multiple=multiple)
    for style in styles if style_taps else ():
        if not isinstance(style.image, SavedStyle):
            _check_style_size(config, style, max(sizes[0]))
    return sizes


def _check_style_size(config: StylizeConfig, style: Style, side: int) -> None:
    """Refuse a style picture that is too small for a layer where the result is ``side`` long."""
    padding = style_padding(config.padding)
    seen = {}
    for tap, scale in {
        **dict.fromkeys(config.style_loss_layers, 1.0),
        **config.layer_scales,
    }.items():
        seen[tap] = style_size(config, style, side, min(config.multiscale) * scale)
    larger = max(
        size_with(least_side([tap], padding), *style.picture.size) / max(size)
        for tap, size in seen.items()
    )
    scale = math.ceil(100 * larger * config.style_scale) / 100
    advice = f"use --style-scale {scale:g}, crop it" if scale <= MOST_STYLE_SCALE else "crop it"
    for tap, (width, height) in seen.items():
        check_size(height, width, [tap], padding, "style image", advice)


def _check_tiny(contents: Sequence[Weighted], styles: Sequence[Style]) -> None:
    """Refuse pictures of a few pixels, of which enlarging makes nothing but a blur."""
    pictures = [("content image", one.picture) for one in contents]
    pictures += [("style image", one.picture) for one in styles if isinstance(one.image, Picture)]
    for name, picture in pictures:
        width, height = picture.size
        if max(width, height) < LEAST_PIXELS:
            raise InputError(
                f"{name} {picture.source} is {width}x{height} px, which shows nothing when it is "
                f"enlarged: give one of at least {LEAST_PIXELS} px on its longest side"
            )


def _check_start(job: Job) -> None:
    """Fail on an ``init`` that cannot be read before anything is computed."""
    pixel = np.zeros((1, 1, 3), np.float32)
    initial_picture(job.config.init, pixel, pixel, job.config.seed)
