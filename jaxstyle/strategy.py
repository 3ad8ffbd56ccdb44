"""Whole or tiled: which way of computing the gradient a run takes, decided before it runs."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import jax

from jaxstyle import needs
from jaxstyle.config import StylizeConfig
from jaxstyle.errors import InputError
from jaxstyle.layers import Architecture
from jaxstyle.planner import HEADROOM, format_bytes, free_bytes
from jaxstyle.sharding import mesh_shape
from jaxstyle.statistics import additive
from jaxstyle.windows import least_tile

DIVIDED_OVERHEAD = 1.3
"""Borders, and what fills the last parts up: of a few hundred pixels; less of larger pictures."""

LEAST_HISTORY = 3
"""L-BFGS that remembers less is hardly better than the gradient."""


LEAST_USEFUL_TILE = 256
"""Smaller tiles are mostly halo, and save next to nothing."""


class Way(NamedTuple):
    """One way of running, and what it needs.

    Attributes:
        strategy: ``whole`` or ``tiled``.
        tile: of ``tiled``, in pixels.
        offload: whether picture, gradient and optimiser state are in the host's memory.
        needed: bytes, of the device's memory.
    """

    strategy: str
    tile: int
    offload: bool
    needed: float


def free_memory() -> int:
    """Bytes that may be planned for on the first device, less a margin."""
    return int(HEADROOM * free_bytes(jax.local_devices()[:1]))


def ways(config: StylizeConfig, architecture: Architecture, width: int, height: int) -> list[Way]:
    """The ways of running a size, most memory first: whole, tiles of halving sides, offloaded."""
    layers = tuple(config.content_loss_layers), tuple(config.style_loss_layers)
    pixels, state = width * height, (config.optimizer, config.history)
    found = [Way("whole", 0, False, needs.whole_bytes(architecture, *layers, pixels, *state))]
    if not config.tileable:
        return found
    least = least_tile((*layers[0], *layers[1]), architecture)
    tiles = [max(config.tile, least)]
    while tiles[-1] // 2 >= max(least, LEAST_USEFUL_TILE):
        tiles.append(tiles[-1] // 2)
    for tile in tiles:
        needed = needs.tiled_bytes(architecture, *layers, pixels, *state, tile)
        found.append(Way("tiled", tile, False, needed))
    if jax.default_backend() != "cpu":
        for tile in tiles:
            needed = needs.tiled_bytes(architecture, *layers, tile * tile, *state, tile)
            found.append(Way("tiled", tile, True, needed))
    return found


def choose(
    config: StylizeConfig,
    architecture: Architecture,
    width: int,
    height: int,
    max_memory: int | None = None,
) -> tuple[StylizeConfig, str]:
    """Settings with ``strategy``, ``tile`` and ``history`` decided, and why, in one line.

    Args:
        config: a ``strategy`` other than auto is kept.
        width, height: of the final picture.
        max_memory: bytes; None for most of what is free.

    Raises:
        InputError: no way fits into ``max_memory``, or the strategy asked for is not possible.
    """
    found = ways(config, architecture, width, height)
    if config.mesh is not None:
        return _divided(config, found[0])
    if config.strategy != "auto":
        offload = config.offload and jax.default_backend() != "cpu"
        mine = [way for way in found if (way.strategy, way.offload) == (config.strategy, offload)]
        if not mine:
            raise InputError(
                f"strategy tiled is not possible where {_whole_for(config)}: take whole"
            )
        tile = mine[0].tile or config.tile
        told = f"{config.strategy}: about {format_bytes(mine[0].needed)}"
        return replace(config, tile=tile), told
    limit = max_memory or free_memory()
    fits = next((way for way in found if way.needed <= limit), None)
    told = f"of {format_bytes(limit)} {'allowed' if max_memory else 'free'}"
    if fits is not None:
        config = _taking(config, fits)
        return config, f"{_words(fits)}: about {format_bytes(fits.needed)} {told}"
    last = found[-1]
    if config.optimizer == "lbfgs" and last.strategy == "tiled":
        history = needs.history_that_fits(
            limit,
            architecture,
            config.content_loss_layers,
            config.style_loss_layers,
            width * height,
            config.history,
            last.tile,
        )
        if history >= LEAST_HISTORY:
            config = replace(_taking(config, last), history=history)
            return config, f"{_words(last)}, history {history}: fits the {told.removeprefix('of ')}"
    advice = "a smaller --size" if config.optimizer == "adam" else "--optimizer adam"
    message = (
        f"{width}x{height} needs about {format_bytes(last.needed)}, even {_words(last)}, {told}: "
        f"try {advice}"
    )
    if max_memory:
        raise InputError(message)
    # What is free is a guess; running is not refused for it.
    return _taking(config, last), message


def _whole_for(config: StylizeConfig) -> str:
    """Why a picture cannot be computed in parts."""
    if config.padding == "circular":
        return "padding is circular"
    if config.optimizer == "scipy":
        return "scipy is used"
    if config.normalise_gradients:
        return "gradients are normalised"
    return f"statistic {config.statistic} ranks the values of the whole picture"


def _divided(config: StylizeConfig, whole: Way) -> tuple[StylizeConfig, str]:
    assert config.mesh is not None
    if config.normalise_gradients or not additive(config.statistics):
        raise InputError(f"a mesh is not possible where {_whole_for(config)}")
    for name, value in (("strategy", "tiled"), ("optimizer", "scipy"), ("padding", "circular")):
        if getattr(config, name) == value:
            raise InputError(
                f"mesh {config.mesh} divides the picture over devices, which {name} {value} "
                "cannot: give one of the two"
            )
    rows, columns = mesh_shape(config.mesh)
    each = format_bytes(DIVIDED_OVERHEAD * whole.needed / (rows * columns))
    return replace(config, strategy="whole"), f"divided {config.mesh}: about {each} on each device"


def smaller(
    config: StylizeConfig, architecture: Architecture, width: int, height: int
) -> StylizeConfig | None:
    """The next way that needs less memory, for when one did not fit after all; None if none."""
    if config.mesh is not None:
        return None
    tiles = ways(config, architecture, width, height)[1:]
    left = [way for way in tiles if way.tile < max(width, height)]
    if config.strategy == "tiled":
        left = [way for way in left if (way.offload, -way.tile) > (config.offload, -config.tile)]
    return _taking(config, left[0]) if left else None


def _taking(config: StylizeConfig, way: Way) -> StylizeConfig:
    tile = way.tile or config.tile
    return replace(config, strategy=way.strategy, tile=tile, offload=way.offload)


def _words(way: Way) -> str:
    if way.strategy == "whole":
        return "whole"
    return f"tiles of {way.tile} px" + (", the rest in the host's memory" if way.offload else "")
