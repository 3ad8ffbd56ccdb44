"""Functions to minimise, in JAX and (for oracles) in NumPy float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def rosenbrock(x: Any) -> Any:
    """The chained banana valley: 0 at (1, 1, ...). Works on jax and on NumPy arrays."""
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2).sum() + ((1.0 - x[:-1]) ** 2).sum()


def rosenbrock_gradient(x: np.ndarray) -> np.ndarray:
    """By hand, for oracles."""
    along, across = x[1:] - x[:-1] ** 2, 1.0 - x[:-1]
    gradient = np.zeros_like(x)
    gradient[:-1] += -400.0 * x[:-1] * along - 2.0 * across
    gradient[1:] += 200.0 * along
    return gradient


def rosenbrock_start(n: int) -> np.ndarray:
    """Far from the valley's end, and no two values alike."""
    return np.linspace(-0.8, 0.6, n)


def stretched(n: int, condition: float = 1e3) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and optimum of an ill-conditioned quadratic whose axes are not the coordinates'."""
    random = np.random.default_rng(7)
    turn, _ = np.linalg.qr(random.normal(size=(n, n)))
    return (turn * np.geomspace(1.0, condition, n)) @ turn.T, random.uniform(-1, 1, n)


def quadratic(x: Any, matrix: Any, optimum: Any) -> Any:
    """Half the squared distance from the optimum, as the matrix measures it."""
    return 0.5 * (x - optimum) @ (matrix @ (x - optimum))


def evaluate_of(function: Callable[..., jax.Array]) -> Callable[..., Any]:
    """What ``minimise`` takes: ``((value, terms), gradient)``, here with the value as a term."""

    def with_terms(x: jax.Array, *arguments: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        value = function(x, *arguments)
        return value, {"value": value}

    return jax.value_and_grad(with_terms, has_aux=True)


ROSENBROCK = evaluate_of(rosenbrock)
QUADRATIC = evaluate_of(quadratic)


def as_float32(*arrays: float | np.ndarray) -> tuple[jax.Array, ...]:
    """Arguments for a run in single precision."""
    return tuple(jnp.asarray(array, jnp.float32) for array in arrays)
