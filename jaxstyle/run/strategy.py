"""Whole or tiled: which way of computing the gradient a run takes, decided before it runs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import jax

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.errors import InputError
from jaxstyle.network.architecture import Architecture
from jaxstyle.objective.partitioned.device_mesh import mesh_shape
from jaxstyle.objective.partitioned.tile_layout import least_tile, tile_picture
from jaxstyle.objective.statistics import additive
from jaxstyle.run import memory_estimate
from jaxstyle.runtime.memory import HEADROOM, format_bytes, free_bytes

DIVIDED_OVERHEAD = 1.7
"""Parts with the rows of their neighbours, and what fills the last ones up (docs/benchmarks.md)."""

USEFUL_HISTORY, LEAST_HISTORY = 3, 1
"""Pairs that L-BFGS is to remember if tiles can be had for it, and at least. Ten are hardly better
than three, and one is well ahead of Adam: after 80 steps its loss is 1 % above that of ten."""


LEAST_USEFUL_TILE = 256
"""Smaller tiles are mostly halo, and save next to nothing."""

TWO_PASSES, CONTENT_AGAIN = 1.7, 2.5
"""Times that a step takes for tiles of as many pixels, and where both passes compute the content's
features too (docs/benchmarks.md)."""


class Way(NamedTuple):
    """One way of running, and what it needs.

    Attributes:
        strategy: ``whole`` or ``tiled``.
        tile: of ``tiled``, in pixels.
        offload: whether picture, gradient and optimiser state are in the host's memory; on a mesh,
            those of tiles always are.
        needed: bytes, of the memory of each device; on CPU, of all that the process takes.
        recompute_content: of ``tiled``, whether the content's features are not kept.
    """

    strategy: str
    tile: int
    offload: bool
    needed: float
    recompute_content: bool = False


def free_memory() -> int:
    """Bytes that may be planned for on the first device, less a margin."""
    return int(HEADROOM * free_bytes(jax.local_devices()[:1]))


def ways(config: StylizeConfig, architecture: Architecture, width: int, height: int) -> list[Way]:
    """The ways of running a size, quickest first: whole, tiles of halving sides, offloaded.

    On a mesh: the whole divided over its devices, and tiles dealt out to them. ``needed`` is with
    the history that is asked for.
    """
    layers = tuple(config.content_loss_layers), tuple(config.style_loss_layers)
    pixels, state = width * height, (config.optimizer, config.history)
    whole = memory_estimate.whole_bytes(architecture, *layers, pixels, *state)
    if config.mesh is not None:
        whole *= DIVIDED_OVERHEAD / math.prod(mesh_shape(config.mesh))
    candidates = [Way("whole", 0, False, whole)]
    if not config.tileable:
        return candidates
    on_host, again = jax.default_backend() == "cpu", config.recompute_content
    taps = (*layers[0], *layers[1])
    tiles = _tiles(config, least_tile(taps, architecture))

    def tiled(pixels: int, tile: int, again: bool = again) -> float:
        return memory_estimate.tiled_bytes(architecture, *layers, pixels, *state, tile, again)

    def time(way: Way) -> float:
        return evaluated_pixels(architecture, taps, width, height, way.tile, way.recompute_content)

    if config.mesh is None:
        agains = {again, again or (on_host and bool(layers[0]))}
        kept = [
            Way("tiled", tile, False, tiled(pixels, tile, again), again)
            for tile, again in product(tiles, sorted(agains))
        ]
        candidates += sorted(kept, key=time)
    if config.mesh is not None or not on_host:
        parts = _in_one_memory(config)
        for tile in tiles:
            needed = tiled(tile**2, tile)
            if on_host:
                # The host's memory is the devices': each has a share of what is kept there.
                needed += max(0, tiled(pixels, tile) - needed) / parts
                needed -= memory_estimate.PROCESS - memory_estimate.PROCESS / parts
            candidates.append(Way("tiled", tile, True, needed, again))
    return candidates


def _tiles(config: StylizeConfig, least: int) -> list[int]:
    """The sides of tiles that come into question: the one asked for, halved and halved."""
    tiles = [max(config.tile, least)]
    while tiles[-1] // 2 >= max(least, LEAST_USEFUL_TILE):
        tiles.append(tiles[-1] // 2)
    return tiles


def evaluated_pixels(
    architecture: Architecture,
    taps: Iterable[str],
    width: int,
    height: int,
    tile: int,
    recompute_content: bool = False,
) -> float:
    """Pixels of a whole picture whose value and gradient take as long as a step of this one.

    Args:
        tile: the longest side of a tile; 0 for the whole picture.
    """
    if not 0 < tile < max(width, height):
        return width * height
    tiling = tile_picture(height, width, taps, tile, architecture)
    pixels = tiling.height * tiling.width * len(tiling.windows)
    return pixels * (CONTENT_AGAIN if recompute_content else TWO_PASSES)


def choose(
    config: StylizeConfig,
    architecture: Architecture,
    width: int,
    height: int,
    max_memory: int | None = None,
) -> tuple[StylizeConfig, str]:
    """Settings with ``strategy``, ``tile`` and ``history`` decided, and why, in one line.

    Args:
        config: a ``strategy`` other than auto is kept; its tiles are made smaller, and its history
            shorter, for a ``max_memory`` alone.
        width, height: of the final picture.
        max_memory: bytes; None for most of what is free.

    Raises:
        InputError: no way fits into ``max_memory``, or the strategy asked for is not possible.
    """
    candidates = ways(config, architecture, width, height)
    each = "" if config.mesh is None else " on each device"
    if config.mesh is not None:
        _check_mesh(config)
    if config.strategy != "auto":
        candidates = _of_strategy(config, candidates)
        if max_memory is None:
            as_asked = (w for w in candidates if w.recompute_content == config.recompute_content)
            first = max(as_asked, key=lambda way: way.tile)
            words = config.strategy if config.mesh is None else _words(first, config.mesh)
            return _taking(config, first), f"{words}: about {format_bytes(first.needed)}{each}"
    limit = (max_memory or free_memory()) // _in_one_memory(config)
    memory = f"of {format_bytes(limit)} {'allowed' if max_memory else 'free'}"
    if way := next((way for way in candidates if way.needed <= limit), None):
        words = f"{_words(way, config.mesh)}: about {format_bytes(way.needed)}{each}"
        return _taking(config, way), f"{words} {memory}"
    if shorter := _with_less_history(config, architecture, width * height, limit, candidates):
        way, config = shorter
        needed = way_of(config, architecture, width, height).needed
        words = f"{_words(way, None)}, history {config.history}"
        return config, f"{words}: about {format_bytes(needed)} {memory}"
    last = min(candidates, key=lambda way: way.needed)
    words = _words(last, config.mesh)
    if last.strategy == "tiled" and config.optimizer == "lbfgs" and config.mesh is None:
        config = replace(_taking(config, last), history=LEAST_HISTORY)
        last = way_of(config, architecture, width, height)
        words += f" and history {LEAST_HISTORY}"
    advice = "a smaller --size" if config.optimizer == "adam" else "--optimizer adam"
    if config.strategy == "whole" and config.tileable:
        advice = "--strategy tiled"
    message = (
        f"{width}x{height} needs about {format_bytes(last.needed)}{each}, even {words}, {memory}: "
        f"try {advice}"
    )
    if max_memory:
        raise InputError(message)
    # What is free is a guess; running is not refused for it.
    return _taking(config, last), message


def _of_strategy(config: StylizeConfig, candidates: list[Way]) -> list[Way]:
    """Those of the strategy that is asked for."""
    offload = config.strategy == "tiled" and (
        config.mesh is not None or (config.offload and jax.default_backend() != "cpu")
    )
    asked = config.strategy, offload
    of_strategy = [way for way in candidates if (way.strategy, way.offload) == asked]
    if not of_strategy:
        raise InputError(f"strategy tiled is not possible where {_whole_for(config)}: take whole")
    return of_strategy


def _with_less_history(
    config: StylizeConfig,
    architecture: Architecture,
    pixels: int,
    limit: float,
    candidates: list[Way],
) -> tuple[Way, StylizeConfig] | None:
    """L-BFGS in the largest tiles that leave room for a useful history, or for any; None if none.

    A longer history gains less than smaller tiles cost.
    """
    if config.optimizer != "lbfgs" or config.mesh is not None:
        return None
    layers = tuple(config.content_loss_layers), tuple(config.style_loss_layers)
    for least in (USEFUL_HISTORY, LEAST_HISTORY):
        for way in candidates:
            if way.strategy != "tiled" or way.offload:
                continue
            history = memory_estimate.history_that_fits(
                limit,
                architecture,
                *layers,
                pixels,
                config.history,
                way.tile,
                way.recompute_content,
            )
            if history >= least:
                return way, replace(_taking(config, way), history=history)
    return None


def _whole_for(config: StylizeConfig) -> str:
    """Why a picture cannot be computed in parts."""
    if config.padding == "circular":
        return "padding is circular"
    if config.optimizer == "scipy":
        return "scipy is used"
    if config.normalise_gradients:
        return "gradients are normalised"
    return f"statistic {config.statistic} ranks the values of the whole picture"


def _check_mesh(config: StylizeConfig) -> None:
    if config.normalise_gradients or not additive(config.statistics):
        raise InputError(f"a mesh is not possible where {_whole_for(config)}")
    for name, value in (("optimizer", "scipy"), ("padding", "circular")):
        if getattr(config, name) == value:
            raise InputError(
                f"mesh {config.mesh} divides the picture over devices, which {name} {value} "
                "cannot: give one of the two"
            )


def _in_one_memory(config: StylizeConfig) -> int:
    """How many devices of the mesh share one memory: on CPU, those of a process."""
    if config.mesh is None or jax.default_backend() != "cpu":
        return 1
    return max(1, math.prod(mesh_shape(config.mesh)) // jax.process_count())


def smaller(
    config: StylizeConfig, architecture: Architecture, width: int, height: int
) -> StylizeConfig | None:
    """The next way that needs less memory, for when one did not fit after all; None if none."""
    left = [
        way
        for way in ways(config, architecture, width, height)[1:]
        if way.tile < max(width, height)
    ]
    if config.strategy == "tiled":
        now = way_of(config, architecture, width, height)
        left = [way for way in left if way.offload >= now.offload and way.needed < now.needed]
    return _taking(config, left[0]) if left else None


def way_of(config: StylizeConfig, architecture: Architecture, width: int, height: int) -> Way:
    """The one of ``ways`` that settings take whose ``strategy`` is decided."""
    candidates = ways(config, architecture, width, height)
    return next(way for way in candidates if _taking(config, way) == config)


def _taking(config: StylizeConfig, way: Way) -> StylizeConfig:
    again = way.recompute_content if way.tile else config.recompute_content
    return replace(
        config,
        strategy=way.strategy,
        tile=way.tile or config.tile,
        offload=way.offload,
        recompute_content=again,
    )


def _words(way: Way, mesh: str | None) -> str:
    if way.strategy == "whole":
        return "whole" if mesh is None else f"divided {mesh}"
    words = f"tiles of {way.tile} px" + (f" dealt out over {mesh}" if mesh is not None else "")
    words += ", the rest in the host's memory" if way.offload else ""
    return words + (", the content's features computed again" if way.recompute_content else "")
