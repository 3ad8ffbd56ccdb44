"""Records of strangers: refused in one line, and nothing odd is read for them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import CASES, bounded, json_mutations
from samples import landscape, waves

from jaxstyle.errors import InputError
from jaxstyle.images import save_image
from jaxstyle.run.prepare import prepare
from jaxstyle.run.record import parse_record, record_of
from jaxstyle.run.replay import prepare_recorded, record_to_replay
from jaxstyle.run.same_run import is_earlier_result, is_made

SETTINGS: dict[str, Any] = {
    "size": 32, "steps": 2, "levels": 1, "weights": "slim", "init": "content+start.png:0.5",
    "content_layers": "relu1_1", "style_layers": "relu1_1",
}  # fmt: skip
LIMITS = 2.0, 300 * 2**20


@pytest.fixture
def record(tmp_path, monkeypatch) -> dict[str, Any]:
    """A record with all kinds of inputs, which lie in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAXSTYLE_WEIGHTS", str(tmp_path))
    for name, picture in (("content", landscape(24, 32)), ("style", waves(24, 32))):
        save_image(f"{name}.png", np.asarray(picture))
    save_image("start.png", np.asarray(waves(24, 32))[::-1])
    mask = np.zeros((24, 32, 3), np.float32)
    mask[:, :20] = 1
    save_image("left.png", mask)
    save_image("right.png", 1 - mask)
    styles = ["style.png:0.7:region=1", "content.png:0.3:region=2:mask=left.png"]
    job = prepare(
        ["content.png", "style.png:0.5"],
        styles,
        masks=["left.png", "right.png:2"],
        freeze="right.png",
        note={"command": "jaxstyle stylize"},
        **SETTINGS,
    )
    return json.loads(record_of(job))


def replayed(record: Any) -> None:
    prepare_recorded(parse_record(json.dumps(record)), "out.png")


def refusal(record: Any) -> str:
    with bounded(*LIMITS), pytest.raises(InputError) as said:
        replayed(record)
    assert "\n" not in str(said.value)
    return str(said.value)


def test_a_whole_one_is_taken(record):
    replayed(record)


def test_whatever_is_in_it_the_refusal_is_one_line(record):
    refused = 0
    for number, changed in enumerate(json_mutations(record, seed=16, count=CASES // 3)):
        try:
            with bounded(*LIMITS):
                replayed(changed)
        except InputError:
            refused += 1
        except BaseException as error:
            error.add_note(f"case {number}: {json.dumps(changed)[:3000]}")
            raise
    assert refused > CASES // 12


def test_whatever_is_in_a_picture_it_is_no_result_of_ours(record):
    job = prepare("content.png", "style.png", **SETTINGS)
    for number, changed in enumerate(json_mutations(record, seed=17, count=CASES // 10)):
        save_image("made.png", np.zeros((4, 4, 3), np.float32), record=json.dumps(changed))
        try:
            assert not is_made(Path("made.png"), job)
            assert not is_earlier_result("made.png", job)
        except BaseException as error:
            error.add_note(f"case {number}: {json.dumps(changed)[:3000]}")
            raise


@pytest.mark.parametrize("kind", ["endless", "device", "pipe", "huge", "folder", "NUL"])
def test_nothing_but_files_is_read_for_it(record, kind):
    os.mkfifo("pipe")
    with open("huge", "wb") as file:
        file.truncate(2**40)
    path = {
        "endless": "/proc/self/pagemap",
        "device": "/dev/zero",
        "pipe": "pipe",
        "huge": "huge",
        "folder": "/",
        "NUL": "a\0b",
    }[kind]
    missing = {"path": path, "sha256": "0" * 64}
    assert "is not there" in refusal({**record, "inputs": {**record["inputs"], "content": missing}})
    with bounded(*LIMITS), pytest.raises(InputError, match="is no file"):
        prepare_recorded(record, "out.png", content=path)
    os.mkdir("weights")
    config = {**record["config"], "weights": path}
    assert refusal({**record, "config": config})


def test_a_picture_that_init_names_needs_its_hash(record):
    record["config"]["init"] = "content+style.png:0.5"
    assert "lacks the hash of style.png" in refusal(record)


def test_the_picture_itself_may_be_none(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/proc/self/pagemap", "/dev/zero", tmp_path):
        with bounded(*LIMITS), pytest.raises(InputError, match="cannot read a record"):
            record_to_replay(path)
