"""PyTorch's sides of ``bench.py optimise``: one of its optimisers from one start."""

# pyright: reportMissingImports=false
from __future__ import annotations

import time

import numpy as np
import problem
import torch
from torch_given import make_loss

asked = problem.settings()
arrays = dict(np.load(asked["file"]))
evaluations = asked["evaluations"]
loss = make_loss(arrays, asked["weights"])
picture = torch.tensor(arrays["start"]).requires_grad_()
losses: list[float] = []
times: list[float] = []


class Enough(Exception):
    """All evaluations asked for have been made."""


def make_optimizer() -> torch.optim.Optimizer:
    if asked["optimizer"] == "adam":
        return torch.optim.Adam([picture], lr=asked["learning_rate"])
    # Its tolerances are of absolute sizes, and would end runs of a loss of this one's size early.
    return torch.optim.LBFGS(
        [picture],
        lr=1,
        history_size=asked["history"],
        max_iter=evaluations,
        max_eval=2 * evaluations,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe" if asked["optimizer"] == "wolfe" else None,
    )


def closure() -> torch.Tensor:
    optimizer.zero_grad()
    value = loss(picture)
    value.backward()
    losses.append(float(value.detach()))
    times.append(time.perf_counter() - started)
    if len(losses) >= evaluations:
        raise Enough
    return value


loss(picture).backward()  # warms up
optimizer = make_optimizer()
started = time.perf_counter()
try:
    while True:
        optimizer.step(closure)  # pyright: ignore[reportCallIssue, reportArgumentType]
except Enough:
    pass
# A line search may have been cut off: its last trial is no result.
result = min(losses) if asked["optimizer"] == "wolfe" else losses[-1]
problem.say({"losses": losses, "times": times, "result": result})
