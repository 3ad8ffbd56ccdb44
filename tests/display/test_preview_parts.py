"""What a preview is made of: curves, pace, pages, pictures, memory; and its options."""

from __future__ import annotations

import argparse
import io
import itertools
import mmap
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from preview_events import CONTENT, STYLE, ask, event

from jaxstyle import images
from jaxstyle.cli.options.limits import join_if_asked
from jaxstyle.cli.options.preview import add_watch_options, preview_from, title_of
from jaxstyle.display.loss_curves import Curves
from jaxstyle.display.preview.viewers import Pages
from jaxstyle.display.progress import LevelProgress
from jaxstyle.display.thumbnails import jpeg, small
from jaxstyle.display.time_left import Pace
from jaxstyle.errors import InputError
from jaxstyle.run.prepare import prepare
from jaxstyle.runtime.memory import memory_in_use


@given(st.integers(1, 700), st.integers(2, 40))
def test_long_curves_are_thinned_evenly(steps, most):
    curves = Curves(most=most)
    for step in range(5, 5 + steps):
        curves.add(event(step, float(step)))
    kept = [point[0] for point in curves.points]
    assert kept[0] == 5 and len(kept) <= most
    assert len({after - before for before, after in itertools.pairwise(kept)}) <= 1
    assert len(kept) > min(steps, most) // 2 - 1
    assert curves.since(4) == curves.points and curves.since(kept[-1]) == []


def test_a_level_that_starts_again_does_not_lead_the_curves_back():
    curves = Curves()
    for total in (1, 2, 3, 1, 2):
        curves.add(event(total))
    assert [point[0] for point in curves.points] == [1, 2, 3, 4, 5]
    assert len(curves.breaks) == 1


def pace_of(steps: float | None, events: list[tuple[float, LevelProgress]]) -> Pace:
    now = [0.0]
    pace = Pace(steps, clock=lambda: now[0])
    for seconds, each in events:
        now[0] = seconds
        pace.add(each)
    return pace


def test_the_time_left():
    # Each level has twice the pixels, so each step takes twice the time: 10 s and then 20 s.
    first = [(float(n), event(n, levels=2)) for n in range(1, 11)]
    second = [(10 + 2.0 * n, event(10 + n, level=2, levels=2, step=n)) for n in range(1, 6)]
    pace = pace_of(10, first[:5])
    assert pace.share == pytest.approx(5 / 30) and pace.left == pytest.approx(25)
    assert pace.rate == pytest.approx(1)
    pace = pace_of(10, first + second)
    assert pace.left == pytest.approx(10) and pace.rate == pytest.approx(0.5)
    # Nobody said how many steps there are: the first level shows it.
    assert pace_of(None, first).left is None
    assert pace_of(None, first + second).left == pytest.approx(10)


def test_the_time_left_where_steps_fall_from_level_to_level():
    def at(step: int, level: int, steps: int) -> LevelProgress:
        own = event(step, level=level, levels=2)
        return own._replace(steps=steps, level_steps=(10, 5))

    # Twice the pixels, half the steps: either level takes ten seconds.
    first = [(float(n), at(n, 1, 10)) for n in range(1, 11)]
    assert pace_of(None, first[:5]).share == pytest.approx(5 / 20)
    assert pace_of(None, first).left == pytest.approx(10)


def test_the_time_left_of_a_run_that_was_resumed():
    resumed = [(float(n - 50), event(n)) for n in range(51, 76)]
    assert pace_of(100, resumed).left == pytest.approx(25)


def test_what_is_compiled_is_no_step():
    # A minute to compile, then 50 steps in a second: 20000 of them take 400 s, not an hour.
    at = [60 + 0.02 * n for n in range(1, 26)]
    pace = pace_of(20_000, [(seconds, event(n + 1)) for n, seconds in enumerate(at)])
    assert pace.rate == pytest.approx(50)
    assert pace.left == pytest.approx(0.02 * 19_975)
    assert pace_of(20_000, [(60.0, event(1))]).left is None  # nobody knows yet
    # A level to come compiles too, and takes as long as it has pixels: here nine times as many.
    sizes = ((32, 24), (96, 72))
    two = [(s, event(n + 1, levels=2)._replace(sizes=sizes)) for n, s in enumerate(at)]
    pace = pace_of(100, two)
    assert pace.left == pytest.approx(0.02 * 75 + 60 + 0.18 * 100)
    assert pace.whole == pytest.approx(20) and pace.share == pytest.approx(0.25 / 10)
    # Its first step has come, and is not to be taken for one that all others are like.
    began = (70.0, event(101, level=2, levels=2, step=1)._replace(sizes=sizes))
    assert pace_of(100, [*two, began]).left == pytest.approx(0.18 * 99)


def test_steps_that_one_call_has_made_are_told_of_at_once():
    def told(step: int) -> LevelProgress:
        own = event(step)
        return own._replace(progress=own.progress._replace(more=-step % 10))

    # Ten steps a second, each ten known at their end; ten seconds to compile.
    events = [(10.0 + (step - 1) // 10 + step * 1e-4, told(step)) for step in range(1, 41)]
    assert pace_of(100, events[:15]).left is None
    pace = pace_of(100, events)
    assert pace.rate == pytest.approx(10, rel=0.01) and pace.left == pytest.approx(6, rel=0.01)


def test_pages_are_forgotten_when_they_fall_silent():
    now = [0.0]
    pages = Pages(lambda: now[0])
    pages.heard("seen", sees=True)
    pages.heard("hidden", sees=False)
    assert pages.seen and pages.lack(0)
    for name in ("seen", "hidden"):
        pages.got(name, picture=2, end=True)
    assert not pages.lack(2) and pages.lack(3)
    now[0] = 10.0
    assert not pages.seen and not pages.lack(3)
    for number in range(1000):
        pages.heard(str(number), sees=True)
    assert len(pages._pages) <= 50


def test_small_pictures():
    picture = np.random.default_rng(1).random((90, 120, 3), np.float32)
    picture = images.resize(images.resize(picture, 12, 9), 480, 360)  # smooth
    seen = small(picture, 160)
    assert seen.shape == (120, 160, 3)
    assert np.abs(seen / 255 - images.resize(picture, 160, 120)).max() < 0.01
    large = images.resize(picture, 1103, 827)  # not a multiple: up to a block less
    assert np.abs(small(large, 160) / 255 - images.resize(large, 160, 120)).max() < 0.05
    assert small(np.zeros((2, 900, 3), np.float32), 160).shape == (1, 160, 3)
    own = np.array([[[np.nan, -1.0, 2.0]]], np.float32)
    assert small(own, 160).tolist() == [[[0, 0, 255]]]
    assert np.isnan(own[0, 0, 0])  # the run's own array stays as it was
    assert Image.open(io.BytesIO(jpeg(seen))).size == (160, 120)


class Device(NamedTuple):
    statistics: dict[str, int] | None

    def memory_stats(self) -> dict[str, int] | None:
        return self.statistics


def test_memory_in_use(tmp_path):
    before = memory_in_use().host
    size = 40_000_000
    block = mmap.mmap(-1, size)  # an array may get pages that the process has already
    for page in range(0, size, mmap.PAGESIZE):
        block[page] = 1
    after = memory_in_use().host
    assert before is not None and after is not None and after - before > 0.9 * size
    two = [Device({"bytes_in_use": 2**30, "bytes_limit": 2**33})] * 2
    assert str(memory_in_use(two)).endswith("iB, on the device 2 GiB of 16 GiB")
    assert memory_in_use([Device(None)]).devices is None
    elsewhere = memory_in_use([Device(None)], tmp_path / "missing")
    assert elsewhere.peak and (elsewhere.host or 0) >= size


def arguments_of(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("content")
    parser.add_argument("style")
    add_watch_options(parser)
    return parser.parse_args([*words])


def test_the_options(monkeypatch, capsys, tmp_path):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or False)
    monkeypatch.chdir(tmp_path)
    images.save_image("a.png", CONTENT)
    images.save_image("b.png", STYLE)
    job = prepare("a.png", "b.png", size=32, steps=7, levels=1)
    assert preview_from(arguments_of("a.png", "b.png"), job, Path("out.png")) is None
    for words in (["--preview"], ["--open"], ["--preview", "--open"]):
        shown = preview_from(arguments_of("a.png", "b.png", *words), job, Path("out.png"))
        assert shown is not None
        with shown:
            about = ask(shown.url, "about").json
        assert about["title"] == "a in the style of b" and about["output"] == "out.png"
        assert about["settings"]["steps"] == "7" and about["content"] and about["style"]
        if "--open" in words:  # all users see what the browser is called with
            page = Path(urlsplit(opened[-1]).path)
            assert shown.url not in opened[-1] and shown.url in page.read_text()
            assert page.parent.stat().st_mode & 0o077 == 0
        else:
            assert opened == []
        printed = capsys.readouterr().err
        assert f"preview: {shown.url}\n" in printed
        assert ("open this address yourself" in printed) == ("--open" in words)
        opened.clear()
    with pytest.raises(argparse.ArgumentError, match="is no port"):
        arguments_of("--preview", "a.png", "b.png")
    several = arguments_of("a.png", "b.png", "--preview")
    several.distributed = True
    with pytest.raises(InputError, match="leave out --distributed"):
        join_if_asked(several)


def test_titles():
    job = prepare(CONTENT, STYLE, size=32, levels=1)
    one = replace(job.styles[0], image=replace(job.style, source="d/b.jpg"))
    two = replace(job, styles=(one, one))
    assert title_of(two).endswith(" in the style of b and 1 more")
    assert title_of(replace(two, contents=(), styles=(one,))) == "texture of b"
    assert title_of(replace(two, styles=())) == Path(job.content.source).stem
