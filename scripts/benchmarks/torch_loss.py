"""The loss of ``problem.py`` in PyTorch: channels_last, all cores."""

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


def make_loss(
    net: str,
    size: int,
    *,
    device: str = "cpu",
    wide: torch.dtype = torch.float32,
    narrow: torch.dtype | None = None,
) -> Callable[[torch.Tensor, float], torch.Tensor]:
    """The loss of a picture (size, size, 3) at a style weight; the targets are made here.

    Args:
        wide: of the picture, of errors and of the loss.
        narrow: of weights and features, and of products of features; ``wide`` by default.
    """
    layers = {
        name: (
            torch.tensor(kernel.transpose(3, 2, 0, 1))
            .to(device, narrow or wide)
            .contiguous(memory_format=torch.channels_last),
            torch.tensor(bias).to(device, narrow or wide),
        )
        for name, (kernel, bias) in problem.weights(net).items()
    }
    pictures = {
        name: torch.tensor(array).to(device, wide) for name, array in problem.pictures(size).items()
    }
    # Made once: a step on an accelerator must not wait for them to be copied there.
    constants = MEAN.to(device, wide), STD.to(device, wide)
    with torch.no_grad():
        content = features(layers, pictures["content"], *constants)[problem.CONTENT].to(wide)
        found = features(layers, pictures["style"], *constants)
        grams = {tap: gram(found[tap]).to(wide) for tap in problem.STYLE}

    def loss(picture: torch.Tensor, style_weight: float) -> torch.Tensor:
        found = features(layers, picture, *constants)
        style = [relative(gram(found[tap]).to(wide), grams[tap]) for tap in problem.STYLE]
        error = relative(found[problem.CONTENT].to(wide), content)
        return error + 10 * style_weight * sum(style) / len(style)

    return loss


def features(
    layers: Layers, picture: torch.Tensor, mean: torch.Tensor = MEAN, std: torch.Tensor = STD
) -> dict[str, torch.Tensor]:
    """The ReLU activations of all layers, in the type of their weights.

    A picture (h, w, 3) is channels_last as it lies.
    """
    x = (picture.permute(2, 0, 1)[None] - mean) / std
    x, found, block = x.to(next(iter(layers.values()))[0].dtype), {}, 1
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
