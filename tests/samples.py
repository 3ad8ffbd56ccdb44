"""Small networks and pictures that tests share."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxstyle.network.architecture import VGG19, Architecture
from jaxstyle.network.network import Network
from jaxstyle.network.preprocessing import IMAGENET, preprocessing
from jaxstyle.network.vgg import random_params

TINY = Architecture(VGG19.depths, (4, 5, 6, 7, 8))


@cache
def random_network(architecture: Architecture = TINY, seed: int = 0) -> Network:
    """He-random kernels and small random biases, ImageNet preprocessing."""
    params = random_params(jax.random.key(seed), architecture)
    chance = np.random.default_rng(seed)
    for layer in params.values():
        layer["bias"] = jnp.asarray(chance.normal(0, 0.1, layer["bias"].shape), jnp.float32)
    return Network(params, preprocessing(**IMAGENET), "random")


def landscape(height: int, width: int | None = None) -> Float[Array, "height width 3"]:
    """Soft hills under a sky: the same picture at every size, sampled at the pixels' centres."""
    y, x = _grid(height, width or height)
    hills = 0.5 + 0.15 * np.sin(5 * x) + 0.1 * np.sin(13 * x + 1)
    ground = 1 / (1 + np.exp(-(y - hills) * 40))
    texture = 0.5 + 0.5 * np.sin(31 * x + 7 * y) * np.sin(23 * y)
    sky = np.stack([0.4 + 0.3 * y, 0.6 + 0.2 * y, 0.9 - 0.2 * y], -1)
    earth = np.stack([0.2 + 0.3 * texture, 0.5 - 0.2 * texture, 0.1 + 0.1 * y], -1)
    return _picture(sky + (earth - sky) * ground[..., None])


def waves(height: int, width: int | None = None) -> Float[Array, "height width 3"]:
    """Swirling strokes in strong colours."""
    y, x = _grid(height, width or height)
    bent = np.sin(17 * x + 5 * np.sin(6 * y)) + np.sin(21 * y + 4 * np.cos(7 * x))
    channels = [
        0.5 + 0.4 * np.sin(bent * gain + shift) for gain, shift in ((2, 0), (1.5, 2), (1, 4))
    ]
    return _picture(np.stack(channels, -1))


def noise(height: int, width: int | None = None, seed: int = 0) -> Float[Array, "height width 3"]:
    """White noise, uniform in [0, 1]."""
    shape = (height, width or height, 3)
    return _picture(np.random.default_rng(seed).random(shape))


def compilations(jitted: Any) -> int:
    """How many programs a jitted function has been compiled to."""
    return jitted._cache_size()


def in_float64(tree):
    """A pytree's floats as float64; only inside ``jax.enable_x64``."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), tree)


def _grid(height: int, width: int) -> list[np.ndarray]:
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    return list(np.meshgrid(rows, columns, indexing="ij"))


def _picture(values: np.ndarray) -> Array:
    return jnp.asarray(values, jnp.float32)
