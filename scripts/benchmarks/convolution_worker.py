"""One convolution of ``section_convolution``, forward and back, directly and by Winograd."""

from __future__ import annotations

import json
import sys
import time
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle.network import winograd
from jaxstyle.network.convolution import convolve3x3

settings = json.loads(sys.argv[1])
side, inputs, outputs = settings["side"], settings["inputs"], settings["outputs"]
rng = np.random.default_rng(0)
x = rng.standard_normal((1, side, side, inputs), np.float32)
kernel = rng.standard_normal((3, 3, inputs, outputs), np.float32) / (9 * inputs) ** 0.5
bias = jnp.zeros(outputs)
slope = rng.standard_normal((1, side, side, outputs), np.float32)


def there_and_back(x: jax.Array, kernel: Any, transformed: Any, slope: jax.Array) -> Any:
    y, back = jax.vjp(lambda x: convolve3x3(x, kernel, bias, "zeros", transformed), x)
    return y, back(slope)[0]


ways = {}
for name, transformed in (("direct", None), ("winograd", winograd.transform(jnp.asarray(kernel)))):
    arguments = jnp.asarray(x), jnp.asarray(kernel), transformed, jnp.asarray(slope)
    ways[name] = jax.jit(there_and_back).lower(*arguments).compile(), arguments
results = {name: program(*arguments) for name, (program, arguments) in ways.items()}
times: dict[str, list[float]] = {name: [] for name in ways}
for _ in range(settings["repeats"]):
    for name, (program, arguments) in ways.items():
        started = time.perf_counter()
        jax.block_until_ready(program(*arguments))
        times[name].append(time.perf_counter() - started)


def exactly() -> np.ndarray:
    """The forward sum in float64, of the first rows."""
    rows = min(side, 8)
    padded = np.pad(x[0, : rows + 1].astype(np.float64), ((1, 0), (1, 1), (0, 0)))
    wide = kernel.astype(np.float64)
    places = product(range(3), repeat=2)
    return np.sum([padded[i : i + rows, j : j + side] @ wide[i, j] for i, j in places], axis=0)


exact = exactly()[: min(side, 8) - 1]
error = {
    name: float(np.abs(np.asarray(y[0, : len(exact)]) - exact).max())
    for name, (y, _) in results.items()
}
temporary = {
    name: program.memory_analysis().temp_size_in_bytes for name, (program, _) in ways.items()
}
print(json.dumps({"times": times, "error": error, "temporary": temporary}))
