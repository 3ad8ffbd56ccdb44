"""Small grids for tests: tiny pictures, a network of a few layers, one device."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxstyle import Grid, Stylized, sweep
from jaxstyle.pipelines.axes import Axis, parse_axis
from jaxstyle.pipelines.chunks import Limits

SMALL = {
    "size": 32,
    "levels": 1,
    "steps": 3,
    "optimizer": "adam",
    "content_layers": "relu1_2",
    "style_layers": "relu1_1,pool1",
    "weights": "slim",
}


def picture(seed: int, height: int = 24, width: int = 32) -> np.ndarray:
    """A gradient with blobs, on each seed another one."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / width
    waves = [np.sin(random.uniform(3, 20) * x + random.uniform(3, 20) * y) for _ in range(3)]
    return (0.5 + 0.4 * np.stack(waves, -1)).astype(np.float32)


CONTENT, STYLE = picture(0), picture(1)


def small(*axes: str | Axis, content: Any = CONTENT, style: Any = STYLE, **options: Any) -> Grid:
    """``sweep`` with what is not said taken from ``SMALL``."""
    limits = options.pop("limits", Limits())
    return sweep(
        content,
        style,
        [parse_axis(axis) if isinstance(axis, str) else axis for axis in axes],
        limits=Limits(
            limits.max_memory, limits.cells_at_once, limits.devices or tuple(jax.devices()[:1])
        ),
        **{**SMALL, **options},
    )


def results(grid: Grid) -> list[Stylized]:
    """Of all cells, none of which may have failed."""
    assert [cell.message for cell in grid.cells] == [""] * len(grid.cells)
    return [cell.result for cell in grid.cells if cell.result is not None]


def same_run(one: Stylized, other: Stylized, rtol: float = 1e-3) -> None:
    """Equal but for rounding, after a few steps of Adam, which magnifies it step by step."""
    assert one.config == other.config
    np.testing.assert_allclose(one.losses, other.losses, rtol=rtol)
    np.testing.assert_allclose(one.loss, other.loss, rtol=rtol)
    assert one.terms.keys() == other.terms.keys()
    for name in ("content_layers", "style_layers"):
        assert one.terms[name].keys() == other.terms[name].keys()
        for tap, term in one.terms[name].items():
            np.testing.assert_allclose(term, other.terms[name][tap], rtol=rtol)
    np.testing.assert_allclose(one.image, other.image, atol=1e-2)
