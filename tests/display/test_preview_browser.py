"""The preview's page in a real browser: headless Chromium, driven by playwright."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from browsers import chromium

from jaxstyle import images, stylize
from jaxstyle.display.preview import Preview
from jaxstyle.display.preview import preview as preview_module
from jaxstyle.display.progress import LevelProgress
from jaxstyle.optimize import Progress

RED, GREEN, BLUE = np.eye(3, dtype=np.float32)
FAST: dict[str, Any] = {
    "content_layers": "relu1_1",
    "style_layers": "relu1_1",
    "levels": 1,
    "optimizer": "adam",
}
HASTE = "const wait = setTimeout; window.setTimeout = (then, ms) => wait(then, ms / 10);"
"""The page looks at the run every second: here every tenth of one."""


class Terms(NamedTuple):
    content: float
    style: float
    tv: float


def plain(colour: np.ndarray) -> np.ndarray:
    return np.broadcast_to(colour, (48, 64, 3))


browser = pytest.fixture(scope="module")(chromium)


class Tab:
    """A page that is open, with all that it asked for and complained of."""

    def __init__(self, browser: Any, preview: Preview, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.context.add_init_script(HASTE)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.set_default_timeout(20_000)
        self.page.goto(preview.url)

    def wait(self, selector: str, text: str | None = None) -> Any:
        found = self.page.locator(selector, has_text=text)
        found.wait_for()
        return found

    def colour(self, x: float = 0.5) -> np.ndarray:
        """Of the picture as it is on the screen, at a fraction of its width."""
        from io import BytesIO

        from PIL import Image

        shot = Image.open(BytesIO(self.page.locator("#frame").screenshot())).convert("RGB")
        return np.asarray(shot)[shot.height // 2, min(shot.width - 1, int(x * shot.width))] / 255

    def until(self, true: Callable[[], bool], seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "it did not come about"
            self.page.wait_for_timeout(20)


@pytest.fixture
def open_tab(browser, monkeypatch) -> Iterator[Callable[..., Tab]]:
    monkeypatch.setattr(preview_module, "LAST_WORD", 0.5)
    monkeypatch.setattr(preview_module, "PICTURE_EVERY", 0.1)
    monkeypatch.setattr(preview_module, "MOST_TIME", 1.0)
    tabs: list[Tab] = []

    def make(preview: Preview, **options: Any) -> Tab:
        tabs.append(Tab(browser, preview, **options))
        return tabs[-1]

    yield make
    for tab in tabs:
        tab.context.close()


def preview(**changes: Any) -> Preview:
    own: dict[str, Any] = {
        "title": "<b>a</b> & c",
        "settings": {"style_layers": "relu1_1,relu2_1", "steps": 20},
        "content": plain(RED),
        "style": plain(GREEN),
        "output": "<i>out</i>.png",
    }
    return Preview(**(own | changes))


def event(total: int, colour: np.ndarray = BLUE, *, level: int = 1) -> LevelProgress:
    value = 4.0 / total
    terms = Terms(value / 2, value / 4, value / 4)
    progress = Progress(total, value, terms, value, 0.1, lambda: plain(colour))
    return LevelProgress(level, 2, 64, 48, total, total, progress, steps=10)


def near(colour: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(colour - other).max() < 0.05)


def show(tab: Tab, shown: Preview, total: int, colour: np.ndarray, **place: int) -> None:
    """Tell of steps until the page shows their picture."""

    def step() -> bool:
        shown(event(total, colour, **place))
        return near(tab.colour(), colour)

    tab.until(step)


def test_a_run_from_its_start_to_its_end(open_tab):
    with preview() as shown:
        tab = open_tab(shown)
        tab.wait("#status", "preparing")
        tab.wait("h1", "<b>a</b> & c")
        tab.until(lambda: near(tab.colour(), RED))  # the content, until there is more to see
        assert "relu1_1,relu2_1" in tab.page.inner_text("#settings")
        show(tab, shown, 1, BLUE)
        show(tab, shown, 2, GREEN)
        tab.wait("#status.running", "<i>out</i>.png")
        figures = tab.page.inner_text("#figures").split("\n")
        assert figures[:4] == ["level", "1 of 2, 64x48 px", "step", "2 of 10"]
        assert any("iB" in line for line in figures)
        shown.finish(plain(BLUE), "saved to out.png")
        tab.wait("#status.finished", "finished: saved to out.png")
        tab.until(lambda: near(tab.colour(), BLUE))
        assert not tab.page.is_visible("#stop")
    # The server is gone; what there was to see stays.
    tab.page.wait_for_timeout(500)
    assert near(tab.colour(), BLUE) and tab.page.title().startswith("finished")
    assert all(url.startswith((shown.url, "blob:", "data:")) for url in tab.asked)
    assert tab.complaints == []


def test_the_slider_compares_with_the_content(open_tab):
    with preview() as shown:
        tab = open_tab(shown)
        show(tab, shown, 1, BLUE)
        slider = tab.wait("#split")
        slider.focus()
        for _ in range(30):
            tab.page.keyboard.press("ArrowRight")
        assert near(tab.colour(0.2), RED) and near(tab.colour(0.4), BLUE)
        box = tab.page.locator("#frame").bounding_box()
        tab.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 20)
        tab.page.mouse.down()
        tab.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 20, steps=4)
        tab.page.mouse.up()
        assert near(tab.colour(0.6), RED) and near(tab.colour(0.8), BLUE)
        assert slider.input_value() == "70"


def test_without_a_content_there_is_no_slider(open_tab):
    with preview(content=None, style=None) as shown:
        tab = open_tab(shown)
        tab.wait("#empty")
        show(tab, shown, 1, BLUE)
        assert not tab.page.is_visible("#slider") and not tab.page.is_visible("#style")


def test_the_curves(open_tab):
    with preview() as shown:
        tab = open_tab(shown)
        for total in range(1, 31):
            shown(event(total, level=1 if total <= 15 else 2))
        tab.until(lambda: tab.page.locator("#chart path").count() == 4)  # the sum and three terms
        total = tab.page.locator("#chart path").last.get_attribute("d")
        heights = [float(place.split()[1]) for place in total.strip("M").split("L")]
        assert len(heights) == 30 and heights == sorted(heights)  # falls: down is larger here
        # On a logarithmic scale: from 4 to 2 it is as far as from 2 to 1.
        assert heights[1] - heights[0] == pytest.approx(heights[3] - heights[1], abs=0.3)
        assert tab.page.locator("#chart .level").count() == 2
        terms = tab.page.inner_text("#terms").split()
        assert terms[:4] == ["term", "now", "total", "0.1333"]
        tab.page.locator("#chart").focus()
        tab.page.keyboard.press("Home")
        tab.wait("#when", "step 1")
        assert tab.page.inner_text("#terms").split()[3:5] == ["total", "4"]


def test_the_button_stops_a_real_run_which_is_then_saved(open_tab, tmp_path):
    content = np.linspace(0, 1, 48 * 64 * 3).reshape(48, 64, 3).astype(np.float32)
    style = np.random.default_rng(0).random((64, 64, 3), np.float32)
    results: list[Any] = []
    with preview(content=content) as shown:

        def work() -> None:
            result = stylize(
                content, style, size=64, steps=10**6, max_seconds=60, callback=shown, **FAST
            )
            result.save(tmp_path / "out.png")
            shown.finish(result.image, "saved to out.png")
            results.append(result)

        thread = threading.Thread(target=work)
        thread.start()
        tab = open_tab(shown)
        tab.wait("#status.running")
        tab.wait("#now")
        first = tab.page.get_attribute("#now", "src")
        tab.until(lambda: tab.page.get_attribute("#now", "src") != first)  # the next picture
        tab.page.locator("#stop").focus()
        tab.page.keyboard.press("Enter")
        tab.wait("#status.finished", "saved to out.png")
        thread.join(timeout=30)
    assert results[0].reason == "stopped" and 2 < results[0].steps < 10**6
    assert images.load_image(tmp_path / "out.png").rgb.shape == (48, 64, 3)


def test_a_page_in_the_background_costs_no_pictures_and_learns_of_the_end(browser):
    taken = []

    def current() -> np.ndarray:
        taken.append(0)
        return plain(BLUE)

    with preview() as shown:
        context = browser.new_context()
        context.add_init_script("Object.defineProperty(document, 'hidden', { get: () => true });")
        page = context.new_page()
        page.goto(shown.url)
        page.wait_for_timeout(400)
        own = event(1)
        shown(own._replace(progress=own.progress._replace(current=current)))
        page.wait_for_timeout(300)
        assert not taken
        shown.finish(plain(BLUE), "saved to out.png")
    page.locator("#status.finished").wait_for(timeout=5000)
    page.locator("#now").wait_for(timeout=5000)
    context.close()


def test_a_program_that_is_gone(open_tab):
    shown = preview()
    tab = open_tab(shown)
    show(tab, shown, 1, BLUE)
    shown._server.close()  # as if it had been killed
    tab.wait("#status.lost", "gone")
    assert near(tab.colour(), BLUE) and not tab.page.is_visible("#stop")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_small_screen_in_either_colour(open_tab, scheme):
    with preview(title="a-very-long-name-of-a-picture" * 4) as shown:
        tab = open_tab(shown, viewport={"width": 400, "height": 800}, color_scheme=scheme)
        show(tab, shown, 1, BLUE)
        assert tab.page.evaluate("() => document.documentElement.scrollWidth") == 400
        paper = tab.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
