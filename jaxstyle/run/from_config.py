"""What settings make of a run's programs: the loss, its weights, the optimiser, the devices."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import jax
from jax.sharding import Mesh

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.network.architecture import order_taps
from jaxstyle.network.network import Network
from jaxstyle.network.winograd import wide_layers, with_transformed_kernels
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned.device_mesh import parse_mesh
from jaxstyle.objective.pytrees import Model, Weights, make_weights, model_of
from jaxstyle.optimize import LBFGS, Adam


def objective_of(config: StylizeConfig) -> Objective:
    """The static part of a run's loss; ``config`` as ``prepare`` leaves it in a job."""
    assert config.pooling != "trained"
    return Objective(
        content_layers=order_taps(config.content_loss_layers),
        style_layers=order_taps(config.style_loss_layers),
        convention=config.convention,
        pooling=config.pooling,
        padding=config.padding,
        tv=config.tv,
        dtype="bfloat16" if config.precision == "bf16" else "float32",
        statistics=config.statistics,
        regularisers=tuple(
            name
            for name, used in (
                ("tv", True),
                ("wavelet", config.wavelet_weight > 0),
                ("range", config.range_weight > 0),
            )
            if used
        ),
        unit_gradients=config.normalise_gradients,
    )


def weights_of(config: StylizeConfig, place: float = 1.0) -> Weights:
    """The part of it that is in the settings; ``config`` must be resolved.

    Args:
        place: among the levels: 0 for the coarsest, 1 for the last.
    """
    assert config.content_weight is not None
    assert config.style_weight is not None
    assert config.tv_weight is not None
    return make_weights(
        config.content_weight,
        config.style_weight,
        config.tv_weight,
        config.content_loss_layers,
        config.style_loss_layers,
        wavelet=config.wavelet_weight,
        range=config.range_weight,
        content_clip=config.content_clip,
        style_clip=config.style_clip,
        tv_power=config.tv_power,
        temporal=config.temporal_weight,
        factors=config.layer_factors(place),
    )


def precision_in_force(config: StylizeConfig) -> AbstractContextManager[Any]:
    """A block in which programs are compiled with the precision asked for."""
    # JAX makes it part of what tells programs apart.
    return jax.default_matmul_precision(
        "default" if config.precision == "bf16" else config.precision
    )


def model_in_force(network: Network, config: StylizeConfig) -> Model:
    """A network's arrays; on a CPU also those by which its wide layers are quicker.

    Their convolutions round a little more then (``winograd``): not with precision highest.
    """
    model = model_of(network)
    exact = config.precision in ("highest", "bf16")
    if exact or config.mesh is not None or jax.default_backend() != "cpu":
        return model
    params = with_transformed_kernels(model.params, wide_layers(model.params))
    return model._replace(params=params)


def algorithm_of(config: StylizeConfig) -> LBFGS | Adam:
    """The optimiser on the device; not for ``optimizer="scipy"``."""
    bounds = (0.0, 1.0) if config.clamp else None
    if config.optimizer == "lbfgs":
        return LBFGS(config.history, bounds=bounds)
    return Adam(config.learning_rate, config.average, bounds)


def steps_per_call(config: StylizeConfig) -> int:
    """Steps in one compiled call."""
    return config.steps_per_call or (1 if jax.default_backend() == "cpu" else 10)


def mesh_of(config: StylizeConfig) -> Mesh | None:
    """The devices that share the picture; None for one device.

    Raises:
        InputError: fewer devices than asked for.
    """
    return None if config.mesh is None else parse_mesh(config.mesh)
