"""PyTorch's sides of ``optimise``, ``peers`` and ``sweep``: its optimisers from given starts."""

# pyright: reportMissingImports=false
from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks import problem
from benchmarks.torch_loss import Loss

Run = dict[str, Any]


class Enough(Exception):
    """All evaluations asked for have been made."""


def make_optimizer(picture: torch.Tensor, asked: Mapping[str, Any]) -> torch.optim.Optimizer:
    """Adam, or L-BFGS as in the tutorial but for its history."""
    if asked["optimizer"] == "adam":
        return torch.optim.Adam([picture], lr=asked["learning_rate"])
    # Its tolerances are of absolute sizes, and would end runs of a loss of this one's size early.
    return torch.optim.LBFGS(
        [picture],
        lr=1,
        history_size=asked["history"],
        max_iter=asked["evaluations"],
        max_eval=2 * asked["evaluations"],
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe" if asked["optimizer"] == "wolfe" else None,
    )


def minimise(
    loss: Callable[[torch.Tensor], torch.Tensor], picture: torch.Tensor, asked: Mapping[str, Any]
) -> Run:
    """Change the picture where it lies; the loss at every evaluation, and when each was through."""
    losses: list[float] = []
    times: list[float] = []
    optimizer = make_optimizer(picture, asked)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(picture)
        value.backward()
        losses.append(float(value.detach()))
        times.append(time.perf_counter() - started)
        if len(losses) >= asked["evaluations"]:
            raise Enough
        return value

    started = time.perf_counter()
    try:
        while True:
            optimizer.step(closure)  # pyright: ignore[reportCallIssue, reportArgumentType]
    except Enough:
        pass
    # A line search may have been cut off: its last trial is no result.
    result = min(losses) if asked["optimizer"] == "wolfe" else losses[-1]
    return {"losses": losses, "times": times, "result": result}


def grid(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The runs of a sweep one after another: one evaluation at each step, one of the result."""
    size, how = asked["size"], {"optimizer": "lbfgs", "history": 10}
    how["evaluations"] = asked["steps"] + 1
    loss = Loss(problem.arrays(asked["net"], size), problem.LOSS_WEIGHTS)
    starts = {seed: torch.tensor(problem.noise(size, seed)) for seed in asked["seed"]}
    loss(starts[0].clone().requires_grad_()).backward()  # warms up
    started = time.perf_counter()
    runs = [
        minimise(partial(loss, style_factor=weight), start.clone().requires_grad_(), how)["losses"]
        for weight in asked["style_weight"]
        for start in starts.values()
    ]
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "first_seconds": seconds, "runs": runs}


def main() -> None:
    """Run what is asked; with ``output`` the picture is saved too, and nothing is warmed up."""
    asked = problem.settings()
    if "seed" in asked:
        problem.say(grid(asked))
        return
    arrays = dict(np.load(asked["file"]))
    loss = Loss(arrays, asked["weights"])
    evaluate = torch.compile(loss) if asked.get("compile") else loss
    picture = torch.tensor(arrays["start"]).requires_grad_()
    if "output" not in asked:
        evaluate(picture).backward()
    run = minimise(evaluate, picture, asked)
    if "output" in asked:
        from PIL import Image

        pixels = picture.detach().clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
        Image.fromarray(pixels).save(asked["output"])
    problem.say(run)


if __name__ == "__main__":
    main()
