"""A picture that is painted while its knobs are turned, and painted again from its record."""

from __future__ import annotations

import doctest
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from samples import compilations, landscape, noise, waves

import jaxstyle
from jaxstyle import Session, Style
from jaxstyle.cli.main import main
from jaxstyle.errors import InputError
from jaxstyle.images import load_image, read_record, save_image
from jaxstyle.optimize import loop

SETTINGS: dict[str, Any] = {
    "size": 48, "weights": "slim", "content_layers": "relu2_1", "style_layers": "relu1_1,relu2_1",
}  # fmt: skip
CONTENT, STYLE, OTHER = np.asarray(landscape(48, 64)), np.asarray(waves(40)), np.asarray(noise(32))


def session_of(style: Any = STYLE, **settings: Any) -> Session:
    return Session(CONTENT, style, **{**SETTINGS, **settings})


@pytest.fixture
def compiled() -> Iterator[list[str]]:
    """The events of all compilations of the process while the test runs."""
    events: list[str] = []

    def note(event: str, _seconds: float, **_: Any) -> None:
        if "backend_compile" in event:
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    yield events
    jax.monitoring.clear_event_listeners()


def test_the_example():
    session_of()
    failures, examples = doctest.testmod(sys.modules["jaxstyle.run.session"])
    assert examples > 5 and failures == 0


def test_parts_add_up_to_the_whole():
    one, other = session_of(), session_of()
    one.step(6)
    other.step(2)
    other.step(4)
    np.testing.assert_array_equal(one.picture, other.picture)
    assert one.steps == other.steps == 6 and one.result().losses == other.result().losses


def test_without_a_turn_it_is_a_run_of_one_size():
    session, steps = session_of(), "6"
    session.step(6)
    whole = jaxstyle.stylize(CONTENT, STYLE, **SETTINGS, levels=1, steps=steps)
    np.testing.assert_allclose(session.picture, whole.image, atol=2e-3)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam"}], ids=["lbfgs", "adam"])
def test_a_knob_acts_within_two_steps_and_compiles_nothing(settings, compiled):
    session = session_of([(STYLE, 1.0), (OTHER, 1.0)], **settings)
    session.step(5)
    for turn in ({"style_weight": 2.0}, {"shares": [1, 0.5]}, {"freeze": np.eye(9, 12)}):
        session.change(**turn)  # what comes with the first turn of its kind
        session.step(2)
    session.freeze = None
    programs = compilations(loop._advance)
    compiled.clear()
    for turn in (
        {"style_weight": 0.0},
        {"style_weight": 10.0},
        {"content_weight": 3.0, "tv_weight": 0.5},
        {"strokes": 0.7},
        {"style_layers": "relu1_1:3,relu2_1:0"},
        {"shares": [0.2, 3]},
        {"freeze": np.eye(9, 12)[::-1]},
        {"color": "keep", "saturation": 1.5},
    ):
        before = session.picture
        session.change(**turn)
        # Weights act within two steps; a target that jumps may have its first trials refused.
        session.step(6 if "shares" in turn else 2)
        assert np.abs(session.picture - before).max() > 0, turn
    assert compilations(loop._advance) == programs
    assert compiled == []


def test_the_loss_follows_at_once():
    session = session_of()
    session.step(4)
    session.step(1)
    style, content = session.terms["style"], session.terms["content"]
    session.style_weight = 0.0
    session.step(1)
    assert session.terms["style"] == 0 and session.terms["content"] < 3 * content
    session.step(10)
    assert session.terms["content"] < 0.5 * content  # nothing else pulls now
    session.style_weight = 100.0
    session.step(30)
    assert 0 < session.terms["style"] / 100 < style and session.terms["content"] > content


def test_turned_on_it_goes_on_descending():
    """No pair is made of gradients of two losses: its guard would refuse, or its steps fly off."""
    session = session_of()
    for weight in (1, 30, 0.1, 3, 300, 0.01, 1):
        session.style_weight = weight
        losses: list[float] = []
        session.step(8, lambda event, kept=losses: kept.append(event.progress.best))
        assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]


def test_what_is_frozen_stays_to_the_bit():
    for settings in ({}, {"optimizer": "adam"}, {"strategy": "tiled", "tile": 32}):
        session = session_of(**settings)
        session.step(4)
        mask = np.zeros((36, 48), bool)
        mask[5:20, 7:30] = True
        before, session.freeze = session.picture, mask
        session.style_weight = 20.0
        session.step(6)
        np.testing.assert_array_equal(session.picture[mask], before[mask])
        assert (session.picture[~mask] != before[~mask]).any()
        np.testing.assert_array_equal(session.freeze, mask)
        session.freeze = None
        session.step(3)
        assert (session.picture[mask] != before[mask]).any()


def test_another_style_goes_on_from_the_picture_as_it_is():
    session = session_of()
    session.step(4)
    before = session.picture
    session.styles = [OTHER, Style(STYLE, weight=0.5)]
    np.testing.assert_array_equal(session.picture, before)
    session.step(3)
    assert session.shares == (1.0, 0.5)
    session.style_scale = 0.5
    session.step(3)
    assert session.steps == 10 and session.loss > 0


def test_it_is_refined():
    session = session_of()
    session.step(4)
    session.refine(64)
    assert session.size == (64, 48) and session.picture.shape == (48, 64, 3)
    session.step(2)
    assert session.result().image.shape == (48, 64, 3)
    assert [len(losses) for losses in session.result().losses] == [4, 2]


def test_undo_goes_back_turn_by_turn():
    session = session_of()
    session.step(3)
    first = session.picture
    session.style_weight = 9
    session.step(2)
    session.mark()
    second = session.picture
    session.step(2)
    session.undo()
    np.testing.assert_array_equal(session.picture, second)
    assert session.style_weight == 9 and session.steps == 5
    session.undo()
    np.testing.assert_array_equal(session.picture, first)
    assert session.style_weight != 9 and session.steps == 3
    session.step(2)
    with pytest.raises(InputError, match="nothing to undo"):
        for _ in range(9):
            session.undo()


def test_the_past_is_bounded(monkeypatch):
    monkeypatch.setattr("jaxstyle.run.session.MOST_BYTES_OF_THE_PAST", 3 * 36 * 48 * 12)
    session = session_of()
    for _ in range(6):
        session.step(1)
        session.mark()
    assert len(session._past) == 3


@pytest.fixture
def files(tmp_path) -> Iterator[list[str]]:
    names = [str(tmp_path / name) for name in ("content.png", "style.png", "other.png")]
    for name, picture in zip(names, (CONTENT, STYLE, OTHER), strict=True):
        save_image(name, picture)
    yield names


@pytest.mark.parametrize("kind", ["png", "jpg", "tif"])
def test_replay_gives_the_same_pixels(files, tmp_path, kind, capsys):
    session = Session(files[0], files[1], **SETTINGS)
    session.step(3)
    session.strokes = -0.5
    session.step(2)
    session.change(style_weight=5, tv_weight=0.2, bits=16 if kind == "tif" else 8)
    session.step(2)
    session.freeze = np.eye(9, 12) > 0
    session.step(1)
    session.style_weight = 99
    session.step(2)
    session.undo()
    session.refine(64)
    session.step(2)
    session.styles = [(files[2], 1.0), (files[1], 0.3)]
    session.step(2)
    path, again = tmp_path / f"out.{kind}", tmp_path / f"again.{kind}"
    session.save(path)
    assert main(["replay", str(path), "-o", str(again)]) == 0
    assert path.read_bytes() == again.read_bytes()
    turns = json.loads(read_record(path))["extra"]["session"]["turns"]
    assert {name for _, changes in turns for name in changes} >= {"strokes", "begin_again", "size"}
    assert "99" not in json.dumps(turns)  # what was undone is not in it
    assert "loss" in capsys.readouterr().err
    np.testing.assert_array_equal(load_image(path).rgb, load_image(again).rgb)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"style_weight": -1}, "style_weight"),
        ({"style_wait": 1}, "did you mean 'style_weight'"),
        ({"strokes": 3}, "from -1, fine, to 1, coarse"),
        ({"shares": [1, 2]}, "give 1 numbers"),
        ({"shares": ["a"]}, "give 1 numbers"),
        ({"init": "noise"}, "begin another one"),
        ({"style_scale": 99}, "style_scale"),
        ({"freeze": np.zeros((9, 90))}, "the shape of"),
    ],
)
def test_what_cannot_be_turned_changes_nothing(changes, words):
    session = session_of()
    session.step(1)
    before = session._now
    with pytest.raises(InputError, match=words):
        session.change(**changes)
    assert session._now is before
    session.step(1)


def test_a_weight_that_is_too_large_can_be_turned_back():
    session = session_of()
    session.step(3)
    before = session.picture
    session.style_weight = 1e38
    with pytest.raises(InputError, match="the loss weights are too large"):
        session.step(1)
    np.testing.assert_array_equal(session.picture, before)
    session.style_weight = 1.0
    session.step(2)
    assert session.steps == 5


@pytest.mark.parametrize(
    "about",
    [
        {}, {"steps": 1, "turns": [[0]]}, {"steps": 1, "turns": [[2, {}]]},
        {"steps": "x", "turns": []}, {"steps": 1, "turns": [[0, {"freeze": "%%"}]]},
        {"steps": 1, "turns": [[0, {"styles": [{"style": 7}]}]]},
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused(files, tmp_path: Path, about, capsys):
    session = Session(files[0], files[1], **SETTINGS)
    session.step(1)
    record = json.loads(session.result().record)
    record["extra"]["session"] = about
    save_image(tmp_path / "odd.png", CONTENT, record=json.dumps(record))
    assert main(["replay", str(tmp_path / "odd.png"), "-o", str(tmp_path / "out.png")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "the record's" in said and not (tmp_path / "out.png").exists()


def test_a_session_says_what_it_cannot():
    with pytest.raises(InputError, match="lbfgs or adam"):
        session_of(optimizer="scipy")
    with pytest.raises(InputError, match="nothing has been painted"):
        session_of().result()
