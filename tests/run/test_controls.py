"""Several styles and contents, scales, statistics: each control by what defines it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from control_runs import (
    CONTENT,
    OTHER,
    SETTINGS,
    STYLE,
    assert_alike,
    evaluated,
    job_of,
    targets_of,
)
from grids import CONTENT as FIRST
from grids import SMALL, results, same_run, small
from samples import landscape, noise, waves

from jaxstyle import axis, stylize
from jaxstyle.errors import InputError
from jaxstyle.images import save_image
from jaxstyle.objective.statistics import STATISTICS
from jaxstyle.pipelines.sweep import sweep
from jaxstyle.run.inputs import Style
from jaxstyle.run.job import Job
from jaxstyle.run.level import Level
from jaxstyle.run.record import record_of


def image_of(content: Any = CONTENT, style: Any = STYLE, **settings: Any) -> np.ndarray:
    return stylize(content, style, **{**SETTINGS, **settings}).image


@pytest.mark.parametrize("blend", ["gram", "losses"])
def test_a_blend_of_1_and_0_is_the_single_style_bit_for_bit(blend):
    both = [Style(STYLE, 1.0), Style(OTHER, 0.0)]
    np.testing.assert_array_equal(image_of(style=both, blend=blend), image_of())


@pytest.mark.parametrize("blend", ["gram", "losses"])
@pytest.mark.parametrize("statistic", ["gram", "wasserstein+histogram"])
def test_two_equal_styles_are_one(blend, statistic):
    both = [Style(STYLE, 0.7), Style(STYLE, 2.1)]
    found = evaluated(job_of(style=both, blend=blend, statistic=statistic))
    expected = evaluated(job_of(statistic=statistic))
    # Of the histogram a blend keeps quantiles, as many as of any target.
    most = 1e-5 if statistic == "gram" else 1e-3
    assert_alike(found, expected, most=most)


def test_a_gram_blend_lies_between_and_blended_losses_add_up():
    first, second = (evaluated(job_of(style=style)) for style in (STYLE, OTHER))
    both = [Style(STYLE, 0.6), Style(OTHER, 0.2)]
    grams = [targets_of(job_of(style=style)).style for style in (STYLE, OTHER)]
    blend = targets_of(job_of(style=both)).style
    assert_alike(blend, jax.tree.map(lambda a, b: 0.75 * a + 0.25 * b, *grams))
    job = job_of(style=both, blend="losses")
    assert job.objective.regions == (0, 0)
    assert [goal.weight for goal in job.goals] == pytest.approx([0.75, 0.25])
    _, terms, gradient = evaluated(job)
    for tap, term in terms.style_layers.items():
        shares = 0.75 * first[1].style_layers[tap] + 0.25 * second[1].style_layers[tap]
        assert term == pytest.approx(float(shares), rel=1e-5)
    assert_alike(gradient, 0.75 * first[2] + 0.25 * second[2], most=1e-4)


def test_scale_and_crop_of_a_style_are_those_of_the_settings():
    own: dict[str, Any]
    for name in ("scale", "crop"):
        own = {name: 0.6}
        found = targets_of(job_of(style=Style(STYLE, **own))).style
        assert_alike(found, targets_of(job_of(**{f"style_{name}": 0.6})).style, most=0)
    assert_alike(
        targets_of(job_of(style=Style(STYLE, scale=0.5), style_scale=1.5)).style,
        targets_of(job_of(style_scale=0.75)).style,
        most=0,
    )


def test_layers_see_the_style_at_their_own_scale():
    found = targets_of(job_of(style_scales="relu2_1:0.5")).style
    assert_alike(found["relu1_1"], targets_of(job_of()).style["relu1_1"], most=0)
    assert_alike(found["relu2_1"], targets_of(job_of(style_scale=0.5)).style["relu2_1"], most=0)
    assert_alike(
        targets_of(job_of(style_scales={"relu1_1": 0.7, "relu2_1": 0.7})).style,
        targets_of(job_of(style_scale=0.7)).style,
        most=0,
    )


def first_weights(job: Job) -> Weights:
    return Level(job, 0).weights(job.objective)


def test_layers_change_their_factor_from_the_coarsest_level_to_the_last():
    job = job_of(size=72, levels=3, coarse_layers="relu1_1:0,relu2_1:3")
    plain = first_weights(job_of(size=72, levels=3))
    for level, factors in enumerate(((0, 3), (0.5, 2), (1, 1))):
        found = Level(job, level).weights(job.objective)
        assert [found.style_factors[tap] for tap in ("relu1_1", "relu2_1")] == list(factors)
        assert found.content_factors == {"relu2_1": factors[1]}
        assert found.style_layers == plain.style_layers
    alone = job_of(levels=1, coarse_layers="relu1_1:0")
    assert_alike(first_weights(alone), first_weights(job_of(levels=1)), most=0)


@pytest.mark.parametrize("convention", ["jaxstyle", "johnson"])
def test_a_factor_scales_its_layers_term_and_no_other(convention):
    given = {
        "content_layers": "relu1_2",
        "style_layers": "relu1_1:5,relu2_1",
        "content_weight": 2.0,
        "convention": convention,
        "size": 72,
        "levels": 2,
    }

    def terms(**settings):
        return evaluated(job_of(**{**given, **settings}), level=0)[1]

    plain = terms()
    for factor in (0, 1e-3, 0.5, 1):
        found = terms(coarse_layers=f"relu1_2:{factor},relu1_1:{factor}")
        assert found.content == pytest.approx(factor * float(plain.content))
        first, second = (found.style_layers[tap] for tap in ("relu1_1", "relu2_1"))
        assert first == pytest.approx(factor * float(plain.style_layers["relu1_1"]))
        assert second == plain.style_layers["relu2_1"]


def test_a_sweep_weakens_the_content_gradually():
    factors = 0, 1e-3, 0.5, 1
    levels = {"size": 72, "levels": 2, "steps": 1, "init": "noise"}
    layers = {"content_layers": "relu1_2", "style_layers": "relu1_1"}
    axes = axis("coarse_layers", [f"relu1_2:{factor}" for factor in factors])
    grid = small(axes, content=CONTENT, style=STYLE, **levels, **layers)
    assert grid.programs == 2  # one a level
    losses = [found.losses[0][0] for found in results(grid)]
    assert losses[3] > 1.1 * losses[0]
    np.testing.assert_allclose(
        losses, losses[0] + np.array(factors) * (losses[3] - losses[0]), rtol=1e-5
    )


def test_a_layer_without_weight_at_the_coarsest_level_leaves_no_mark_there():
    settings = {**SETTINGS, "size": 72, "levels": 2, "steps": 2}
    rising = stylize(CONTENT, STYLE, **settings, coarse_layers="relu1_1:0")
    # The layer that is left keeps its half of the weight.
    deep = stylize(CONTENT, STYLE, **{**settings, "style_layers": "relu2_1", "style_weight": 0.5})
    whole = stylize(CONTENT, STYLE, **settings)
    assert rising.losses[0] == pytest.approx(deep.losses[0], rel=1e-4)
    assert rising.losses[0] != pytest.approx(whole.losses[0], rel=1e-2)
    assert rising.losses[1] != pytest.approx(deep.losses[1], rel=1e-2)


def test_targets_are_averaged_over_the_sizes_of_the_style():
    found = targets_of(job_of(style_multiscale="0.5,1")).style
    half, whole = (targets_of(job_of(style_scale=scale)).style for scale in (0.5, 1.0))
    assert_alike(found, jax.tree.map(lambda a, b: (a + b) / 2, half, whole))
    assert_alike(targets_of(job_of(style_multiscale="1,1")).style, whole)
    scaled = targets_of(job_of(style_multiscale=[0.5, 1], style_scales="relu2_1:0.5")).style
    assert_alike(scaled["relu1_1"], found["relu1_1"], most=0)
    quarter = targets_of(job_of(style_scale=0.25)).style["relu2_1"]
    assert_alike(
        scaled["relu2_1"], jax.tree.map(lambda a, b: (a + b) / 2, quarter, half["relu2_1"])
    )


def test_several_contents_pull_as_much_as_each_by_its_weight():
    """In a convention whose errors are not relative to the content's energy."""
    alone = {"style_layers": "", "tv_weight": 0.0, "convention": "paper", "content_weight": 1.0}
    others = CONTENT, np.asarray(waves(48, 40)), np.asarray(noise(20, 30))
    weights = 1.0, 0.5, 2.5
    gradients = [evaluated(job_of(content, None, **alone))[2] for content in others]
    job = job_of(list(zip(others, weights, strict=True)), None, **alone)
    expected = sum(w / 4 * g for w, g in zip(weights, gradients[:2], strict=False))
    resized = evaluated(job_of([(CONTENT, 0.0), (others[2], 1.0)], None, **alone))[2]
    assert_alike(evaluated(job)[2], expected + 2.5 / 4 * resized, most=1e-4)
    assert job.sizes[-1] == (40, 48)  # the first one's


@pytest.mark.parametrize("statistic", STATISTICS)
def test_every_statistic_brings_the_picture_closer_to_the_style(statistic):
    settings = {"content_layers": "", "tv_weight": 0.0, "statistic": statistic, "steps": 12}
    result = stylize(CONTENT, STYLE, **{**SETTINGS, **settings})
    assert result.loss < 0.7 * result.losses[0][0]
    assert result.loss > 0


def test_the_terms_of_a_result_are_its_loss():
    settings = {"wavelet_weight": 3.0, "range_weight": 2.0, "clamp": False, "init": "noise"}
    result = stylize(CONTENT, STYLE, **{**SETTINGS, **settings})
    terms = result.terms
    assert terms["other"] > 0
    total = terms["content"] + terms["style"] + terms["tv"] + terms["other"]
    assert result.loss == pytest.approx(total, rel=1e-5)


def test_checkerboards_are_fewer_with_the_wavelet_weight():
    def detail(image):
        board = image[1:, 1:] - image[1:, :-1] - image[:-1, 1:] + image[:-1, :-1]
        return float(np.mean(board**2))

    settings = {"init": "noise", "tv_weight": 0.0, "steps": 10, "optimizer": "lbfgs"}
    plain, damped = (
        image_of(**settings, wavelet_weight=weight, range_weight=1e-9) for weight in (1e-9, 150.0)
    )
    assert detail(damped) < 0.3 * detail(plain)


def test_normalised_gradients_go_downhill_too():
    settings = {"normalise_gradients": True, "steps": 20, "average": 0.0}
    result = stylize(CONTENT, STYLE, **{**SETTINGS, **settings})
    assert result.loss < 0.8 * result.losses[0][0]


def test_normalised_gradients_start_from_the_content_where_its_own_is_0():
    """The very case of neural-style's flag: its content weight is 5, in units of the gradient."""
    settings = {"normalise_gradients": True, "convention": "johnson", "tv_weight": 0.0}
    result = stylize(CONTENT, STYLE, **{**SETTINGS, **settings, "init": "content"})
    assert result.config.resolved().content_weight == 5
    assert len(result.losses[0]) == SETTINGS["steps"]
    assert np.isfinite(result.losses[0]).all()
    assert np.abs(result.image - CONTENT).max() > 0.01


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"statistic": "grm"}, "unknown style statistic 'grm'"),
        (
            {"statistic": "histogram", "strategy": "tiled"},
            "histogram ranks the values of the",
        ),
        ({"statistic": "histogram", "mesh": "2x1"}, "a mesh is not possible where statistic hist"),
        (
            {"normalise_gradients": True, "optimizer": "lbfgs"},
            "normalise_gradients needs optimizer adam, not lbfgs",
        ),
        (
            {"normalise_gradients": True, "optimizer": "adam", "strategy": "tiled"},
            "strategy tiled is not possible where gradients are normalised: take whole",
        ),
        (
            {"statistic": "adain", "convention": "gatys"},
            "convention gatys has no weights: use",
        ),
        ({"style_multiscale": "0.5,big"}, "style_multiscale is '0.5,big': give factors above 0"),
        ({"style_scales": "relu3_1:2"}, "style_scales names relu3_1, which is no style layer"),
        (
            {"coarse_layers": "relu3_1:2"},
            "coarse_layers names relu3_1, which is no content or style layer",
        ),
        ({"style_scales": "relu2_1:0"}, "scales of the style must be above 0"),
        ({"blend": "grams"}, "blend is 'grams'; choose one of gram, losses"),
        ({"style": Style(STYLE, region=2)}, "a style is for region 2, but there are no masks"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, message):
    with pytest.raises(InputError, match=message) as caught:
        job_of(**settings)
    assert "\n" not in str(caught.value)


def test_the_record_names_all_that_a_run_is_made_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for index, name in enumerate(("a", "b", "c", "mask", "freeze", "style_mask")):
        save_image(f"{name}.png", np.clip(np.asarray(landscape(20)) + 0.1 * index, 0, 1))
    job = job_of(
        ["a.png", "b.png:0.5"],
        ["c.png:0.7:scale=0.9:mask=style_mask.png", "b.png:region=1"],
        masks=["mask.png:2", "freeze.png"],
        freeze="freeze.png",
        guide="inside",
    )
    record = json.loads(record_of(job))
    inputs = record["inputs"]
    assert (inputs["content"]["path"], inputs["content"]["weight"]) == ("a.png", 1)
    assert [(one["path"], one["weight"]) for one in inputs["contents"]] == [("b.png", 0.5)]
    first, second = inputs["styles"]
    assert (first["path"], first["weight"], first["scale"]) == ("c.png", 0.7, 0.9)
    assert first["mask"]["path"] == "style_mask.png"
    assert (second["path"], second["region"]) == ("b.png", 1) and "weight" not in second
    assert [(one["path"], one["weight"]) for one in inputs["masks"]] == [
        ("mask.png", 2),
        ("freeze.png", 1),
    ]
    assert inputs["freeze"]["path"] == "freeze.png"
    for entry in (*inputs["masks"], inputs["freeze"], first, first["mask"], *inputs["contents"]):
        assert entry["sha256"] == hashlib.sha256(Path(entry["path"]).read_bytes()).hexdigest()
    assert record["config"]["guide"] == "inside"


MASK = np.pad(np.ones((24, 14), np.float32), ((0, 0), (0, 18)))
FREEZE = np.pad(np.ones((6, 32), np.float32), ((0, 18), (0, 0)))


def test_a_sweep_with_masks_gives_what_stylize_gives():
    content, styles = np.asarray(landscape(24, 32)), [Style(STYLE), Style(OTHER, scale=0.8)]
    given = {"masks": [MASK, (1 - MASK, 0.5)], "freeze": FREEZE}
    grid = small("style_weight=0.1,10", content=content, style=styles, **given)
    assert grid.programs == 1
    for found, weight in zip(results(grid), (0.1, 10.0), strict=True):
        same_run(found, stylize(content, styles, **{**SMALL, **given, "style_weight": weight}))
        np.testing.assert_array_equal(found.image[:6], content[:6])


def test_a_sweep_over_statistics_colours_and_blends_gives_what_stylize_gives():
    styles = [Style(STYLE, 0.7), Style(OTHER, 0.3)]
    axes = [
        axis("statistic", ["gram", "adain"]),
        axis("color", ["luminance", "match-before"]),
    ]
    grid = sweep(FIRST, styles, axes, **{**SMALL, "style_multiscale": "0.7,1"})
    assert grid.programs == 2
    for cell, found in zip(grid.cells, results(grid), strict=True):
        own = dict(zip(("statistic", "color"), cell.labels, strict=True))
        alone = stylize(FIRST, styles, **{**SMALL, "style_multiscale": "0.7,1", **own})
        same_run(found, alone, rtol=1e-3)
    images = [found.image for found in results(grid)]
    assert min(np.abs(a - b).max() for i, a in enumerate(images) for b in images[:i]) > 0.01
