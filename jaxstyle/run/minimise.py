"""One level's minimisation: whole, by tiles, over a mesh of devices, or by scipy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned.device_mesh import AXES, AnyPicture, evaluation_sharded
from jaxstyle.objective.pytrees import Model, Targets, Weights
from jaxstyle.optimize import LBFGS, Outcome, OutOfMemory, Progress, ScipyLBFGSB, Stopping, minimise
from jaxstyle.optimize.ending import Ending
from jaxstyle.optimize.host_loop import minimise_stepwise
from jaxstyle.optimize.loop import DEFAULTS, Algorithm, LoopOptions
from jaxstyle.run.job import algorithm_of, mesh_of, steps_per_call
from jaxstyle.run.level import Level
from jaxstyle.run.level_targets import tiled_of


def minimise_level(
    level: Level,
    objective: Objective,
    start: Callable[[], np.ndarray],
    arguments: tuple[Model, Targets, Weights],
    stopping: Stopping,
    options: LoopOptions,
) -> Outcome:
    """Minimise the loss of one level in the way that the job's settings say.

    Args:
        start: gives the picture to start from; called once, so that nothing else holds it.
        arguments: what ``objective`` takes after the picture.
        options: ``steps_per_call`` is that of the job's settings.
    """
    config = level.job.config
    mesh = mesh_of(config)
    options = options._replace(steps_per_call=steps_per_call(config))
    if level.is_tiled:
        tiled = tiled_of(level, objective)
        return minimise_stepwise(
            tiled,
            start(),  # nothing here holds it on: a picture that fills the memory
            arguments,
            algorithm_of(config),
            stopping,
            options if mesh is None else options._replace(agree=agreed),
            home=tiled.home(arguments[0]),
            value_alone=tiled.value,
        )
    if mesh is not None:
        return minimise_sharded(
            objective,
            start(),
            arguments,
            algorithm_of(config),
            stopping,
            mesh,
            options,
        )
    if config.optimizer == "scipy":
        bridge = ScipyLBFGSB(config.history, (0.0, 1.0) if config.clamp else None)
        return bridge.minimise(objective, start(), arguments, stopping, callback=options.callback)
    return minimise(
        objective,
        start(),
        arguments,
        algorithm_of(config),
        stopping,
        options,
    )


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Spread:
    """An algorithm whose state is shared by devices as the picture is.

    Attributes:
        algorithm: what is done.
        mesh: the devices.
        size: rows and columns of the picture.
    """

    algorithm: Algorithm
    mesh: Mesh = field(metadata={"static": True})
    size: tuple[int, ...] = field(metadata={"static": True})

    def init(self, x: Array) -> Any:
        """A start of which no device ever holds more than its part."""
        return self._placed(self.algorithm.init(x))

    def update(self, state: Any, value: Array, gradient: Array) -> Any:
        """The algorithm's, with everything kept in its place."""
        return self._placed(self.algorithm.update(state, value, gradient))

    def result(self, state: Any) -> Array:
        """The algorithm's."""
        return self.algorithm.result(state)

    def stalled(self, state: Any) -> Array:
        """The algorithm's."""
        return self.algorithm.stalled(state)

    def _placed(self, state: Any) -> Any:
        def constrained(leaf: Array) -> Array:
            picture = leaf.ndim > 2 and leaf.shape[-3:-1] == self.size
            spec = (*[None] * (leaf.ndim - 3), *AXES) if picture else ()
            sharding = NamedSharding(self.mesh, PartitionSpec(*spec))
            return jax.lax.with_sharding_constraint(leaf, sharding)

        return jax.tree.map(constrained, state)


def minimise_sharded(
    objective: Objective,
    x: AnyPicture,
    arguments: tuple[Model, Targets, Weights],
    algorithm: Algorithm,
    stopping: Stopping,
    mesh: Mesh,
    options: LoopOptions = DEFAULTS,
) -> Outcome:
    """``optimize.minimise`` of an objective, the picture being shared by the devices of a mesh.

    Where the mesh spans several processes, all must call this with the same arguments. Each gets
    the whole result; the first reason to stop that any of them has stops all. Their callbacks must
    fetch ``Progress.current`` and snapshots at the same steps, for then parts travel between them.

    Args:
        x: the start, of any size.
        arguments: see ``evaluation_sharded``.
        options: those of ``minimise``, but ``agree`` is ours; a snapshot to resume has its arrays
            whole in every process, and is from a mesh of the same shape.

    Raises:
        InputError, OutOfMemory: as ``Objective`` and ``minimise``; also as
            ``evaluation_sharded``.
    """
    padded, picture, placed = evaluation_sharded(objective, x, arguments, mesh)
    height, width, _ = x.shape
    if isinstance(algorithm, LBFGS):
        # Its first step is a mean over all values, of which those beyond the border are 0.
        share = height * width / (picture.shape[0] * picture.shape[1])
        algorithm = replace(algorithm, first_step=algorithm.first_step * share**0.5)

    def tell(progress: Progress) -> bool | None:
        assert options.callback is not None
        return options.callback(
            progress._replace(current=lambda: progress.current()[:height, :width])
        )

    try:
        outcome = minimise(
            padded,
            picture,
            placed,
            Spread(algorithm, mesh, picture.shape[:2]),
            stopping,
            options._replace(callback=options.callback and tell, agree=agreed),
        )
    except OutOfMemory as error:
        error.x = np.ascontiguousarray(error.x[:height, :width])
        raise
    return outcome._replace(x=np.ascontiguousarray(outcome.x[:height, :width]))


def agreed(reason: Ending | None) -> Ending | None:
    """The gravest reason to stop that any process has; all must call it."""
    if jax.process_count() == 1:
        return reason
    reasons = (None, *Ending)
    code = np.array([reasons.index(reason)], np.int32)
    return reasons[int(np.max(multihost_utils.process_allgather(code)))]
