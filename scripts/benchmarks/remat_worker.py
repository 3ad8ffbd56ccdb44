"""Value and gradient with and without recomputing each block of VGG on the way back."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from itertools import groupby

import jax
import ours
import problem
from jaxtyping import Array

from jaxstyle.network.architecture import VGG19, block_of
from jaxstyle.network.convolution import convolve3x3, pool2x2
from jaxstyle.network.preprocessing import to_network
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Features, Model, Picture
from jaxstyle.runtime.compiler_options import MemoryFirst

REPEATS = 3


@dataclass(frozen=True)
class Rematerialised(Objective):
    """``Objective``, but each block keeps only what it was given and is computed again."""

    def features(self, model: Model, picture: Picture, taps: tuple[str, ...]) -> Features:
        x = to_network(picture[None], model.preprocessing)
        reached = VGG19.layers[: max(map(VGG19.layers.index, taps)) + 1]
        found: dict[str, Array] = {}
        for _, layers in groupby(reached, key=block_of):
            block = tuple(layers)

            @jax.checkpoint
            def compute(
                x: Array, params: dict, block: tuple[str, ...] = block
            ) -> tuple[Array, dict[str, Array]]:
                tapped = {}
                for layer in block:
                    if layer.startswith("conv"):
                        kernel, bias = params[layer]["kernel"], params[layer]["bias"]
                        x = convolve3x3(x, kernel, bias, self.padding)
                    elif layer.startswith("relu"):
                        x = jax.nn.relu(x)
                    else:
                        x = pool2x2(x, self.pooling)
                    if layer in taps:
                        tapped[layer] = x[0]
                return x, tapped

            x, tapped = compute(
                x, {name: model.params[name] for name in block if name in model.params}
            )
            found |= tapped
        return found


settings = problem.settings()
our = ours.prepare(settings["net"], settings["size"])
objective = our.objective
if settings["remat"]:
    objective = Rematerialised(objective.content_layers, objective.style_layers)
with our.in_force:
    step = MemoryFirst(objective).lower(our.picture, *our.arguments).compile()
times = []
for _ in range(REPEATS + 1):
    started = time.perf_counter()
    (loss, _), gradient = jax.block_until_ready(step(our.picture, *our.arguments))
    times.append(time.perf_counter() - started)
used = step.memory_analysis()
assert used is not None
problem.say(
    {
        "temporaries": used.temp_size_in_bytes,
        "seconds": statistics.median(times[1:]),
        "loss": float(loss),
        "gradient": float(abs(gradient).max()),
    }
)
