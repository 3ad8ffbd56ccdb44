"""PyTorch's side of ``step`` and ``gpu``: the loss and its gradient."""

# pyright: reportMissingImports=false
from __future__ import annotations

import numpy as np
import torch

from benchmarks import problem
from benchmarks.torch_loss import Loss

asked = problem.settings()
precision, device = asked.get("precision", "highest"), asked.get("device", "cpu")
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "high"
torch.backends.cudnn.benchmark = True
wide = torch.float64 if precision == "float64" else torch.float32
narrow = torch.bfloat16 if precision == "bf16" else wide
arrays = problem.arrays(asked["net"], asked["size"])
loss = Loss(arrays, problem.LOSS_WEIGHTS, device=device, wide=wide, narrow=narrow)
picture = torch.tensor(arrays["picture"]).to(device, wide).requires_grad_()
compiled = asked.get("compile")  # None, or a mode of torch.compile
if compiled:
    # An optimiser changes the picture where it lies.
    torch._dynamo.mark_static_address(picture, guard=False)
evaluate = torch.compile(loss, mode=compiled) if compiled else loss
value = torch.zeros(())


def step() -> None:
    """Begin one."""
    global value
    picture.grad = None
    if compiled:
        torch.compiler.cudagraph_mark_step_begin()
    value = evaluate(picture, 1.0)
    value.backward()


times = problem.timed(step, torch.cuda.synchronize if device == "cuda" else lambda: None)
assert picture.grad is not None
np.save(asked["file"], picture.grad.cpu().numpy())
peak = torch.cuda.max_memory_allocated() if device == "cuda" else None
problem.say({**times, "loss": float(value.detach()), "device_peak": peak})
