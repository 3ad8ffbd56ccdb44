"""From pictures to what a network was trained on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import CAFFE, IMAGENET, compilations, landscape

from jaxstyle.network.preprocessing import preprocessing, to_network

BOTH = pytest.mark.parametrize("how", [IMAGENET, CAFFE], ids=["imagenet", "caffe"])


def test_imagenet_standardises():
    grey = jnp.full((1, 1, 3), 0.5)
    seen = to_network(grey, preprocessing(**IMAGENET))
    expected = [(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225]
    np.testing.assert_allclose(seen[0, 0], expected, rtol=1e-5)


def test_caffe_takes_0_to_255_minus_the_mean_of_each_channel():
    orange = jnp.array([[[1.0, 0.5, 0.0]]])
    seen = to_network(orange, preprocessing(**CAFFE))
    expected = [255 - 123.68, 127.5 - 116.779, -103.939]  # red has the largest mean: RGB order
    np.testing.assert_allclose(seen[0, 0], expected, rtol=1e-5)


@BOTH
def test_a_batch_is_treated_as_its_pictures(how):
    batch = jnp.stack([landscape(5, 6), landscape(5, 6)[::-1]])
    seen = to_network(batch, preprocessing(**how))
    for one, expected in zip(batch, seen, strict=True):
        np.testing.assert_array_equal(to_network(one, preprocessing(**how)), expected)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_the_type_of_the_picture_is_kept(dtype):
    picture = landscape(4).astype(dtype)
    assert to_network(picture, preprocessing(**CAFFE)).dtype == dtype


def test_preprocessing_is_data_not_program():
    """Networks that want different pictures share one compiled program."""
    see = jax.jit(to_network)
    see(landscape(4), preprocessing(**CAFFE))
    see(landscape(4), preprocessing(**IMAGENET))
    assert compilations(see) == 1
