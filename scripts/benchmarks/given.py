"""A jaxstyle job as plain arrays and numbers, for ``torch_given``."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.network.network import Network


def arrays_of(network: Network) -> dict[str, np.ndarray]:
    """Weights and preprocessing.

    Raises:
        ValueError: the network does not take pictures in [0, 1].
    """
    seen_as = network.preprocessing
    if float(seen_as.scale) != 1:
        raise ValueError("PyTorch's side knows networks that take pictures in [0, 1]: use slim")
    found = {
        f"{name}.{part}": np.asarray(layer[part])
        for name, layer in network.params.items()
        for part in ("kernel", "bias")
    }
    return {**found, "mean": np.asarray(seen_as.mean), "std": np.asarray(seen_as.std)}


def weights_of(config: StylizeConfig) -> dict[str, Any]:
    """Of resolved settings in jaxstyle's own convention."""
    return {
        "content_layers": config.content_loss_layers,
        "style_layers": config.style_loss_layers,
        "content_weight": config.content_weight,
        "style_weight": config.style_weight,
        "tv_weight": config.tv_weight,
    }
