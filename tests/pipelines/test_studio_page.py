"""The studio over HTTP: by plain requests, and in headless Chromium where there is one."""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest
from browsers import chromium, new_page
from PIL import Image
from preview_events import ask
from samples import compilations, landscape, waves
from studios import begin, make_small, png, rests, studio_in, until

from jaxstyle.cli.main import main
from jaxstyle.display.local_server import LocalServer
from jaxstyle.display.studio import routes
from jaxstyle.images import load_image
from jaxstyle.optimize import loop
from jaxstyle.pipelines.studio import Studio

browser = pytest.fixture(scope="module")(chromium)


class Served(NamedTuple):
    studio: Studio
    url: str


@pytest.fixture
def served(tmp_path, monkeypatch) -> Iterator[Served]:
    make_small(monkeypatch)
    with studio_in(tmp_path) as studio:
        server = LocalServer(routes.routes_of(studio), "studio")
        yield Served(studio, server.url)
        server.close()


def post(url: str, path: str, data: bytes = b"", **headers: str) -> tuple[int, Any]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    try:
        connection.request("POST", parts.path + path, data, headers)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body[:1] == b"{" else body
    finally:
        connection.close()


def test_the_page_comes_from_here_alone(served):
    names = ["", "page.css", "studio.css", "studio.js", "view.js", "chart.js"]
    parts = [ask(served.url, name) for name in names]
    assert [part.status for part in parts] == [200] * 6
    text = b"".join(part.body for part in parts).replace(b"http://www.w3.org/2000/svg", b"")
    assert b"//" not in text.replace(b"// ", b"")


@pytest.mark.parametrize(
    "path",
    [
        "download/..%2f..%2fetc%2fpasswd", "download/%2e%2e", "picture/..%2fexamples%2fwaves.png",
        "picture//etc/passwd", "inputs/", "download/inputs", "routes.py", "download/x.png",
    ],
)  # fmt: skip
def test_no_file_outside_its_folder(served, path):
    assert ask(served.url, path).status == 404


def test_only_its_own_page_begins_a_run(served):
    asked = json.dumps({"content": "content.png", "styles": ["waves.png"]}).encode()
    for headers in (
        {"Origin": "http://evil.example"}, {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):  # fmt: skip
        assert post(served.url, "begin", asked, **headers)[0] == 403
        assert post(served.url, "upload?name=x.png", b"x", **headers)[0] == 403
    elsewhere = served.url.rsplit("/", 2)[0] + "/wrong/"
    assert post(elsewhere, "begin", asked)[0] == 404
    assert served.studio.state("one", -1)["phase"] == "empty"


def test_what_is_refused_is_a_sentence(served, monkeypatch):
    assert post(served.url, "begin", b"{") == (
        400, {"error": "the page asked for something that makes no sense: load it again"},
    )  # fmt: skip
    assert post(served.url, "begin", b"[1]")[0] == post(served.url, "begin", b"[" * 9000)[0] == 400
    assert post(served.url, "close", b"{}")[0] == 404
    status, told = post(served.url, "upload?name=my.png", b"GIF89a")
    assert status == 400 and "my.png" in told["error"] and "is not a picture" in told["error"]
    monkeypatch.setattr(routes, "MOST_UPLOADED", 2**20)
    status, told = post(served.url, "upload?name=big.png", bytes(2**20 + 1))
    assert (status, told["error"]) == (413, "more than 1 MB: make it smaller first")
    assert post(served.url, "freeze", bytes(2**20 + 1))[0] == 413


def test_two_tabs_see_one_run(served):
    begin(served.studio)
    states = [ask(served.url, f"state?page={name}&since=-1").json for name in ("a", "b")]
    assert states[0]["steps"] == states[1]["steps"] == 8 and states[0]["run"] == states[1]["run"]
    assert len(states[0]["curves"]["points"]) == 8
    assert ask(served.url, "picture/now.jpg").body == ask(served.url, "picture/now.jpg").body
    name = ask(served.url, "about").json["history"][0]
    assert ask(served.url, f"download/{name}").body[:4] == b"\x89PNG"
    assert ask(served.url, f"picture/{name}").body[:2] == b"\xff\xd8"


def test_from_the_page_alone(served, browser, tmp_path):
    """Two pictures are given, it paints, knobs are turned, a part is frozen, the result saved."""
    files = [tmp_path / "my photo.png", tmp_path / "my painting.png"]
    for file, picture in zip(files, (landscape(48, 64), waves(48)), strict=True):
        file.write_bytes(png((255 * np.asarray(picture)).astype(np.uint8)))
    page, complaints = new_page(browser, served.url)
    page.set_input_files("#content-file", files[0])
    page.set_input_files("#style-file", files[1])
    page.locator("#status", has_text="done for now").wait_for()
    first = page.get_attribute("#now", "src")
    assert "8 of 8" in page.inner_text("#figures")

    turn(page, served, "style_weight", "2")  # what its first turn compiles
    programs = compilations(loop._advance)
    style = served.studio._session.terms["style"]
    for strength in ("0", "10"):
        turn(page, served, "style_weight", strength)
        assert served.studio._session.style_weight == float(strength)
        assert (served.studio._session.terms["style"] > style) == (strength == "10")
    assert compilations(loop._advance) == programs
    until(lambda: page.get_attribute("#now", "src") != first)

    before = served.studio._session.picture
    page.click("#freeze")
    box = page.locator("#frame").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    until(lambda: served.studio._session.freeze is not None)
    frozen = served.studio._session.freeze
    turn(page, served, "strokes", "0.5")
    after = served.studio._session.picture
    assert 0.02 < frozen.mean() < 0.5
    np.testing.assert_array_equal(after[frozen], before[frozen])
    assert (after[~frozen] != before[~frozen]).any()

    until(lambda: rests(served.studio))  # what it keeps later goes into the same file
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.locator("button.save", has_text="PNG").click()
    download.value.save_as(tmp_path / "saved.png")
    assert load_image(tmp_path / "saved.png").size == (64, 48)
    kept = tmp_path / "made" / download.value.suggested_filename
    assert kept.read_bytes() == (tmp_path / "saved.png").read_bytes()
    assert main(["replay", str(kept), "-o", str(tmp_path / "b.png")]) == 0
    assert kept.read_bytes() == (tmp_path / "b.png").read_bytes()
    page.click("#undo")
    until(lambda: served.studio._session.strokes == 0)
    assert complaints == []


def turn(page: Any, served: Served, name: str, value: str) -> None:
    """Move a slider with the keyboard or not at all, and wait until the run rests again."""
    steps = served.studio._steps
    page.locator(f"#{name}").fill(value)
    until(lambda: served.studio._steps > steps and not served.studio._has_work())
    page.locator("#status", has_text="done for now").wait_for()


def test_it_is_dropped_compared_and_zoomed(served, browser):
    page, complaints = new_page(browser, served.url)
    page.locator("#examples button", has_text="content").click()
    page.locator("#examples button", has_text="waves").click()
    page.click("#begin")
    page.locator("#status", has_text="done for now").wait_for()
    page.locator("#split").fill("100")
    shot = Image.open(io.BytesIO(page.locator("#frame").screenshot())).convert("RGB")
    content = np.asarray(landscape(48, 64))[24, 32]
    centre = np.asarray(shot)[shot.height // 2, shot.width // 2] / 255
    assert np.abs(centre - content).max() < 0.1  # all of it is the photo now
    page.select_option("#zoom", "4")
    width = page.evaluate("() => document.getElementById('canvas').getBoundingClientRect().width")
    assert width == 4 * 64
    data = png(np.zeros((20, 20, 3), np.uint8)).hex()
    page.evaluate(
        """(hex) => {
            const bytes = Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
            const dropped = new DataTransfer();
            dropped.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
            const event = new DragEvent("drop", { dataTransfer: dropped, cancelable: true });
            document.getElementById("drop-style").dispatchEvent(event);
        }""",
        data,
    )
    page.locator("#style-chosen img").nth(1).wait_for()
    assert "dropped-" in page.locator("#style-chosen img").nth(1).get_attribute("alt")
    page.set_input_files("#style-file", {"name": "x.png", "mimeType": "", "buffer": b"GIF89a"})
    page.locator("#problem", has_text="x.png").wait_for()
    assert [line for line in complaints if "400" not in line] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_every_control_has_a_name(served, browser, scheme):
    begin(served.studio, "waves.png", "dots.png")
    page, _ = new_page(
        browser, served.url, viewport={"width": 390, "height": 800}, color_scheme=scheme
    )
    page.locator("#now").wait_for()
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
    paper = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("input, select, button, canvas, img")].filter(
            (one) => !(one.labels && one.labels.length) && !one.getAttribute("aria-label")
                && !one.alt && !one.textContent.trim()).map((one) => one.outerHTML)"""
    )
    assert nameless == []


def test_the_command_serves_until_it_is_ended(tmp_path: Path, monkeypatch, capsys):
    from jaxstyle.cli.commands import studio as command

    def ended(_seconds: float) -> None:
        url = capsys.readouterr().err.split()[1]
        assert ask(url).status == 200
        raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", ended)
    assert main(["studio", str(tmp_path / "made")]) == 0
    assert (tmp_path / "made" / "inputs").is_dir()
