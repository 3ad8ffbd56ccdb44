"""L-BFGS with the guard, in plain Python: what the compiled one is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from jaxstyle.optimize.lbfgs import PATIENCE, SHRINK

Found = tuple[float, np.ndarray]


def plain_lbfgs(
    evaluate: Callable[[np.ndarray], Found],
    x: np.ndarray,
    history: int = 10,
    first_step: float = 0.02,
    bounds: tuple[float, float] | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """The points tried, with the best so far: lists, loops and ifs, in float64."""
    best, value, gradient = x, np.inf, np.zeros_like(x)
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    trial, length, refusals = x, 1.0, 0
    while True:
        found, slope = evaluate(trial)
        if np.isfinite(found) and np.isfinite(slope).all() and found < value:
            s, y = trial - best, slope - gradient
            if np.isfinite(value) and s @ y > 1e-8 * np.linalg.norm(s) * np.linalg.norm(y):
                pairs = [*pairs, (s, y)][-history:]
            best, value, gradient, length, refusals = trial, found, slope, 1.0, 0
        else:
            length, refusals = length * SHRINK, refusals + 1
            if refusals % PATIENCE == 0:
                pairs = []
        yield trial, best, value

        downhill = -gradient
        held = np.zeros(x.shape, bool)
        if bounds is not None:
            held |= (best <= bounds[0]) & (downhill < 0)
            held |= (best >= bounds[1]) & (downhill > 0)
            downhill = np.where(held, 0, downhill)
        size = np.sqrt(np.mean(downhill**2))
        step = downhill * (first_step / size if size else 0)
        if pairs:
            q, alphas = downhill, []
            for s, y in reversed(pairs):
                alphas.append((s @ q) / (s @ y))
                q = q - alphas[-1] * y
            s, y = pairs[-1]
            q = q * (s @ y) / (y @ y)
            for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
                q = q + (alpha - (y @ q) / (s @ y)) * s
            q = np.where(held, 0, q)
            if q @ downhill > 0:
                step = q
        trial = best + length * step
        if bounds is not None:
            trial = np.clip(trial, *bounds)
