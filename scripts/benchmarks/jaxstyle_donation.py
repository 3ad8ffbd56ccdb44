"""Our side of ``bench.py startup``: a few steps of L-BFGS, with its state donated or not."""

from __future__ import annotations

import inspect
import time

import jax
import ours
import problem

from jaxstyle.optimize import LBFGS, loop

settings = problem.settings()
our = ours.prepare(settings["net"], settings["size"])
algorithm = LBFGS()
# The very step of ``minimise``; what it is made of, compiled anew, donates nothing.
advance = loop._advance
if not settings["donate"]:
    advance = jax.jit(inspect.unwrap(advance), static_argnames=("evaluate", "algorithm", "fused"))
with our.in_force:
    state, seconds = algorithm.init(our.picture), []
    for _ in range(settings["steps"]):
        started = time.perf_counter()
        state, _ = advance(
            state, our.arguments, evaluate=our.objective, algorithm=algorithm, fused=1
        )
        jax.block_until_ready(state)
        seconds.append(time.perf_counter() - started)
bytes_of_state = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
problem.say({"peak": problem.peak(), "seconds": min(seconds), "state": bytes_of_state})
