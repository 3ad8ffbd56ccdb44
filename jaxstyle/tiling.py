"""The loss of an ``Objective`` and its gradient, tile by tile: memory is set by the tile.

The loss knows the picture only through sums over positions (Gram matrices, squared errors,
differences of neighbours), and so does its gradient. A first pass adds up the sums of the tiles;
their loss, and its slope D with respect to each sum, is a small matter. A second pass computes
every tile again and takes the gradient of <D, sums of this tile> with respect to its pixels. Each
position is counted by the one tile that owns it, and pixel gradients are added up where tiles
overlap, so the result is that of the whole picture but for the order of summation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, pairwise
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxstyle import losses
from jaxstyle.conventions import get_convention
from jaxstyle.errors import InputError
from jaxstyle.layers import Architecture, architecture_of, stride
from jaxstyle.network import kernel_shapes
from jaxstyle.objective import Model, Objective, Picture, Targets, Terms, Weights
from jaxstyle.vgg import check_size
from jaxstyle.windows import Tiling, Window, tile_picture

VARIATIONS = {"l1": lambda steps: jnp.sum(steps * jnp.sign(steps)), "l2": losses.energy}
"""From the differences of neighbours to the sums that ``losses.TOTAL_VARIATIONS`` are means of."""

AnyPicture = Picture | Float[np.ndarray, "height width 3"]

_T = TypeVar("_T")


class Sums(NamedTuple):
    """All that the loss needs to know of a picture; those of its tiles add up to it.

    Attributes:
        content: tap -> squared error.
        energy: tap -> sum of squares of the content's features.
        style: tap -> products of every two channels: the Gram matrix, not divided by anything.
        tv: differences of neighbours, see ``VARIATIONS``.
    """

    content: dict[str, Float[Array, ""]]
    energy: dict[str, Float[Array, ""]]
    style: dict[str, Float[Array, "_c _c"]]
    tv: Float[Array, ""]


@dataclass(frozen=True)
class TiledObjective:
    """Evaluates an ``Objective`` tile by tile. Runs in Python: do not jit it.

    Attributes:
        objective: what is computed.
        tile: the largest side of a window in pixels; at least ``windows.least_tile``.
        offload: keep picture, gradient and content targets in the host's memory, so that the device
            holds no more than two tiles; otherwise all are where the network is.
    """

    objective: Objective
    tile: int = 512
    offload: bool = True

    def __call__(
        self, picture: AnyPicture, model: Model, targets: Targets, weights: Weights
    ) -> tuple[tuple[Float[Array, ""], Terms], Picture]:
        """``((loss, terms), gradient)``, as ``Objective`` gives it for the whole picture.

        Args:
            picture: (height, width, 3) in [0, 1], a JAX or NumPy array.
            model: tiles are computed where its arrays are.
            targets, weights: as for ``Objective``; content targets may be NumPy arrays.

        Returns:
            The gradient is a JAX array in the host's memory if ``offload``.

        Raises:
            InputError: as ``Objective``; also content targets that do not fit the picture, a tile
                that is too small for the taps, circular padding.
        """
        objective, architecture = self.objective, architecture_of(kernel_shapes(model.params))[0]
        tiling = self.tiling(picture.shape[0], picture.shape[1], model)
        _check_content(objective, targets, picture, architecture)
        home, work = self.home(model), _place_of(model)
        content = {tap: targets.content[tap] for tap in objective.content_layers}
        content = jax.device_put(content, home)
        at_home = jnp.asarray(picture, device=home)

        def arguments(window: Window) -> tuple[Picture, Model, dict[str, Array], np.ndarray]:
            cut = partial(_cut_window, window=window, tiling=tiling, place=work)
            kept = {tap: cut(target, stride=stride(tap)) for tap, target in content.items()}
            return cut(at_home), model, kept, _owned_within(window)

        sums = _total(_tile_sums(objective, *arguments(window)) for window in tiling.windows)
        (loss, terms), slope = loss_and_slope(
            objective, picture.shape, architecture, sums, targets.style, weights
        )
        gradient = jnp.zeros(picture.shape, picture.dtype, device=home)
        parts = (
            (window, _tile_gradient(objective, *arguments(window), slope))
            for window in tiling.windows
        )
        for window, part in _one_ahead(parts):
            gradient = _add(gradient, jax.device_put(part, home), _start(window))
        return (loss, terms), gradient

    def tiling(self, height: int, width: int, model: Model) -> Tiling:
        """The windows over a picture of this size.

        Raises:
            InputError: unknown taps, a picture or a tile too small for them, circular padding.
        """
        objective = self.objective
        if objective.padding == "circular":
            raise InputError(
                "circular padding joins opposite borders, which no tile holds together: compute "
                "the picture whole, or pad with zeros, reflect or replicate"
            )
        taps = objective.content_layers + objective.style_layers
        check_size(height, width, taps, objective.padding)
        architecture, _ = architecture_of(kernel_shapes(model.params))
        return tile_picture(height, width, taps, self.tile, architecture)

    def home(self, model: Model) -> jax.sharding.Sharding:
        """Where pictures are kept: the place for an optimiser's state, too."""
        if not self.offload:
            return _place_of(model)
        return jax.sharding.SingleDeviceSharding(jax.local_devices(backend="cpu")[0])


def content_targets_tiled(
    tiled: TiledObjective, model: Model, content: AnyPicture
) -> dict[str, Float[Array, "_h _w _c"]]:
    """``objective.content_targets`` tile by tile; they are kept as ``offload`` says.

    Raises:
        InputError: as ``TiledObjective``.
    """
    objective = replace(tiled.objective, style_layers=())
    tiled = replace(tiled, objective=objective)
    height, width = content.shape[:2]
    tiling = tiled.tiling(height, width, model)
    home, work = tiled.home(model), _place_of(model)
    at_home = jnp.asarray(content, device=home)
    parts = (
        (window, _tile_features(objective, _cut_window(at_home, window, tiling, work), model))
        for window in tiling.windows
    )
    targets: dict[str, np.ndarray] = {}
    for window, found in _one_ahead(parts):
        for tap, part in jax.device_get(found).items():
            step = stride(tap)
            if tap not in targets:
                shape = height // step, width // step, part.shape[-1]
                targets[tap] = np.empty(shape, part.dtype)
            (top, bottom), (left, right) = _owned_within(window) // step
            owned = part[top:bottom, left:right]
            there = targets[tap][window.rows.low // step :, window.columns.low // step :]
            there[: owned.shape[0], : owned.shape[1]] = owned
    return {tap: jax.device_put(target, home) for tap, target in targets.items()}


def style_targets_tiled(
    tiled: TiledObjective, model: Model, style: AnyPicture
) -> dict[str, Float[Array, "_c _c"]]:
    """``objective.style_targets`` tile by tile.

    Raises:
        InputError: as ``TiledObjective``.
    """
    objective = replace(tiled.objective, content_layers=())
    tiled = replace(tiled, objective=objective)
    height, width = style.shape[:2]
    tiling = tiled.tiling(height, width, model)
    work = _place_of(model)
    at_home = jnp.asarray(style, device=tiled.home(model))
    sums = _total(
        _tile_sums(
            objective, _cut_window(at_home, window, tiling, work), model, {}, _owned_within(window)
        )
        for window in tiling.windows
    )
    return {
        tap: jnp.asarray(gram / _positions(height, width, tap)) for tap, gram in sums.style.items()
    }


@partial(jax.jit, static_argnums=0)
def _tile_sums(
    objective: Objective,
    window: Picture,
    model: Model,
    content: Mapping[str, Array],
    owned: Int[Array, "2 2"],
) -> Sums:
    taps = tuple(dict.fromkeys(objective.content_layers + objective.style_layers))
    found = objective.features(model, window, taps)
    found = {tap: _keep_owned(feature, owned, stride(tap)) for tap, feature in found.items()}
    wanted = {tap: _keep_owned(target, owned, stride(tap)) for tap, target in content.items()}
    down, right = window[1:] - window[:-1], window[:, 1:] - window[:, :-1]
    variation = VARIATIONS[objective.tv]
    return Sums(
        content={tap: losses.squared_error(found[tap], wanted[tap]) for tap in wanted},
        energy={tap: losses.energy(wanted[tap]) for tap in wanted},
        style={tap: _gram_sum(found[tap]) for tap in objective.style_layers},
        tv=variation(_keep_owned(down, owned)) + variation(_keep_owned(right, owned)),
    )


@partial(jax.jit, static_argnums=0)
def _tile_gradient(
    objective: Objective,
    window: Picture,
    model: Model,
    content: Mapping[str, Array],
    owned: Int[Array, "2 2"],
    slope: Sums,
) -> Picture:
    def weighed(window: Picture) -> Float[Array, ""]:
        sums = _tile_sums(objective, window, model, content, owned)
        products = jax.tree.map(lambda d, s: jnp.sum(d * s), slope, sums)
        return sum(jax.tree.leaves(products), jnp.zeros((), sums.tv.dtype))

    return jax.grad(weighed)(window)


@partial(jax.jit, static_argnums=0)
def _tile_features(objective: Objective, window: Picture, model: Model) -> dict[str, Array]:
    return objective.features(model, window, objective.content_layers)


@partial(jax.jit, static_argnums=(0, 1, 2))
def loss_and_slope(
    objective: Objective,
    shape: tuple[int, int, int],
    architecture: Architecture,
    sums: Sums,
    style: Mapping[str, Array],
    weights: Weights,
) -> tuple[tuple[Float[Array, ""], Terms], Sums]:
    """The loss as ``Objective`` has it, and what an increase of each sum adds to it."""
    convention = get_convention(objective.convention)
    height, width, _ = shape

    def shares(given: Mapping[str, Array], taps: tuple[str, ...]) -> dict[str, Array]:
        if not taps:
            return {}
        found = convention.layer_weights(jnp.stack([given[tap] for tap in taps]))
        return {tap: found[i] for i, tap in enumerate(taps)}

    def loss(sums: Sums) -> tuple[Array, Terms]:
        content, styles = {}, {}
        for tap, share in shares(weights.content_layers, objective.content_layers).items():
            positions = _positions(height, width, tap)
            scale = convention.content_scale(architecture.width(tap), positions, sums.energy[tap])
            content[tap] = weights.content * share * scale * sums.content[tap]
        for tap, share in shares(weights.style_layers, objective.style_layers).items():
            positions = _positions(height, width, tap)
            energy = losses.energy(style[tap])
            scale = convention.style_scale(architecture.width(tap), positions, energy)
            error = losses.squared_error(sums.style[tap] / positions, style[tap])
            styles[tap] = weights.style * share * scale * error
        zero = jnp.zeros((), sums.tv.dtype)
        terms = Terms(
            content=sum(content.values(), zero),
            style=sum(styles.values(), zero),
            tv=weights.tv * (sums.tv / (height * width * 3)),
            content_layers=content,
            style_layers=styles,
        )
        return terms.content + terms.style + terms.tv, terms

    return jax.value_and_grad(loss, has_aux=True)(sums)


def _gram_sum(features: Float[Array, "h w c"]) -> Float[Array, "c c"]:
    return losses.gram_matrix(features) * (features.shape[0] * features.shape[1])


def _keep_owned(
    values: Float[Array, "h w c"], owned: Int[Array, "2 2"], stride: int = 1
) -> Float[Array, "h w c"]:
    """Zero, without a gradient, where another window owns the position."""
    (top, bottom), (left, right) = owned
    row, column = (stride * jnp.arange(side, dtype=owned.dtype) for side in values.shape[:2])
    rows, columns = (top <= row) & (row < bottom), (left <= column) & (column < right)
    inside = rows[:, None, None] & columns[None, :, None]
    return jnp.where(inside, values, jnp.zeros((), values.dtype))


@partial(jax.jit, static_argnames=("height", "width"))
def _cut(
    array: Float[Array, "h w c"], start: Int[Array, "2"], *, height: int, width: int
) -> Float[Array, "height width c"]:
    size = height, width, array.shape[-1]
    return jax.lax.dynamic_slice(array, _corner(start), size)


@partial(jax.jit, donate_argnums=0)
def _add(
    whole: Float[Array, "h w c"], part: Float[Array, "height width c"], start: Int[Array, "2"]
) -> Float[Array, "h w c"]:
    corner = _corner(start)
    there = jax.lax.dynamic_slice(whole, corner, part.shape)
    return jax.lax.dynamic_update_slice(whole, there + part, corner)


def _corner(start: Int[Array, "2"]) -> tuple[Array, ...]:
    return start[0], start[1], jnp.zeros_like(start[0])


def _cut_window(
    array: Array, window: Window, tiling: Tiling, place: jax.sharding.Sharding, stride: int = 1
) -> Array:
    """A window's part of a picture, or of features that have one position in ``stride`` pixels."""
    size = {"height": tiling.height // stride, "width": tiling.width // stride}
    return jax.device_put(_cut(array, _start(window) // stride, **size), place)


def _start(window: Window) -> np.ndarray:
    return np.array([span.start for span in window], np.int32)


def _owned_within(window: Window) -> np.ndarray:
    """By axis the first pixel that a window owns and the first that it does not, from its start."""
    return np.array([[s.low - s.start, s.high - s.start] for s in window], np.int32)


def _total(parts: Iterable[Sums]) -> Sums:
    """The sums of all tiles, added up in float64 on the host."""
    total = None
    for _, part in _one_ahead((None, part) for part in parts):
        part = jax.device_get(part)
        wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), part)
        total = wide if total is None else jax.tree.map(np.add, total, wide)
    return jax.tree.map(lambda leaf, like: leaf.astype(like.dtype), total, part)


def _one_ahead(results: Iterable[tuple[_T, Array | Sums]]) -> Iterator[tuple[_T, Array | Sums]]:
    """Results in order, each when it is ready; by then the device has the next one in its queue."""
    for result, _ in pairwise(chain(results, [None])):
        assert result is not None
        jax.block_until_ready(result[1])
        yield result


def _positions(height: int, width: int, tap: str) -> int:
    return (height // stride(tap)) * (width // stride(tap))


def _place_of(model: Model) -> jax.sharding.Sharding:
    return jnp.asarray(model.preprocessing.scale).sharding


def _check_content(
    objective: Objective, targets: Targets, picture: AnyPicture, architecture: Architecture
) -> None:
    height, width = picture.shape[:2]
    for tap in objective.content_layers:
        step = stride(tap)
        needed = height // step, width // step, architecture.width(tap)
        if targets.content[tap].shape != needed:
            raise InputError(
                f"the content target of {tap} has shape {targets.content[tap].shape}; a picture of "
                f"{width}x{height} needs {needed}: use a content image of its size"
            )
