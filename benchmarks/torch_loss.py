"""The loss of ``problem.py`` in PyTorch: channels_last, all cores."""

# pyright: reportMissingImports=false
from __future__ import annotations

import os

import problem
import torch
from torch.nn import functional

torch.set_num_threads(os.cpu_count() or 1)

MEAN, STD = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (problem.MEAN, problem.STD))


class Loss(torch.nn.Module):
    """The loss of a picture (size, size, 3) at a style weight; the targets are made here.

    Weights and targets are buffers: their places in memory are known to stay, so that a CUDA graph
    reads them there. Other tensors it would copy at every replay.
    """

    mean: torch.Tensor
    std: torch.Tensor
    content: torch.Tensor
    conv1_1_kernel: torch.Tensor

    def __init__(
        self, net: str, size: int, device: str, wide: torch.dtype, narrow: torch.dtype
    ) -> None:
        super().__init__()
        self.names = []
        for name, (kernel, bias) in problem.weights(net).items():
            self.names.append(name)
            filters = torch.tensor(kernel.transpose(3, 2, 0, 1)).to(device, narrow)
            filters = filters.contiguous(memory_format=torch.channels_last)
            self.register_buffer(f"{name}_kernel", filters)
            self.register_buffer(f"{name}_bias", torch.tensor(bias).to(device, narrow))
        self.register_buffer("mean", MEAN.to(device, wide))
        self.register_buffer("std", STD.to(device, wide))
        pictures = {
            name: torch.tensor(array).to(device, wide)
            for name, array in problem.pictures(size).items()
        }
        with torch.no_grad():
            content = self.features(pictures["content"])[problem.CONTENT]
            found = self.features(pictures["style"])
        self.register_buffer("content", content.to(wide))
        for tap in problem.STYLE:
            self.register_buffer(f"{tap}_gram", gram(found[tap]).to(wide))

    def forward(self, picture: torch.Tensor, style_weight: float) -> torch.Tensor:
        found = self.features(picture)
        style = [
            relative(gram(found[tap]).to(picture.dtype), getattr(self, f"{tap}_gram"))
            for tap in problem.STYLE
        ]
        error = relative(found[problem.CONTENT].to(picture.dtype), self.content)
        return error + 10 * style_weight * sum(style) / len(style)

    def features(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        """The ReLU activations of all layers, in the type of their weights.

        A picture (h, w, 3) is channels_last as it lies.
        """
        x = (picture.permute(2, 0, 1)[None] - self.mean) / self.std
        x, found, block = x.to(self.conv1_1_kernel.dtype), {}, 1
        for name in self.names:
            kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
            if int(name[4]) != block:
                x, block = functional.avg_pool2d(x, 2), int(name[4])
            x = torch.relu(functional.conv2d(x, kernel, bias, padding=1))
            found[name.replace("conv", "relu")] = x
        return found


def make_loss(
    net: str,
    size: int,
    *,
    device: str = "cpu",
    wide: torch.dtype = torch.float32,
    narrow: torch.dtype | None = None,
) -> Loss:
    """The loss of ``problem.py``.

    Args:
        wide: of the picture, of errors and of the loss.
        narrow: of weights and features, and of products of features; ``wide`` by default.
    """
    return Loss(net, size, device, wide, narrow or wide)


def gram(feature: torch.Tensor) -> torch.Tensor:
    """The mean Gram matrix."""
    rows = feature.permute(0, 2, 3, 1).reshape(-1, feature.shape[1])
    return rows.T @ rows / rows.shape[0]


def relative(found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (found - target).square().sum() / target.square().sum()
