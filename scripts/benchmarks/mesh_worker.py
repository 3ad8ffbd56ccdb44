"""One size at one padding on one device, divided over meshes, and in tiles dealt out over one."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import ours
import problem

from jaxstyle.network.architecture import block_of, stride
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned import work_queue
from jaxstyle.objective.partitioned.device_mesh import evaluation_sharded, parse_mesh
from jaxstyle.objective.partitioned.tiled_objective import TiledObjective, _tile_gradient
from jaxstyle.objective.pytrees import Model, Targets, Weights, make_weights, model_of
from jaxstyle.runtime.compiler_options import MemoryFirst

KINDS = ("all-gather", "collective-permute", "all-reduce", "all-to-all")
COLLECTIVE = re.compile(rf" = .*? ({'|'.join(KINDS)})(?:-start)?\(")


@dataclass(frozen=True)
class Case:
    """A picture, and what it looks like to one device: ``gradient``, ``loss`` and ``temporaries``
    (in bytes) are what all others are compared with."""

    objective: Objective
    picture: jax.Array
    arguments: tuple[Model, Targets, Weights]
    loss: float
    gradient: np.ndarray
    temporaries: int


def case_of(net: str, blocks: int, height: int, width: int, padding: str) -> Case:
    """The taps of ``problem.py`` in the first blocks; targets and picture are random."""
    taps = problem.STYLE[:blocks]
    near = problem.CONTENT if blocks >= block_of(problem.CONTENT) else taps[-1]
    objective = Objective((near,), taps, padding=padding)
    network, chance = ours.network(net), np.random.default_rng(2)
    filters = network.architecture.width
    step = stride(near)
    content = chance.random((height // step, width // step, filters(near)), np.float32)
    style = {}
    for tap in taps:
        rows = chance.random((99, filters(tap)), np.float32)
        style[tap] = ({"gram": jnp.asarray(rows.T @ rows / 99)},)
    targets = Targets({near: jnp.asarray(content)}, style)
    weights = make_weights(1, 1, 1, {near: 1}, dict.fromkeys(taps, 1))
    arguments = model_of(network), targets, weights
    picture = jnp.asarray(chance.random((height, width, 3), np.float32))
    program: Any = MemoryFirst(objective).lower(picture, *arguments).compile()
    (loss, _), gradient = program(picture, *arguments)
    temporaries = program.memory_analysis().temp_size_in_bytes
    return Case(
        objective, picture, arguments, float(loss), np.asarray(gradient, np.float64), temporaries
    )


def compared(case: Case, program: Any, loss: Any, gradient: Any) -> dict[str, Any]:
    """How far a result is off, what its program holds and what its devices send each other."""
    there = np.asarray(gradient, np.float64) - case.gradient
    sent = Counter(COLLECTIVE.findall(program.as_text()))
    return {
        "loss_difference": abs(float(loss) - case.loss) / abs(case.loss),
        "gradient_difference": float(np.linalg.norm(there) / np.linalg.norm(case.gradient)),
        "temporaries": program.memory_analysis().temp_size_in_bytes,
        **{kind: sent[kind] for kind in KINDS},
    }


def divided(case: Case, mesh: str) -> dict[str, Any]:
    """One picture, a part on each device."""
    evaluate, picture, arguments = evaluation_sharded(
        case.objective, case.picture, case.arguments, parse_mesh(mesh)
    )
    program: Any = MemoryFirst(evaluate).lower(picture, *arguments).compile()
    (loss, _), gradient = program(picture, *arguments)
    height, width, _ = case.picture.shape
    found = compared(case, program, loss, np.asarray(gradient)[:height, :width])
    return {"mesh": mesh, **found, "whole": case.temporaries}


def dealt_out(case: Case, mesh: str, tile: int) -> dict[str, Any]:
    """Tiles, one on each device at a time; compared with a tile on one device."""
    model, targets, weights = case.arguments
    tiled, devices = TiledObjective(case.objective, tile), parse_mesh(mesh)
    asked, real = [], work_queue._on_each

    def keep(function: Any, *others: Any) -> Any:
        if function is _tile_gradient and not asked:
            asked.append((function, *others))
        return real(function, *others)

    work_queue._on_each = keep
    try:
        (loss, _), gradient = tiled(
            case.picture, work_queue.copied(model, devices), targets, weights
        )
    finally:
        work_queue._on_each = real
    function, objective, _, common, own = asked[0]
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), common)
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype), own)
    program: Any = real.lower(*asked[0]).compile()
    alone: Any = real.lower(function, objective, parse_mesh("1x1"), shapes, one).compile()
    height, width, _ = case.picture.shape
    window = tiled.tiling(height, width, model)
    return {
        "mesh": mesh,
        "tile": f"{window.width}x{window.height}",
        "tiles": len(window.windows),
        **compared(case, program, loss, gradient),
        "whole": case.temporaries,
        "one_tile": alone.memory_analysis().temp_size_in_bytes,
    }


if __name__ == "__main__":
    settings = problem.settings()
    given = case_of(*(settings[name] for name in ("net", "blocks", "height", "width", "padding")))
    found = [divided(given, mesh) for mesh in settings["meshes"]]
    if settings["tile"] and settings["tile"] < max(settings["height"], settings["width"]):
        found.append(dealt_out(given, settings["meshes"][0], settings["tile"]))
    problem.say({"found": found})
