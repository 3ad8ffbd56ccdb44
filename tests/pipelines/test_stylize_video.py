"""``stylize_video``: steady from frame to frame, new after a cut."""

from __future__ import annotations

import itertools
import signal
import sys

import numpy as np
import pytest
from moving_pictures import PAN, SETTINGS, STYLE

from jaxstyle import InputError, stylize
from jaxstyle.pipelines.video import stylize_video


def paint(frames, **options):
    return list(stylize_video(frames, STYLE, **{**SETTINGS, **options}))


def unsteadiness(frames) -> float:
    """Mean difference of consecutive results along the motion of ``PAN``, which is known."""
    pictures = [frame.picture for frame in frames]
    pairs = itertools.pairwise(pictures)
    return float(np.mean([np.abs(new[:, :-5] - old[:, 5:]).mean() for old, new in pairs]))


def test_a_pan_becomes_steady():
    pytest.importorskip("cv2")
    longer = {"steps": 25, "steps_next": 20}
    alone = unsteadiness([one for frame in PAN for one in paint([frame], **longer)])
    steady, only_warped = paint(PAN, **longer), paint(PAN, temporal_weight=0.0, **longer)
    assert [frame.anew for frame in steady] == [True, False, False, False, False, False]
    assert unsteadiness(steady) < 0.65 * unsteadiness(only_warped)
    assert unsteadiness(steady) < 0.4 * alone
    # It says so itself, as far as its flow knows.
    told = np.mean([frame.flicker for frame in steady[1:]])
    np.testing.assert_allclose(told, unsteadiness(steady), rtol=0.3)
    # And it is still painted: not much more of the style is missing than where each is alone.
    style = [frame.result.terms["style"] for frame in (steady[-1], *paint(PAN[-1:], **longer))]
    assert style[0] < 1.5 * style[1]


@pytest.mark.parametrize("name", ["steps_next", "levels_next"])
@pytest.mark.parametrize("value", ["8", 0, True, 2.5, None])
def test_counts_of_later_frames_are_whole_numbers(name, value):
    with pytest.raises(InputError, match=f"{name} is {value!r}: give a whole number of at least 1"):
        next(stylize_video(PAN[:1], STYLE, **{**SETTINGS, name: value}))


def test_the_first_frame_is_as_stylize_paints_it_and_a_cut_begins_anew():
    other = np.ascontiguousarray(STYLE[:64, :80][::-1])
    first, cut = paint([PAN[0], other])
    assert first.anew and cut.anew and np.isnan(cut.flicker)
    settings = {name: value for name, value in SETTINGS.items() if name != "steps_next"}
    for frame, content in ((first, PAN[0]), (cut, other)):
        np.testing.assert_array_equal(
            frame.picture, stylize(content, STYLE, **settings, temporal_weight=100.0).image
        )


def test_frames_share_programs_and_what_is_known_of_the_style(monkeypatch):
    from jaxstyle.optimize import loop
    from jaxstyle.run import level_targets

    seen, know = [], level_targets.know_style
    monkeypatch.setattr(level_targets, "know_style", lambda *given: seen.append(1) or know(*given))
    painted = stylize_video(PAN[:4], STYLE, **{**SETTINGS, "steps": 2, "steps_next": 2})
    next(painted), next(painted)
    before = loop._advance._cache_size()
    assert len(list(painted)) == 2
    assert loop._advance._cache_size() == before
    assert len(seen) == 1


def test_without_opencv_each_starts_from_the_last(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    jobs = []
    paint(PAN[:2], steps=2, steps_next=1, find=lambda _, job: jobs.append(job))
    picture, trust = jobs[1].previous
    np.testing.assert_array_equal(picture, paint(PAN[:1], steps=2)[0].picture)
    assert 0 < trust.mean() < 1


def test_a_callback_that_ends_a_frame_ends_the_video_and_nothing_half_done_is_kept():
    kept: list[int] = []

    def stop_in_the_second(index, event):
        return index == 1 and event.step == 3

    def keep(index, result):
        kept.append(index)
        return result.image

    assert len(paint(PAN[:3], callback=stop_in_the_second, keep=keep)) == 1
    assert kept == [0]


@pytest.mark.parametrize("stopped", [True, False])
def test_a_frame_that_is_ended_at_its_last_step_is_done(stopped):
    kept: list[int] = []

    def at_the_last_step(index, event):
        if index == 1 and event.step == event.steps:
            if stopped:
                return True
            signal.raise_signal(signal.SIGINT)
        return False

    def keep(index, result):
        kept.append(index)
        return result.image

    few = {"steps": 3, "steps_next": 2, "callback": at_the_last_step, "keep": keep}
    frames = stylize_video(PAN[:3], STYLE, **{**SETTINGS, **few})
    assert [next(frames).index, next(frames).index] == kept == [0, 1]
    with pytest.raises(StopIteration if stopped else KeyboardInterrupt):
        next(frames)
    assert kept == [0, 1]


def test_tiles_give_the_same():
    few = {"steps": 2, "steps_next": 2, "optimizer": "adam", "style_layers": "relu1_1"}
    few["content_layers"] = "relu1_1"
    whole, tiled = paint(PAN[:2], **few), paint(PAN[:2], **few, strategy="tiled", tile=64)
    np.testing.assert_allclose(whole[1].picture, tiled[1].picture, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color": "keep"}, "color keep changes colours after the run.*: use color luminance"),
        ({"saturation": 0.5}, "saturation changes colours"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        paint(PAN[:1], **options)


def test_frames_of_two_sizes_are_refused():
    with pytest.raises(InputError, match="frame 2 is 64x64, the first one 80x64: give frames of"):
        paint([PAN[0], PAN[0][:, :64]], steps=1)
