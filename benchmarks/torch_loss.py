"""The loss of jaxstyle in PyTorch, over pictures and weights that come as arrays: channels_last."""

# pyright: reportMissingImports=false
from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

if "OMP_NUM_THREADS" not in os.environ:
    torch.set_num_threads(os.cpu_count() or 1)


class Loss(torch.nn.Module):
    """``jaxstyle``'s convention: content + 25 style + total variation, each with its weight.

    Weights and targets are buffers: their places in memory are known to stay, so that a CUDA graph
    reads them there. Other tensors it would copy at every replay.

    Args:
        arrays: ``content`` and ``style``, (h, w, 3) in [0, 1]; ``scale``, ``mean`` and ``std``; and
            of each convolution in order ``NAME.kernel`` (3, 3, in, out) and ``NAME.bias``.
        weights: ``content_layers`` and ``style_layers``, tap -> weight; ``content_weight``,
            ``style_weight`` and ``tv_weight``; ``pooling``, avg if not given.
        wide: of the picture, of errors and of the loss.
        narrow: of weights and features, and of products of features.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        weights: Mapping[str, Any],
        *,
        device: str = "cpu",
        wide: torch.dtype = torch.float32,
        narrow: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.weights, self.narrow = weights, narrow
        self.names = [key.removesuffix(".kernel") for key in arrays if key.endswith(".kernel")]
        for name in self.names:
            kernel = torch.tensor(arrays[f"{name}.kernel"].transpose(3, 2, 0, 1)).to(device, narrow)
            kernel = kernel.contiguous(memory_format=torch.channels_last)
            self.register_buffer(f"{name}_kernel", kernel)
            bias = torch.tensor(arrays[f"{name}.bias"]).to(device, narrow)
            self.register_buffer(f"{name}_bias", bias)
        for key in ("mean", "std"):
            value = torch.tensor(arrays[key]).to(device, wide).reshape(1, 3, 1, 1)
            self.register_buffer(key, value / float(arrays["scale"]))
        with torch.no_grad():
            content = self.features(torch.tensor(arrays["content"]).to(device, wide))
            style = self.features(torch.tensor(arrays["style"]).to(device, wide))
        for tap in weights["content_layers"]:
            self.register_buffer(f"{tap}_content", content[tap].to(wide))
        for tap in weights["style_layers"]:
            self.register_buffer(f"{tap}_gram", gram(style[tap]).to(wide))

    def forward(self, picture: torch.Tensor, style_factor: float = 1.0) -> torch.Tensor:
        features, dtype = self.features(picture), picture.dtype
        content_layers, style_layers = self.weights["content_layers"], self.weights["style_layers"]
        content = [
            weight * relative(features[tap].to(dtype), getattr(self, f"{tap}_content"))
            for tap, weight in content_layers.items()
        ]
        style = [
            weight * relative(gram(features[tap]).to(dtype), getattr(self, f"{tap}_gram"))
            for tap, weight in style_layers.items()
        ]
        style_weight = 25 * style_factor * self.weights["style_weight"]
        loss = self.weights["content_weight"] * sum(content) / sum(content_layers.values())
        loss = loss + style_weight * sum(style) / sum(style_layers.values())
        if self.weights["tv_weight"]:
            down, right = picture[1:] - picture[:-1], picture[:, 1:] - picture[:, :-1]
            variation = (down.square().sum() + right.square().sum()) / picture.numel()
            loss = loss + self.weights["tv_weight"] * variation
        return loss

    def features(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        """The ReLU activations of all layers; a picture (h, w, 3) is channels_last as it lies."""
        x = ((picture.permute(2, 0, 1)[None] - self.mean) / self.std).to(self.narrow)
        pool = getattr(functional, f"{self.weights.get('pooling', 'avg')}_pool2d")
        activations, block = {}, 1
        for name in self.names:
            if int(name[4]) != block:
                x, block = pool(x, 2), int(name[4])
            kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
            x = torch.relu(functional.conv2d(x, kernel, bias, padding=1))
            activations[name.replace("conv", "relu")] = x
        return activations


def gram(feature: torch.Tensor) -> torch.Tensor:
    """The mean Gram matrix."""
    rows = feature.permute(0, 2, 3, 1).reshape(-1, feature.shape[1])
    return rows.T @ rows / rows.shape[0]


def relative(value: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The squared error as a share of the target's square."""
    return (value - target).square().sum() / target.square().sum()
