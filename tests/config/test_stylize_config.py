"""Settings: their types, ranges and messages, and the files that hold them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxstyle.config.fields import KINDS, kind_of, setting
from jaxstyle.config.settings_file import read_settings
from jaxstyle.config.stylize_config import StylizeConfig, config_from, names_of
from jaxstyle.errors import InputError
from jaxstyle.network.architecture import order_taps
from jaxstyle.objective.conventions import CONVENTIONS

FIELDS = {entry.name: entry for entry in dataclasses.fields(StylizeConfig)}


@pytest.mark.parametrize("entry", FIELDS.values(), ids=FIELDS)
def test_every_setting_says_what_it_is(entry):
    kind, optional = kind_of(entry)
    assert kind in (int, float, str, bool)
    assert entry.metadata["help"]
    assert isinstance(entry.default, kind) or (optional and entry.default is None)


def test_what_a_setting_matters_to_is_said_beside_it():
    assert all(names_of(kind) for kind in KINDS)
    assert names_of("machine") == ("strategy", "tile", "offload", "recompute_content")
    assert names_of("file") == ("bits", "quality", "record")
    assert set(names_of("machine", "file")) == {*names_of("machine"), *names_of("file")}
    assert set(names_of("style-file")) < {*names_of("targets"), "pooling", "precision"}
    # What a style's file knows does not depend on what only painting does.
    assert set(names_of("painting")).isdisjoint(names_of("style-file", "targets"))
    with pytest.raises(AssertionError):
        setting(1, "a kind that there is not", of="mashine")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_resolving_leaves_nothing_to_the_convention(convention):
    resolved = StylizeConfig(convention=convention).resolved()
    expected = CONVENTIONS[convention]
    assert resolved.content_weight == expected.content_weight
    assert resolved.style_weight == expected.style_weight
    assert resolved.tv_weight == expected.tv_weight
    assert resolved.style_layers == expected.style_layers
    assert order_taps(resolved.style_loss_layers)  # layers that exist
    assert resolved.resolved() == resolved


@pytest.mark.parametrize(
    "steps",
    ["200,100,50", [200, 100, 50], (200, 100, 50), " 200, 100,50", np.array([200, 100, 50])],
)
def test_steps_are_given_from_coarse_to_fine(steps):
    config = StylizeConfig(steps=steps)
    assert config.steps == "200,100,50"  # one notation: records are compared as text
    assert config.level_steps(2) == (200, 100)
    assert config.level_steps(5) == (200, 100, 50, 50, 50)
    assert StylizeConfig(steps=7).level_steps(3) == StylizeConfig(steps="7").level_steps(3)


def test_resolving_keeps_what_was_given():
    config = StylizeConfig(style_weight=3, tv_weight=0, style_layers="conv1_1:2")
    resolved = config.resolved()
    assert (resolved.style_weight, resolved.tv_weight) == (3, 0)
    assert resolved.style_loss_layers == {"conv1_1": 2}
    assert resolved.content_weight == CONVENTIONS["jaxstyle"].content_weight


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size is 0; it must be at least 1"),
        ({"size": 512.0}, "size is 512.0; it must be a whole number"),
        ({"size": "512"}, "size is '512'; it must be a whole number"),
        ({"size": True}, "size is True; it must be a whole number"),
        ({"size": None}, "size is None; it must be a whole number"),
        ({"style_scale": 0}, "style_scale is 0.0; it must be more than 0"),
        ({"style_scale": 17}, "style_scale is 17.0; it must be at most 16"),
        ({"style_weight": "heavy"}, "style_weight is 'heavy'; it must be a number"),
        ({"style_weight": -1}, "style_weight is -1.0; it must be at least 0"),
        ({"content_weight": float("nan")}, "content_weight is nan; it must be a finite number"),
        ({"max_seconds": float("inf")}, "max_seconds is inf; it must be a finite number"),
        ({"content_weight": 10**400}, "content_weight is inf; it must be a finite number"),
        ({"clamp": 1}, "clamp is 1; it must be true or false"),
        ({"clamp": "no"}, "clamp is 'no'; it must be true or false"),
        ({"init": 3}, "init is 3; it must be text"),
        ({"average": 1}, "average is 1.0; it must be less than 1"),
        ({"seed": 2**32}, "seed is 4294967296; it must be at most 4294967295"),
        ({"pooling": "mean"}, "pooling is 'mean'; choose one of trained, avg, max"),
        ({"convention": "mine"}, "convention is 'mine'; choose one of jaxstyle, paper"),
        ({"bits": 12}, "bits is 12: choose 8 or 16"),
        ({"content_layers": "conv9_9"}, "unknown layer 'conv9_9'"),
        ({"style_layers": "conv1_1:-2"}, "layer weight 'conv1_1:-2' needs a number"),
        ({"style_layers": 5}, "layers are given as 5; give text, a list or a dict"),
        ({"style_layers": [1, 2]}, r"layers are given as \[1, 2\]; give text, a list or a dict"),
        ({"content_layers": "", "style_layers": ""}, "no layer is tapped"),
        ({"steps": 0}, "steps is 0: give whole numbers above 0"),
        ({"steps": "100,"}, "steps is '100,': give whole numbers above 0"),
        ({"steps": [100, 2.5]}, r"steps is \[100, 2.5\]: give whole numbers above 0"),
        ({"steps": b"3"}, "steps is b'3': give whole numbers above 0"),
        ({"steps": True}, "steps is True: give whole numbers above 0"),
        ({"steps": None}, "steps is None: give whole numbers above 0"),
        ({"steps": "1e3"}, "steps is '1e3': give whole numbers above 0"),
    ],
)
def test_unfit_values_are_refused(settings, message):
    with pytest.raises(InputError, match=message) as caught:
        StylizeConfig(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"style_weight": 2}, 2.0),
        ({"style_weight": np.float32(2)}, 2.0),
        ({"size": np.int64(2)}, 2),
        ({"init": Path("a") / "b.png"}, str(Path("a") / "b.png")),
        ({"max_seconds": None}, None),
        ({"content_layers": {"conv4_2": 2, "pool1": 0.5}}, "conv4_2:2,pool1:0.5"),
        ({"content_layers": {"conv4_2": np.float32(0.5)}}, "conv4_2:0.5"),
        ({"content_layers": ["conv4_2", "pool1:0.5"]}, "conv4_2,pool1:0.5"),
        ({"content_layers": ("conv4_2",)}, "conv4_2"),
    ],
)
def test_values_become_plain(settings, value):
    ((name, _),) = settings.items()
    stored = getattr(StylizeConfig(**settings), name)
    assert stored == value
    assert type(stored) is type(value)


@given(st.dictionaries(st.sampled_from(["conv1_1", "relu3_2", "pool5"]), st.floats(0, 1e9)))
def test_layers_given_as_a_dict_are_those_used(layers):
    if layers:
        assert StylizeConfig(style_layers=layers).style_loss_layers == layers  # type: ignore


def test_a_config_survives_json():
    config = StylizeConfig(size=96, style_layers="conv1_1:2", max_seconds=1.5, clamp=False)
    assert config_from(json.loads(json.dumps(config.as_dict()))) == config


def test_configs_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        StylizeConfig().size = 3  # type: ignore


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("style_wieght", "here: there is no setting 'style_wieght'; did you mean 'style_weight'?"),
        ("zzz", "here: there is no setting 'zzz'$"),
    ],
)
def test_an_unknown_name_is_refused_with_what_may_have_been_meant(name, message):
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        config_from({name: 1}, "here")


JSON = '{"size": 64, "style-weight": 2, "style_layers": {"conv1_1": 0.5}, "max_seconds": null}'
TOML = "size = 64\nstyle-weight = 2\n[style_layers]\nconv1_1 = 0.5\n"


@pytest.mark.parametrize(("name", "text"), [("a.json", JSON), ("a.toml", TOML), ("a.TOML", TOML)])
def test_settings_are_read_from_files(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    config = config_from(read_settings(tmp_path / name))
    expected = StylizeConfig(size=64, style_weight=2.0, style_layers="conv1_1:0.5")
    assert config == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.json", None, "cannot read settings from .*missing.json: No such file"),
        ("bad.json", b'{"size": }', "bad.json is not valid: Expecting value"),
        ("bad.toml", b"size = ", "bad.toml is not valid"),
        ("bytes.json", b'"\x80"', "bytes.json is no text in UTF-8"),
        ("empty.json", b"", "empty.json is not valid"),
        ("list.json", b"[1, 2]", "list.json must hold one table of settings"),
        ("deep.json", b"[" * 100_000, "deep.json is not valid"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_settings(path)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file_of_settings(tmp_path):
    with pytest.raises(InputError, match="cannot read settings from"):
        read_settings(tmp_path)


def test_two_spellings_of_one_setting_are_refused(tmp_path):
    path = tmp_path / "twice.json"
    path.write_text('{"style-weight": 1, "style_weight": 2}')
    with pytest.raises(InputError, match="style_weight is given twice"):
        read_settings(path)
