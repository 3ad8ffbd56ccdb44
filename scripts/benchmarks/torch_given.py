"""The loss of a jaxstyle run in PyTorch, over pictures and weights that come as arrays."""

# pyright: reportMissingImports=false
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

if "OMP_NUM_THREADS" not in os.environ:
    torch.set_num_threads(os.cpu_count() or 1)

Features = dict[str, torch.Tensor]


def make_loss(
    arrays: Mapping[str, np.ndarray], weights: Mapping[str, Any]
) -> Callable[[torch.Tensor], torch.Tensor]:
    """``jaxstyle``'s convention: content + 10 style + total variation, each with its weight.

    Args:
        arrays: ``content`` and ``style``, (h, w, 3) in [0, 1]; ``mean`` and ``std``; and of each
            convolution in order ``NAME.kernel`` (3, 3, in, out) and ``NAME.bias``.
        weights: ``content_layers`` and ``style_layers``, tap -> weight; ``content_weight``,
            ``style_weight`` and ``tv_weight``.
    """
    names = [key.removesuffix(".kernel") for key in arrays if key.endswith(".kernel")]
    layers = {
        name: (
            torch.tensor(arrays[f"{name}.kernel"].transpose(3, 2, 0, 1)).contiguous(
                memory_format=torch.channels_last
            ),
            torch.tensor(arrays[f"{name}.bias"]),
        )
        for name in names
    }
    mean, std = (torch.tensor(arrays[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    content_layers, style_layers = weights["content_layers"], weights["style_layers"]

    def features(picture: torch.Tensor) -> Features:
        """The ReLU activations. A picture (h, w, 3) is channels_last as it lies."""
        x, found, block = (picture.permute(2, 0, 1)[None] - mean) / std, {}, 1
        for name, (kernel, bias) in layers.items():
            if int(name[4]) != block:
                x, block = functional.avg_pool2d(x, 2), int(name[4])
            x = torch.relu(functional.conv2d(x, kernel, bias, padding=1))
            found[name.replace("conv", "relu")] = x
        return found

    with torch.no_grad():
        contents = features(torch.tensor(arrays["content"]))
        styles = features(torch.tensor(arrays["style"]))
        grams = {tap: _gram(styles[tap]) for tap in style_layers}

    def loss(picture: torch.Tensor) -> torch.Tensor:
        found = features(picture)
        content = [w * _relative(found[tap], contents[tap]) for tap, w in content_layers.items()]
        style = [w * _relative(_gram(found[tap]), grams[tap]) for tap, w in style_layers.items()]
        down, right = picture[1:] - picture[:-1], picture[:, 1:] - picture[:, :-1]
        variation = (down.square().sum() + right.square().sum()) / picture.numel()
        return (
            weights["content_weight"] * sum(content) / sum(content_layers.values())
            + weights["style_weight"] * 10 * sum(style) / sum(style_layers.values())
            + weights["tv_weight"] * variation
        )

    return loss


def _gram(feature: torch.Tensor) -> torch.Tensor:
    rows = feature.permute(0, 2, 3, 1).reshape(-1, feature.shape[1])
    return rows.T @ rows / rows.shape[0]


def _relative(found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (found - target).square().sum() / target.square().sum()
