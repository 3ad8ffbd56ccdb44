"""PyTorch's side of ``bench.py step``: the loss and its gradient."""

# pyright: reportMissingImports=false
from __future__ import annotations

import sys

import numpy as np
import problem
import torch
from torch_loss import make_loss

net, size = sys.argv[1], int(sys.argv[2])
loss = make_loss(net, size)
picture = torch.tensor(problem.pictures(size)["picture"]).requires_grad_()


def step() -> tuple[float, np.ndarray]:
    picture.grad = None
    value = loss(picture, 1.0)
    value.backward()
    assert picture.grad is not None
    return float(value.detach()), picture.grad.numpy()


problem.serve(step, "torch", {})
