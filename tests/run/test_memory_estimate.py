"""What a run needs: more for more of anything, and never more by tiles than whole."""

from __future__ import annotations

import jax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import random_params

from jaxstyle.network.architecture import VGG19, VGG19_SLIM
from jaxstyle.network.winograd import wide_layers, with_transformed_kernels
from jaxstyle.run.memory_estimate import (
    PROCESS,
    history_that_fits,
    network_bytes,
    state_pictures,
    tiled_bytes,
    whole_bytes,
)

LAYERS = ("relu4_2",), ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
SIDES = st.integers(256, 10_000)
NETS = st.sampled_from([VGG19, VGG19_SLIM])
OPTIMIZERS = st.sampled_from(["adam", "lbfgs"])


@given(NETS, SIDES, SIDES, OPTIMIZERS, st.integers(1, 20))
def test_tiles_never_need_more_than_the_whole(net, width, height, optimizer, history):
    pixels = width * height
    whole = whole_bytes(net, *LAYERS, pixels, optimizer, history)
    before = whole
    for tile in (2048, 1024, 512, 256):
        tiled = tiled_bytes(net, *LAYERS, pixels, optimizer, history, tile)
        assert PROCESS < tiled <= before
        before = tiled


@given(NETS, SIDES, SIDES, OPTIMIZERS)
def test_features_of_the_content_that_are_not_kept_need_nothing(net, width, height, optimizer):
    pixels = width * height
    kept = tiled_bytes(net, *LAYERS, pixels, optimizer, 1, 512)
    again = tiled_bytes(net, *LAYERS, pixels, optimizer, 1, 512, recompute_content=True)
    assert kept - again == pytest.approx(4 * pixels / 64 * net.width("relu4_2"))


@given(NETS, SIDES, SIDES, st.integers(1, 20))
def test_larger_pictures_and_longer_histories_need_more(net, width, height, history):
    pixels = width * height
    for needed in (whole_bytes, lambda *a: tiled_bytes(*a, tile=256)):
        least = needed(net, *LAYERS, pixels, "lbfgs", history)
        assert needed(net, *LAYERS, 2 * pixels, "lbfgs", history) > least
        assert needed(net, *LAYERS, pixels, "lbfgs", history + 1) > least


@given(SIDES, SIDES, st.integers(1, 20), st.floats(1e8, 1e11))
def test_the_history_that_fits_is_the_longest(width, height, most, limit):
    pixels = width * height
    history = history_that_fits(limit, VGG19_SLIM, *LAYERS, pixels, most, 256)
    assert 0 <= history <= most

    def needed(history: int) -> float:
        return tiled_bytes(VGG19_SLIM, *LAYERS, pixels, "lbfgs", history, 256)

    assert history == 0 or needed(history) <= limit
    assert history == most or needed(history + 1) > limit


@pytest.mark.parametrize("net", [VGG19_SLIM, VGG19])
def test_the_network_is_counted_as_the_cpu_holds_it(net):
    params = random_params(jax.random.key(0), net)
    held = with_transformed_kernels(params, wide_layers(params))
    of_run = {
        name: sum(leaf.nbytes for leaf in layer.values())
        for name, layer in held.items()
        if name <= "conv5_1"
    }
    told = network_bytes(net, [*LAYERS[0], *LAYERS[1]])
    assert told == pytest.approx(sum(of_run.values()), rel=0.01)


def test_states_are_counted_in_pictures():
    assert state_pictures("adam", 10) == 4
    assert state_pictures("lbfgs", 1) == 5
