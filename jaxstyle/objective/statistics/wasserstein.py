"""The Wasserstein-2 distance of two Gaussians that have the features' means and covariances.

W2^2 = |m - n|^2 + tr(C) + tr(D) - 2 tr (D^1/2 C D^1/2)^1/2 (Olkin and Pukelsheim 1982), as a style
loss in crowsonkb/style-transfer-pytorch.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxstyle.objective.losses import energy
from jaxstyle.objective.statistics.moments import Moments, covariance
from jaxstyle.objective.statistics.statistic import Statistic

FLOOR = 1e-5
"""Of eigenvalues, relative to the largest: from there down to 0 their root is taken to be linear.
At 0 it has no finite slope, and it would make much of what is rounding there: a layer with fewer
positions than channels has no extent at all in most directions."""


@jax.custom_vjp
def trace_of_root(a: Float[Array, "c c"]) -> Float[Array, ""]:
    """tr A^1/2 of a symmetric matrix without negative eigenvalues, but for rounding."""
    return jnp.sum(_roots(jnp.linalg.eigvalsh(_symmetric(a)))[0])


def _roots(values: Float[Array, " c"]) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    """The roots of ascending values, and their slopes."""
    tiny = jnp.asarray(jnp.finfo(values.dtype).tiny, values.dtype)
    floor = jnp.maximum(FLOOR * values[-1], tiny)
    roots, steepest = jnp.sqrt(jnp.maximum(values, floor)), 1 / jnp.sqrt(floor)
    return (
        jnp.where(values > floor, roots, values * steepest),
        jnp.where(values > floor, 0.5 / roots, steepest),
    )


def _forward(a: Array) -> tuple[Array, Array]:
    values, vectors = jnp.linalg.eigh(_symmetric(a))
    roots, slopes = _roots(values)
    return jnp.sum(roots), _product(vectors * slopes[None, :], vectors.T)


def _backward(slope: Array, cotangent: Array) -> tuple[Array]:
    return (cotangent * slope,)


trace_of_root.defvjp(_forward, _backward)


def _symmetric(a: Float[Array, "c c"]) -> Float[Array, "c c"]:
    return (a + a.T) / 2


def _product(a: Float[Array, "c c"], b: Float[Array, "c c"]) -> Float[Array, "c c"]:
    # The distance is a small difference of large numbers.
    return jnp.matmul(a, b, precision="highest")


def _root(a: Float[Array, "c c"]) -> Float[Array, "c c"]:
    values, vectors = jnp.linalg.eigh(_symmetric(a))
    return _product(vectors * jnp.sqrt(jnp.maximum(values, 0))[None, :], vectors.T)


def _target(mean: Moments, _shift: Float[Array, ""]) -> dict[str, Array]:
    spread = covariance(mean)
    return {"mean": mean.total, "root": _root(spread), "trace": jnp.trace(spread)}


def _error(mean: Moments, target: dict[str, Array]) -> Float[Array, ""]:
    spread, root = covariance(mean), target["root"]
    between = trace_of_root(_product(_product(root, spread), root))
    distance = energy(mean.total - target["mean"]) + jnp.trace(spread) + target["trace"]
    return distance - 2 * between


WASSERSTEIN = Statistic(
    "wasserstein",
    "Wasserstein-2 distance between Gaussians of that mean and covariance",
    target=_target,
    error=_error,
    energy=lambda target: energy(target["mean"]) + target["trace"],
    place=3,
)
