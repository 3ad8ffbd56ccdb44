"""The experiments of the paper and its presentation, one function each.

Reconstructions run one after another, each with a program no deeper than its layers; grids are one
vmapped program (see ``grid``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxstyle.config.command_defaults import (
    CONTENT_RECONSTRUCTION,
    FIGURE3,
    LAYERS,
    NESTED,
    RATIO_OF_BALANCE,
    RATIOS,
    SCALES,
    STARTS,
    STYLE_LAYERS,
    STYLE_RECONSTRUCTION,
    TEXTURE,
)
from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.display.progress import LevelProgress
from jaxstyle.errors import InputError
from jaxstyle.images import as_picture
from jaxstyle.network.architecture import block_of
from jaxstyle.pipelines.axes import Axis
from jaxstyle.pipelines.sweep import Grid, sweep
from jaxstyle.run.coarse_to_fine import run
from jaxstyle.run.inputs import Image
from jaxstyle.run.job import Job
from jaxstyle.run.level import Level
from jaxstyle.run.prepare import prepare
from jaxstyle.run.result import Stylized
from jaxstyle.run.stylize import shown_by_default

Callback = Callable[[str, LevelProgress], None]
"""Told after every step: which panel, and its progress."""


class Panel(NamedTuple):
    """One picture of a strip.

    Attributes:
        label: what was reconstructed from.
        psnr: peak signal-to-noise ratio to the original in dB; nan where that means nothing.
    """

    label: str
    result: Stylized
    psnr: float


def reconstruct_content(
    content: Image,
    layers: Sequence[str] = LAYERS,
    *,
    callback: Callback | None = None,
    **settings: Any,
) -> list[Panel]:
    """Find, from white noise, pictures whose features in one layer are those of ``content``.

    Figure 1 of Gatys et al. 2015, lower row: from shallow layers the picture comes back nearly
    exactly, deep ones keep what is there and where, and lose its pixels.

    Args:
        layers: any taps, each for a panel of its own.
        callback: see ``Callback``.
        **settings: as in ``prepare``, over ``CONTENT_RECONSTRUCTION``; its total variation is left
            out for layers before the first pooling, which hide nothing.

    Raises:
        InputError: as ``prepare``.
    """
    picture = as_picture(content, name="content image")
    panels = []
    for layer in layers:
        given = {**CONTENT_RECONSTRUCTION, **settings, "content_layers": layer}
        if block_of(layer) == 1 and not layer.startswith("pool"):
            given["tv_weight"] = settings.get("tv_weight", 0.0)
        job = prepare(picture, None, **given)
        result = run(job, _for_panel(callback, layer))
        original = Level(job, len(job.sizes) - 1).content()
        panels.append(Panel(layer, result, psnr(result.image, original)))
        if result.reason.cut_short:
            break
    return panels


def reconstruct_style(
    style: Image,
    layer_sets: Sequence[str] = NESTED,
    *,
    callback: Callback | None = None,
    **settings: Any,
) -> list[Panel]:
    """Find, from white noise, pictures whose Gram matrices in some layers are those of ``style``.

    Figure 1 of Gatys et al. 2015, upper row: the more layers, the larger the structures; where
    things are is lost.

    Args:
        layer_sets: each as in ``style_layers``, for a panel of its own.
        callback, **settings: as in ``reconstruct_content``, over ``STYLE_RECONSTRUCTION``.

    Raises:
        InputError: as ``prepare``.
    """
    picture = as_picture(style, name="style image")
    panels = []
    for layers in layer_sets:
        label = set_label(layers)
        given = {**STYLE_RECONSTRUCTION, **settings, "style_layers": layers}
        job = prepare(None, picture, **given)
        result = run(job, _for_panel(callback, label))
        panels.append(Panel(label, result, float("nan")))
        if result.reason.cut_short:
            break
    return panels


def texture(
    style: Image,
    width: int,
    height: int,
    *,
    seamless: bool = False,
    callback: Callable[[LevelProgress], bool | None] | Literal[False] | None = None,
    **settings: Any,
) -> Stylized:
    """Make a picture of any size that has the texture of ``style``.

    Gatys, Ecker and Bethge, "Texture Synthesis Using Convolutional Neural Networks" (2015), coarse
    to fine. ``match_histogram=True`` ends it as the author's code does.

    >>> import numpy as np
    >>> from jaxstyle import texture
    >>> style = np.random.default_rng(0).random((48, 48, 3))
    >>> texture(style, 80, 64, seamless=True, steps=2).image.shape
    (64, 80, 3)

    Args:
        callback: as in ``stylize``.
        width, height, seamless, **settings: as in ``prepare_texture``.

    Raises:
        InputError: as ``prepare_texture``.
    """
    job = prepare_texture(style, width, height, seamless=seamless, **settings)
    return run(job, shown_by_default(callback))


def prepare_texture(
    style: Image, width: int, height: int, *, seamless: bool = False, **settings: Any
) -> Job:
    """Read and check all that ``texture`` is given; computes nothing.

    Args:
        width, height: of the result, in pixels.
        seamless: the right border continues at the left, the lower one at the top: copies tile a
            plane. Sides must be multiples of 16.
        **settings: as in ``prepare``, over ``TEXTURE``; ``size`` is the longest side that the style
            picture is scaled to, by default that of the result.

    Raises:
        InputError: a size that does not suit, or as ``prepare``.
    """
    if min(width, height) < 1:
        raise InputError(f"shape is {width}x{height}: it needs at least 1 px on each side")
    given = {**TEXTURE, **settings}
    if seamless:
        given["padding"] = "circular"
    side = max(width, height)
    if "size" in given:
        given["style_scale"] = given.get("style_scale", 1.0) * given["size"] / side
    return prepare(None, style, shape=(width, height), **{**given, "size": side})


def figure3(
    content: Image,
    style: Image,
    *,
    ratios: Sequence[float] = RATIOS,
    layer_sets: Sequence[str] = NESTED,
    **settings: Any,
) -> Grid:
    """Figure 3 of Gatys et al. 2015: style layers down, content over style across; one program.

    Args:
        ratios: in the paper's numbers. In the convention ``jaxstyle`` 1e-3 is the balance, content
            weight 1 to style weight 1, see ``RATIO_OF_BALANCE``; in any other convention they are
            taken as they are: content weight = ratio * style weight.
        layer_sets: of the style.
        **settings: as in ``sweep``, over ``FIGURE3``.

    Raises:
        InputError: as ``sweep``.
    """
    given = {**FIGURE3, **settings}
    base = given.get("config") or StylizeConfig()
    ours = given.get("convention", base.convention) == "jaxstyle"
    style_weight = given.pop("style_weight", None)
    if style_weight is None:
        style_weight = 1.0
    weights = [style_weight * ratio / (RATIO_OF_BALANCE if ours else 1.0) for ratio in ratios]
    rows = Axis(
        "style layers",
        tuple({"style_layers": layers} for layers in layer_sets),
        tuple(set_label(layers) for layers in layer_sets),
    )
    columns = Axis(
        "content / style",
        tuple({"content_weight": weight} for weight in weights),
        tuple(f"{ratio:.0e}" if ratio < 0.1 else f"{ratio:g}" for ratio in ratios),
    )
    return sweep(content, style, [rows, columns], style_weight=style_weight, **given)


def compare_starts(
    content: Image, style: Image, *, seeds: Sequence[int] = (0, 1, 2), **settings: Any
) -> Grid:
    """The same pair from the content, from the style and from noise of several seeds.

    Gatys et al. 2016, Figure 6: a picture as the start decides the result and shows in it; every
    noise gives another one.

    Args:
        seeds: of the noise.
        **settings: as in ``sweep``, over ``STARTS``.
    """
    starts = [{"init": "content"}, {"init": "style"}]
    labels = ["from the content", "from the style"]
    starts += [{"init": "noise", "seed": seed} for seed in seeds]
    labels += [f"from noise {seed}" for seed in seeds]
    one = Axis("starting picture", tuple(starts), tuple(labels))
    return sweep(content, style, [one], **{**STARTS, **settings})


def compare_scales(content: Image, style: Image, **settings: Any) -> Grid:
    """The same pair with the style cropped large, whole, and through layers near the input alone.

    Args:
        **settings: as in ``sweep``, over ``SCALES``.
    """
    scales = Axis(
        "style scale",
        (
            {"style_crop": 0.5},
            {"style_crop": 1.0},
            {"style_crop": 1.0, "style_layers": "relu1_1,relu2_1"},
        ),
        ("middle of the style, enlarged", "whole style", "whole style, first layers alone"),
    )
    return sweep(content, style, [scales], **{**SCALES, **settings})


def psnr(image: Float[np.ndarray, "h w 3"], original: Float[np.ndarray, "h w 3"]) -> float:
    """Peak signal-to-noise ratio of pictures in [0, 1], in dB."""
    error = float(np.mean(np.square(image.astype(np.float64) - original)))
    return float("inf") if error == 0 else -10 * float(np.log10(error))


def set_label(layers: str) -> str:
    """A name for a set of layers: the nested sets of the paper get their letters."""
    if layers in NESTED:
        last = STYLE_LAYERS[NESTED.index(layers)]
        return last if layers == last else f"{STYLE_LAYERS[0]} to {last}"
    return layers


def _for_panel(callback: Callback | None, label: str) -> Callable[[LevelProgress], None] | None:
    return None if callback is None else partial(callback, label)
