"""PyTorch's side of ``bench.py sweep``: the runs of the grid one after another, torch's L-BFGS."""

# pyright: reportMissingImports=false
from __future__ import annotations

import time

import problem
import torch
from torch_loss import make_loss

settings = problem.settings()
size, steps = settings["size"], settings["steps"]


def run(style_weight: float, seed: int) -> list[float]:
    """One run; a step is an evaluation, the last one is of the result."""
    picture = torch.tensor(problem.noise(size, seed)).requires_grad_()
    # Without tolerances every run makes all its steps, as ours do.
    optimizer = torch.optim.LBFGS(
        [picture], lr=1, max_iter=steps, history_size=10, tolerance_grad=0, tolerance_change=0
    )
    losses = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(picture, style_weight)
        value.backward()
        losses.append(float(value.detach()))
        return value

    optimizer.step(closure)
    closure()
    return losses


loss = make_loss(settings["net"], size)
loss(torch.tensor(problem.noise(size, 0)).requires_grad_(), 1.0).backward()  # warms up
started = time.perf_counter()
loss = make_loss(settings["net"], size)
runs = [run(weight, seed) for weight in settings["style_weights"] for seed in settings["seeds"]]
seconds = time.perf_counter() - started
problem.report(seconds, runs, compile_seconds=0.0, chunks=len(runs), platform="cpu")
