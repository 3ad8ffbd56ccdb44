"""A preview: who may look, what there is to see, and what looking costs."""

from __future__ import annotations

import io
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from preview_events import CONTENT, STYLE, ask, event

from jaxstyle import stylize
from jaxstyle.display.preview import Preview
from jaxstyle.display.preview import preview as preview_module
from jaxstyle.display.progress import LevelProgress
from jaxstyle.errors import InputError


@pytest.fixture(autouse=True)
def _short_goodbye(monkeypatch):
    monkeypatch.setattr(preview_module, "LAST_WORD", 0.2)


def preview(**changes: Any) -> Preview:
    own: dict[str, Any] = {
        "title": "a <b> & c",
        "settings": {"size": 32, "mesh": None},
        "content": CONTENT,
        "style": STYLE,
        "output": "out.png",
    }
    return Preview(**(own | changes))


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
    with preview() as shown:
        before = state(shown.url)
        assert before["phase"] == "starting" and before["curves"]["points"] == []
        for step in range(1, 4):
            shown(event(step, levels=2, steps=10))
        shown(event(4, float("nan"), level=2, levels=2, step=1, steps=10))
        now = state(shown.url)
        assert (now["level"], now["step"], now["steps"], now["size"]) == (2, 1, 10, "32x24")
        assert now["curves"]["names"] == ["total", "content", "style"]
        assert now["curves"]["points"][2:] == [[3, 1.5, 1.0, 0.5], [4, None, 1.0, 0.5]]
        assert now["curves"]["breaks"] == [[1, "32x24"], [4, "32x24"]]
        assert now["left"] is not None and "iB" in now["memory"]
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
    monkeypatch.setattr(preview_module, "LAST_WORD", 3)
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
    monkeypatch.setattr(preview_module, "LAST_WORD", 1.2)
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
    with preview() as shown:

        def watch(now: LevelProgress) -> bool:
            if now.total_step == 3:
                assert ask(shown.url, "stop", "POST").status == 200
            return shown(now)

        taps = {"content_layers": "relu2_1", "style_layers": "relu1_1", "levels": 1}
        result = stylize(CONTENT, STYLE, size=32, steps=50, callback=watch, **taps)
        assert result.steps == 3 and result.reason == "stopped"
        assert len(state(shown.url)["curves"]["points"]) == 3
