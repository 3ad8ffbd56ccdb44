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

from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned import device_mesh
from jaxstyle.objective.partitioned.tiled_objective import (
    TiledObjective,
    content_targets_tiled,
    know_style_tiled,
)
from jaxstyle.objective.partitioned.work_queue import copied
from jaxstyle.objective.pytrees import Targets, make_weights, model_of
from jaxstyle.objective.targets import targets_of_styles
from jaxstyle.optimize import LBFGS, Outcome, Stopping
from jaxstyle.optimize.host_loop import minimise_stepwise
from jaxstyle.run.minimise import agreed, minimise_sharded
from jaxstyle.runtime.processes import is_first, join

OBJECTIVE = Objective(("relu2_1",), ("relu1_1", "relu2_1"))
LAYERS = dict.fromkeys(OBJECTIVE.content_layers, 1.0), dict.fromkeys(OBJECTIVE.style_layers, 1.0)
HEIGHT, WIDTH = 37, 50


def run(folder: Path) -> None:
    """Write pictures and figures, if this process is the first."""
    mesh = device_mesh.parse_mesh("4x2")
    model = copied(model_of(random_network()), mesh)
    known = device_mesh.know_style_sharded(OBJECTIVE, model, waves(31, 44), mesh)
    targets = Targets(
        device_mesh.content_targets_sharded(OBJECTIVE, model, landscape(HEIGHT, WIDTH), mesh),
        targets_of_styles(OBJECTIVE, (known,), jnp.zeros(())),
    )
    arguments = model, targets, make_weights(1.0, 1.0, 1.0, *LAYERS)
    start = np.asarray(landscape(HEIGHT, WIDTH) * 0.5 + noise(HEIGHT, WIDTH) * 0.5)
    algorithm = LBFGS(3, bounds=(0.0, 1.0))
    snapshots = []

    def minimise(stopping: Stopping, callback=None):
        return minimise_sharded(
            OBJECTIVE, start, arguments, algorithm, stopping, mesh, callback=callback
        )

    whole = minimise(Stopping(6), lambda progress: snapshots.append(progress.current()))
    # Only the last process has had enough; the others must end with it.
    impatient = jax.process_index() == jax.process_count() - 1
    limited = Stopping(50, max_seconds=0.0 if impatient else 1e6)
    short = minimise(limited)

    # Six windows for eight devices: of the second of two processes, two have nothing to do.
    tiled = TiledObjective(OBJECTIVE, 24)
    known = know_style_tiled(tiled, model, waves(31, 44))
    content = content_targets_tiled(tiled, model, landscape(HEIGHT, WIDTH))
    style = targets_of_styles(OBJECTIVE, (known,), jnp.zeros(()))
    arguments = model, Targets(content, style), arguments[2]

    def in_tiles(stopping: Stopping) -> Outcome:
        place = tiled.home(model)
        return minimise_stepwise(
            tiled, start, arguments, algorithm, stopping, place=place, agree=agreed
        )

    dealt, short_dealt = in_tiles(Stopping(6)), in_tiles(limited)
    if is_first():
        np.savez(folder / "pictures.npz", result=whole.x, snapshots=snapshots, dealt=dealt.x)
        figures = {
            "values": whole.values,
            "value": whole.value,
            "short": [short.steps, short.reason],
            "dealt": dealt.values,
            "short_dealt": [short_dealt.steps, short_dealt.reason],
        }
        (folder / "figures.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    coordinator, count, index, folder = sys.argv[1:]
    if int(count) > 1:
        join(coordinator, int(count), int(index))
    run(Path(folder))
