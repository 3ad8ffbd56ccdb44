"""PyTorch's side of ``bench.py step`` and ``gpu``: the loss and its gradient."""

# pyright: reportMissingImports=false
from __future__ import annotations

import sys
import time

import numpy as np
import problem
import torch
from torch_loss import make_loss

settings = problem.settings()
precision, device = settings.get("precision", "highest"), settings.get("device", "cpu")
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "high"
torch.backends.cudnn.benchmark = True
loss = make_loss(
    settings["net"],
    settings["size"],
    device=device,
    wide=torch.float64 if precision == "float64" else torch.float32,
    narrow=torch.bfloat16 if precision == "bf16" else None,
)
array = problem.pictures(settings["size"])["picture"]
wide = torch.float64 if precision == "float64" else torch.float32
picture = torch.tensor(array).to(device, wide).requires_grad_()
compiled = settings.get("compile")  # None, or a mode of torch.compile
if compiled:
    # An optimiser changes the picture where it lies.
    torch._dynamo.mark_static_address(picture, guard=False)
evaluate = torch.compile(loss, mode=compiled) if compiled else loss
value = torch.zeros(())


def step() -> None:
    global value
    picture.grad = None
    if compiled:
        torch.compiler.cudagraph_mark_step_begin()
    value = evaluate(picture, 1.0)
    value.backward()


def finished() -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def result() -> tuple[float, np.ndarray]:
    assert picture.grad is not None
    return float(value.detach()), picture.grad.cpu().numpy()


def device_peak() -> int | None:
    return torch.cuda.max_memory_allocated() if device == "cuda" else None


started = time.perf_counter()
try:
    step()
    finished()
except Exception as error:  # above all: there is no compiler for torch.compile
    lines = str(error).strip().splitlines() or [""]
    problem.say({"error": f"{type(error).__name__}: {lines[0]}"})
    sys.exit()
ready = {"first_step_seconds": time.perf_counter() - started}
problem.serve(step, finished, result, settings["file"], ready, device_peak)
