"""PyTorch's side of ``sweep``: the runs of the grid one after another, torch's L-BFGS."""

# pyright: reportMissingImports=false
from __future__ import annotations

import time

import torch

from benchmarks import problem
from benchmarks.torch_loss import Loss
from benchmarks.torch_minimise import minimise

asked = problem.settings()
size = asked["size"]
arrays = problem.arrays(asked["net"], size)
# One evaluation at each step and one of the result, as ours.
how = {"optimizer": "lbfgs", "history": 10, "evaluations": asked["steps"] + 1}


def run(style_factor: float, seed: int) -> list[float]:
    """The losses of one run."""
    picture = torch.tensor(problem.noise(size, seed)).requires_grad_()
    return minimise(lambda picture: loss(picture, style_factor), picture, how)["losses"]


Loss(arrays, problem.LOSS_WEIGHTS)(torch.tensor(problem.noise(size, 0)).requires_grad_()).backward()
started = time.perf_counter()
loss = Loss(arrays, problem.LOSS_WEIGHTS)
runs = [run(weight, seed) for weight in asked["style_weight"] for seed in asked["seed"]]
seconds = time.perf_counter() - started
problem.say({"seconds": seconds, "first_seconds": seconds, "runs": runs})
