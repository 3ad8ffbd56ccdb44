"""Loss and gradient at every precision, as ``bench.py precision`` asks for them.

Matrix units that round what they multiply are emulated: the operands of every convolution, forward
and backward, are rounded to so many bits, and their products summed up in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import problem
from given import arrays_of, weights_of
from jaxstyle.run.from_config import algorithm_of
from jaxstyle.run.level_pictures import content_at, style_at

from jaxstyle.network.architecture import order_taps
from jaxstyle.network.network import Network, Params, checked_network
from jaxstyle.network.preprocessing import preprocessing
from jaxstyle.network.winograd import wide_layers, with_transformed_kernels
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Model, Targets, Weights, make_weights
from jaxstyle.objective.targets import content_targets, style_targets
from jaxstyle.optimize import Stopping, minimise
from jaxstyle.run.job import objective_of_job, weights_of_job
from jaxstyle.run.prepare import prepare

TF32, BF16 = 10, 7
"""Bits of the mantissa; both have float32's exponents."""

Found = dict[str, tuple[float, np.ndarray]]
"""Name of a picture -> loss and gradient there."""


class Case(NamedTuple):
    """Attributes:
    points: the pictures to evaluate, by name.
    weights: ``given.weights_of``.
    """

    objective: Objective
    network: Network
    content: np.ndarray
    style: np.ndarray
    numbers: Weights
    weights: dict[str, Any]
    points: dict[str, np.ndarray]


def random_case(net: str, size: int) -> Case:
    """He-initialised weights and noise: the problem of ``bench.py step``."""
    network = checked_network(
        problem.weights(net), preprocessing(1.0, problem.MEAN, problem.STD), source="benchmark"
    )
    content_layers: dict[str, float] = {problem.CONTENT: 1.0}
    style_layers: dict[str, float] = {tap: 1.0 for tap in problem.STYLE}
    deepest = order_taps([*content_layers, *style_layers])[-1]
    network = network.upto(deepest.replace("relu", "conv"))
    pictures = problem.pictures(size)
    return Case(
        Objective((problem.CONTENT,), problem.STYLE),
        network,
        pictures["content"],
        pictures["style"],
        make_weights(1, 1, 0, content_layers, style_layers),
        {
            "content_layers": content_layers,
            "style_layers": style_layers,
            "content_weight": 1.0,
            "style_weight": 1.0,
            "tv_weight": 0.0,
        },
        {"noise": pictures["picture"]},
    )


def painting(content: str, style: str, size: int, steps: int, **settings: Any) -> Case:
    """vgg19-slim and the default settings, at the start of a run and after some steps of it."""
    job = prepare(content, style, weights="slim", size=size, levels=1, **settings)
    case = Case(
        objective_of_job(job),
        job.network,
        content_at(job, 0),
        style_at(job, 0),
        weights_of_job(job, len(job.sizes) - 1),
        weights_of(job.config),
        {},
    )
    start = case.content
    outcome = minimise(
        case.objective,
        jnp.asarray(start),
        arguments_of(case, case.network.params),
        algorithm_of(job.config),
        Stopping(steps),
    )
    return case._replace(points={"content": start, f"after {steps} steps": outcome.x})


def arguments_of(
    case: Case, params: Params, objective: Objective | None = None, dtype: Any = jnp.float32
) -> tuple[Model, Targets, Weights]:
    """What the objective takes, the targets computed as the picture's features will be."""
    objective = objective or case.objective
    model = Model(params, case.network.preprocessing)
    model, weights = jax.tree.map(partial(jnp.asarray, dtype=dtype), (model, case.numbers))
    targets = Targets(
        content_targets(objective, model, jnp.asarray(case.content, dtype)),
        style_targets(objective, model, jnp.asarray(case.style, dtype)),
    )
    return model, targets, weights


def evaluate(
    case: Case,
    params: Params | None = None,
    objective: Objective | None = None,
    dtype: Any = jnp.float32,
) -> Found:
    """Loss and gradient at each point; nothing that was compiled before is used."""
    jax.clear_caches()
    objective = objective or case.objective
    arguments = arguments_of(case, params or case.network.params, objective, dtype)
    step = jax.jit(objective)
    found = {}
    for name, picture in case.points.items():
        (loss, _), gradient = step(jnp.asarray(picture, dtype), *arguments)
        found[name] = float(loss), np.asarray(gradient)
    return found


def rounding(bits: int, passes: int = 1) -> AbstractContextManager[Any]:
    """A block in which convolutions round their operands.

    Args:
        bits: of the mantissa that is left.
        passes: 3 adds the products with what rounding takes away, but for that of two such rests.
    """
    exact = jax.lax.conv_general_dilated

    def rounded(x: jax.Array) -> jax.Array:
        return jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=bits)

    def products(f: Callable[..., jax.Array], a: jax.Array, b: jax.Array) -> jax.Array:
        first, second = rounded(a), rounded(b)
        if passes == 1:
            return f(first, second)
        return f(first, second) + f(first, rounded(b - second)) + f(rounded(a - first), second)

    def convolve(x: jax.Array, kernel: jax.Array, *rest: Any, **named: Any) -> jax.Array:
        plain = partial(_convolve, exact, rest, named)

        @jax.custom_vjp
        def multiplied(x: jax.Array, kernel: jax.Array) -> jax.Array:
            return products(plain, x, kernel)

        def forward(x: jax.Array, kernel: jax.Array) -> tuple[Any, Any]:
            return multiplied(x, kernel), (x, kernel)

        def backward(kept: Any, cotangent: jax.Array) -> tuple[Any, Any]:
            x, kernel = kept

            def to_input(g: jax.Array, kernel: jax.Array) -> jax.Array:
                return jax.linear_transpose(lambda x: plain(x, kernel), x)(g)[0]

            def to_kernel(g: jax.Array, x: jax.Array) -> jax.Array:
                return jax.linear_transpose(lambda kernel: plain(x, kernel), kernel)(g)[0]

            return products(to_input, cotangent, kernel), products(to_kernel, cotangent, x)

        multiplied.defvjp(forward, backward)
        return multiplied(x, kernel)

    return patch.object(jax.lax, "conv_general_dilated", convolve)


def _convolve(
    exact: Callable[..., jax.Array], rest: Any, named: Any, x: jax.Array, kernel: jax.Array
) -> jax.Array:
    return exact(x, kernel, *rest, **named)


def at_all_precisions(case: Case) -> dict[str, Found]:
    """Name -> what is found with it."""
    found = {}
    for precision in ("highest", "high", "default"):
        with jax.default_matmul_precision(precision):
            found[precision] = evaluate(case)
    with jax.default_matmul_precision("default"):
        found["bf16"] = evaluate(case, objective=replace(case.objective, dtype="bfloat16"))
    if wide := wide_layers(case.network.params):
        params = with_transformed_kernels(case.network.params, wide)
        found["Winograd, wide layers"] = evaluate(case, params)
    params = with_transformed_kernels(case.network.params, case.network.params)
    found["Winograd, all layers"] = evaluate(case, params)
    for name, bits, passes in (
        ("TF32", TF32, 1),
        ("bfloat16 operands, three passes", BF16, 3),
        ("bfloat16 operands, one pass", BF16, 1),
    ):
        with rounding(bits, passes):
            found[name] = evaluate(case)
    return found


def compared(found: Mapping[str, Found], exact: Found, like: Found) -> list[dict[str, Any]]:
    """Relative errors, and whether the gradients equal other ones in every bit."""
    return [
        {
            "precision": precision,
            "at": point,
            "loss_error": abs(loss / exact[point][0] - 1),
            "gradient_error": float(
                np.linalg.norm(gradient.astype(np.float64) - exact[point][1])
                / np.linalg.norm(exact[point][1])
            ),
            "same_bits": bool(loss == like[point][0] and np.array_equal(gradient, like[point][1])),
        }
        for precision, points in found.items()
        for point, (loss, gradient) in points.items()
    ]


def run(asked: Mapping[str, Any]) -> dict[str, Any]:
    """All errors of the case asked for; what PyTorch needs of it goes to ``asked["file"]``."""
    if asked["network"] == "random":
        case = random_case(asked["net"], asked["size"])
    else:
        case = painting(asked["content"], asked["style"], asked["size"], asked["steps"])
    found = at_all_precisions(case)
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        exact = evaluate(case, dtype=jnp.float64)
    np.savez(
        asked["file"],
        allow_pickle=False,
        content=case.content,
        style=case.style,
        **arrays_of(case.network),
        **{f"point {name}": picture for name, picture in case.points.items()},
        **{f"gradient {name}": gradient for name, (_, gradient) in exact.items()},
    )
    return {
        "rows": compared(found, exact, found["highest"]),
        "points": {name: loss for name, (loss, _) in exact.items()},
        "weights": case.weights,
        "platform": jax.default_backend(),
    }


if __name__ == "__main__":
    problem.say(run(problem.settings()))
