"""Says what JAX and PyTorch compute on here."""

# pyright: reportMissingImports=false
from __future__ import annotations

import importlib.util

import jax
import problem


def torch_works(on_gpu: bool) -> bool:
    """Whether the peer is installed, and sees the GPU."""
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return not on_gpu or torch.cuda.is_available()


if platform := problem.settings()["platform"]:
    jax.config.update("jax_platforms", platform)
device = jax.local_devices()[0]
problem.say(
    {
        "backend": jax.default_backend(),
        "device": device.device_kind,
        "torch_works": torch_works(jax.default_backend() == "gpu"),
    }
)
