"""A painting at a single size as PyTorch's sides take it: what jaxstyle would compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workers import ROOT

CONTENT, STYLE = ROOT / "examples" / "content.jpg", ROOT / "examples" / "style.jpg"


def painting(
    size: int, weights: str, start: str, folder: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write what is painted to files.

    Args:
        size: longest side in px.
        weights: a network as ``jaxstyle stylize --weights`` takes it.
        start: ``content`` or ``noise``.

    Returns:
        What our sides are asked, arguments of ``stylize``; and PyTorch's, see ``torch_minimise``.
    """
    # Late, so that --help need not load JAX.
    from jaxstyle import StylizeConfig
    from jaxstyle.images import fit_longest_side, load_image, resize, save_image
    from jaxstyle.network.weights import load_weights

    content, style = (
        resize(picture, *fit_longest_side(picture.shape[1], picture.shape[0], size))
        for picture in (load_image(CONTENT).rgb, load_image(STYLE).rgb)
    )
    first = content
    init = start
    if start == "noise":
        init = str(folder / "start.png")
        save_image(init, np.random.default_rng(0).random(content.shape, np.float32))
        first = load_image(init).rgb
    config = StylizeConfig(size=size, weights=weights).resolved()
    network = load_weights(weights)
    deepest = max(layer.removeprefix("relu") for layer in config.style_loss_layers)
    layers = {
        f"{name}.{part}": np.asarray(layer[part])
        for name, layer in network.upto(f"conv{deepest}").params.items()
        for part in ("kernel", "bias")
    }
    seen_as = {key: np.asarray(value) for key, value in network.preprocessing._asdict().items()}
    file = str(folder / "painting.npz")
    pictures = {"content": content, "style": style, "start": first}
    np.savez(file, allow_pickle=False, **pictures, **seen_as, **layers)
    ours = {"size": size, "weights": weights, "init": init}
    loss = {
        "content_layers": config.content_loss_layers,
        "style_layers": config.style_loss_layers,
        "content_weight": config.content_weight,
        "style_weight": config.style_weight,
        "tv_weight": config.tv_weight,
        "pooling": network.pooling,
    }
    return ours, {"file": file, "weights": loss, "learning_rate": config.learning_rate}
