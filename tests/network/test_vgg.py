"""The network against PyTorch, against NumPy, and what it refuses."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from samples import TINY, in_float64, landscape, noise, random_network, random_params

from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG16, VGG19, Architecture
from jaxstyle.network.network import Network
from jaxstyle.network.preprocessing import to_network
from jaxstyle.network.vgg import check_size, features
from jaxstyle.network.weights import load_weights

POOLINGS = ("avg", "max")
PADDINGS = ("zeros", "reflect", "replicate")
TORCH_PADDINGS = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate"}
BORDERS = pytest.mark.parametrize("padding", PADDINGS)
BOTH_POOLINGS = pytest.mark.parametrize("pooling", POOLINGS)


@cache
def slim() -> Network:
    return load_weights("slim")


@cache
def full_width() -> Network:
    return random_network(VGG19)


def seen(network: Network, height: int, width: int) -> jax.Array:
    """A batch of one picture as the network wants it, in [0, 1] mixed of forms and noise."""
    picture = 0.8 * landscape(height, width) + 0.2 * noise(height, width)
    return to_network(picture, network.preprocessing)[None]


def torch_features(params, x, deepest: str, pooling: str, padding: str) -> dict:
    """The same network in PyTorch: NCHW, cross-correlation, floor pooling."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    found = {}
    for layer in VGG19.layers[: VGG19.layers.index(deepest) + 1]:
        if layer.startswith("conv"):
            kernel = torch.tensor(np.asarray(params[layer]["kernel"]).transpose(3, 2, 0, 1))
            bias = torch.tensor(np.asarray(params[layer]["bias"]))
            x = functional.pad(x, (1, 1, 1, 1), mode=TORCH_PADDINGS[padding])
            x = functional.conv2d(x, kernel.contiguous().to(x.dtype), bias.to(x.dtype))
        elif layer.startswith("relu"):
            x = functional.relu(x)
        else:
            x = (functional.avg_pool2d if pooling == "avg" else functional.max_pool2d)(x, 2)
        found[layer] = x
    return found


def as_torch(x: jax.Array):
    torch = pytest.importorskip("torch")
    return torch.tensor(np.asarray(x).transpose(0, 3, 1, 2).copy())


def as_numpy(x) -> np.ndarray:
    """NCHW of torch as NHWC."""
    return x.detach().numpy().transpose(0, 2, 3, 1)


def relative_error(found, expected) -> float:
    expected = np.asarray(expected, np.float64)
    return float(
        np.linalg.norm(np.asarray(found, np.float64) - expected) / np.linalg.norm(expected)
    )


@pytest.mark.parametrize(
    ("network", "padding"),
    [(slim, "zeros"), (slim, "reflect"), (slim, "replicate"), (full_width, "zeros")],
)
@BOTH_POOLINGS
def test_every_tap_is_torchs(network, padding, pooling):
    height, width = (45, 67) if network is slim else (34, 35)
    network = network()
    x = seen(network, height, width)
    expected = torch_features(network.params, as_torch(x), "pool5", pooling, padding)
    with jax.default_matmul_precision("highest"):
        found = features(network.params, x, VGG19.layers, pooling=pooling, padding=padding)
    assert tuple(found) == VGG19.layers
    for tap, feature in found.items():
        theirs = as_numpy(expected[tap])
        assert feature.shape == theirs.shape, tap
        assert feature.dtype == jnp.float32
        assert relative_error(feature, theirs) < 1e-5, tap


@pytest.mark.parametrize(("pooling", "padding"), [("avg", "zeros"), ("max", "reflect")])
def test_the_gradient_with_respect_to_the_picture_is_torchs(pooling, padding):
    """In float64: rounding would otherwise decide ReLUs and maxima near a tie."""
    network, taps = slim(), ("conv1_1", "relu1_2", "relu2_1", "pool2")
    x = seen(network, 21, 35)
    chance = np.random.default_rng(0)
    with jax.enable_x64(True):
        params, x = in_float64(network.params), in_float64(x)
        shapes = jax.eval_shape(lambda x: features(params, x, taps), x)
        pulls = {tap: jnp.asarray(chance.normal(size=shapes[tap].shape)) for tap in taps}

        def pulled(x, params):
            found = features(params, x, taps, pooling=pooling, padding=padding)
            return sum((jnp.vdot(found[tap], pulls[tap]) for tap in taps), jnp.zeros(()))

        gradient = np.asarray(jax.jit(jax.grad(pulled))(x, params))
        theirs = as_torch(x).requires_grad_()
    found = torch_features(network.params, theirs, taps[-1], pooling, padding)
    for tap in taps:
        (found[tap] * as_torch(pulls[tap])).sum().backward(retain_graph=True)
    assert relative_error(gradient, as_numpy(theirs.grad)) < 1e-10


@BORDERS
@BOTH_POOLINGS
def test_every_tap_is_that_of_plain_numpy(pooling, padding):
    network, taps = random_network(), TINY.layers[:12]
    x = seen(network, 11, 14)
    expected = oracles.vgg(network.params, np.asarray(x[0]), taps, pooling, padding)
    found = features(network.params, x, taps, pooling=pooling, padding=padding)
    for tap, feature in found.items():
        assert feature.shape[1:] == expected[tap].shape
        assert relative_error(feature[0], expected[tap]) < 1e-5, tap


def test_vgg16_pools_a_layer_earlier():
    architecture = Architecture(VGG16.depths, TINY.widths)
    network = random_network(architecture)
    x = seen(network, 16, 19)
    expected = oracles.vgg(network.params, np.asarray(x[0]), architecture.layers[:20])
    found = features(network.params, x, ("pool3", "conv4_1"))
    assert relative_error(found["pool3"][0], expected["pool3"]) < 1e-5
    assert relative_error(found["conv4_1"][0], expected["conv4_1"]) < 1e-5


def test_pictures_of_a_batch_do_not_mix():
    network = random_network()
    batch = jnp.concatenate([seen(network, 8, 9), seen(network, 8, 9)[:, ::-1]])
    both = features(network.params, batch, ("relu2_1",))["relu2_1"]
    for index in range(2):
        one = features(network.params, batch[index : index + 1], ("relu2_1",))["relu2_1"]
        np.testing.assert_allclose(both[index], one[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "deepest", ["conv1_1", "relu1_1", "pool2", "conv3_4", "relu4_2", "conv5_1", "pool5"]
)
def test_nothing_deeper_than_the_deepest_tap_is_computed(deepest):
    x = jnp.zeros((1, 32, 32, 3))
    program = jax.make_jaxpr(lambda p, x: features(p, x, ("relu1_1", deepest)))(
        random_network().params, x
    )
    before = VGG19.layers[: VGG19.layers.index(deepest) + 1]
    found = str(program).count("conv_general_dilated[")
    assert found == sum(name.startswith("conv") for name in before)


def test_weights_are_arguments_and_not_part_of_the_program():
    x = jnp.zeros((1, 32, 32, 3))
    program = jax.jit(lambda p, x: features(p, x, VGG19.layers)).lower(full_width().params, x)
    assert len(program.as_text()) < 100_000  # 80 MB of weights would make it 160 MB of hex


def test_a_network_cut_short_gives_what_it_can():
    cut = random_network().upto("conv2_2")
    x = seen(cut, 8, 8)
    found = features(cut.params, x, ("pool2", "relu2_2"))
    assert tuple(found) == ("relu2_2", "pool2")
    for tap in ("conv3_1", "pool3", "relu5_1"):
        with pytest.raises(InputError, match=f"{tap} is tapped, but these weights end at conv2_2"):
            features(cut.params, jnp.zeros((1, 64, 64, 3)), (tap,))


def test_a_network_that_ends_within_a_block_cannot_be_pooled():
    cut = random_network().upto("conv3_2")
    assert "relu3_2" in features(cut.params, jnp.zeros((1, 8, 8, 3)), ("relu3_2",))
    with pytest.raises(InputError, match="pool3 is tapped, but these weights end at conv3_2"):
        features(cut.params, jnp.zeros((1, 8, 8, 3)), ("pool3",))


def test_a_picture_too_small_is_refused_with_what_to_do():
    with pytest.raises(InputError) as caught:
        check_size(300, 15, ["conv1_1", "conv5_1"], name="content image")
    assert str(caught.value) == (
        "content image is 15x300; conv5_1 needs at least 16 px on each side: "
        "resize it or tap shallower layers"
    )
    with pytest.raises(InputError, match="the picture is 15x40; conv5_1 needs at least 16 px"):
        features(random_network().params, jnp.zeros((1, 40, 15, 3)), ("conv5_1",))


@BORDERS
@pytest.mark.parametrize("tap", ["conv1_1", "pool1", "conv3_1", "pool3"])
def test_the_least_size_named_is_the_true_one(tap, padding):
    params = random_network().params
    least = VGG19_least(tap, padding)
    found = features(params, jnp.zeros((1, least, least, 3)), (tap,), padding=padding)
    assert min(found[tap].shape) > 0
    with pytest.raises(InputError, match=f"{tap} needs at least {least} px"):
        features(params, jnp.zeros((1, least - 1, least, 3)), (tap,), padding=padding)


def VGG19_least(tap: str, padding: str) -> int:
    """By trial in NumPy's shapes: every convolution needs a position, two where it reflects."""
    needed = 2 if padding == "reflect" else 1
    for side in range(1, 100):
        left = side
        for layer in VGG19.layers[: VGG19.layers.index(tap) + 1]:
            if layer.startswith("conv") and left < needed:
                break
            left = left // 2 if layer.startswith("pool") else left
        else:
            if left:
                return side
    raise AssertionError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"taps": ("conv9_1",)}, "unknown layer 'conv9_1'"),
        ({"pooling": "mean"}, "pooling is 'mean'; it must be one of avg, max"),
        ({"padding": "wrap"}, "padding is 'wrap'; it must be one of zeros, reflect, replicate"),
    ],
)
def test_unknown_choices_are_refused(settings, message):
    settings = {"taps": ("conv1_1",), **settings}
    with pytest.raises(InputError, match=message):
        features(random_network().params, jnp.zeros((1, 8, 8, 3)), **settings)


def test_bfloat16_stays_close():
    network, taps = slim(), ("relu1_1", "conv2_1", "pool2")
    x = seen(network, 45, 67)
    exact = features(network.params, x, taps)
    short = features(network.params, x, taps, dtype=jnp.dtype(jnp.bfloat16))
    for tap in taps:
        assert short[tap].dtype == jnp.bfloat16
        assert 0 < relative_error(short[tap].astype(jnp.float32), exact[tap]) < 0.02, tap


def test_random_params_follow_he():
    params = random_params(jax.random.key(1), TINY)
    assert tuple(params) == TINY.convolutions
    for name, layer in params.items():
        height, width, inputs, _ = layer["kernel"].shape
        assert layer["kernel"].shape == TINY.kernel_shape(name)
        assert np.std(layer["kernel"]) == pytest.approx(np.sqrt(2 / (height * width * inputs)), 0.2)
        assert not np.any(layer["bias"])
    again, other = (random_params(jax.random.key(seed), TINY) for seed in (1, 2))
    assert all(map(np.array_equal, jax.tree.leaves(params), jax.tree.leaves(again)))
    assert not np.array_equal(params["conv3_1"]["kernel"], other["conv3_1"]["kernel"])
