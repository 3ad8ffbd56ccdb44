"""What a result tells: names and hashes, unless it is asked for more or less."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from samples import landscape, waves

from jaxstyle.cli.options.outputs import command_line
from jaxstyle.errors import InputError
from jaxstyle.images import ImageError, read_record, save_image
from jaxstyle.images.exif import without_persons
from jaxstyle.optimize.ending import Ending
from jaxstyle.run.prepare import prepare
from jaxstyle.run.record import parse_record, record_of, without_folders
from jaxstyle.run.replay import prepare_recorded
from jaxstyle.run.result import Stylized
from jaxstyle.run.same_run import difference_from, is_earlier_result, is_made
from jaxstyle.run.start import renamed

SETTINGS: dict[str, Any] = {
    "size": 32, "steps": 2, "levels": 1, "weights": "slim",
    "content_layers": "relu1_1", "style_layers": "relu1_1",
}  # fmt: skip
PERSONAL = [b"Ada Author", b"ada-laptop", b"Ada Owner", b"SN-12345"]
BASE, IFD = ExifTags.Base, ExifTags.IFD


def photograph() -> bytes:
    """EXIF that tells where, by whom and with whose camera."""
    exif = Image.Exif()
    exif[BASE.Artist], exif[BASE.HostComputer] = "Ada Author", "ada-laptop"
    exif[BASE.Copyright], exif[BASE.Model] = "Ada's Pictures Ltd", "Camera 5"
    exif[IFD.Exif] = {BASE.CameraOwnerName: "Ada Owner", BASE.BodySerialNumber: "SN-12345"}
    exif[IFD.GPSInfo] = {1: "N", 2: (52.0, 31.0, 12.0)}
    return exif.tobytes()


@pytest.fixture
def home(tmp_path) -> Path:
    """A folder whose name is nobody's business, with the pictures of a run."""
    folder = tmp_path / "home-of-ada"
    folder.mkdir()
    pixels = np.asarray(landscape(24, 32))
    save_image(folder / "content.jpg", pixels, exif=photograph(), record='{"of": "camera"}')
    save_image(folder / "style.png", np.asarray(waves(24)))
    save_image(folder / "start.png", np.asarray(waves(24, 32)))
    return folder


def result(home: Path, **settings: Any) -> Stylized:
    """A result as a run would leave it, but for its pixels."""
    init = f"content+{home / 'start.png'}:0.5"
    inputs = str(home / "content.jpg"), str(home / "style.png")
    job = prepare(*inputs, init=init, **SETTINGS, **settings)
    assert job.content is not None
    return Stylized(
        image=np.zeros((24, 32, 3), np.float32),
        alpha=None,
        config=job.config,
        terms={},
        loss=0.0,
        steps=2,
        seconds=0.0,
        reason=Ending.STEPS,
        losses=[],
        record=record_of(job),
        exif=job.content.exif,
    )


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif"])
def test_names_and_hashes_by_default(home, tmp_path, ending):
    path = tmp_path / f"out.{ending}"
    result(home).save(path)
    data = path.read_bytes()
    assert not [word for word in (b"home-of-ada", *PERSONAL) if word in data]
    with Image.open(path) as image:
        exif = image.getexif()
        assert not exif.get_ifd(IFD.GPSInfo)
        assert (exif[BASE.Copyright], exif[BASE.Model]) == ("Ada's Pictures Ltd", "Camera 5")
    record = parse_record(read_record(path))
    assert record["inputs"]["content"]["path"] == "content.jpg"
    assert record["inputs"]["init"][0]["path"] == "start.png"
    assert record["config"]["init"] == "content+start.png:0.5"
    assert len(record["inputs"]["styles"][0]["sha256"]) == 64


def test_full_tells_all(home, tmp_path):
    result(home, record="full").save(tmp_path / "out.jpg")
    data = (tmp_path / "out.jpg").read_bytes()
    assert all(word in data for word in PERSONAL)
    record = parse_record(read_record(tmp_path / "out.jpg"))
    assert record["inputs"]["content"]["path"] == str(home / "content.jpg")


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_none_tells_nothing(home, tmp_path, ending):
    result(home, record="none").save(tmp_path / f"out.{ending}")
    data = (tmp_path / f"out.{ending}").read_bytes()
    assert not [word for word in (b"content", b"Camera 5", b"sha256") if word in data]
    with pytest.raises(ImageError, match="has no jaxstyle record"):
        read_record(tmp_path / f"out.{ending}")


def test_inputs_are_found_beside_the_result(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result(home).save(home / "out.png")
    record = parse_record(read_record(home / "out.png"))
    (home / "content.jpg").rename(home / "renamed.jpg")
    job, _ = prepare_recorded(record, home / "out.png")
    assert job.content is not None and job.content.source == str(home / "renamed.jpg")
    assert job.config.init == f"content+{home / 'start.png'}:0.5"
    for name in ("renamed.jpg", "style.png", "start.png"):
        (home / name).rename(tmp_path / f"else-{name}")
    with pytest.raises(InputError, match="is not there: say where it is by --init"):
        prepare_recorded(record, home / "out.png")
    moved = {"content": "else-renamed.jpg", "style": ["else-style.png"], "init": "else-start.png"}
    job, _ = prepare_recorded(record, home / "out.png", **moved)
    assert job.content is not None and job.content.source == "else-renamed.jpg"


def test_other_pictures_of_that_name_are_not_taken(home, tmp_path):
    result(home).save(home / "out.png")
    save_image(home / "content.jpg", np.zeros((24, 32, 3), np.float32))
    with pytest.raises(InputError, match="is not the content picture that was used"):
        prepare_recorded(parse_record(read_record(home / "out.png")), home / "out.png")


def test_a_run_knows_its_results_whatever_they_tell(home, tmp_path):
    for detail in ("names", "full"):
        made = result(home, record=detail)
        made.save(tmp_path / "out.png")
        init = f"content+{home / 'start.png'}:0.5"
        inputs = str(home / "content.jpg"), str(home / "style.png")
        for asked in ("names", "full"):
            job = prepare(*inputs, init=init, record=asked, **SETTINGS)
            assert difference_from(job, json.loads(made.record), their_arrays=None) is None
            assert is_earlier_result(tmp_path / "out.png", job)
            assert is_made(tmp_path / "out.png", job) == (asked == detail)


def test_names_once_bare_stay_so(home):
    record = json.loads(result(home).record)
    assert without_folders(record) == record


def test_a_file_that_is_called_as_an_ingredient():
    assert renamed("a/noise+noise:0.5", lambda path: f"./{path[2:]}") == "./noise+noise:0.5"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["/home/ada/a.jpg", "b/c.jpg:0.7:mask=/home/ada/m.png"], "a.jpg c.jpg:0.7:mask=m.png"),
        (["--axis=style=/home/ada/a.jpg,/srv/b.jpg"], "--axis=style=a.jpg,b.jpg"),
        (["photos/", "-o", "/home/ada/out/"], "photos -o out"),
        (["--init", "content+/home/ada/x.png:0.3"], "--init content+x.png:0.3"),
        (["--style-layers", "conv1_1:1,conv3_1:0.5"], "--style-layers conv1_1:1,conv3_1:0.5"),
    ],
)
def test_commands_without_folders(monkeypatch, words, told):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/jaxstyle", "stylize", *words])
    assert command_line() == f"jaxstyle stylize {told}"
    assert command_line("none") == ""
    assert "/" in command_line("full") or "/" not in "".join(words)


def test_exif_that_is_broken_is_left_out():
    assert without_persons(None) is None
    assert without_persons(b"Exif\0\0nonsense") is None
