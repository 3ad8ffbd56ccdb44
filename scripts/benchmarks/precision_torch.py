"""PyTorch's side of ``bench.py precision``: float32, against our gradients in float64."""

# pyright: reportMissingImports=false
from __future__ import annotations

import numpy as np
import problem
import torch
from torch_given import make_loss

asked = problem.settings()
arrays = dict(np.load(asked["file"]))
loss = make_loss(arrays, asked["weights"])
rows = []
for name, exact_loss in asked["points"].items():
    picture = torch.tensor(arrays[f"point {name}"]).requires_grad_()
    value = loss(picture)
    value.backward()
    assert picture.grad is not None
    exact = arrays[f"gradient {name}"]
    difference = picture.grad.numpy().astype(np.float64) - exact
    rows.append(
        {
            "precision": "PyTorch float32",
            "at": name,
            "loss_error": abs(float(value.detach()) / exact_loss - 1),
            "gradient_error": float(np.linalg.norm(difference) / np.linalg.norm(exact)),
        }
    )
problem.say({"rows": rows})
