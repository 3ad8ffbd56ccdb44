"""A short run on all devices of all processes; what ``test_sharding_processes`` starts.

Arguments: address of the coordinator, number of processes, index of this one, where to write.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from samples import landscape, noise, random_network, waves

from jaxstyle import sharding
from jaxstyle.objective import Objective
from jaxstyle.optimize import LBFGS, Stopping
from jaxstyle.processes import is_first, join
from jaxstyle.quantities import Targets, make_weights, model_of
from jaxstyle.targets import targets_of_styles

OBJECTIVE = Objective(("relu2_1",), ("relu1_1", "relu2_1"))
LAYERS = dict.fromkeys(OBJECTIVE.content_layers, 1.0), dict.fromkeys(OBJECTIVE.style_layers, 1.0)
HEIGHT, WIDTH = 37, 50


def run(folder: Path) -> None:
    """Write pictures and figures, if this process is the first."""
    mesh = sharding.parse_mesh("4x2")
    model = model_of(random_network())
    known = sharding.know_style_sharded(OBJECTIVE, model, waves(31, 44), mesh)
    targets = Targets(
        sharding.content_targets_sharded(OBJECTIVE, model, landscape(HEIGHT, WIDTH), mesh),
        targets_of_styles(OBJECTIVE, (known,), jnp.zeros(())),
    )
    arguments = model, targets, make_weights(1.0, 1.0, 1.0, *LAYERS)
    snapshots = []

    def minimise(stopping: Stopping, callback=None):
        start = np.asarray(landscape(HEIGHT, WIDTH) * 0.5 + noise(HEIGHT, WIDTH) * 0.5)
        algorithm = LBFGS(3, bounds=(0.0, 1.0))
        return sharding.minimise_sharded(
            OBJECTIVE, start, arguments, algorithm, stopping, mesh, callback=callback
        )

    whole = minimise(Stopping(6), lambda progress: snapshots.append(progress.current()))
    # Only the last process has had enough; the others must end with it.
    impatient = jax.process_index() == jax.process_count() - 1
    short = minimise(Stopping(50, max_seconds=0.0 if impatient else 1e6))
    if is_first():
        np.savez(folder / "pictures.npz", result=whole.x, snapshots=snapshots)
        figures = {
            "values": whole.values,
            "value": whole.value,
            "short": [short.steps, short.reason],
        }
        (folder / "figures.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    coordinator, count, index, folder = sys.argv[1:]
    if int(count) > 1:
        join(coordinator, int(count), int(index))
    run(Path(folder))
