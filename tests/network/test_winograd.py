"""Winograd's convolution against direct summation."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import random_params

from jaxstyle import StylizeConfig, stylize
from jaxstyle.network import winograd
from jaxstyle.network.architecture import PADDINGS, VGG19, VGG19_SLIM, Architecture
from jaxstyle.network.convolution import convolve3x3
from jaxstyle.network.network import Network, Params
from jaxstyle.network.preprocessing import preprocessing
from jaxstyle.network.vgg import features
from jaxstyle.run.job import model_in_force


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def directly(x: np.ndarray, kernel: np.ndarray, border: int) -> np.ndarray:
    """Products of shifted pictures, summed in float64."""
    around = ((0, 0), (border, border), (border, border), (0, 0))
    padded = np.pad(np.asarray(x, np.float64), around)
    height, width = padded.shape[1] - 2, padded.shape[2] - 2
    parts = [
        padded[:, row : row + height, column : column + width] @ kernel[row, column]
        for row in range(3)
        for column in range(3)
    ]
    return np.sum(parts, axis=0)


@partial(jax.jit, static_argnums=2)
def correlated(x: jax.Array, kernel: jax.Array, border: int) -> jax.Array:
    return winograd.correlate(x, kernel, winograd.transform(kernel), border)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(3, 13), st.integers(3, 13), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2)
)
def test_equals_the_sum_of_products(
    height: int, width: int, inputs: int, outputs: int, border: int
):
    x, kernel = drawn(2, height, width, inputs), drawn(3, 3, inputs, outputs)
    with jax.enable_x64(True):
        found = correlated(jnp.asarray(x), jnp.asarray(kernel), border)
    np.testing.assert_allclose(found, directly(x, kernel, border), atol=1e-12)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("size", [(9, 14), (16, 8)])
def test_value_and_slopes_are_those_of_the_direct_way(padding: str, size: tuple[int, int]):
    x, kernel, bias = drawn(1, *size, 8), drawn(3, 3, 8, 5) / 8, drawn(5)
    weigh = drawn(1, *size, 5)

    def error(x: jax.Array, kernel: jax.Array, fast: bool) -> jax.Array:
        transformed = winograd.transform(kernel) if fast else None
        y = convolve3x3(x, kernel, jnp.asarray(bias), padding, transformed)
        return jnp.sum(jnp.sin(y) * weigh)

    with jax.enable_x64(True):
        arguments = jnp.asarray(x), jnp.asarray(kernel)
        slopes = jax.jit(jax.value_and_grad(error, argnums=(0, 1)), static_argnums=2)
        (value, (by_x, by_kernel)), (wanted, (to_x, to_kernel)) = (
            slopes(*arguments, fast) for fast in (True, False)
        )
    np.testing.assert_allclose(value, wanted, rtol=1e-12)
    np.testing.assert_allclose(by_x, to_x, atol=1e-12)
    np.testing.assert_allclose(by_kernel, to_kernel, atol=1e-12)


def test_rounds_little_in_float32():
    x = drawn(1, 32, 32, 256).astype(np.float32)
    kernel = (drawn(3, 3, 256, 64) / np.sqrt(9 * 256)).astype(np.float32)
    found = correlated(jnp.asarray(x), jnp.asarray(kernel), 1)
    exact = directly(x, kernel.astype(np.float64), 1)
    assert np.abs(np.asarray(found) - exact).max() < 2e-5  # values are of order 1


def test_vmaps_over_pictures():
    x, kernel = jnp.asarray(drawn(3, 1, 8, 8, 4)), jnp.asarray(drawn(3, 3, 4, 4))
    slope = jax.jit(jax.grad(lambda x: correlated(x, kernel, 1).sum()))

    each = jnp.stack([slope(one) for one in x])
    np.testing.assert_allclose(jax.jit(jax.vmap(slope))(x), each, atol=1e-5)


def blank_params(architecture: Architecture) -> Params:
    kernels = {name: architecture.kernel_shape(name) for name in architecture.convolutions}
    return {
        name: {"kernel": jnp.zeros(shape), "bias": jnp.zeros(shape[3])}
        for name, shape in kernels.items()
    }


def test_wide_layers_of_the_networks():
    full = winograd.wide_layers(blank_params(VGG19))
    assert "conv2_2" in full and "conv5_1" in full
    assert not {"conv1_1", "conv1_2", "conv2_1"}.intersection(full)
    assert winograd.wide_layers(blank_params(VGG19_SLIM)) == []


def test_parameters_say_which_layers_are_computed_so():
    params = random_params(jax.random.key(1), VGG19_SLIM)
    fast = winograd.with_transformed_kernels(params, ["conv4_1", "conv4_2"])
    assert set(fast["conv4_1"]) == {"kernel", "bias", "transformed"}
    assert fast["conv3_1"] == params["conv3_1"] and set(params["conv4_1"]) == {"kernel", "bias"}
    x = jnp.asarray(drawn(1, 48, 40, 3), jnp.float32)
    seen = jax.jit(features, static_argnames=("taps", "dtype"))
    text, plain = (seen.lower(p, x, taps=("conv4_2",)).as_text() for p in (fast, params))
    assert plain.count("stablehlo.convolution") - text.count("stablehlo.convolution") == 2
    found, wanted = (seen(p, x, taps=("conv4_2",))["conv4_2"] for p in (fast, params))
    np.testing.assert_allclose(found, wanted, atol=1e-4 * float(jnp.abs(wanted).max()))
    narrow = seen(fast, x, taps=("conv4_2",), dtype=jnp.dtype(jnp.bfloat16))["conv4_2"]
    assert narrow.dtype == jnp.bfloat16


def test_runs_take_it_unless_told_to_be_exact():
    architecture = Architecture(VGG19.depths, (4, 4, 4, 128, 256))
    params = random_params(jax.random.key(2), architecture)
    means = preprocessing(1.0, (0.5,) * 3, (0.25,) * 3)
    network = Network(params, means, "a test").upto("conv5_1")

    def taken(precision: str) -> list[str]:
        model = model_in_force(network, StylizeConfig(precision=precision))
        return [name for name, layer in model.params.items() if "transformed" in layer]

    wide = ["conv4_2", "conv4_3", "conv4_4", "conv5_1"]
    for precision, layers in {"highest": [], "high": wide, "default": wide, "bf16": []}.items():
        assert taken(precision) == layers
    assert model_in_force(network, StylizeConfig(mesh="2x1")).params is network.params
    content, style = (drawn(40, 48, 3) % 1 for _ in range(2))
    losses = {
        precision: stylize(
            content, style**2, network=network, precision=precision, steps=2, levels=1
        ).losses[0]
        for precision in ("highest", "high")
    }
    np.testing.assert_allclose(losses["high"], losses["highest"], rtol=1e-4)
