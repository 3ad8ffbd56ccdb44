"""The loss of ``problem.py`` in PyTorch: eager, channels_last, all cores."""

# pyright: reportMissingImports=false
from __future__ import annotations

import os
from collections.abc import Callable

import problem
import torch
from torch.nn import functional

torch.set_num_threads(os.cpu_count() or 1)
MEAN, STD = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (problem.MEAN, problem.STD))

Layers = dict[str, tuple[torch.Tensor, torch.Tensor]]


def make_loss(net: str, size: int) -> Callable[[torch.Tensor, float], torch.Tensor]:
    """The loss of a picture (size, size, 3) at a style weight; the targets are made here."""
    layers = {
        name: (
            torch.tensor(kernel.transpose(3, 2, 0, 1)).contiguous(
                memory_format=torch.channels_last
            ),
            torch.tensor(bias),
        )
        for name, (kernel, bias) in problem.weights(net).items()
    }
    pictures = problem.pictures(size)
    with torch.no_grad():
        content = features(layers, torch.tensor(pictures["content"]))[problem.CONTENT]
        found = features(layers, torch.tensor(pictures["style"]))
        grams = {tap: gram(found[tap]) for tap in problem.STYLE}

    def loss(picture: torch.Tensor, style_weight: float) -> torch.Tensor:
        found = features(layers, picture)
        style = [relative(gram(found[tap]), grams[tap]) for tap in problem.STYLE]
        error = relative(found[problem.CONTENT], content)
        return error + 10 * style_weight * sum(style) / len(style)

    return loss


def features(layers: Layers, picture: torch.Tensor) -> dict[str, torch.Tensor]:
    """The ReLU activations of all layers. A picture (h, w, 3) is channels_last as it lies."""
    x, found = (picture.permute(2, 0, 1)[None] - MEAN) / STD, {}
    block = 1
    for name, (kernel, bias) in layers.items():
        if int(name[4]) != block:
            x, block = functional.avg_pool2d(x, 2), int(name[4])
        x = torch.relu(functional.conv2d(x, kernel, bias, padding=1))
        found[name.replace("conv", "relu")] = x
    return found


def gram(feature: torch.Tensor) -> torch.Tensor:
    """The mean Gram matrix."""
    rows = feature.permute(0, 2, 3, 1).reshape(-1, feature.shape[1])
    return rows.T @ rows / rows.shape[0]


def relative(found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (found - target).square().sum() / target.square().sum()
