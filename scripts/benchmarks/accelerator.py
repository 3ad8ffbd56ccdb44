"""Says what JAX and PyTorch compute on here."""

# pyright: reportMissingImports=false
from __future__ import annotations

import jax
import problem
import torch

if platform := problem.settings()["platform"]:
    jax.config.update("jax_platforms", platform)
device = jax.local_devices()[0]
problem.say(
    {
        "backend": jax.default_backend(),
        "device": device.device_kind,
        "torch_cuda": torch.cuda.is_available(),
    }
)
