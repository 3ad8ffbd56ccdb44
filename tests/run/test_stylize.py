from __future__ import annotations

import doctest
import sys
from dataclasses import replace

import numpy as np
import pytest

from jaxstyle import StylizeConfig, images, stylize
from jaxstyle.errors import InputError
from jaxstyle.network.network import Network
from jaxstyle.network.weights import load_weights
from jaxstyle.optimize import loop

SIZE = 48
FAST = {"size": SIZE, "levels": 1, "steps": 12}


@pytest.fixture(scope="module")
def content() -> np.ndarray:
    y, x = np.mgrid[0:36, 0:48] / 48
    disc = (x - 0.4) ** 2 + (y - 0.4) ** 2 < 0.05
    return np.stack([x, y, np.where(disc, 1.0, 0.2)], axis=-1).astype(np.float32)


@pytest.fixture(scope="module")
def style() -> np.ndarray:
    y, x = np.mgrid[0:40, 0:40]
    stripes = 0.5 + 0.5 * np.sin((x + 2 * y) / 2)
    return np.stack([stripes, 0.6 * stripes, 1 - stripes], axis=-1).astype(np.float32)


def test_docstring_example_runs():
    failures, examples = doctest.testmod(sys.modules["jaxstyle.run.stylize"])
    assert examples > 0
    assert failures == 0


def test_result_has_the_asked_size_and_lower_loss(content, style):
    result = stylize(content, style, **FAST)
    assert result.image.shape == (36, 48, 3)
    assert result.image.dtype == np.float32
    assert result.image.min() >= 0
    assert result.image.max() <= 1
    assert result.loss < 0.5 * result.losses[0][0]
    terms = result.terms
    assert result.loss == pytest.approx(terms["content"] + terms["style"] + terms["tv"], rel=1e-5)
    assert terms["style"] == pytest.approx(sum(terms["style_layers"].values()), rel=1e-5)


def test_same_call_gives_same_pixels(content, style):
    first = stylize(content, style, init="noise", seed=3, **FAST)
    again = stylize(content, style, init="noise", seed=3, **FAST)
    other = stylize(content, style, init="noise", seed=4, **FAST)
    np.testing.assert_array_equal(first.image, again.image)
    assert np.abs(first.image - other.image).max() > 0.01


def test_levels_go_from_coarse_to_fine(content, style):
    seen = []
    result = stylize(
        content, style, size=192, steps=2, levels=3,
        content_layers="relu2_1", style_layers="relu1_1",
        callback=lambda event: seen.append((event.level, event.width, event.total_step)),
    )  # fmt: skip
    assert [width for _, width, _ in seen] == [48, 48, 96, 96, 192, 192]
    assert [total for *_, total in seen] == [1, 2, 3, 4, 5, 6]
    assert result.steps == 6
    assert result.image.shape == (144, 192, 3)


@pytest.mark.parametrize(
    "settings",
    [{"optimizer": "adam"}, {"optimizer": "lbfgs"}, {"optimizer": "scipy"}, {"strategy": "tiled"}],
)
def test_the_content_that_a_run_starts_from_is_left_as_it_is(settings):
    """It is the very array, not a copy, where it has the size of the result."""
    shallow = {"content_layers": "relu1_1", "style_layers": "relu1_1", "tile": 32}
    content = np.random.default_rng(0).random((40, 48, 3), np.float32)
    before = content.copy()
    result = stylize(content, 1 - content, size=48, steps=10, levels=1, **shallow, **settings)
    np.testing.assert_array_equal(content, before)
    assert np.abs(result.image - content).max() > 0.01


def test_style_weight_decides_the_balance(content, style):
    weak = stylize(content, style, style_weight=0.01, **FAST)
    strong = stylize(content, style, style_weight=100.0, **FAST)
    assert np.abs(strong.image - content).mean() > 3 * np.abs(weak.image - content).mean()


def test_new_weights_and_seeds_compile_nothing(content, style):
    stylize(content, style, **FAST)
    compiled = loop._advance._cache_size()
    stylize(content, style, style_weight=7.0, content_weight=2.0, tv_weight=1.0, **FAST)
    stylize(content, style, init="noise", seed=9, **FAST)
    stylize(content, style, style_layers="relu1_1:1,relu2_1:2,relu3_1,relu4_1,relu5_1", **FAST)
    assert loop._advance._cache_size() == compiled


def test_content_alone_returns_content_and_style_alone_ignores_it(content, style):
    kept = stylize(content, style, style_layers="", tv_weight=0.0, **FAST)
    np.testing.assert_allclose(kept.image, content, atol=1e-5)
    texture = stylize(content, style, content_layers="", init="noise", **FAST)
    assert texture.terms["content"] == 0
    assert texture.terms["style"] > 0


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "scipy"])
def test_every_optimizer_lowers_the_loss(content, style, optimizer):
    result = stylize(content, style, optimizer=optimizer, size=SIZE, levels=1, steps=40)
    assert result.loss < 0.5 * result.losses[0][0]


@pytest.mark.parametrize("init", ["style", "noise", "content+noise:0.3", "style+content:0.5"])
def test_every_start_works(content, style, init):
    result = stylize(content, style, init=init, size=SIZE, levels=1, steps=2)
    assert np.isfinite(result.image).all()


def test_start_from_a_file_and_from_a_blend(tmp_path, content, style):
    path = tmp_path / "start.png"
    images.save_image(path, np.full((10, 20, 3), 0.25, np.float32))
    from jaxstyle.run.start import initial_picture

    start = initial_picture(str(path), content, style, 0)
    np.testing.assert_allclose(start, np.full(content.shape, 64 / 255), atol=1e-6)
    blend = initial_picture(f"content+{path}:0.25", content, style, 0)
    np.testing.assert_allclose(blend, 0.75 * content + 0.25 * start, atol=1e-6)


@pytest.mark.parametrize(
    "init", ["content+noise", "content+noise:2", "content+:0.1", "content+noise:x"]
)
def test_blends_that_make_no_sense_are_refused(content, style, init):
    with pytest.raises(InputError, match=r"content\+noise:0\.3|no such file|there is no"):
        stylize(content, style, init=init, **FAST)


def test_alpha_of_the_content_is_kept(content, style):
    alpha = np.linspace(0, 1, 36 * 48, dtype=np.float32).reshape(36, 48, 1)
    result = stylize(np.concatenate([content, alpha], -1), style, **FAST)
    assert result.alpha is not None
    np.testing.assert_allclose(result.alpha, alpha[..., 0], atol=0.02)


def test_an_interrupted_level_is_enlarged_to_the_full_size(content, style):
    import os
    import signal

    def interrupt(event):
        if event.total_step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    result = stylize(content, style, size=192, steps=4, levels=3, callback=interrupt)
    assert result.reason == "interrupted"
    assert result.steps == 3
    assert result.image.shape == (144, 192, 3)


def test_max_seconds_is_shared_by_the_levels(content, style):
    result = stylize(content, style, size=192, steps=10_000, levels=2, max_seconds=2.0)
    assert result.reason == "max_seconds"
    assert len(result.losses) == 2
    assert result.seconds < 60


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 8}, "content image is 8x6; relu5_1 needs at least 16 px on each side"),
        ({"style_scale": 0.1}, "style image is"),
        ({"style_layers": "conv9_1"}, "unknown layer 'conv9_1'"),
        ({"style_wieght": 1.0}, "did you mean 'style_weight'"),
        ({"size": -1}, "size is -1; it must be at least 1"),
        ({"weights": "missing.h5"}, "missing.h5"),
        ({"style_weight": 1e38, "size": 48, "levels": 1}, "loss of the starting picture"),
    ],
)
def test_errors_say_what_to_do(content, style, settings, message):
    with pytest.raises(InputError, match=message):
        stylize(content, style, **{"size": SIZE, "steps": 1, **settings})


def test_weights_shallower_than_the_taps_are_refused(content, style):
    shallow = load_weights("slim").upto("conv3_1")
    with pytest.raises(InputError, match="conv3_1"):
        stylize(content, style, network=shallow, **FAST)


def test_a_vgg16_that_is_tapped_at_a_pooling_stays_a_vgg16():
    import jax
    from samples import IMAGENET, random_params

    from jaxstyle.network.architecture import VGG16
    from jaxstyle.network.preprocessing import preprocessing
    from jaxstyle.run.prepare import prepare_network

    narrow = replace(VGG16, widths=(2, 2, 2, 2, 2))
    params = random_params(jax.random.key(0), narrow)
    network = Network(params, preprocessing(**IMAGENET), "test")
    for tap, deepest in (("pool3", "conv4_1"), ("relu3_3", "conv3_3"), ("pool5", "conv5_3")):
        config = StylizeConfig(content_layers=tap, style_layers="conv1_1")
        assert prepare_network(network, config).complete_to == deepest


def test_each_convention_taps_what_its_source_taps(content, style):
    paper = stylize(content, style, convention="paper", **FAST).config
    assert (paper.content_layers, paper.style_layers[:7]) == ("conv4_2", "conv1_1")
    assert paper.content_weight == 2.4e-10


def test_config_and_keywords_combine(content, style):
    config = StylizeConfig(size=SIZE, steps=3, levels=1, style_weight=2.0)
    result = stylize(content, style, config=config, steps=2)
    assert result.steps == 2
    assert result.config.style_weight == 2.0
    assert result.config.weights is not None
    assert result.config.content_weight == 1.0


def test_borders_look_like_the_inside(content, style):
    """No frame: the outer 8 px are no busier than the inside."""
    rng = np.random.default_rng(0)
    texture = np.clip(rng.normal(0.5, 0.2, (128, 128, 3)), 0, 1).astype(np.float32)
    grey = np.full((128, 128, 3), 0.5, np.float32)
    image = stylize(grey, texture, size=128, levels=1, steps=30, content_layers="").image
    change = np.abs(np.diff(image, axis=0))[:, :-1] + np.abs(np.diff(image, axis=1))[:-1]
    inside = change[8:-8, 8:-8].mean()
    outside = (change.sum() - change[8:-8, 8:-8].sum()) / (change.size - change[8:-8, 8:-8].size)
    assert outside < 1.3 * inside


def test_a_run_without_time_for_an_early_level_says_so(content, style):
    options = {"size": 96, "levels": 2, "style_layers": "relu1_1", "content_layers": "relu1_1"}
    result = stylize(content, style, steps="100000,1", max_seconds=0.3, **options)
    assert len(result.losses[0]) < 100000 and len(result.losses[1]) == 1
    assert result.reason == "max_seconds"
