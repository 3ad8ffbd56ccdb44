"""The loss of an ``Objective`` and its gradient, tile by tile: memory is set by the tile.

The loss knows the picture only through sums over positions (Gram matrices, squared errors,
differences of neighbours), and so does its gradient. A first pass adds up the sums of the tiles;
their loss, and its slope D with respect to each sum, is a small matter. A second pass computes
every tile again and takes the gradient of <D, sums of this tile> with respect to its pixels. Each
position is counted by the one tile that owns it, and pixel gradients are added up where tiles
overlap, so the result is that of the whole picture but for the order of summation.

Where several devices have copies of the network, each computes one tile at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import Architecture, architecture_of, stride
from jaxstyle.network.network import kernel_shapes
from jaxstyle.network.vgg import check_size
from jaxstyle.objective.objective import Objective, check_tileable, freed
from jaxstyle.objective.partitioned.counted import counted_at, counted_guides
from jaxstyle.objective.partitioned.tile_layout import (
    Span,
    Tiling,
    Window,
    add_window,
    aligned_zeros,
    cut_targets,
    cut_window,
    owned_within,
    tile_picture,
)
from jaxstyle.objective.partitioned.work_queue import added_up, copied, dealt, devices_of
from jaxstyle.objective.pytrees import Model, Picture, Sums, Targets, Terms, Weights
from jaxstyle.objective.statistics import Moments
from jaxstyle.objective.targets import Known, known_of_sums, moments_of

AnyPicture = Picture | Float[np.ndarray, "height width 3"]

OfTiles = Callable[..., Iterable[tuple[Window, Any]]]
"""(function, static, common) -> what the function gives for each window; see ``dealt``."""

IDLE = Window(Span(0, 0, 0), Span(0, 0, 0))
"""Owns nothing: its sums and its gradient are 0."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class TiledObjective:
    """Evaluates an ``Objective`` tile by tile. Runs in Python: do not jit it.

    Attributes:
        objective: what is computed.
        tile: the largest side of a window in pixels; at least ``tile_layout.least_tile``.
        offload: keep picture, gradient and content targets in the host's memory, so that a device
            holds no more than two tiles; otherwise all are where the network is, if that is on one
            device alone.
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
            model: tiles are computed where its arrays are: by all devices of a mesh that have
                copies of them. Those may be of several processes, which then must all call this
                with the same arguments.
            targets, weights: as for ``Objective``; content targets may be NumPy arrays, or pictures
                (``Targets.seen``), whose features are then computed again for every tile.

        Returns:
            The gradient is a JAX array in the host's memory if ``offload``.

        Raises:
            InputError: as ``Objective``; also content targets that do not fit the picture, a tile
                that is too small for the taps, circular padding.
        """
        of_tiles = self._with_targets(picture, model, targets)
        loss, slope = self._first_pass(of_tiles, picture, model, targets, weights)
        home, devices = self.home(model), _devices_of(model)
        gradient = jnp.zeros(picture.shape, picture.dtype, device=home)
        slopes = model, copied(weights, devices), copied(slope, devices)
        for window, part in of_tiles(_tile_gradient, self.objective, slopes):
            gradient = add_window(gradient, jax.device_put(part, home), window)
        gradient = jax.device_put(added_up(gradient, devices), home)
        return loss, freed(gradient, jax.device_put(targets.guides, home))

    def value(
        self, picture: AnyPicture, model: Model, targets: Targets, weights: Weights
    ) -> tuple[Float[Array, ""], Terms]:
        """``(loss, terms)`` alone, which the first pass gives; all else as for a call."""
        of_tiles = self._with_targets(picture, model, targets)
        return self._first_pass(of_tiles, picture, model, targets, weights)[0]

    def _first_pass(
        self,
        of_tiles: OfTiles,
        picture: AnyPicture,
        model: Model,
        targets: Targets,
        weights: Weights,
    ) -> tuple[tuple[Float[Array, ""], Terms], Sums]:
        """``(loss, terms)``, and the slope of the loss with respect to each sum."""
        devices = _devices_of(model)
        common = model, copied(weights, devices)
        sums = _total(of_tiles(_tile_sums, self.objective, common), devices)
        architecture = _architecture_of(model)
        return loss_and_slope(
            self.objective, picture.shape, architecture, sums, targets.style, weights
        )

    def _with_targets(self, picture: AnyPicture, model: Model, targets: Targets) -> OfTiles:
        """Functions of (objective, \\*common, window, targets there, what of it is owned)."""

        def parts(cut: Callable[..., Any]) -> Targets:
            seen = tuple((cut(whole), np.asarray(share)[None]) for whole, share in targets.seen)
            return cut_targets(kept, cut)._replace(seen=seen)

        of_tiles = self.of_tiles(picture, model, parts)
        _check_content(self.objective, targets, picture, model)
        taps = () if targets.seen else self.objective.content_layers
        content = {tap: targets.content[tap] for tap in taps}
        kept = targets._replace(content=content, style={}, seen=())
        kept = jax.device_put(kept, self.home(model))
        if not targets.seen:
            return of_tiles
        # A program of its own: in one with theirs, XLA would hold both pictures' features at once.
        return partial(of_tiles, first=(_with_features, self.objective, (model,)))

    def of_tiles(
        self, picture: AnyPicture, model: Model, parts: Callable[..., Any] = lambda cut: {}
    ) -> OfTiles:
        """Functions of (static, \\*common, window, parts, what of the window is owned).

        Args:
            parts: gives arrays of a window by the function that cuts it out.

        Raises:
            InputError: as ``tiling``.
        """
        tiling = self.tiling(picture.shape[0], picture.shape[1], model)
        at_home = jnp.asarray(picture, device=self.home(model))

        def own(window: Window) -> tuple[Array, Any, np.ndarray]:
            cut = partial(cut_window, window=window, tiling=tiling)
            return cut(at_home), parts(cut), owned_within(window)[None]

        devices = _devices_of(model)
        return partial(dealt, pieces=tiling.windows, own=own, devices=devices, idle=IDLE)

    def tiling(self, height: int, width: int, model: Model) -> Tiling:
        """The windows over a picture of this size.

        Raises:
            InputError: unknown taps, a picture or a tile too small for them, circular padding, a
                loss that is no function of sums.
        """
        objective = self.objective
        check_tileable(objective)
        if objective.padding == "circular":
            raise InputError(
                "circular padding joins opposite borders, which no tile holds together: compute "
                "the picture whole, or pad with zeros, reflect or replicate"
            )
        check_size(height, width, objective.taps, objective.padding)
        return tile_picture(height, width, objective.taps, self.tile, _architecture_of(model))

    def home(self, model: Model) -> jax.sharding.Sharding:
        """Where pictures are kept: the place for an optimiser's state, too."""
        devices = _devices_of(model)
        if not self.offload and devices.size == 1:
            return jax.sharding.SingleDeviceSharding(devices.devices.item())
        return jax.sharding.SingleDeviceSharding(jax.local_devices(backend="cpu")[0])


def content_targets_tiled(
    tiled: TiledObjective, model: Model, content: AnyPicture
) -> dict[str, Float[Array, "_h _w _c"]]:
    """``objective.content_targets`` tile by tile; they are kept as ``offload`` says.

    Raises:
        InputError: as ``TiledObjective``.
    """
    objective = replace(tiled.objective, style_layers=())
    of_tiles = replace(tiled, objective=objective).of_tiles(content, model)
    targets: dict[str, np.ndarray] = {}
    for window, tapped in of_tiles(_tile_features, objective, (model,)):
        for tap, (part,) in jax.device_get(tapped).items():
            step = stride(tap)
            if tap not in targets:
                shape = content.shape[0] // step, content.shape[1] // step, part.shape[-1]
                targets[tap] = aligned_zeros(shape, part.dtype)
            (top, bottom), (left, right) = owned_within(window) // step
            owned = part[top:bottom, left:right]
            corner = targets[tap][window.rows.low // step :, window.columns.low // step :]
            corner[: owned.shape[0], : owned.shape[1]] = owned
    return jax.device_put(added_up(targets, _devices_of(model)), tiled.home(model))


def know_style_tiled(
    tiled: TiledObjective,
    model: Model,
    style: AnyPicture,
    guides: Mapping[str, Float[Array, "_h _w 1"]] | None = None,
) -> Known:
    """``objective.know_style`` tile by tile.

    Raises:
        InputError: as ``TiledObjective``.
    """
    objective = replace(tiled.objective, content_layers=())
    home = tiled.home(model)
    at_home = {tap: jax.device_put(guide, home) for tap, guide in (guides or {}).items()}

    def parts(cut: Callable[..., Any]) -> dict[str, Array]:
        return {tap: cut(guide, stride=stride(tap)) for tap, guide in at_home.items()}

    of_tiles = replace(tiled, objective=objective).of_tiles(style, model, parts)
    sums = _total(of_tiles(_tile_moments, objective, (model,)), _devices_of(model))
    return known_of_sums(jax.tree.map(jnp.asarray, sums))


def _tile_moments(
    objective: Objective,
    model: Model,
    window: Picture,
    guides: Mapping[str, Array],
    owned: Int[Array, "2 2"],
) -> dict[str, Moments]:
    tapped = objective.features(model, window, objective.style_layers)
    at = partial(_owned_at, tapped, owned)
    return moments_of(tapped, counted_at(objective.style_layers, at, guides))


def _tile_sums(
    objective: Objective,
    model: Model,
    weights: Weights,
    window: Picture,
    targets: Targets,
    owned: Int[Array, "2 2"],
) -> Sums:
    tapped = objective.features(model, window, objective.taps)
    at = partial(_owned_at, tapped, owned)
    guides = counted_guides(objective, targets.guides, at, _owned(window, owned))
    return objective.sums(tapped, window, targets._replace(guides=guides), weights)


def _tile_gradient(
    objective: Objective,
    model: Model,
    weights: Weights,
    slope: Sums,
    window: Picture,
    targets: Targets,
    owned: Int[Array, "2 2"],
) -> Picture:
    def weighed(window: Picture) -> Float[Array, ""]:
        sums = _tile_sums(objective, model, weights, window, targets, owned)
        products = jax.tree.map(lambda d, s: jnp.sum(d * s), slope, sums)
        return sum(jax.tree.leaves(products), jnp.zeros((), weights.tv.dtype))

    return jax.grad(weighed)(window)


def _with_features(
    objective: Objective,
    model: Model,
    window: Picture,
    targets: Targets,
    owned: Int[Array, "2 2"],
) -> tuple[Picture, Targets, Array]:
    """The same, with the features of the pictures in ``seen`` in place of these."""
    for picture, share in targets.seen:
        tapped = objective.features(model, picture, objective.content_layers)
        parts = {tap: share.astype(feature.dtype) * feature for tap, feature in tapped.items()}
        before = targets.content
        content = {tap: before[tap] + part if before else part for tap, part in parts.items()}
        targets = targets._replace(content=content)
    return window, targets._replace(seen=()), owned


def _tile_features(
    objective: Objective, model: Model, window: Picture, _parts: Any, _owned: Array
) -> dict[str, Array]:
    return objective.features(model, window, objective.content_layers)


@partial(jax.jit, static_argnums=(0, 1, 2))
def loss_and_slope(
    objective: Objective,
    shape: tuple[int, int, int],
    architecture: Architecture,
    sums: Sums,
    style: Mapping[str, tuple[dict[str, Any], ...]],
    weights: Weights,
) -> tuple[tuple[Float[Array, ""], Terms], Sums]:
    """The loss as ``Objective`` has it, and what an increase of each sum adds to it."""

    def loss(sums: Sums) -> tuple[Array, Terms]:
        return objective.loss_of_sums(sums, shape[:2], style, weights, architecture.width)

    return jax.value_and_grad(loss, has_aux=True)(sums)


def _owned_at(tapped: Mapping[str, Array], owned: Int[Array, "2 2"], tap: str) -> Array:
    return _owned(tapped[tap], owned, stride(tap))


def _owned(values: Float[Array, "h w c"], owned: Int[Array, "2 2"], stride: int = 1) -> Array:
    """(h, w, 1): 1, or 0 where another window owns the position."""
    (top, bottom), (left, right) = owned
    row, column = (stride * jnp.arange(side, dtype=owned.dtype) for side in values.shape[:2])
    rows, columns = (top <= row) & (row < bottom), (left <= column) & (column < right)
    return (rows[:, None, None] & columns[None, :, None]).astype(values.dtype)


def _total(parts: Iterable[tuple[Window, _T]], devices: Mesh) -> _T:
    """The sums of all tiles, added up in float64 on the host."""
    total = part = None
    for _, sums in parts:
        part = jax.tree.map(lambda leaf: leaf[0], jax.device_get(sums))
        wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), part)
        total = wide if total is None else jax.tree.map(np.add, total, wide)
    narrow = jax.tree.map(lambda leaf, like: leaf.astype(like.dtype), total, part)
    return added_up(narrow, devices)


def _devices_of(model: Model) -> Mesh:
    return devices_of(jnp.asarray(model.preprocessing.scale))


def _architecture_of(model: Model) -> Architecture:
    return architecture_of(kernel_shapes(model.params))[0]


def _check_content(
    objective: Objective, targets: Targets, picture: AnyPicture, model: Model
) -> None:
    height, width = picture.shape[:2]
    for seen, _ in targets.seen:
        if seen.shape != picture.shape:
            raise InputError(
                f"a content picture has shape {seen.shape}; a picture of {width}x{height} needs "
                f"{picture.shape}: use a content image of its size"
            )
    for tap in () if targets.seen else objective.content_layers:
        step = stride(tap)
        needed = height // step, width // step, _architecture_of(model).width(tap)
        if targets.content[tap].shape != needed:
            raise InputError(
                f"the content target of {tap} has shape {targets.content[tap].shape}; a picture of "
                f"{width}x{height} needs {needed}: use a content image of its size"
            )
