"""What "style weight 1" means: the named conventions of the field, as numbers.

Every published program computes the same two sums: per content layer the squared error of the
features, S_c = sum (F - P)^2, and per style layer the squared error of the mean Gram matrices,
S_s = sum (G/M - A/M)^2. They differ in what these sums are multiplied by, so that the same
"style weight" means things that are many orders of magnitude apart. A convention is that factor.

With N channels and M positions (as many in the result as in the style), in terms of the paper's
losses L_c = S_c / 2 and E_l = sum (G - A)^2 / (4 N^2 M^2) = S_s / (4 N^2):

================== =============== ======================= ======================================
convention         content factor  style factor            source
================== =============== ======================= ======================================
paper              1/2             1/(4 N^2)               arXiv:1508.06576, equations 1, 4, 5
gatys              1/(N M)         1/N^2 * 1/N^2           leongatys/PytorchNeuralStyleTransfer
gatys-normalised   1/(N M)         1/N^2                   leongatys/NeuralImageSynthesis, norm net
johnson            1/(N M)         1/N^2 * 1/N^2           jcjohnson/neural-style
jaxstyle           1/sum P^2       25/sum (A/M)^2          ours: relative errors
================== =============== ======================= ======================================

and in whether the layers' errors are averaged (paper, gatys-normalised, jaxstyle: w_l = 1/5 for
five) or added up (gatys, johnson).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxstyle.errors import InputError

if TYPE_CHECKING:  # JAX is imported late: --help names the conventions, and should be quick
    from jax import Array
    from jaxtyping import Float

Factor = Callable[[int, Any, Any], Any]
"""(channels N, positions M, energy of the target) -> what a sum of squares is multiplied by."""


@dataclass(frozen=True)
class Convention:
    """How one program weighs the sums of squares.

    Attributes:
        content_factor, style_factor: see ``Factor``; the energy is that of the target, sum P^2 of
            content features or sum (A/M)^2 of a mean Gram matrix.
        averaged: whether layer weights are scaled to sum to 1 (w_l = 1/number of layers when they
            are equal) or taken as they are.
        content_weight, style_weight: the source's own defaults, alpha and beta.
        summary: one line for help texts.
        tv_weight: default weight of the total variation.
        content_layers, style_layers: default layers and their weights.
    """

    name: str
    content_factor: Factor
    style_factor: Factor
    averaged: bool
    content_weight: float
    style_weight: float
    summary: str
    tv_weight: float = 0.0
    content_layers: str = "relu4_2"
    style_layers: str = "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1"

    def content_scale(
        self, channels: int, positions: int | Array, energy: Float[Array, ""]
    ) -> Float[Array, ""]:
        """What the squared error of one content layer is multiplied by."""
        import jax.numpy as jnp

        return jnp.asarray(self.content_factor(channels, positions, energy), energy.dtype)

    def style_scale(
        self, channels: int, positions: int | Array, energy: Float[Array, ""]
    ) -> Float[Array, ""]:
        """What the squared error of one mean Gram matrix is multiplied by."""
        import jax.numpy as jnp

        return jnp.asarray(self.style_factor(channels, positions, energy), energy.dtype)

    def layer_weights(self, weights: Float[Array, " layers"]) -> Float[Array, " layers"]:
        """The w_l in force, given those that the user asked for."""
        if not self.averaged:
            return weights
        import jax.numpy as jnp

        return weights / jnp.maximum(jnp.sum(weights), jnp.finfo(weights.dtype).tiny)


def _mean(channels: int, positions: Any, _energy: Array) -> Any:
    return 1.0 / (channels * positions)


STYLE_BALANCE = 25.0
"""Makes style weight 1 a balanced picture on the real VGG-19, by eye and by measure: Gram matrices
come within a fiftieth of their targets and the content can still be read (docs/defaults.md)."""


def _relative(_channels: int, _positions: Any, energy: Float[Array, ""]) -> Float[Array, ""]:
    import jax.numpy as jnp

    # A target without energy (a black picture through a network without biases) has no scale of
    # its own; the floor keeps its term finite.
    return 1.0 / jnp.maximum(energy, jnp.asarray(1e-12, energy.dtype))


CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention(
            "jaxstyle",
            content_factor=_relative,
            style_factor=lambda n, m, e: STYLE_BALANCE * _relative(n, m, e),
            averaged=True,
            content_weight=1.0,
            style_weight=1.0,
            summary="relative errors: a weight means much the same at any size, network, layer set",
        ),
        Convention(
            "paper",
            content_factor=lambda n, m, e: 0.5,
            style_factor=lambda n, m, e: 1.0 / (4.0 * n**2),
            averaged=True,
            # The paper's "1e-3" is a ratio of mean squares. In the formulas as printed the same
            # optimum needs 1e-3 / (2 N M): this is it for conv4_2 of a 512x512 picture.
            content_weight=2.4e-10,
            style_weight=1.0,
            summary="the formulas as printed in arXiv:1508.06576",
            content_layers="conv4_2",
            style_layers="conv1_1,conv2_1,conv3_1,conv4_1,conv5_1",
        ),
        Convention(
            "gatys",
            content_factor=_mean,
            style_factor=lambda n, m, e: 1.0 / n**4,
            averaged=False,
            content_weight=1.0,
            style_weight=1e3,
            summary="the author's PyTorch code, for the original (not normalised) network",
        ),
        Convention(
            "gatys-normalised",
            content_factor=_mean,
            style_factor=lambda n, m, e: 1.0 / n**2,
            averaged=True,
            content_weight=1e6,
            style_weight=1e9,
            summary="the author's Torch code, for the normalised network",
        ),
        Convention(
            "johnson",
            content_factor=_mean,
            style_factor=lambda n, m, e: 1.0 / n**4,
            averaged=False,
            content_weight=5.0,
            style_weight=100.0,
            summary="jcjohnson/neural-style and its ports",
        ),
    )
}


def get_convention(name: str) -> Convention:
    """Look a convention up.

    Raises:
        InputError: there is none of that name.
    """
    if name not in CONVENTIONS:
        raise InputError(f"unknown convention {name!r}: choose one of {', '.join(CONVENTIONS)}")
    return CONVENTIONS[name]
