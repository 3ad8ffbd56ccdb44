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
from jaxtyping import Array, Float

from jaxstyle.convolution import convolve3x3, pool2x2
from jaxstyle.layers import architecture_of, order_taps, stride
from jaxstyle.network import kernel_shapes
from jaxstyle.objective import Objective, freed
from jaxstyle.preprocess import to_network
from jaxstyle.quantities import Counted, Model, Picture, Targets, Terms, Weights
from jaxstyle.statistics import Moments, means, moments
from jaxstyle.targets import Known
from jaxstyle.vgg import check_depth, check_size

_SOURCE = {"replicate": 1, "reflect": 2}
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

    def counted(self, found: Mapping[str, Array], picture: Picture) -> Counted:
        """What lies within the border."""

        def at(tap: str) -> Array:
            extent = self.height // stride(tap), self.width // stride(tap)
            return _inside(jnp.ones_like(found[tap][..., :1]), *extent)

        inside = _inside(jnp.ones_like(picture[..., :1]), self.height, self.width)
        return Counted(at, inside, inside)

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
        found: dict[str, Array] = {}
        for layer in architecture.layers:
            if len(found) == len(ordered):
                break
            if layer.startswith("conv"):
                kernel, bias = (model.params[layer][n].astype(x.dtype) for n in ("kernel", "bias"))
                x = convolve3x3(
                    _continued(x, extent, objective.padding), kernel, bias, objective.padding
                )
            elif layer.startswith("relu"):
                x = jax.nn.relu(x)
            else:
                x = pool2x2(x, objective.pooling)
                extent = extent[0] // 2, extent[1] // 2
            if layer in ordered:
                found[layer] = _inside(x[0], *extent)
        return found

    def loss(
        self, picture: Picture, model: Model, targets: Targets, weights: Weights
    ) -> tuple[Float[Array, ""], Terms]:
        """The weighted loss and its parts, as ``Objective.loss`` has them."""
        objective = self.objective
        found = self.features(model, picture, objective.taps)
        sums = objective.sums(
            found,
            picture,
            targets,
            weights,
            counted=self.counted(found, picture),
            moments=self.moments,
        )
        shape = self.height, self.width
        channels = architecture_of(kernel_shapes(model.params))[0].width
        return objective.loss_of_sums(sums, shape, targets.style, weights, channels)

    def __call__(
        self, picture: Picture, model: Model, targets: Targets, weights: Weights
    ) -> tuple[tuple[Float[Array, ""], Terms], Picture]:
        """``((loss, terms), gradient)``, as ``Objective`` gives it. Pure; jit it."""
        found, gradient = jax.value_and_grad(self.loss, has_aux=True)(
            picture, model, targets, weights
        )
        return found, freed(gradient, targets.guides)


@partial(jax.jit, static_argnames="padded")
def content_targets_padded(
    padded: PaddedObjective, model: Model, content: Picture
) -> dict[str, Float[Array, "_h _w _c"]]:
    """``objective.content_targets``, continued by zeros as the picture is."""
    return padded.features(model, content, padded.objective.content_layers)


@partial(jax.jit, static_argnames="padded")
def know_style_padded(
    padded: PaddedObjective,
    model: Model,
    style: Picture,
    guides: Mapping[str, Float[Array, "_h _w 1"]],
) -> Known:
    """``objective.know_style`` of the part that counts."""
    found = padded.features(model, style, padded.objective.style_layers)
    counted = padded.counted(found, style)

    def guide(tap: str) -> Array:
        here = counted.at(tap)
        return (here * guides[tap] if tap in guides else here)[..., 0]

    return Known({tap: means(padded.moments(found[tap], guide(tap))) for tap in found}, {})


def _continued(
    x: Float[Array, "n h w c"], extent: tuple[int, int], padding: str
) -> Float[Array, "n h w c"]:
    """``x`` with one position beyond each border of its extent as a convolution wants it there."""
    for axis, length in zip((1, 2), extent, strict=True):
        if length == x.shape[axis]:
            continue
        beyond = jnp.zeros((), x.dtype)
        if padding != "zeros":
            # Moved as a whole, though one row is used: devices then exchange no more than that.
            back = _SOURCE[padding]
            moves = [(back, -back, 0) if a == axis else (0, 0, 0) for a in range(x.ndim)]
            beyond = jax.lax.pad(x, beyond, moves)
        x = jnp.where(jax.lax.broadcasted_iota(jnp.int32, x.shape, axis) < length, x, beyond)
    return x


def _inside(values: Float[Array, "h w c"], height: int, width: int) -> Float[Array, "h w c"]:
    """0, and without a gradient, beyond the border."""
    for axis, length in enumerate((height, width)):
        if length < values.shape[axis]:
            index = jax.lax.broadcasted_iota(jnp.int32, values.shape, axis)
            values = jnp.where(index < length, values, jnp.zeros((), values.dtype))
    return values
