"""The paper's experiments keep what they promise, on small pictures."""

from __future__ import annotations

import doctest
from importlib import import_module
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT

from jaxstyle.config.command_defaults import NESTED
from jaxstyle.errors import InputError
from jaxstyle.images import fit_longest_side, load_image, resize
from jaxstyle.network.architecture import parse_layers
from jaxstyle.objective.pytrees import model_of
from jaxstyle.pipelines.chunks import Limits
from jaxstyle.pipelines.paper import (
    compare_scales,
    compare_starts,
    figure3,
    prepare_texture,
    psnr,
    reconstruct_content,
    reconstruct_style,
    set_label,
    texture,
)
from jaxstyle.run.job import objective_of, weights_of
from jaxstyle.run.level import Level
from jaxstyle.run.level_targets import TargetMaker

SMALL = {"size": 64, "steps": 6, "levels": 1}


def example(name: str, side: int) -> np.ndarray:
    picture = load_image(ROOT / "examples" / name)
    return resize(picture.rgb, *fit_longest_side(*picture.size, side))


@pytest.fixture(scope="module")
def content() -> np.ndarray:
    return example("content.jpg", 64)


@pytest.fixture(scope="module")
def style() -> np.ndarray:
    return example("style.jpg", 64)


@pytest.fixture
def one_device() -> Limits:
    return Limits(devices=(jax.devices()[0],))


@pytest.mark.parametrize("module", ["jaxstyle.pipelines.paper", "jaxstyle.pipelines.sweep"])
def test_docstring_examples_run(module):
    failures, examples = doctest.testmod(import_module(module))
    assert examples > 0
    assert failures == 0


def test_psnr():
    black = np.zeros((2, 2, 3), np.float32)
    assert psnr(black, black) == np.inf
    assert psnr(black, black + 0.1) == pytest.approx(20)


def test_shallow_layers_give_the_picture_back_and_deep_ones_do_not():
    """Figure 1, lower row; the first layer of the slim net to more than 30 dB."""
    told = []
    panels = reconstruct_content(
        example("content.jpg", 96),
        ["conv1_1", "conv3_1", "conv4_1"],
        size=96,
        levels=1,
        steps=80,
        callback=lambda panel, event: told.append((panel, event.step, event.steps)),
    )
    assert [panel.label for panel in panels] == ["conv1_1", "conv3_1", "conv4_1"]
    assert panels[0].psnr > 30
    assert all(shallow.psnr > deep.psnr + 1 for shallow, deep in pairwise(panels))
    assert told[0] == ("conv1_1", 1, 80)
    assert told[-1] == ("conv4_1", 80, 80)


def test_each_reconstruction_reaches_its_own_statistics(style):
    panels = reconstruct_style(style, NESTED[:2], size=64, steps=40)
    assert [panel.label for panel in panels] == ["relu1_1", "relu1_1 to relu2_1"]
    for panel, layers in zip(panels, NESTED, strict=False):
        assert set(panel.result.terms["style_layers"]) == set(parse_layers(layers))
        assert panel.result.loss < 0.1 * panel.result.losses[0][0]
        assert np.isnan(panel.psnr)


def test_labels_of_nested_sets():
    assert set_label("relu1_1") == "relu1_1"
    assert set_label(NESTED[4]) == "relu1_1 to relu5_1"
    assert set_label("conv1_1,conv4_1:2") == "conv1_1,conv4_1:2"


def border_step(image: np.ndarray) -> float:
    """Mean difference across the wrapped border, over that of neighbours inside."""
    across = np.abs(image[0] - image[-1]).mean() + np.abs(image[:, 0] - image[:, -1]).mean()
    inside = np.abs(np.diff(image, axis=0)).mean() + np.abs(np.diff(image, axis=1)).mean()
    return float(across / inside)


def test_a_seamless_texture_wraps_and_another_does_not(style):
    settings = {"steps": 40, "levels": 1, "style_layers": NESTED[3], "style_weight": 0.4}
    seamless = texture(style, 80, 64, seamless=True, **settings).image
    plain = texture(style, 80, 64, **settings).image
    assert seamless.shape == plain.shape == (64, 80, 3)
    assert border_step(seamless) < 1.25
    assert border_step(plain) > 1.6


def test_nothing_marks_the_border_of_a_seamless_texture(style):
    """Rolled by whole strides the loss is the same and its gradient rolls along."""
    for seamless in (True, False):
        job = prepare_texture(style, 48, 64, seamless=seamless)
        objective, model = objective_of(job.config), model_of(job.network)
        arguments = (
            model,
            TargetMaker(Level(job, 0), objective, model).targets(),
            weights_of(job.config, objective),
        )
        image = np.random.default_rng(0).random((64, 48, 3), np.float32)
        rolled = np.roll(image, (16, 32), (0, 1))
        evaluate = jax.jit(objective)
        (loss, _), gradient = evaluate(jnp.asarray(image), *arguments)
        (again, _), moved = evaluate(jnp.asarray(rolled), *arguments)
        change = np.abs(np.roll(gradient, (16, 32), (0, 1)) - moved).max() / np.abs(moved).max()
        assert (change < 1e-4) == seamless
        assert (abs(loss / again - 1) < 1e-5) == seamless


def test_a_texture_may_have_the_very_colours_of_the_style(style):
    image = texture(style, 64, 48, steps=3, match_histogram=True).image
    shares = np.linspace(0.02, 0.98, 25)
    for channel in range(3):
        got = np.quantile(image[..., channel], shares)
        np.testing.assert_allclose(got, np.quantile(style[..., channel], shares), atol=0.01)


def test_size_scales_the_original_of_a_texture(style):
    assert prepare_texture(style, 128, 64).config.style_scale == 1.0
    assert prepare_texture(style, 128, 64, size=64).config.style_scale == 0.5


@pytest.mark.parametrize(
    ("width", "height", "options", "message"),
    [
        (0, 64, {}, "shape is 0x64"),
        (50, 64, {"seamless": True}, "size is 50x64: a picture that wraps needs sides that are"),
        (8, 8, {}, "the picture is 8x8; relu5_1 needs at least 16 px"),
        (64, 64, {"init": "content"}, "there is no content picture: try noise"),
        (64, 64, {"content_layers": "conv4_2"}, "there is no content picture, but content layers"),
    ],
)
def test_textures_that_cannot_be_made(style, width, height, options, message):
    with pytest.raises(InputError, match=message):
        prepare_texture(style, width, height, **options)


def test_figure_3_is_one_program_of_layers_and_ratios(content, style, one_device):
    found = figure3(
        content,
        style,
        ratios=(1e-4, 1e-2),
        layer_sets=(NESTED[0], NESTED[4]),
        limits=one_device,
        **{**SMALL, "steps": 25},
    )
    assert (found.programs, found.chunks) == (1, 1)
    assert found.axes[0].labels == ("relu1_1", "relu1_1 to relu5_1")
    assert found.axes[1].labels == ("1e-04", "1e-02")
    configs = [[cell.result.config for cell in row] for row in found.rows()]
    assert [[config.content_weight for config in row] for row in configs] == [[0.1, 10]] * 2
    assert configs[0][0].style_layers == "relu1_1"
    # More weight on the content, and the content comes closer (its term is weighted).
    for row in found.rows():
        weak, strong = (cell.result for cell in row)
        assert strong.terms["content"] / 10 < weak.terms["content"] / 0.1
    shares = [cell.result.terms["style_layers"] for cell in (found.cells[0], found.cells[-1])]
    assert shares[0].get("relu5_1", 0) == 0
    assert shares[1]["relu5_1"] > 0


def test_other_conventions_take_the_ratios_literally(content, style, one_device):
    found = figure3(
        content,
        style,
        ratios=(1e-3,),
        layer_sets=("conv1_1,conv2_1",),
        limits=one_device,
        convention="gatys-normalised",
        style_weight=1e9,
        **SMALL,
    )
    config = found.cells[0].result.config
    assert (config.content_weight, config.style_weight) == (1e6, 1e9)
    assert config.style_layers == "conv1_1,conv2_1"


def test_starts_differ_and_share_a_program(content, style, one_device):
    found = compare_starts(content, style, seeds=(0, 5), limits=one_device, **SMALL)
    assert found.programs == 1
    assert found.axes[0].labels == (
        "from the content", "from the style", "from noise 0", "from noise 5",
    )  # fmt: skip
    images = [cell.result.image for cell in found.cells]
    for i in range(4):
        for j in range(i):
            assert np.abs(images[i] - images[j]).mean() > 0.01


def test_scales_of_the_style_share_a_program(content, style, one_device):
    found = compare_scales(content, style, limits=one_device, **SMALL)
    assert found.programs == 1
    crops = [cell.result.config.style_crop for cell in found.cells]
    assert crops == [0.5, 1.0, 1.0]
    assert found.cells[2].result.config.style_layers == "relu1_1,relu2_1"
    large, whole = (cell.result.image for cell in found.cells[:2])
    assert np.abs(large - whole).mean() > 0.005
