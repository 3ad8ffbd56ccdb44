"""What is given for nothing is told."""

from __future__ import annotations

import pytest

from jaxstyle.cli.options.settings import idle_settings
from jaxstyle.config.stylize_config import StylizeConfig


@pytest.mark.parametrize(
    ("given", "also", "note"),
    [
        (
            {"range_weight": 2.0},
            {"clamp": False},
            "--range-weight 2 changes nothing without --no-clamp: no value leaves the range",
        ),
        (
            {"tv_power": 1.5},
            {"tv": "power", "tv_weight": 1.0},
            "--tv-power 1.5 changes nothing without --tv power",
        ),
        (
            {"history": 20, "optimizer": "adam"},
            {"optimizer": "lbfgs"},
            "--history 20 changes nothing without --optimizer lbfgs or scipy",
        ),
        (
            {"coarse_layers": "relu1_1:0", "levels": 1},
            {"levels": 2},
            "--coarse-layers relu1_1:0 changes nothing without more levels than one",
        ),
        ({"seed": 7}, {"init": "noise"}, "--seed 7 changes nothing without noise in --init"),
        (
            {"style_shift": 0.0},
            {"statistic": "gram+shifted-gram"},
            "--style-shift 0 changes nothing without --statistic shifted-gram",
        ),
        (
            {"color_method": "pca"},
            {"color": "match-after"},
            "--color-method pca changes nothing without --color match-before or match-after",
        ),
        (
            {"color_space": "linear"},
            {"color": "keep"},
            "--color-space linear changes nothing without --color keep or luminance, or "
            "--saturation",
        ),
    ],
)
def test_a_setting_without_effect_is_told_until_it_has_one(given, also, note):
    assert idle_settings(StylizeConfig(**given), masked=False) == [note]
    assert idle_settings(StylizeConfig(**{**given, **also}), masked=False) == []


def test_a_guide_needs_a_mask():
    config = StylizeConfig(guide="inside")
    note = "--guide inside changes nothing without masks or transparency"
    assert idle_settings(config, masked=False) == [note]
    assert idle_settings(config, masked=True) == []


def test_defaults_are_not_spoken_of_and_saturation_has_a_space():
    assert idle_settings(StylizeConfig(), masked=False) == []
    assert idle_settings(StylizeConfig(color_space="linear", saturation=0.5), masked=False) == []
