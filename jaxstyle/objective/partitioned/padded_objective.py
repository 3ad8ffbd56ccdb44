"""The loss of a picture that lies in the corner of a larger one, exactly as without the rest.

Devices share a picture evenly only if its sides are multiples of their number, at every octave.
Other pictures are continued below and to the right. What lies beyond their border is, before each
convolution, replaced by what the padding says, and counts in no sum: neither the loss nor its
gradient, which is 0 there, know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from jaxstyle.network.architecture import architecture_of, order_taps, stride
from jaxstyle.network.convolution import pool2x2, relu
from jaxstyle.network.network import kernel_shapes
from jaxstyle.network.preprocessing import to_network
from jaxstyle.network.vgg import check_depth, check_size
from jaxstyle.objective.objective import Objective, with_gradient
from jaxstyle.objective.partitioned.counted import counted_at, counted_guides
from jaxstyle.objective.partitioned.tile_layout import grid_of
from jaxstyle.objective.pytrees import Model, Picture, Targets, Terms, Weights
from jaxstyle.objective.statistics import Moments, moments
from jaxstyle.objective.targets import Known, known_of_sums, moments_of
from jaxstyle.runtime.programs import jitted

_SOURCE = {"zeros": 0, "replicate": 1, "reflect": 2}
"""How far before the first position beyond the border the one lies that it repeats."""


@dataclass(frozen=True)
class PaddedObjective:
    """An ``Objective`` of pictures of which only the upper left part counts.

    Pictures are (rows, columns, 3), at least ``height`` times ``width``, with sides that are
    multiples of the stride of the deepest tap. Content targets belong to the whole of them and are
    0 beyond the border; see ``content_targets_padded``. With circular padding nothing may be
    beyond.

    Attributes:
        objective: what is computed.
        height, width: of the part that counts, in pixels.
        mesh: the devices that share the picture, its two axes being those of the picture.
    """

    objective: Objective
    height: int
    width: int
    mesh: Mesh

    def moments(
        self, features: Float[Array, "h w c"], guide: Float[Array, "h w"] | None
    ) -> Moments:
        """``statistics.moments`` of features shared as the picture is."""
        axes = self.mesh.axis_names
        assert guide is not None

        def own(part: Float[Array, "_h _w c"], guide: Float[Array, "_h _w"]) -> Moments:
            return jax.lax.psum(moments(part, guide), axes)

        # Left to the compiler, rows of positions would be gathered: height and width are one axis
        # there, and no device has a contiguous part of it.
        spec = PartitionSpec(*axes)
        share = jax.shard_map(own, mesh=self.mesh, in_specs=(spec, spec), out_specs=PartitionSpec())
        return share(features, guide)

    def inside(
        self, values: Float[Array, "h w c"], tap: str | None = None
    ) -> Float[Array, "h w 1"]:
        """1 within the border of a picture, or of the features of a tap, and 0 beyond."""
        step = 1 if tap is None else stride(tap)
        return _inside(jnp.ones_like(values[..., :1]), self.height // step, self.width // step)

    @property
    def shape(self) -> tuple[int, int]:
        """The least sides that all devices share evenly, from the pixels to the deepest tap."""
        rows, columns = self.multiples
        return -(-self.height // rows) * rows, -(-self.width // columns) * columns

    @property
    def multiples(self) -> tuple[int, int]:
        """What the sides that all devices share evenly are multiples of."""
        rows, columns = self.mesh.devices.shape
        grid = grid_of(self.objective.taps)
        return grid * rows, grid * columns

    def convolved(
        self,
        x: Float[Array, "n h w i"],
        kernel: Float[Array, "3 3 i o"],
        bias: Float[Array, " o"],
        extent: tuple[int, int],
    ) -> Float[Array, "n h w o"]:
        """``convolve3x3`` of features of which ``extent`` counts, shared as the picture is."""
        names, padding = self.mesh.axis_names, self.objective.padding

        def own(x: Array, kernel: Array, bias: Array) -> Array:
            for axis, (name, length) in enumerate(zip(names, extent, strict=True), start=1):
                x = _with_neighbours(x, axis, name, length, padding)
            y = jax.lax.conv_general_dilated(
                x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            return y + bias.reshape(1, 1, 1, -1)

        # Left to the compiler, what is put beyond a border makes further copies of the features.
        spec, all_of_it = PartitionSpec(None, *names), PartitionSpec()
        share = jax.shard_map(
            own, mesh=self.mesh, in_specs=(spec, all_of_it, all_of_it), out_specs=spec
        )
        return share(x, kernel, bias)

    def features(
        self, model: Model, picture: Picture, taps: Sequence[str]
    ) -> dict[str, Float[Array, "_h _w _c"]]:
        """The tapped features, 0 beyond the border.

        Raises:
            InputError: as ``vgg.features``.
        """
        objective, extent = self.objective, (self.height, self.width)
        if extent != picture.shape[:2]:
            assert objective.padding != "circular", "opposite borders do not meet"
        architecture, last = architecture_of(kernel_shapes(model.params))
        ordered = order_taps(taps, architecture)
        check_depth(ordered, architecture, last)
        check_size(*extent, ordered, objective.padding)
        x = to_network(picture[None], model.preprocessing)
        x = x if objective.dtype == "float32" else x.astype(objective.dtype)
        tapped: dict[str, Array] = {}
        for layer in architecture.layers:
            if len(tapped) == len(ordered):
                break
            if layer.startswith("conv"):
                kernel, bias = (model.params[layer][n].astype(x.dtype) for n in ("kernel", "bias"))
                x = self.convolved(x, kernel, bias, extent)
            elif layer.startswith("relu"):
                x = relu(x)
            else:
                x = pool2x2(x, objective.pooling)
                extent = extent[0] // 2, extent[1] // 2
            if layer in ordered:
                tapped[layer] = _inside(x[0], *extent)
        return tapped

    def loss(
        self, picture: Picture, model: Model, targets: Targets, weights: Weights
    ) -> tuple[Float[Array, ""], Terms]:
        """The weighted loss and its parts, as ``Objective.loss`` has them."""
        objective, inside = self.objective, self.inside(picture)
        tapped = self.features(model, picture, objective.taps)

        def at(tap: str) -> Array:
            return self.inside(tapped[tap], tap)

        guides = counted_guides(objective, targets.guides, at, inside, inside)
        targets = targets._replace(guides=guides)
        sums = objective.sums(tapped, picture, targets, weights, moments=self.moments)
        shape = self.height, self.width
        channels = architecture_of(kernel_shapes(model.params))[0].width
        return objective.loss_of_sums(sums, shape, targets.style, weights, channels)

    def __call__(
        self, picture: Picture, model: Model, targets: Targets, weights: Weights
    ) -> tuple[tuple[Float[Array, ""], Terms], Picture]:
        """``((loss, terms), gradient)``, as ``Objective`` gives it. Pure; jit it."""
        return with_gradient(self.loss, picture, model, targets, weights)


@jitted(static_argnames="padded")
def content_targets_padded(
    padded: PaddedObjective, model: Model, content: Picture
) -> dict[str, Float[Array, "_h _w _c"]]:
    """``objective.content_targets``, continued by zeros as the picture is."""
    return padded.features(model, content, padded.objective.content_layers)


@jitted(static_argnames="padded")
def know_style_padded(
    padded: PaddedObjective,
    model: Model,
    style: Picture,
    guides: Mapping[str, Float[Array, "_h _w 1"]],
) -> Known:
    """``objective.know_style`` of the part that counts."""
    tapped = padded.features(model, style, padded.objective.style_layers)

    def at(tap: str) -> Array:
        return padded.inside(tapped[tap], tap)

    return known_of_sums(moments_of(tapped, counted_at(tapped, at, guides), padded.moments))


def _with_neighbours(
    x: Float[Array, "n h w c"], axis: int, name: str, length: int, padding: str
) -> Float[Array, "n _h _w c"]:
    """A device's part with one position more at both ends of an axis: the neighbours', or padding.

    Args:
        name: of the mesh's axis.
        length: of the axis of the picture; what lies beyond belongs to nothing.
    """
    side, parts, own = x.shape[axis], jax.lax.axis_size(name), jax.lax.axis_index(name)
    ring = [(device, (device + 1) % parts) for device in range(parts)]
    back = [(after, before) for before, after in ring]
    last, first = (jax.lax.slice_in_dim(x, at, at + 1, axis=axis) for at in (side - 1, 0))
    before, after = jax.lax.ppermute(last, name, ring), jax.lax.ppermute(first, name, back)
    x = jax.lax.concatenate([before, x, after], axis)
    if padding == "circular":
        return x
    # Of what lies beyond the picture, only the first position at each end is ever seen.
    move = _SOURCE[padding]
    x = _replaced(x, jnp.zeros((), jnp.int32), own == 0, axis, move)
    end = length - own * side + 1
    ends = (end > 0) & (end <= side + 1)
    return _replaced(x, jnp.clip(end, 0, side + 1), ends, axis, -move)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _replaced(
    x: Float[Array, "n h w c"], at: Int[Array, ""], where: Bool[Array, ""], axis: int, move: int
) -> Float[Array, "n h w c"]:
    """``x`` with one position of an axis as that which is ``move`` further, or 0 if 0."""
    old = jax.lax.dynamic_slice_in_dim(x, at, 1, axis)
    new = jax.lax.dynamic_slice_in_dim(x, at + move, 1, axis) if move else jnp.zeros_like(old)
    return jax.lax.dynamic_update_slice_in_dim(x, jnp.where(where, new, old), at, axis)


def _replaced_forward(
    x: Array, at: Array, where: Array, axis: int, move: int
) -> tuple[Array, tuple[Array, Array]]:
    return _replaced(x, at, where, axis, move), (at, where)


def _replaced_backward(
    axis: int, move: int, places: tuple[Array, Array], cotangent: Array
) -> tuple[Array, None, None]:
    # As JAX has it, each of the slices would come back as an array of zeros, as large as all.
    at, where = places
    mine = jax.lax.dynamic_slice_in_dim(cotangent, at, 1, axis)
    none = jnp.zeros_like(mine)
    cotangent = jax.lax.dynamic_update_slice_in_dim(
        cotangent, jnp.where(where, none, mine), at, axis
    )
    if move:
        source = jax.lax.dynamic_slice_in_dim(cotangent, at + move, 1, axis)
        source = source + jnp.where(where, mine, none)
        cotangent = jax.lax.dynamic_update_slice_in_dim(cotangent, source, at + move, axis)
    return cotangent, None, None


_replaced.defvjp(_replaced_forward, _replaced_backward)


def _inside(values: Float[Array, "h w c"], height: int, width: int) -> Float[Array, "h w c"]:
    """0, and without a gradient, beyond the border."""
    for axis, length in enumerate((height, width)):
        if length < values.shape[axis]:
            index = jax.lax.broadcasted_iota(jnp.int32, values.shape, axis)
            values = jnp.where(index < length, values, jnp.zeros((), values.dtype))
    return values
