"""Presets: valid, honest about their ratios, and at their place among the settings."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import landscape, total_variation

from jaxstyle.cli.main import main
from jaxstyle.cli.options.parser import Parser
from jaxstyle.cli.options.settings import add_settings, settings_from
from jaxstyle.config.presets import PRESETS, johnson_tv_weight, preset_settings, with_preset
from jaxstyle.config.settings_file import read_settings
from jaxstyle.config.stylize_config import StylizeConfig, config_from
from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG19, order_taps
from jaxstyle.objective.conventions import CONVENTIONS, get_convention
from jaxstyle.run.pyramid import level_sizes

EVERY = pytest.mark.parametrize("name", PRESETS)
DECIDED = {
    "statistic",
    "convention",
    "content_weight",
    "style_weight",
    "tv_weight",
    "content_layers",
    "style_layers",
    "pooling",
    "padding",
    "init",
    "optimizer",
    "steps",
    "levels",
    "clamp",
    "style_scale",
}
LEFT_TO_THE_USER = {"size", "seed", "weights", "precision", "bits", "quality", "max_seconds"}


@EVERY
def test_every_preset_is_a_valid_config_that_leaves_nothing_open(name):
    settings = preset_settings(name)
    assert settings.keys() >= DECIDED
    assert not settings.keys() & LEFT_TO_THE_USER
    config = config_from({"preset": name})
    assert {key: getattr(config, key) for key in settings} == settings
    assert config.resolved() == config
    assert order_taps([*config.content_loss_layers, *config.style_loss_layers])  # as they exist


@EVERY
def test_every_preset_says_where_it_comes_from(name):
    preset = PRESETS[name]
    assert preset.name == name
    assert "\n" not in preset.summary and len(preset.summary) < 100
    assert min(map(len, (preset.source, preset.verified, preset.deviations))) > 20
    assert (
        ("arXiv:" in preset.source) or ("github.com/" in preset.source) or "CVPR" in preset.source
    )
    assert preset.normalised == (preset.settings["convention"] == "gatys-normalised")


def test_a_preset_cannot_be_changed_by_who_got_its_settings():
    preset_settings("johnson")["steps"] = 1
    assert preset_settings("johnson")["steps"] == "1000"


@pytest.mark.parametrize("name", ["gatys", "", 3, ["johnson"], {}])
def test_an_unknown_preset_is_refused_with_what_there_is(name):
    with pytest.raises(InputError, match=r"^run: there is no preset .*: choose one of gatys2015"):
        config_from({"preset": name}, "run")


def mean_square_weights(config: StylizeConfig, positions: int) -> tuple[float, list[float]]:
    """What the mean squared error of the content's features counts, and that of each layer's mean
    Gram matrices: alpha and beta w_l in the words of the author's programs."""
    convention, energy = get_convention(config.convention), jnp.ones(())
    assert config.content_weight is not None and config.style_weight is not None
    (content,) = config.content_loss_layers
    channels = VGG19.width(content)
    factor = convention.content_scale(channels, positions, energy)
    taps = config.style_loss_layers
    shares = convention.layer_weights(jnp.array(list(taps.values())))
    style = [
        config.style_weight
        * float(share * convention.style_scale(VGG19.width(tap), positions, energy))
        * VGG19.width(tap) ** 2
        for tap, share in zip(taps, shares, strict=True)
    ]
    return float(config.content_weight * factor * channels * positions), style


@pytest.mark.parametrize("positions", [32 * 32, 64 * 64])
def test_gatys2015_has_the_papers_1e_3_between_mean_squares(positions):
    content, style = mean_square_weights(config_from({"preset": "gatys2015"}), positions)
    assert content / sum(style) == pytest.approx(1e-3, rel=1e-5)
    assert style == pytest.approx([sum(style) / 5] * 5, rel=1e-5)  # w_l = 1/5


def test_gatys2015_read_into_the_printed_formulas_is_our_default_for_them():
    """alpha / 2 sum (F-P)^2 and beta / (4 N^2) sum (G/M-A/M)^2, solved for alpha / beta."""
    n, m = 512, 64 * 64
    content, style = mean_square_weights(config_from({"preset": "gatys2015"}), m)
    alpha, beta = 2 * content / (n * m), 4 * sum(style)
    paper = CONVENTIONS["paper"]
    assert alpha / beta == pytest.approx(paper.content_weight / paper.style_weight, rel=0.01)


@pytest.mark.parametrize("name", ["gatys2016", "gatys-code"])
def test_the_original_networks_layers_weigh_1e3_by_their_width_squared(name):
    content, style = mean_square_weights(config_from({"preset": name}), 64 * 64)
    assert content == pytest.approx(1, rel=1e-5)
    assert style == pytest.approx([1e3 / c**2 for c in (64, 128, 256, 512, 512)], rel=1e-5)


def test_johnson_divides_gram_matrices_by_their_width():
    """mean ((G - A) / (C H W))^2 is 1/C^2 mean ((G - A) / (H W))^2."""
    content, style = mean_square_weights(config_from({"preset": "johnson"}), 64 * 48)
    assert content == pytest.approx(5, rel=1e-5)
    assert style == pytest.approx([1e2 / c**2 for c in (64, 128, 256, 512, 512)], rel=1e-5)


def test_wasserstein_has_the_peers_weights_where_a_layers_mean_square_is_1():
    """Its mean squared error of the content, and its distances over their channels: 256/341 ..."""
    config = config_from({"preset": "wasserstein"})
    assert config.content_weight is not None and config.style_weight is not None
    jaxstyle, positions = get_convention(config.convention), 64 * 48
    content = jnp.float32(VGG19.width("relu4_2") * positions)  # its energy, if it is 1 everywhere
    factor = jaxstyle.content_scale(VGG19.width("relu4_2"), positions, content)
    assert config.content_weight * factor * content == pytest.approx(0.015)
    assert [*config.content_loss_layers] == ["relu4_2"]
    taps = config.style_loss_layers
    assert [*taps] == [f"relu{block}_1" for block in range(1, 6)]
    shares = jaxstyle.layer_weights(jnp.array(list(taps.values())))
    for tap, share, theirs in zip(taps, shares, (256, 64, 16, 4, 1), strict=True):
        width = VGG19.width(tap)
        factor = jaxstyle.style_scale(width, positions, jnp.float32(width))
        assert config.style_weight * share * factor * width == pytest.approx(theirs / 341)
    assert (config.learning_rate, config.average, config.clamp) == (0.02, 0.99, True)
    assert (config.optimizer, config.tv, config.tv_weight) == ("adam", "l2", 2.0)


def test_spst_has_the_sources_steps_on_octaves():
    config = config_from({"preset": "spst"})
    sizes = level_sizes(1024, 768, levels=config.levels or None)
    assert [width for width, _ in sizes] == [128, 256, 512, 1024]
    assert config.level_steps(len(sizes)) == tuple(max(600 // 3**k, 30) for k in range(4))
    assert config.statistics == ("gram", "adain")


def test_the_peers_nine_points_are_our_total_variation_on_smooth_slopes():
    y, x = np.mgrid[0:20, 0:30]
    slope = np.stack([0.01 * x + 0.02 * y, 0.03 * x - 0.01 * y, 0.02 * y], -1)
    padded = np.pad(slope, ((1, 1), (1, 1), (0, 0)), "edge")
    inner = padded[1:-1, 1:-1]
    across, down = padded[1:-1, 2:] - inner, padded[2:, 1:-1] - inner
    falling, rising = padded[1:, 1:] - padded[:-1, :-1], padded[1:, :-1] - padded[:-1, 1:]
    straight = np.mean(across**2) / 3 + np.mean(down**2) / 3
    nine = 2 * (straight + np.mean(falling**2) / 12 + np.mean(rising**2) / 12)
    assert float(total_variation(jnp.asarray(slope, jnp.float32))) == pytest.approx(nine, rel=0.05)


def test_johnsons_total_variation_has_the_gradient_of_neural_styles():
    """Its TVLoss written out: x_diff and y_diff added where they were taken, on pixels to 255."""
    height, width, strength = 12, 16, 1e-3
    picture = np.asarray(landscape(height, width), np.float64)
    seen, expected = 255 * picture, np.zeros_like(picture)
    for row, column in np.ndindex(height - 1, width - 1):
        for below, right in ((1, 0), (0, 1)):
            step = seen[row, column] - seen[row + below, column + right]
            expected[row, column] += strength * step
            expected[row + below, column + right] -= strength * step
    with jax.enable_x64(True):
        found = jax.grad(total_variation)(jnp.asarray(picture))
    found = johnson_tv_weight(strength, width, height) * np.asarray(found)
    # Per pixel of the network, 255 to one of ours. It leaves out the last row's and column's steps.
    inside = np.s_[: height - 2, : width - 2]
    np.testing.assert_allclose(found[inside] / 255, expected[inside], rtol=1e-5, atol=1e-9)
    weight = preset_settings("johnson")["tv_weight"]
    assert weight == johnson_tv_weight(1e-3, 512, 384)


def test_the_presets_differ_as_their_sources_do():
    values = {
        name: tuple(
            PRESETS[name].settings[key] for key in ("content_layers", "pooling", "init", "steps")
        )
        for name in PRESETS
    }
    assert values == {
        "gatys2015": ("conv4_2", "avg", "noise", "2000"),
        "gatys2016": ("relu4_2", "avg", "noise", "2000"),
        "gatys-code": ("relu4_2", "max", "content", "500"),
        "johnson": ("relu4_2", "max", "noise", "1000"),
        "wasserstein": ("relu4_2", "max", "content", "1000,500"),
        "spst": ("relu4_2", "max", "content", "600,200,66,30"),
    }
    levels = {name: preset.settings["levels"] for name, preset in PRESETS.items()}
    assert levels == {**dict.fromkeys(PRESETS, 1), "wasserstein": 0, "spst": 0}
    statistics = {name: preset.settings["statistic"] for name, preset in PRESETS.items()}
    others = {"wasserstein": "wasserstein", "spst": "gram+adain"}
    assert statistics == dict.fromkeys(PRESETS, "gram") | others


def test_settings_go_over_the_preset_given_with_them():
    for values in ({"preset": "johnson", "steps": 7}, {"steps": 7, "preset": "johnson"}):
        config = config_from(values)
        assert (config.steps, config.content_weight, config.pooling) == ("7", 5.0, "max")
    assert with_preset({"steps": 7, "preset": None}) == {"steps": 7}
    with pytest.raises(InputError, match="no setting 'prest'; did you mean 'preset'"):
        config_from({"prest": "johnson"})


def test_a_preset_goes_over_an_existing_config():
    """As ``stylize(..., config=config, preset=..., steps=...)`` combines them."""
    before = StylizeConfig(style_weight=3.0, pooling="avg", size=96)
    after = config_from(before.as_dict() | with_preset({"preset": "johnson", "steps": 7}))
    assert (after.style_weight, after.pooling, after.size, after.steps) == (100.0, "max", 96, "7")


def parsed(*options: str) -> StylizeConfig:
    parser = Parser()
    add_settings(parser)
    return settings_from(parser.parse_args(options))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("run.json", '{"preset": "gatys-code", "steps": 7, "size": 96}'),
        ("run.toml", 'preset = "gatys-code"\nsteps = 7\nsize = 96\n'),
    ],
)
def test_options_over_preset_over_file_over_the_files_preset(tmp_path, file, text):
    path = tmp_path / file
    path.write_text(text)
    assert config_from(read_settings(path)) == parsed("--config", str(path))
    alone = parsed("--config", str(path))
    assert (alone.steps, alone.size, alone.init, alone.pooling) == ("7", 96, "content", "max")
    over = parsed("--config", str(path), "--preset", "gatys2015")
    assert (over.steps, over.size, over.init, over.pooling) == ("2000", 96, "noise", "avg")
    assert over.history == 100  # gatys2015 has nothing to say on it
    all_three = parsed("--preset", "gatys2015", "--steps", "3", "--config", str(path))
    assert all_three == dataclasses.replace(over, steps="3")
    assert parsed() == StylizeConfig()


def test_a_file_with_an_unknown_preset_is_named(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('preset = "gatys"\n')
    with pytest.raises(InputError, match=r"run\.toml: there is no preset 'gatys': choose one of"):
        parsed("--config", str(path), "--preset", "johnson")


def test_help_lists_every_preset_with_its_source_and_what_is_verified(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100000")
    with pytest.raises(SystemExit) as stop:
        main(["stylize", "--help-all"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for name, preset in PRESETS.items():
        assert f"{name}: {preset.summary}" in text
        assert preset.source in text
        assert f"Verified: {preset.verified}" in text
        assert preset.deviations in text


def test_an_unknown_preset_on_the_command_line_is_one_line(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["stylize", "a.png", "b.png", "--preset", "gatys"])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(name in error for name in ("'gatys'", *PRESETS))


@pytest.mark.parametrize("name", ["gatys2015", "gatys-code"])
def test_a_preset_runs_and_is_recorded_as_settings(tmp_path, monkeypatch, capsys, name):
    from jaxstyle.images import save_image

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    save_image("content.png", np.asarray(landscape(32, 40)))
    save_image("style.png", np.asarray(landscape(40, 32))[::-1])
    options = ["--preset", name, "--steps", "20", "--size", "40", "--weights", "slim"]
    assert main(["stylize", "content.png", "style.png", "--quiet", "--json", *options]) == 0
    result = json.loads(capsys.readouterr().out)
    expected = {**PRESETS[name].settings, "steps": "20", "size": 40, "weights": "slim"}
    assert {key: result["config"][key] for key in expected} == expected
    (losses,) = result["losses"]
    assert math.isfinite(result["loss"])
    assert result["loss"] < 0.8 * losses[0]
    assert Path("content-style.png").is_file()
