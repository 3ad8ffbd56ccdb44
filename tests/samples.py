"""Small networks and pictures that tests share."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxstyle.network.architecture import VGG19, Architecture
from jaxstyle.network.network import Network, Params
from jaxstyle.network.preprocessing import preprocessing
from jaxstyle.objective.regularisers import Picture, picture_sum
from jaxstyle.run.job import Job
from jaxstyle.run.replay import prepare_recorded, record_to_replay

IMAGENET = {"scale": 1.0, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
"""torchvision's and vgg19-slim's: RGB in [0, 1], standardised."""

CAFFE = {"scale": 255.0, "mean": (123.68, 116.779, 103.939), "std": (1.0, 1.0, 1.0)}
"""Simonyan's Caffe networks (Keras, MatConvNet, Gatys): 0 to 255 minus the mean, here as RGB."""

TINY = Architecture(VGG19.depths, (4, 5, 6, 7, 8))


def random_params(key: jax.Array, architecture: Architecture) -> Params:
    """He-initialised weights of a whole network."""
    # One draw for all layers and no ``module.init``: that would compile every convolution.
    shapes = {name: architecture.kernel_shape(name) for name in architecture.convolutions}
    sizes = [math.prod(shape) for shape in shapes.values()]
    draws = np.split(np.asarray(jax.random.normal(key, (sum(sizes),))), np.cumsum(sizes)[:-1])
    return {
        name: {
            "kernel": jnp.asarray(draw.reshape(shape) * math.sqrt(2 / math.prod(shape[:3]))),
            "bias": jnp.zeros(shape[-1], jnp.float32),
        }
        for (name, shape), draw in zip(shapes.items(), draws, strict=True)
    }


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


def total_variation(
    picture: Picture, kind: str = "l2", *, power: float = 2.0, wrap: bool = False
) -> Float[Array, ""]:
    """Mean total variation per value of a whole picture; see ``picture_sum``."""
    return picture_sum("tv", picture, kind=kind, power=power, wrap=wrap) / picture.size


def compilations(jitted: Any) -> int:
    """How many programs a jitted function has been compiled to."""
    return jitted._cache_size()


def prepare_replay(picture: Any, **moved: Any) -> tuple[Job, dict[str, str]]:
    """The job that is recorded in a picture; see ``prepare_recorded``."""
    return prepare_recorded(record_to_replay(picture), picture, **moved)


def in_float64(tree):
    """A pytree's floats as float64; only inside ``jax.enable_x64``."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), tree)


def _grid(height: int, width: int) -> list[np.ndarray]:
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    return list(np.meshgrid(rows, columns, indexing="ij"))


def _picture(values: np.ndarray) -> Array:
    return jnp.asarray(values, jnp.float32)
