"""A preview: who may look, what there is to see, and what looking costs."""

from __future__ import annotations

import argparse
import http.client
import io
import itertools
import json
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jaxstyle import images, stylize
from jaxstyle.api import LevelProgress
from jaxstyle.commands.watching import add_watch_options, preview_from
from jaxstyle.errors import InputError
from jaxstyle.job import prepare
from jaxstyle.optimize import Progress
from jaxstyle.preview import Preview, watched
from jaxstyle.preview.curves import Curves
from jaxstyle.preview.pace import Pace
from jaxstyle.preview.pages import Pages
from jaxstyle.preview.pictures import jpeg, small
from jaxstyle.usage import memory_in_use

CONTENT = np.linspace(0, 1, 24 * 32 * 3).reshape(24, 32, 3).astype(np.float32)
STYLE = np.random.default_rng(0).random((32, 32, 3), np.float32)


@pytest.fixture(autouse=True)
def _short_goodbye(monkeypatch):
    monkeypatch.setattr(watched, "LAST_WORD", 0.2)


class Terms(NamedTuple):
    content: float
    style: float
    style_layers: dict[str, float]


def event(
    total: int,
    value: float = 1.5,
    *,
    level: int = 1,
    levels: int = 1,
    step: int | None = None,
    current: Callable[[], np.ndarray] = lambda: CONTENT,
) -> LevelProgress:
    progress = Progress(total, value, Terms(1.0, 0.5, {"relu1_1": 0.5}), value, 0.1, current)
    return LevelProgress(level, levels, 32, 24, step or total, total, progress)


def preview(**changes: Any) -> Preview:
    own: dict[str, Any] = {
        "title": "a <b> & c",
        "settings": {"size": 32, "mesh": None},
        "content": CONTENT,
        "style": STYLE,
        "steps": 10,
        "output": "out.png",
    }
    return Preview(**(own | changes))


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, path: str = "", method: str = "GET", **headers: str) -> Answer:
    """One request; ``path`` is below the page's, or from the root if it starts with a slash."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        where = path if path.startswith("/") else parts.path + path
        connection.request(method, where, headers=headers)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()


def state(url: str, since: int = -1) -> Any:
    return ask(url, f"state?page=one&since={since}").json


def test_the_page_and_its_parts_come_from_here_alone():
    with preview() as shown:
        page = ask(shown.url)
        parts = [page, *(ask(shown.url, name) for name in ("page.css", "page.js", "chart.js"))]
        about = ask(shown.url, "about").json
    assert [part.status for part in parts] == [200] * 4
    assert b'src="page.js"' in page.body and b'href="page.css"' in page.body
    text = b"".join(part.body for part in parts).replace(b"http://www.w3.org/2000/svg", b"")
    assert b"//" not in text.replace(b"// ", b"")
    for part in parts:
        policy = part.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert part.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in part.headers
    assert about["settings"] == {"size": "32", "mesh": "none"}
    assert about["title"] == "a <b> & c"  # which the page sets as text


@pytest.mark.parametrize("path", ["/", "/state", "/x/", "/x/state", "/favicon.ico", "/%ff/", "//"])
def test_nothing_is_told_without_the_token(path):
    with preview() as shown:
        assert ask(shown.url, path).status == 404
        assert ask(shown.url, path, "POST").status == 404
        assert not shown(event(1))


@pytest.mark.parametrize("path", ["nothing", "../", "page.html/..", "server.py", "%2e%2e/page.py"])
def test_nothing_else_is_served(path):
    with preview() as shown:
        assert ask(shown.url, path).status == 404


def test_tokens_differ():
    with preview() as one, preview() as other:
        token = urlsplit(one.url).path
        assert len(token) > 24 and token != urlsplit(other.url).path
        assert ask(other.url, token).status == 404


def test_no_other_name_may_point_here():
    with preview() as shown:
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
            refused = ask(shown.url, "state", Host=host)
            assert refused.status == 403 and b"{" not in refused.body
        assert ask(shown.url, "stop", "POST", Host="evil.example").status == 403
        assert not shown(event(1))
        assert ask(shown.url, Host="localhost:8000").status == 200  # through a tunnel


def test_only_the_own_page_can_stop_the_run():
    with preview() as shown:
        assert ask(shown.url, "stop").status == 404
        assert ask(shown.url, "stop", "POST", Origin="http://evil.example").status == 403
        assert ask(shown.url, "stop", "POST", Origin="null").status == 403
        assert shown(event(1)) is False
        own = "http://" + urlsplit(shown.url).netloc
        assert ask(shown.url, "stop", "POST", Origin=own).status == 200
        assert shown(event(2)) is True
        assert state(shown.url)["phase"] == "stopping"


def test_only_this_machine_is_listened_to():
    with preview() as shown:
        port = urlsplit(shown.url).port
        with socket.socket() as outside:
            # Bound to all addresses, this one of the machine's own would answer too.
            assert outside.connect_ex(("127.0.0.2", port)) != 0


def test_a_port_that_is_taken():
    with preview() as shown:
        port = urlsplit(shown.url).port or 0
        with pytest.raises(InputError, match=f"cannot listen at port {port} .*choose another"):
            preview(port=port)
    with pytest.raises(InputError, match="port is 70000"):
        preview(port=70000)
    with preview(port=port) as again:  # free again
        assert urlsplit(again.url).port == port


def test_what_a_page_is_told():
    with preview(steps=20) as shown:
        before = state(shown.url)
        assert before["phase"] == "starting" and before["curves"]["points"] == []
        for step in range(1, 4):
            shown(event(step, levels=2))
        shown(event(4, float("nan"), level=2, levels=2, step=1))
        now = state(shown.url)
        assert (now["level"], now["step"], now["steps"], now["size"]) == (2, 1, 10, "32x24")
        assert now["curves"]["names"] == ["total", "content", "style"]
        assert now["curves"]["points"][2:] == [[3, 1.5, 1.0, 0.5], [4, None, 1.0, 0.5]]
        assert now["curves"]["breaks"] == [[1, "32x24"], [4, "32x24"]]
        assert now["left"] > 0 and "iB" in now["memory"]
        assert [point[0] for point in state(shown.url, since=3)["curves"]["points"]] == [4]
        assert ask(shown.url, "state?since=x").status == 200


def test_no_picture_is_made_while_nobody_looks():
    calls = []

    def current() -> np.ndarray:
        calls.append(0)
        return CONTENT

    with preview() as shown:
        shown(event(1, current=current))
        assert not calls and ask(shown.url, "now.jpg").status == 404
        state(shown.url)
        for step in range(2, 8):
            shown(event(step, current=current))
        assert len(calls) == 1  # one a second
        picture = Image.open(io.BytesIO(ask(shown.url, "now.jpg").body))
        assert picture.size == (32, 24)
        assert np.abs(np.asarray(picture) / 255 - CONTENT).mean() < 0.02


def test_costly_pictures_are_made_seldom():
    calls = []

    def current() -> np.ndarray:
        calls.append(0)
        time.sleep(0.1)  # so the next one is due after 3 s
        return CONTENT

    with preview() as shown:
        end = time.monotonic() + 1.6
        while time.monotonic() < end:
            state(shown.url)
            shown(event(1, current=current))
    assert len(calls) == 1


def test_a_picture_that_cannot_be_had_ends_no_run():
    def current() -> np.ndarray:
        raise RuntimeError("RESOURCE_EXHAUSTED: no room")

    with preview() as shown:
        state(shown.url)
        assert shown(event(1, current=current)) is False
        assert "no room" in state(shown.url)["message"]


def test_the_end_is_told_to_pages_in_the_background(monkeypatch):
    monkeypatch.setattr(watched, "LAST_WORD", 3)
    told = []

    def wait(url: str) -> None:
        told.append(ask(url, "state?page=two&wait").json)
        told.append(ask(url, "now.jpg?page=two").body)

    with preview() as shown:
        thread = threading.Thread(target=wait, args=(shown.url,))
        thread.start()
        time.sleep(0.3)
        assert not told
        shown(event(1))
        shown.finish(np.ones_like(CONTENT), "saved to out.png")
    thread.join(timeout=5)
    assert told[0]["phase"] == "finished" and told[0]["message"] == "saved to out.png"
    assert np.asarray(Image.open(io.BytesIO(told[1]))).min() > 250


def test_closing_waits_for_open_pages_only(monkeypatch):
    monkeypatch.setattr(watched, "LAST_WORD", 1.2)
    start = time.monotonic()
    with preview() as shown:
        shown(event(1))
        shown.finish(CONTENT)
    assert time.monotonic() - start < 1
    with preview() as shown:
        state(shown.url)
        shown.finish(CONTENT)
        start = time.monotonic()
    assert 1 < time.monotonic() - start < 6  # a page that never asks again does not hold it up
    with pytest.raises(OSError):
        ask(shown.url)


def test_a_run_that_fails_says_so():
    told = []
    with pytest.raises(ValueError, match="broken"), preview() as shown:
        thread = threading.Thread(target=lambda: told.append(ask(shown.url, "state?wait").json))
        thread.start()
        time.sleep(0.2)
        raise ValueError("something is\nbroken")
    thread.join(timeout=5)
    assert (told[0]["phase"], told[0]["message"]) == ("failed", "something is broken")


def test_asking_to_stop_ends_a_real_run():
    with preview(steps=None) as shown:

        def watch(now: LevelProgress) -> bool:
            if now.total_step == 3:
                assert ask(shown.url, "stop", "POST").status == 200
            return shown(now)

        taps = {"content_layers": "relu2_1", "style_layers": "relu1_1", "levels": 1}
        result = stylize(CONTENT, STYLE, size=32, steps=50, callback=watch, **taps)
        assert result.steps == 3 and result.reason == "stopped"
        assert len(state(shown.url)["curves"]["points"]) == 3


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


def test_the_time_left_of_a_run_that_was_resumed():
    resumed = [(float(n - 50), event(n)) for n in range(51, 76)]
    assert pace_of(100, resumed).left == pytest.approx(25)


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
    block = np.ones(40_000_000, np.uint8)
    after = memory_in_use().host
    assert before is not None and after is not None and after - before > 0.9 * block.nbytes
    two = [Device({"bytes_in_use": 2**30, "bytes_limit": 2**33})] * 2
    assert str(memory_in_use(two)).endswith("iB, on the device 2 GiB of 16 GiB")
    assert memory_in_use([Device(None)]).devices is None
    elsewhere = memory_in_use([Device(None)], tmp_path / "missing")
    assert elsewhere.peak and (elsewhere.host or 0) >= block.nbytes


def arguments_of(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("content")
    parser.add_argument("style")
    add_watch_options(parser)
    return parser.parse_args([*words])


def test_the_options(monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    job = prepare(CONTENT, STYLE, size=32, steps=7, levels=1)
    assert preview_from(arguments_of("a.jpg", "b.jpg"), job, Path("out.png")) is None
    for words in (["--preview"], ["--open"], ["--preview", "--open"]):
        shown = preview_from(arguments_of("a.jpg", "d/b.jpg", *words), job, Path("out.png"))
        assert shown is not None
        with shown:
            about = ask(shown.url, "about").json
            assert about["title"] == "a in the style of b" and about["output"] == "out.png"
            assert about["settings"]["steps"] == "7" and about["content"] and about["style"]
            assert opened == ([shown.url] if "--open" in words else [])
        opened.clear()
    with pytest.raises(argparse.ArgumentError, match="is no port"):
        arguments_of("--preview", "a.jpg", "b.jpg")
    several = arguments_of("a.jpg", "b.jpg", "--preview")
    several.distributed = True
    with pytest.raises(InputError, match="leave out --distributed"):
        preview_from(several, job, Path("out.png"))
