"""Optimisers, one file each. They know arrays and functions, nothing of pictures or networks.

An algorithm says which point to evaluate next and takes in the value and gradient there::

    state = algorithm.init(x)
    state = algorithm.update(state, value, gradient)   # at state.trial; pure, jit and vmap it
    best = algorithm.result(state)
"""

from jaxstyle.optimize.adam import Adam
from jaxstyle.optimize.ending import Ending
from jaxstyle.optimize.lbfgs import LBFGS
from jaxstyle.optimize.loop import LoopOptions, Outcome, Progress, Stopping, minimise
from jaxstyle.optimize.scipy_lbfgsb import ScipyLBFGSB
from jaxstyle.optimize.snapshot import OutOfMemory

__all__ = [
    "LBFGS",
    "Adam",
    "Ending",
    "LoopOptions",
    "OutOfMemory",
    "Outcome",
    "Progress",
    "ScipyLBFGSB",
    "Stopping",
    "minimise",
]
