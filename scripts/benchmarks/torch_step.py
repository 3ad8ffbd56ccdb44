"""PyTorch's side of ``bench.py``: eager, channels_last, all cores."""

from __future__ import annotations

import os
import sys

import numpy as np
import problem
import torch
from torch.nn import functional

torch.set_num_threads(os.cpu_count() or 1)
net, size = sys.argv[1], int(sys.argv[2])
LAYERS = {
    name: (
        torch.tensor(kernel.transpose(3, 2, 0, 1)).contiguous(memory_format=torch.channels_last),
        torch.tensor(bias),
    )
    for name, (kernel, bias) in problem.weights(net).items()
}
MEAN, STD = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (problem.MEAN, problem.STD))


def features(picture: torch.Tensor) -> dict[str, torch.Tensor]:
    """The ReLU activations of all layers."""
    x, found = (picture - MEAN) / STD, {}
    block = 1
    for name, (kernel, bias) in LAYERS.items():
        if int(name[4]) != block:
            x, block = functional.avg_pool2d(x, 2), int(name[4])
        x = torch.relu(functional.conv2d(x, kernel, bias, padding=1))
        found[name.replace("conv", "relu")] = x
    return found


def gram(feature: torch.Tensor) -> torch.Tensor:
    """The mean Gram matrix."""
    rows = feature.permute(0, 2, 3, 1).reshape(-1, feature.shape[1])
    return rows.T @ rows / rows.shape[0]


def as_tensor(picture: np.ndarray) -> torch.Tensor:
    tensor = torch.tensor(picture).permute(2, 0, 1)[None]
    return tensor.contiguous(memory_format=torch.channels_last)


def relative(found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (found - target).square().sum() / target.square().sum()


pictures = {name: as_tensor(array) for name, array in problem.pictures(size).items()}
with torch.no_grad():
    content = features(pictures["content"])[problem.CONTENT]
    found = features(pictures["style"])
    grams = {tap: gram(found[tap]) for tap in problem.STYLE}
    del found
picture = pictures["picture"].requires_grad_()


def step() -> tuple[float, np.ndarray]:
    picture.grad = None
    found = features(picture)
    style = [relative(gram(found[tap]), grams[tap]) for tap in problem.STYLE]
    loss = relative(found[problem.CONTENT], content) + 10 * sum(style) / len(style)
    loss.backward()
    assert picture.grad is not None
    return float(loss.detach()), picture.grad[0].permute(1, 2, 0).contiguous().numpy()


problem.serve(step, "torch", {})
