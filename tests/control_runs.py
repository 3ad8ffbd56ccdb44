"""What tests of controls share: small pictures, a tiny network, one evaluation of a job's loss."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from samples import landscape, noise, random_network, waves

from jaxstyle import Stylized, stylize
from jaxstyle.objective.pytrees import Targets, Terms, model_of
from jaxstyle.run.job import Job
from jaxstyle.run.level import Level
from jaxstyle.run.level_targets import TargetMaker
from jaxstyle.run.prepare import prepare

HEIGHT, WIDTH = 48, 40
SETTINGS: dict[str, Any] = {
    "size": 48,
    "levels": 1,
    "steps": 3,
    "optimizer": "adam",  # a smaller program than L-BFGS
    "content_layers": "relu2_1",
    "style_layers": "relu1_1,relu2_1",
    "network": random_network(),
}

CONTENT = np.asarray(landscape(HEIGHT, WIDTH))
STYLE = np.asarray(waves(48, 36))
OTHER = np.asarray(noise(40, 48, seed=4)) ** 2


def columns(first: int, last: int) -> np.ndarray:
    """A mask of the content, white from one column up to another."""
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[:, first:last] = 1
    return mask


def transparent(hidden: Any = None, edge: int = 20) -> np.ndarray:
    """The content with a transparent right part, in which the colours may be others."""
    picture = np.concatenate([CONTENT, columns(0, edge)[..., None]], axis=-1)
    if hidden is not None:
        picture[:, edge:, :3] = hidden
    return picture


def run(content: Any = CONTENT, style: Any = STYLE, **settings: Any) -> Stylized:
    """``stylize`` with what is not said taken from ``SETTINGS``."""
    return stylize(content, style, **{**SETTINGS, **settings})


_call = jax.jit(lambda objective, *arguments: objective(*arguments), static_argnums=0)


def job_of(content: Any = CONTENT, style: Any = STYLE, **settings: Any) -> Job:
    """``prepare`` with what is not said taken from ``SETTINGS``."""
    return prepare(content, style, **{**SETTINGS, **settings})


def targets_of(job: Job, level: int = -1) -> Targets:
    """At the job's last level, or another."""
    level = range(len(job.sizes))[level]
    return TargetMaker(Level(job, level), job.objective, model_of(job.network)).targets()


def evaluated(job: Job, picture: Any = None, level: int = -1) -> tuple[float, Terms, np.ndarray]:
    """Loss, terms and gradient of a job at some picture, half noise if not given."""
    level = range(len(job.sizes))[level]
    width, height = job.sizes[level]
    picture = (landscape(height, width) + noise(height, width)) / 2 if picture is None else picture
    arguments = (
        model_of(job.network),
        targets_of(job, level),
        Level(job, level).weights(job.objective),
    )
    (loss, terms), gradient = _call(job.objective, jnp.asarray(picture), *arguments)
    return float(loss), terms, np.asarray(gradient)


def assert_alike(one: Any, other: Any, most: float = 1e-5) -> None:
    """Trees of arrays whose relative differences are small."""
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert np.linalg.norm(a - b) <= most * max(np.linalg.norm(b), 1e-30)
