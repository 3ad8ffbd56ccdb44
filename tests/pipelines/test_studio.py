"""The runs of a studio: begun, turned, queued, kept, gone on with."""

from __future__ import annotations

import json
import shlex
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from odd_pictures import chunk
from PIL import Image
from samples import compilations
from studios import begin, make_small, png, rests, studio_in, until

from jaxstyle.cli.main import build_parser, main
from jaxstyle.display.studio import canvas
from jaxstyle.errors import InputError
from jaxstyle.images import load_image, read_record
from jaxstyle.optimize import loop
from jaxstyle.pipelines.studio import Studio
from jaxstyle.pipelines.studio_files import StudioFiles
from jaxstyle.run.session import Session


@pytest.fixture
def studio(tmp_path, monkeypatch) -> Iterator[Studio]:
    make_small(monkeypatch)
    with studio_in(tmp_path) as made:
        yield made


def state(studio: Studio) -> dict[str, Any]:
    return studio.state("one", -1)


def test_a_draft_begins_small_goes_on_and_is_kept(studio, tmp_path):
    assert state(studio)["phase"] == "empty"
    begin(studio)
    now = state(studio)
    assert now["size"] == (64, 48) and now["steps"] == now["goal"] == 8
    assert [size for _, size in now["curves"]["breaks"]] == ["48x36", "64x48"]
    assert load_image(tmp_path / "made" / "content-waves.png").size == (64, 48)
    assert studio.about()["history"] == ["content-waves.png"]
    assert studio.picture("now.jpg")[:2] == studio.picture("before.jpg")[:2] == b"\xff\xd8"


def test_knobs_act_and_compile_nothing(studio):
    begin(studio, "waves.png", "dots.png")
    studio.act("change", {"style_weight": 2.0})
    until(lambda: rests(studio))
    programs = compilations(loop._advance)
    for changes in ({"style_weight": 0}, {"strokes": 0.5, "tv_weight": 3}, {"shares": [1, 0]}):
        steps = state(studio)["steps"]
        studio.act("change", changes)
        until(lambda: rests(studio))
        assert state(studio)["steps"] == steps + 4
        assert changes.items() <= {**state(studio)["knobs"], "shares": [1, 0]}.items()
    assert compilations(loop._advance) == programs


def test_what_is_frozen_stays(studio):
    begin(studio)
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 10:40] = 255
    before = studio._session.picture
    studio.freeze(png(mask))
    studio.act("change", {"style_weight": 9})
    until(lambda: rests(studio))
    after = studio._session.picture
    np.testing.assert_array_equal(after[mask > 0], before[mask > 0])
    assert (after != before).any() and state(studio)["frozen"]
    studio.freeze(b"")
    assert not state(studio)["frozen"]
    with pytest.raises(InputError, match="no picture"):
        studio.freeze(b"%!PS")


def test_undo_and_pause(studio):
    begin(studio)
    before = studio._session.picture
    studio.act("change", {"style_weight": 9})
    studio.act("pause", {"on": True})
    assert state(studio)["phase"] == "paused"
    studio.act("undo", {})
    assert studio._session.style_weight == 1
    np.testing.assert_array_equal(studio._session.picture, before)
    studio.act("pause", {"on": False})
    until(lambda: rests(studio))
    assert state(studio)["steps"] > 8


@pytest.mark.parametrize("ending", [".png", ".tif", ".jpg"])
def test_what_is_saved_can_be_replayed(studio, tmp_path, ending):
    begin(studio)
    studio.act("change", {"strokes": -0.5})
    studio.act("change", {"size": 80})
    until(lambda: rests(studio))
    told = studio.act("save", {"ending": ending})
    path, again = tmp_path / "made" / told["name"], tmp_path / f"again{ending}"
    assert main(["replay", str(path), "-o", str(again), "--quiet"]) == 0
    assert path.read_bytes() == again.read_bytes()
    assert studio.download(told["name"]) == (told["name"], path.read_bytes())
    assert load_image(path).bits == (16 if ending == ".tif" else 8)


def test_the_command_parses_and_says_what_it_leaves_out(studio):
    begin(studio, "waves.png", "dots.png")
    studio.act("change", {"style_weight": 3, "strokes": 0.5, "color": "keep"})
    studio.freeze(png(np.full((48, 64), 255, np.uint8)))
    told = studio.act("save", {})
    words = shlex.split(told["command"])
    arguments = build_parser(words[1:]).parse_args(words[1:])
    assert (arguments.style_weight, arguments.color, arguments.size) == (3, "keep", 64)
    assert len(arguments.style) == 2 and "frozen" in " ".join(told["unsaid"])


def test_a_second_run_waits_and_can_be_let_before(studio, tmp_path):
    studio.act("begin", {"content": "content.png", "styles": ["waves.png"]})
    studio.act("begin", {"content": "content.png", "styles": ["dots.png"]})
    studio.act("begin", {"content": "content.png", "styles": ["dots.png"]})
    until(lambda: state(studio)["run"] == 1)
    studio.act("next", {})
    until(lambda: state(studio)["run"] == 3 and rests(studio))
    made = {path.name for path in (tmp_path / "made").glob("*.png")}
    assert made >= {"content-dots.png", "content-dots-2.png"}


def test_killed_it_goes_on_with_what_was_kept(studio, tmp_path):
    begin(studio)
    studio.act("change", {"style_weight": 4})
    until(lambda: rests(studio))
    with studio_in(tmp_path) as later:
        name = later.about()["history"][0]
        later.act("again", {"name": name})
        until(lambda: rests(later))
        assert state(later)["knobs"]["style_weight"] == 4 and state(later)["size"] == (64, 48)
        path = tmp_path / "made" / later.act("save", {})["name"]
        assert path.name != name
        record = json.loads(read_record(path))
        assert len(record["inputs"]["init"]) == 1 and str(tmp_path) not in json.dumps(record)
        assert main(["replay", str(path), "-o", str(tmp_path / "x.png"), "--quiet"]) == 0
        assert path.read_bytes() == (tmp_path / "x.png").read_bytes()


def test_out_of_memory_is_a_sentence(studio, monkeypatch):
    begin(studio)
    plain = Session.step

    def exhausted(session: Session, *rest: Any, **more: Any) -> None:
        if max(session.size) > 64:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")
        plain(session, *rest, **more)

    monkeypatch.setattr(Session, "step", exhausted)
    studio.act("change", {"size": 80})
    until(lambda: state(studio)["phase"] == "paused")
    assert state(studio)["message"] == "out of memory: undo, or go on at a smaller size"
    studio.act("undo", {})
    studio.act("pause", {"on": False})
    until(lambda: rests(studio))
    assert state(studio)["size"] == (64, 48) and state(studio)["message"] == ""


@pytest.mark.parametrize(
    ("action", "asked", "words"),
    [
        ("begin", {"content": "content.png"}, "choose a style"),
        ("begin", {"content": "../content.png", "styles": ["waves.png"]}, "there is no picture"),
        ("begin", {"content": "content.png", "styles": ["/etc/hostname"]}, "there is no picture"),
        ("begin", {"content": None, "styles": [3]}, "there is no picture"),
        ("again", {"name": "../made/x.png"}, "there is no result"),
        ("change", {"style_weight": 1}, "nothing is being painted"),
        ("undo", {}, "nothing is being painted"),
        ("save", {}, "nothing is being painted"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(studio, action, asked, words):
    with pytest.raises(InputError, match=words):
        studio.act(action, asked)


def test_knobs_that_are_none_are_refused(studio):
    begin(studio)
    for asked, words in (
        ({"weights": "/etc/passwd"}, "no knob 'weights'"),
        ({"init": "/etc/passwd"}, "no knob 'init'"),
        ({"freeze": "/etc/passwd"}, "no knob 'freeze'"),
        ({"size": 100_000}, "choose one of"),
        ({"style_weight": "x"}, "style_weight"),
        ({"strokes": None}, "from -1"),
        ({"shares": {}}, "give 1 numbers"),
    ):
        with pytest.raises(InputError, match=words):
            studio.act("change", asked)
    with pytest.raises(InputError, match="saved as one of"):
        studio.act("save", {"ending": "/../../x.png"})


NOISE = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)


def bomb() -> bytes:
    """A PNG file that says it has 60000x60000 pixels."""
    size = struct.pack(">II", 60_000, 60_000) + b"\x08\x02\x00\x00\x00"
    data = chunk(b"IDAT", zlib.compress(b"\x00" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + data + chunk(b"IEND", b"")


def test_pictures_are_taken_as_the_command_line_takes_them(tmp_path):
    files = StudioFiles(tmp_path / "made")
    name = files.add("../../my photo.PNG", png(np.zeros((9, 9, 3), np.uint8)))
    assert name.startswith("my_photo-") and files.input(name).parent == tmp_path / "made" / "inputs"
    assert files.add("my photo.png", png(np.zeros((9, 9, 3), np.uint8))) == name  # kept once
    for data, words in (
        (b"", "is empty"),
        (b"no picture", "is not a picture"),
        (b"%!PS-Adobe-3.0", "PostScript"),
        (png(NOISE)[:600], "damaged or cut short"),
        (bomb(), "more than the 200,000,000 pixels allowed"),
    ):
        with pytest.raises(InputError, match=words) as error:
            files.add("x.png", data)
        assert str(tmp_path) not in str(error.value)
    assert len(list((tmp_path / "made" / "inputs").iterdir())) == 1  # nothing bad is left


def test_links_out_of_the_folder_and_foreign_files_are_no_results(tmp_path):
    files = StudioFiles(tmp_path / "made")
    Image.new("RGB", (8, 8)).save(tmp_path / "made" / "foreign.png")
    (tmp_path / "made" / "text.png").write_text("{}")
    assert files.results() == []
    with pytest.raises(InputError, match="no result"):
        files.result("foreign.png")


def test_what_is_shown_is_made_only_for_those_who_look(studio, monkeypatch):
    made: list[int] = []
    plain = canvas.small
    monkeypatch.setattr(canvas, "small", lambda *rest: made.append(0) or plain(*rest))
    studio.act("begin", {"content": "content.png", "styles": ["waves.png"]})
    until(lambda: studio._session is not None and not studio._is_painting())
    studio.close()
    assert len(made) < 8
